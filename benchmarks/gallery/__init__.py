"""Pictures that are no ECG page, made offline: found in installed packages, or drawn here."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from zlib import crc32

import numpy as np

from gallery import drawn, found, fresh, lookalikes, papers, plotted, texts, unseen
from gallery.source import Pixels, Source


@dataclass(frozen=True)
class Picture:
    """One picture of the gallery.

    Args:
        kind: Family, such as ``text`` or ``plot``.
        source: Recipe or file; all pictures of a source are in the same half.
        half: ``tuning``, ``scoring``, ``fresh`` for what was made after the first limits, or ``unseen``.
        number: Number of the picture within its source.
        pixels: [h, w, 3] RGB.
    """

    kind: str
    source: str
    half: str
    number: int
    pixels: Pixels


def other_pictures() -> Iterator[Picture]:
    """Every picture that is counted; the sources of a kind alternate between the halves."""
    yield from _pictures({**found.KINDS, **texts.KINDS, **papers.KINDS, **plotted.KINDS, **drawn.KINDS})


def fresh_pictures() -> Iterator[Picture]:
    """Recipes of their own, made after the first limits."""
    yield from (replace(picture, half="fresh") for picture in _pictures(fresh.KINDS))


def further_pictures() -> Iterator[Picture]:
    """As many further copies of the recipes of :func:`other_pictures`, in their halves, drawn with other chances."""
    yield from _pictures({**texts.KINDS, **papers.KINDS, **plotted.KINDS, **drawn.KINDS}, further=True)


def unseen_pictures() -> Iterator[Picture]:
    """Recipes that no limit was chosen with."""
    yield from (replace(picture, half="unseen") for picture in _pictures(unseen.KINDS))


def look_alikes() -> Iterator[Picture]:
    """Records of other signals on the paper of an ECG: listed separately, not counted."""
    yield from _pictures(lookalikes.KINDS)


def _pictures(kinds: dict[str, tuple[Source, ...]], *, further: bool = False) -> Iterator[Picture]:
    for kind, sources in kinds.items():
        for place, source in enumerate(sources):
            half = "scoring" if place % 2 else "tuning"
            for number in range(source.copies * further, source.copies * (1 + further)):
                rng = np.random.default_rng([crc32(f"{kind} {source.name}".encode()), number])
                yield Picture(kind, source.name, half, number, source.draw(rng))
