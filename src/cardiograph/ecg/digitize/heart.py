"""Evidence that the rows of a page are leads of one heart: they beat at the same times, or one repeats its beat."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cardiograph.ecg.digitize.rectified import PIXELS_PER_MM

FLANK = 3
"""Half of the distance over which steepness is measured, columns: 30 ms on paper at 25 mm/s, the flank of a QRS complex."""

SMOOTHED = 9
"""Columns over which steepness is averaged: 45 ms, about half a QRS complex."""

MIN_COMMON = 25 * PIXELS_PER_MM
"""Least part that two rows must share, columns: 1 s."""

MIN_APART = 5 * PIXELS_PER_MM
"""Least distance of two beats, columns: 0.2 s, the refractory period of the ventricles."""

REACH, SHIFT = 16, 8
"""Columns on both sides of a beat that are compared (80 ms, a broad QRS complex), and by which it may be shifted."""

MIN_BEATS, ALIKE = 3, 0.85
"""Least number of beats of a single row, and least correlation of a beat with the usual one."""

MAX_STEEP_SHARE, MAX_NAMED_SHARE, MANY_BEATS = 0.35, 0.55, 10
"""Greatest share of the columns that are steep in a single row; QRS complexes of 0.16 s at 120 a minute take 0.32. And the
share in a row with a printed name that shows so many beats."""

_Floats = NDArray[np.float64]


def beats_together(rows: list[_Floats]) -> float:
    """Return how well the steep parts of the rows coincide, as QRS complexes do in simultaneous leads.

    Args:
        rows: [columns] height of the line of each row, pixels; NaN where there is none.

    Returns:
        Median of :func:`togetherness` over the rows; about 0 for unrelated rows and for fewer than two.
    """
    return float(np.median(togetherness(rows)))


def togetherness(rows: list[_Floats]) -> _Floats:
    """Return the best correlation of the steepness of each row with that of another row, [rows], -1..1."""
    steep = [np.sqrt(steepness(row)) for row in rows]
    return np.array(
        [max((_correlation(one, other) for other in steep if other is not one), default=0.0) for one in steep]
    )


def steepness(row: _Floats) -> _Floats:
    """Return the smoothed change of a line within 30 ms, pixels; NaN where the line is not known."""
    change = np.full(len(row), np.nan)
    change[FLANK:-FLANK] = np.abs(row[2 * FLANK :] - row[: -2 * FLANK])
    known, kernel = np.isfinite(change), np.ones(SMOOTHED)
    number = np.convolve(known, kernel, "same")
    total = np.convolve(np.where(known, change, 0), kernel, "same")
    return np.where(number > SMOOTHED / 2, total / np.maximum(number, 1), np.nan)


def _correlation(one: _Floats, other: _Floats) -> float:
    both = np.isfinite(one) & np.isfinite(other)
    if both.sum() < MIN_COMMON or min(np.ptp(one[both]), np.ptp(other[both])) == 0:
        return 0.0
    return float(np.corrcoef(one[both], other[both])[0, 1])


def repeats_a_beat(row: _Floats, *, named: bool = False) -> bool:
    """Return whether a line shows at least three narrow, steep waves, most of which are alike.

    Args:
        row: [columns] height of the line, pixels; NaN where there is none.
        named: Whether the name of the lead is printed at the line. Low QRS complexes are hardly steeper than T waves: then
            the waves may take more of the line, if there are many.
    """
    steep = np.nan_to_num(steepness(row))
    limit = float(np.percentile(steep[np.isfinite(row)], 99)) / 2
    share = float((steep[np.isfinite(row)] > limit / 1.5).mean())
    if share > (MAX_NAMED_SHARE if named else MAX_STEEP_SHARE):
        return False
    beats = _windows(row, steep, limit)
    needed = max(MIN_BEATS if share <= MAX_STEEP_SHARE else MANY_BEATS, len(beats) / 2)
    return any(sum(_alike(beat[SHIFT:-SHIFT], other) for other in beats) >= needed for beat in beats)


def _windows(row: _Floats, steep: _Floats, limit: float) -> list[_Floats]:
    """Return the line around each steep place."""
    left, reach = steep.copy(), REACH + SHIFT
    found = []
    while left.max() > limit:
        at = int(left.argmax())
        left[max(at - MIN_APART, 0) : at + MIN_APART] = 0
        window = row[max(at - reach, 0) : at + reach + 1]
        if len(window) == 2 * reach + 1 and np.isfinite(window).all():
            found.append(window)
    return found


def _alike(beat: _Floats, other: _Floats) -> bool:
    """Return whether a beat has the shape and about the height of the beat in a longer window, at the best shift."""
    shifted = np.lib.stride_tricks.sliding_window_view(other, len(beat))
    shifted = shifted - shifted.mean(axis=1, keepdims=True)
    centred = beat - beat.mean()
    likeness = shifted @ centred / np.maximum(np.linalg.norm(shifted, axis=1) * np.linalg.norm(centred), 1e-9)
    best = int(likeness.argmax())
    return bool(likeness[best] >= ALIKE and 0.5 < np.ptp(shifted[best]) / np.ptp(beat) < 2)
