"""Calibration pulses: rectangles whose height is 1 mV."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cardiograph.ecg.digitize.ink import Ink, Stroke
from cardiograph.ecg.digitize.rectified import PIXELS_PER_MM

GAINS = (2.5, 5.0, 10.0, 20.0)
"""Gains that electrocardiographs print, mm/mV."""

GAIN_TOLERANCE = 0.12
MIN_WIDTH_MM, MAX_WIDTH_MM = 1.5, 11.0


@dataclass(frozen=True)
class Pulse:
    """A calibration pulse.

    Args:
        left: Left side, rectified pixels.
        right: Right side, rectified pixels.
        top: Height of its roof, pixels from the top.
        bottom: Height of its feet, pixels from the top.
    """

    left: float
    right: float
    top: float
    bottom: float

    @property
    def height_mm(self) -> float:
        """Height in millimetres."""
        return (self.bottom - self.top) / PIXELS_PER_MM


def find_pulses(ink: Ink) -> tuple[Pulse, ...]:
    """Find pairs of vertical lines of one height that a horizontal line joins at the top."""
    strokes = sorted(ink.strokes, key=lambda stroke: stroke.x)
    pulses = []
    for number, left in enumerate(strokes):
        for right in strokes[number + 1 :]:
            wide = right.x - left.x
            if wide > MAX_WIDTH_MM * PIXELS_PER_MM:
                break
            if wide >= MIN_WIDTH_MM * PIXELS_PER_MM and _is_pulse(ink, left, right):
                pen = (left.width + right.width) / 2
                top, bottom = (left.top + right.top + pen) / 2, (left.bottom + right.bottom - pen) / 2
                pulses.append(Pulse(left.x, right.x, top, bottom))
                break
    return tuple(pulses)


def _is_pulse(ink: Ink, left: Stroke, right: Stroke) -> bool:
    tolerance = 0.6 * PIXELS_PER_MM
    if abs(left.top - right.top) > tolerance or abs(left.bottom - right.bottom) > 2 * tolerance:
        return False
    first, last = round(left.x + left.width / 2) + 2, round(right.x - right.width / 2) - 1
    roof = ink.mask[max(round(left.top) - 3, 0) : round(left.top) + round(left.width) + 4, first:last]
    return roof.size > 0 and bool(roof.any(axis=0).mean() > 0.8)


def gain_of(pulses: tuple[Pulse, ...]) -> float | None:
    """Return the gain in mm/mV that the calibration pulses show, or None if there are none of a usual height."""
    if not pulses:
        return None
    height = float(np.median([pulse.height_mm for pulse in pulses]))
    nearest = min(GAINS, key=lambda gain: abs(gain / height - 1))
    return nearest if abs(nearest / height - 1) <= GAIN_TOLERANCE else None
