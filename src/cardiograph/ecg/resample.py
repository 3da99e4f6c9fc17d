"""Change of the sampling rate of a signal with gaps."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

MAX_FACTOR = 2000
"""Largest numerator or denominator of the ratio of two rates."""


def resample(signal: NDArray[np.float32], rate: float, new_rate: float) -> NDArray[np.float32]:
    """Resample each run of recorded samples by a polyphase filter; the gaps keep their place in time.

    Args:
        signal: [leads, samples] float32, NaN where nothing was recorded.
        rate: Sampling rate in Hz.
        new_rate: Wanted sampling rate in Hz.

    Returns:
        [leads, round(samples * new_rate / rate)] float32.
    """
    from scipy.signal import resample_poly

    ratio = Fraction(new_rate / rate).limit_denominator(MAX_FACTOR)
    length = max(round(signal.shape[1] * new_rate / rate), 1)
    out = np.full((len(signal), length), np.nan, dtype=np.float32)
    for row, target in zip(signal, out, strict=True):
        for start, stop in runs_of(np.isfinite(row)):
            # the filter sees the run's own mean as its surroundings, so that an offset does not ring at the ends
            part = row[start:stop].astype(np.float64)
            level = (part[0] + part[-1]) / 2
            new = resample_poly(part - level, ratio.numerator, ratio.denominator) + level
            first = round(start * new_rate / rate)
            new = new[: min(max(round(stop * new_rate / rate) - first, 1), length - first)]
            target[first : first + len(new)] = new
    return out


def runs_of(mask: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Return start and end (exclusive) of each run of True in a one-dimensional mask."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], mask, [False]])))
    return [(int(start), int(stop)) for start, stop in edges.reshape(-1, 2)]
