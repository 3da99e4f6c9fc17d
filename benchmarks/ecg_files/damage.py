"""Damaged copies of a file."""

from __future__ import annotations

import re
from collections.abc import Iterator

import numpy as np

BOMB = b'<!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;"><!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;">]>'
NUMBERS = (b"0", b"-1", b"99999999999", b"4294967295", b"1e308", b"nan", b"")


def damaged(content: bytes, number: int, *, seed: int = 0) -> Iterator[tuple[str, bytes]]:
    """Yield ``number`` damaged copies with the kind of damage: cut, flipped bytes, wrong counts, absurd sizes, bombs."""
    rng = np.random.default_rng(seed)
    kinds = (_cut, _flip, _flip_head, _count, _size, _bomb if content.lstrip()[:1] == b"<" else _repeat)
    for index in range(number):
        kind = kinds[index % len(kinds)]
        yield kind.__name__.strip("_"), kind(content, rng)


def _cut(content: bytes, rng: np.random.Generator) -> bytes:
    return content[: int(rng.integers(1, len(content)))]


def _flip(content: bytes, rng: np.random.Generator) -> bytes:
    copy = bytearray(content)
    for place in rng.integers(0, len(copy), int(rng.integers(1, 40))):
        copy[place] ^= int(rng.integers(1, 256))
    return bytes(copy)


def _flip_head(content: bytes, rng: np.random.Generator) -> bytes:
    head = min(len(content), 2000)
    return _flip(content[:head], rng) + content[head:]


def _count(content: bytes, rng: np.random.Generator) -> bytes:
    """Replace a number that is written in text, or else two bytes near the beginning."""
    found = [*re.finditer(rb"(?<![\w.])\d+(?![\w.])", content[:6000])]
    if not found:
        return _size(content, rng)
    place = found[int(rng.integers(len(found)))]
    return content[: place.start()] + NUMBERS[int(rng.integers(len(NUMBERS)))] + content[place.end() :]


def _size(content: bytes, rng: np.random.Generator) -> bytes:
    place = int(rng.integers(0, min(len(content), 4000)))
    return content[:place] + bytes([255, 255, 255, 127]) + content[place + 4 :]


def _repeat(content: bytes, rng: np.random.Generator) -> bytes:
    begin, end = sorted(rng.integers(0, len(content), 2).tolist())
    return content[:end] + content[begin:]


def _bomb(content: bytes, rng: np.random.Generator) -> bytes:
    head, tag, rest = content.partition(b"?>")
    if not tag:
        return BOMB + content
    text = re.sub(rb"<!DOCTYPE[^>]*>", b"", rest)
    place = text.find(b">", int(rng.integers(len(text) // 2))) + 1
    return head + tag + BOMB + text[:place] + b"&c;" + text[place:]
