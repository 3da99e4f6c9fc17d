"""Checks for damage that Pillow ignores: warnings of libjpeg, checksums of PNG chunks, missing rows."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator

_REDUCTION = 8
"""Factor by which a JPEG is reduced for its check: all of its data are still decoded, at half the cost."""


def check_jpeg(content: bytes) -> None:
    """Raise ``ValueError`` if libjpeg warns of damaged data, which Pillow decodes without an error."""
    import simplejpeg

    simplejpeg.decode_jpeg(content, "GRAY", min_height=1, min_width=1, min_factor=_REDUCTION, strict=True)


def check_png(content: bytes) -> None:
    """Raise ``ValueError``, ``struct.error`` or ``zlib.error`` if a PNG is damaged or lacks rows."""
    _check_png_sums(content)
    _check_png_rows(content)


def _chunks(content: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Yield the name of each PNG chunk, and the start and end of its data."""
    position = 8
    while position + 8 <= len(content):
        length, name = struct.unpack_from(">I4s", content, position)
        yield name, position + 8, position + 8 + length
        position += length + 12


def _check_png_sums(content: bytes) -> None:
    """Raise ``ValueError`` if a critical chunk does not match its checksum.

    Source: PNG specification (W3C, third edition), 5.3; the names of critical chunks begin with a capital letter.
    """
    data = memoryview(content)
    for name, start, end in _chunks(content):
        if name[:1].isupper() and zlib.crc32(data[start - 4 : end]) != struct.unpack_from(">I", content, end)[0]:
            message = f"checksum of {name!r}"
            raise ValueError(message)


def _check_png_rows(content: bytes) -> None:
    """Raise ``ValueError`` if the image data of a PNG holds fewer rows than its header states.

    Pillow fills such rows with black. Source: PNG specification (W3C, third edition), 7.2 and 8.1 (passes of Adam7).
    """
    width, height, depth, colour, _, _, interlaced = struct.unpack(">IIBBBBB", content[16:29])
    bits = depth * {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[colour]
    steps = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)]
    expected = 0
    for left, top, across, down in steps if interlaced else [(0, 0, 1, 1)]:
        columns, rows = -(-(width - left) // across), -(-(height - top) // down)
        expected += rows * (1 + -(-columns * bits // 8)) if columns > 0 else 0
    found, unpack = 0, zlib.decompressobj()
    for name, start, end in _chunks(content):
        if name == b"IDAT":
            waiting = content[start:end]
            while waiting and found < expected:
                found += len(unpack.decompress(waiting, 1 << 20))  # in parts: a malicious file may unpack to gigabytes
                waiting = unpack.unconsumed_tail
    if found < expected:
        message = f"{found} of {expected} bytes of image data"
        raise ValueError(message)


def check_bmp(content: bytes) -> None:
    """Raise ``ValueError`` if an uncompressed BMP ends before its last row.

    Source: Microsoft, ``BITMAPINFOHEADER``; each row is padded to a multiple of four bytes.
    """
    (start,) = struct.unpack_from("<I", content, 10)
    size, width, height, _, bits, packing = struct.unpack_from("<IiiHHI", content, 14)
    if size < 40 or packing not in (0, 3):  # the oldest header, or run-length encoding: Pillow checks their end itself
        return
    if start + abs(height) * ((width * bits + 31) // 32 * 4) > len(content):
        message = "rows are missing"
        raise ValueError(message)
