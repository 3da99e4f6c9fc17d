"""Huffman decoding of SCP-ECG samples.

Source: EN 1064:2005, 5.5 and annex C.
"""

from __future__ import annotations

import functools
import struct
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cardiograph.ecg.readers.source import EcgSource

_DEFAULT_TABLE = 19999
_WINDOW = 16
"""Longest prefix and longest literal that are read, in bits; the standard table needs 10 and 16."""

MAX_TABLES, MAX_CODES = 8, 1024


@dataclass(frozen=True)
class HuffmanCode:
    """One code: its prefix, first bit most significant, and what it means.

    Args:
        prefix: Value of the prefix.
        bits: Number of bits of the prefix.
        literal: Number of bits of a signed number that follows; 0 if the code stands for ``value``.
        value: Sample, or the number of a table, from 1.
        switches: Whether the code switches to another table.
    """

    prefix: int
    bits: int
    literal: int
    value: int
    switches: bool = False


HuffmanTable = list[HuffmanCode | None]
"""Code for each value of the next 16 bits."""


def huffman_tables(source: EcgSource, section: bytes) -> list[HuffmanTable]:
    """Read section 2.

    Raises:
        EcgError: If the tables are damaged or larger than any real one.
    """
    number = struct.unpack_from("<H", section)[0]
    if number == _DEFAULT_TABLE:
        return [default_table()]
    if not 0 < number <= MAX_TABLES:
        source.refuse("damaged", f"it announces {number} Huffman tables", "export the file again")
    tables, position = [], 2
    for _ in range(number):
        count = struct.unpack_from("<H", section, position)[0]
        position += 2
        if count > MAX_CODES:
            source.refuse("too_large", f"a Huffman table announces {count} codes", "export the file again")
        codes = []
        for _ in range(count):
            bits, total, mode, value, stored = struct.unpack_from("<BBBhI", section, position)
            position += 9
            if not 1 <= bits <= _WINDOW or not 0 <= total - bits <= _WINDOW:
                source.refuse("unsupported", f"a Huffman code has {bits} of {total} bits", "export the file again")
            prefix = int(f"{stored % 2**bits:0{bits}b}"[::-1], 2)  # the first bit is stored as the lowest
            codes.append(HuffmanCode(prefix, bits, total - bits, value, mode == 0))
        tables.append(_expand(codes))
    return tables


@functools.cache
def default_table() -> HuffmanTable:
    """Return the standard table: 0 is one bit, -8 to 8 are 3 to 10 bits, other values follow a prefix of 10 bits."""
    codes = [HuffmanCode(0, 1, 0, 0), HuffmanCode(0b1111111110, 10, 8, 0), HuffmanCode(0b1111111111, 10, 16, 0)]
    for size in range(1, 9):
        ones = (1 << size) - 1
        codes.append(HuffmanCode(ones << 2, size + 2, 0, size))
        codes.append(HuffmanCode(ones << 2 | 1, size + 2, 0, -size))
    return _expand(codes)


def _expand(codes: list[HuffmanCode]) -> HuffmanTable:
    table: HuffmanTable = [None] * (1 << _WINDOW)
    for code in codes:
        shift = _WINDOW - code.bits
        table[code.prefix << shift : (code.prefix + 1) << shift] = [code] * (1 << shift)
    return table


def decode_huffman(source: EcgSource, data: bytes, count: int, tables: list[HuffmanTable]) -> NDArray[np.int64]:
    """Decode ``count`` values.

    Raises:
        EcgError: If the data end early or hold an unknown code.
    """
    words = _windows(data)
    end = 8 * len(data)
    values = [0] * min(count, end)
    table, position, done = tables[0], 0, 0
    while done < count:
        code = table[words[position]] if position < end else None
        if code is None:
            source.refuse("truncated", f"a lead ends after {done} of {count} samples", "copy the file again")
        position += code.bits
        if code.switches:
            if not 1 <= code.value <= len(tables):
                source.refuse("damaged", f"it refers to Huffman table {code.value}", "copy the file again")
            table = tables[code.value - 1]
            continue
        value = code.value
        if code.literal:
            if position + code.literal > end:
                source.refuse("truncated", f"a lead ends after {done} of {count} samples", "copy the file again")
            number = words[position] >> (_WINDOW - code.literal)
            value += number - (1 << code.literal if number >> (code.literal - 1) else 0)
            position += code.literal
        if done == len(values):
            source.refuse("truncated", f"a lead ends after {done} of {count} samples", "copy the file again")
        values[done] = value
        done += 1
    return np.array(values, dtype=np.int64)


def _windows(data: bytes) -> list[int]:
    """Return the 16 bits that begin at each bit of the data, followed by zeros."""
    padded = np.frombuffer(data + b"\0\0\0", dtype=np.uint8).astype(np.uint32)
    triples = padded[:-2] << 16 | padded[1:-1] << 8 | padded[2:]
    shifts = np.arange(8, 0, -1, dtype=np.uint32)
    windows: list[int] = (triples[:, None] >> shifts & 0xFFFF).ravel().tolist()
    return windows
