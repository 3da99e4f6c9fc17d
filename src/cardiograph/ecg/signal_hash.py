"""Perceptual hash of the leads of an ECG, by which a recording and a scan of its printout are found to be copies."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from cardiograph.ecg.draw.paper import STANDARD_ROWS
from cardiograph.ecg.leads import LEADS

BINS: Final = 128
"""Bins of 20 ms in the 2.5 s of a lead; twelve leads give the 1536 values of a hash of a page."""


def signal_hash(shown: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Compute the hash of what a standard page of 3 x 4 leads would show.

    Each lead counts only in its own quarter of the time, so that a page of this layout and the recording have the same
    hash. Copies have a distance (1 - correlation, see :func:`cardiograph.imaging.hashing.near_copy_distance`) below
    0.05: at most 0.02 between 30 recordings of LUDB and their digitised printouts, and at least 0.22 between different
    recordings (700 of PTB-XL, 357 shared pages).

    Args:
        shown: [12, samples] float64 in mV, ten seconds, NaN where nothing was recorded.

    Returns:
        [1536] uint8 with mean 128.
    """
    columns = list(zip(*STANDARD_ROWS[:-1], strict=True))
    values = np.zeros((len(LEADS), BINS))
    bounds = np.linspace(0, shown.shape[1], len(columns) + 1).round().astype(int)
    for column, start, stop in zip(columns, bounds[:-1], bounds[1:], strict=True):
        numbers = [LEADS.index(lead) for lead in column]
        values[numbers] = _smoothed_bins(shown[numbers, start:stop])
    values -= np.median(values, axis=1, keepdims=True)
    spread = float(values.std())
    levels = 128 + 32 * values / spread if spread > 0 else np.full_like(values, 128)
    return np.asarray(np.clip(np.round(levels), 0, 255), np.uint8).ravel()


def _smoothed_bins(leads: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the means of the recorded samples in 128 bins of each lead, smoothed over three bins; 0 in an empty bin."""
    edges = np.linspace(0, leads.shape[1], BINS + 1).round().astype(int)
    recorded = np.isfinite(leads)
    total, count = (np.zeros((len(leads), leads.shape[1] + 1)) for _ in range(2))
    np.cumsum(np.where(recorded, leads, 0.0), axis=1, out=total[:, 1:])
    np.cumsum(recorded, axis=1, out=count[:, 1:])
    means = np.diff(total[:, edges]) / np.maximum(np.diff(count[:, edges]), 1)
    padded = np.concatenate([means[:, :1], means, means[:, -1:]], axis=1)
    return np.asarray((padded[:, :-2] + 2 * padded[:, 1:-1] + padded[:, 2:]) / 4)
