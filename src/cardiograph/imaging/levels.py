"""Percentiles of 8-bit tones from their histogram: nothing is sorted."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def percentiles(tones: NDArray[np.uint8], low: float, high: float) -> tuple[float, float]:
    """Two percentiles, to the last digit those of ``np.percentile``.

    Args:
        tones: Any shape, at least one value.
        low: In per cent.
        high: In per cent.
    """
    reached = np.cumsum(np.bincount(tones.ravel(), minlength=256))
    first, second = (_at(reached, share / 100 * (tones.size - 1)) for share in (low, high))
    return first, second


def _at(reached: NDArray[np.int64], place: float) -> float:
    """The value at a place between two of the values in order."""
    below = int(place)
    before, after = np.searchsorted(reached, [below, min(below + 1, reached[-1] - 1)], side="right").tolist()
    share = place - below
    # from the nearer end, as numpy has it: its rounding is part of the versions of page, hash and gate
    if share < 0.5:
        return float(before + (after - before) * share)
    return float(after - (after - before) * (1 - share))
