"""Other signals on the paper of an ECG: the hardest pictures, and not part of the figure to be reached."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from gallery.papers import BLUE, BLUE2, GREEN, GREEN2, ORANGE, ORANGE2, PAGE, PINK, PINK2, squared
from gallery.plotted import alpha_rhythm, breathing, earthquake, pulse, speech
from gallery.source import Curve, Pixels, Source, scanned, smooth

PAPERS = ((PINK, PINK2), (ORANGE, ORANGE2), (GREEN, GREEN2), (BLUE, BLUE2))


def _strip(wave: Callable[[np.random.Generator, int], Curve], rows: int, name: str) -> Source:
    def draw(rng: np.random.Generator) -> Pixels:
        fine, bold = PAPERS[int(rng.integers(4))]
        image, pen = squared(PAGE, float(rng.uniform(3.8, 5)), fine, bold=bold)
        step = 740 / rows
        for row in range(rows):
            y = 20 + step * (row + 0.5) - 0.35 * step * wave(rng, 1040)
            pen.line(list(zip(30 + np.arange(1040), y, strict=True)), fill=(15, 15, 20), width=2)
        return scanned(image, rng)

    return Source(name, draw, 3)


def _foetal(rng: np.random.Generator, size: int) -> Curve:
    return 0.5 * smooth(rng, size, 60) + 0.12 * smooth(rng, size, 2)


def _flat(rng: np.random.Generator, size: int) -> Curve:
    return 0.01 * smooth(rng, size, 5)


def _nerve(rng: np.random.Generator, size: int) -> Curve:
    at = np.arange(size) - 250
    return 0.05 * smooth(rng, size, 4) + 0.9 * np.exp(-((at / 40) ** 2)) * np.cos(at / rng.uniform(20, 40))


KINDS = {
    "other signal on ECG paper": (
        _strip(alpha_rhythm, 12, "EEG-like, 12 channels"),
        _strip(alpha_rhythm, 4, "EEG-like, 4 channels"),
        _strip(earthquake, 3, "seismogram"),
        _strip(speech, 4, "muscle (EMG)"),
        _strip(breathing, 3, "breathing"),
        _strip(pulse, 3, "pulse"),
        _strip(_foetal, 2, "foetal heart rate (CTG)"),
        _strip(_flat, 4, "flat lines"),
        _strip(_nerve, 3, "nerve conduction"),
        _strip(breathing, 1, "breathing, one row"),
    ),
}
