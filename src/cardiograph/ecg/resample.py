"""Change of the sampling rate of a signal with gaps."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from functools import lru_cache

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
    low_pass = _low_pass(max(ratio.numerator, ratio.denominator))
    out = np.full((len(signal), length), np.nan, dtype=np.float32)
    for rows, start, stop in _blocks(signal):
        # the filter sees the run's own mean as its surroundings, so that an offset does not ring at the ends
        part = signal[rows, start:stop].astype(np.float64)
        level = (part[:, :1] + part[:, -1:]) / 2
        new = resample_poly(part - level, ratio.numerator, ratio.denominator, axis=1, window=low_pass) + level
        first = round(start * new_rate / rate)
        new = new[:, : min(max(round(stop * new_rate / rate) - first, 1), length - first)]
        out[rows, first : first + new.shape[1]] = new
    return out


def _blocks(signal: NDArray[np.float32]) -> Iterator[tuple[slice, int, int]]:
    """Yield rows, start and end (exclusive) of recorded samples: all rows at once if there is no gap."""
    recorded = np.isfinite(signal)
    if recorded.all() and signal.size:
        yield slice(None), 0, signal.shape[1]
        return
    for row, mask in enumerate(recorded):
        for start, stop in runs_of(mask):
            yield slice(row, row + 1), start, stop


@lru_cache(maxsize=16)
def _low_pass(factor: int) -> NDArray[np.float64]:
    """Return the filter that ``scipy.signal.resample_poly`` would design again for every call, and ignores for factor 1."""
    from scipy.signal import firwin

    if factor == 1:
        return np.ones(1)

    return np.asarray(firwin(20 * factor + 1, 1 / factor, window=("kaiser", 5.0)))


def runs_of(mask: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Return start and end (exclusive) of each run of True in a one-dimensional mask."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], mask, [False]])))
    return [(int(start), int(stop)) for start, stop in edges.reshape(-1, 2)]
