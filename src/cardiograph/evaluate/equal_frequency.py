"""Equal-frequency bins of the probability, for many rows of weights at once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

MAX_BINS = 10
MIN_BIN_RECORDS = 10
"""Approximate minimum number of records per bin; fewer records make fewer bins."""


@dataclass(frozen=True)
class BinSums:
    """Weighted sums over the records of each bin; zero for an empty bin.

    Args:
        mass: [resamples, bins] number of records.
        predicted: [resamples, bins] sum of the probabilities.
        positive: [resamples, bins] number of records with label 1.
    """

    mass: Floats
    predicted: Floats
    positive: Floats


def bin_sums(labels: NDArray[np.int64], probabilities: Floats, weights: Floats, *, bins: int = MAX_BINS) -> BinSums:
    """Sum records in bins of about equal size, from low to high probability.

    Equal probabilities share the bin of their middle rank, so that the order of the records does not matter.

    Args:
        labels: [n] 0 or 1.
        probabilities: [n] 0..1.
        weights: [resamples, n] number of times each record counts, at least 0.
        bins: Maximum number of bins; each has about :data:`MIN_BIN_RECORDS` records or more.
    """
    rows = len(weights)
    if not len(labels):
        return BinSums(*(np.zeros((rows, bins)) for _ in range(3)))
    order, blocks = _blocks(probabilities)
    counted = weights[:, order]
    mass = np.add.reduceat(counted, blocks, axis=1)
    cell = _bins_of_blocks(mass, bins) + bins * np.arange(rows)[:, None]

    def binned(values: Floats) -> Floats:
        sums: Floats = np.bincount(cell.ravel(), weights=values.ravel(), minlength=rows * bins).astype(np.float64)
        return sums.reshape(rows, bins)

    positive = np.add.reduceat(counted * labels[order], blocks, axis=1)
    return BinSums(binned(mass), binned(mass * probabilities[order][blocks]), binned(positive))


def bin_of_each(probabilities: Floats, *, bins: int = MAX_BINS) -> NDArray[np.int64]:
    """[n] bin of each record, as in :func:`bin_sums` with every record counted once; some bins may be empty."""
    if not len(probabilities):
        return np.empty(0, dtype=np.int64)
    order, blocks = _blocks(probabilities)
    sizes = np.diff(np.r_[blocks, len(order)])
    bin_of = np.empty(len(order), dtype=np.int64)
    bin_of[order] = np.repeat(_bins_of_blocks(sizes[None].astype(np.float64), bins)[0], sizes)
    return bin_of


def _blocks(probabilities: Floats) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the order of the records by probability, and the start of each block of equal probabilities."""
    order = np.argsort(probabilities, kind="stable")
    starts = np.flatnonzero(np.r_[True, np.diff(probabilities[order]) != 0])
    return order.astype(np.int64), starts.astype(np.int64)


def _bins_of_blocks(mass: Floats, bins: int) -> NDArray[np.int64]:
    """[resamples, blocks] bin of each block, by the rank of its middle."""
    total = mass.sum(axis=1, keepdims=True)
    used_bins = np.clip(total // MIN_BIN_RECORDS, 1, bins)
    middle = mass.cumsum(axis=1) - mass / 2
    bin_of = np.floor(np.divide(used_bins * middle, total, out=np.zeros_like(middle), where=total > 0))
    bounded: NDArray[np.int64] = np.minimum(bin_of, used_bins - 1).astype(np.int64)
    return bounded
