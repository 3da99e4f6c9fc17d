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


def pdf_bomb(*, depth: int, fan: int) -> bytes:
    """A PDF whose page draws a form that draws the next one ``fan`` times, and so on: ``fan ** (depth - 1)`` lines."""
    box = b"/MediaBox [0 0 600 400]"
    form = b"/Resources << /XObject << /F %d 0 R >> >>"
    page = b"<< /Type /Page /Parent 2 0 R %s /Contents 4 0 R %s >>" % (box, form % 5)
    objects = [b"<< /Type /Catalog /Pages 2 0 R >>", b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>", page]
    objects.append(b"<< /Length 6 >>\nstream\n/F Do \nendstream")
    for level in range(depth):
        last = level == depth - 1
        drawing = b"0 0 m 10 10 l S " if last else b"/F Do " * fan
        head = b"/Type /XObject /Subtype /Form /BBox [0 0 600 400] " + (b"" if last else form % (6 + level))
        objects.append(b"<< %s /Length %d >>\nstream\n%s\nendstream" % (head, len(drawing), drawing))
    content, places = b"%PDF-1.4\n", []
    for number, each in enumerate(objects, 1):
        places.append(len(content))
        content += b"%d 0 obj\n%s\nendobj\n" % (number, each)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    end = b"xref\n0 %d\n0000000000 65535 f \n%s" % (len(objects) + 1, table)
    trailer = b"trailer << /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF" % (len(objects) + 1, len(content))
    return content + end + trailer
