"""Calibration pulses: rectangles whose height is 1 mV."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cardiograph.ecg.digitize.rectified import PIXELS_PER_MM

GAINS = (2.5, 5.0, 10.0, 20.0)
"""Gains that electrocardiographs print, mm/mV."""

GAIN_TOLERANCE = 0.12
MIN_STEP_MM = 3.0
BENT_MM = 6.0
"""Distance of the pulses of two rows along them at most, if their height is that of a gain: a bent sheet shifts its rows."""

MAX_SLOPE, MAX_ROUGH = 0.2, 2.0
"""Greatest slope of the roof of a pulse, and distance from a line within which 90 % of it lie, pixels."""

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


def pulses_in_traces(rows: list[NDArray[np.float64]]) -> tuple[Pulse, ...]:
    """Find calibration pulses with sloping sides, or cut off by the edge of the page, in the lines of the rows.

    Args:
        rows: [columns] height of the line of each row, pixels from the top; NaN where there is none.

    Returns:
        Pulses that at least two rows, or a third of them, show at one place; of a single row, those with the height of a
        gain.
    """
    found = [_plateaus(row) for row in rows]
    needed = max(2, len(rows) // 3)

    def confirmed(pulse: Pulse) -> bool:
        if len(rows) == 1:
            return _is_usual(pulse.height_mm)
        return needed <= sum(any(_alike(pulse, other) for other in others) for others in found)

    return tuple(pulse for pulses in found for pulse in pulses if confirmed(pulse))


def _alike(one: Pulse, other: Pulse) -> bool:
    height = abs((one.bottom - one.top) - (other.bottom - other.top))
    reach = BENT_MM * PIXELS_PER_MM if _is_usual(one.height_mm) and _is_usual(other.height_mm) else 6
    return max(abs(one.left - other.left), abs(one.right - other.right)) <= reach and height <= 1.5 * PIXELS_PER_MM


def _is_usual(height_mm: float) -> bool:
    return any(abs(gain / height_mm - 1) <= GAIN_TOLERANCE for gain in GAINS)


def _plateaus(row: NDArray[np.float64]) -> list[Pulse]:
    """Return flat pieces near the ends of a line, at least 3 mm above what follows or precedes."""
    there = np.flatnonzero(np.isfinite(row))
    if len(there) < 40:
        return []
    first, last = int(there[0]), int(there[-1])
    step = np.full(len(row), 0.0)
    step[5:] = np.nan_to_num(row[5:] - row[:-5])
    up = [first, *_steps(step < -MIN_STEP_MM * PIXELS_PER_MM, np.abs(step))]
    down = [*_steps(step > MIN_STEP_MM * PIXELS_PER_MM, np.abs(step)), last]
    reach = 20 * PIXELS_PER_MM
    pulses = []
    for left in up:
        for right in down:
            narrow, wide = MIN_WIDTH_MM * PIXELS_PER_MM, MAX_WIDTH_MM * PIXELS_PER_MM
            near_end = right < first + reach or left > last - reach
            if not narrow <= right - left <= wide or not near_end or (left == first and right == last):
                continue
            roof = row[left + 4 : right - 6]
            if len(roof) < 6 or not np.isfinite(roof).all() or not _is_flat(roof):
                continue
            feet = [row[at] for at in (left - 7, right + 3) if first < at < last and np.isfinite(row[at])]
            if feet and min(feet) - np.median(roof) > MIN_STEP_MM * PIXELS_PER_MM:
                pulses.append(Pulse(left - 3, right, float(np.median(roof)), float(np.mean(feet))))
    return pulses


def _is_flat(roof: NDArray[np.float64]) -> bool:
    """Return whether a roof is straight and nearly level; a bent sheet tilts it."""
    along = np.arange(len(roof)) - (len(roof) - 1) / 2
    slope = float(along @ roof / (along @ along))
    rough = np.percentile(np.abs(roof - np.median(roof) - slope * along), 90)
    return abs(slope) <= MAX_SLOPE and bool(rough <= MAX_ROUGH)


def _steps(steep: NDArray[np.bool_], size: NDArray[np.float64]) -> list[int]:
    """Return the middle of each run of steep columns."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], steep.astype(np.int8), [0]])))
    return [int(first + np.argmax(size[first:last])) for first, last in zip(edges[::2], edges[1::2], strict=True)]


def gain_of(pulses: tuple[Pulse, ...]) -> float | None:
    """Return the gain in mm/mV that the calibration pulses show, or None if there are none of a usual height."""
    if not pulses:
        return None
    height = float(np.median([pulse.height_mm for pulse in pulses]))
    nearest = min(GAINS, key=lambda gain: abs(gain / height - 1))
    return nearest if abs(nearest / height - 1) <= GAIN_TOLERANCE else None
