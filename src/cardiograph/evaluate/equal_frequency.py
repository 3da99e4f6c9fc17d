"""Bins of about equal mass over the probability, under many weightings at once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

BINS = 10
"""At most this many bins."""
FEWEST_IN_BIN = 10
"""Records a bin should have; fewer records make fewer bins."""


@dataclass(frozen=True)
class BinSums:
    """Sums over the records of each bin; a bin without mass has zeros.

    Args:
        mass: [weightings, bins] records, each as often as it counts.
        predicted: [weightings, bins] sum of the probabilities.
        positive: [weightings, bins] records with label 1.
    """

    mass: Floats
    predicted: Floats
    positive: Floats


def bin_sums(labels: NDArray[np.int64], probabilities: Floats, weights: Floats, *, bins: int = BINS) -> BinSums:
    """Put records into bins of about equal mass, from low to high probability, and add them up.

    Equal probabilities stay in one bin, that of their middle rank, so that the order of the records does not matter.

    Args:
        labels: [n] 0 or 1.
        probabilities: [n] 0..1.
        weights: [weightings, n] times each record counts, at least 0.
        bins: At most this many, and never fewer than about :data:`FEWEST_IN_BIN` records a bin.
    """
    rows = len(weights)
    if not len(labels):
        return BinSums(*(np.zeros((rows, bins)) for _ in range(3)))
    order, blocks = _blocks(probabilities)
    counted = weights[:, order]
    mass = np.add.reduceat(counted, blocks, axis=1)
    place = _places(mass, bins) + bins * np.arange(rows)[:, None]

    def added(values: Floats) -> Floats:
        sums: Floats = np.bincount(place.ravel(), weights=values.ravel(), minlength=rows * bins).astype(np.float64)
        return sums.reshape(rows, bins)

    positive = np.add.reduceat(counted * labels[order], blocks, axis=1)
    return BinSums(added(mass), added(mass * probabilities[order][blocks]), added(positive))


def bin_of_each(probabilities: Floats, *, bins: int = BINS) -> NDArray[np.int64]:
    """[n] the bin of each record, as in :func:`bin_sums` with every record counted once; some numbers may be unused."""
    if not len(probabilities):
        return np.empty(0, dtype=np.int64)
    order, blocks = _blocks(probabilities)
    sizes = np.diff(np.r_[blocks, len(order)])
    place = np.empty(len(order), dtype=np.int64)
    place[order] = np.repeat(_places(sizes[None].astype(np.float64), bins)[0], sizes)
    return place


def _blocks(probabilities: Floats) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Order of the records by probability, and where each block of equal ones starts."""
    order = np.argsort(probabilities, kind="stable")
    starts = np.flatnonzero(np.r_[True, np.diff(probabilities[order]) != 0])
    return order.astype(np.int64), starts.astype(np.int64)


def _places(mass: Floats, bins: int) -> NDArray[np.int64]:
    """[weightings, blocks] bin of each block, by the rank of its middle."""
    total = mass.sum(axis=1, keepdims=True)
    wanted = np.clip(total // FEWEST_IN_BIN, 1, bins)
    middle = mass.cumsum(axis=1) - mass / 2
    place = np.floor(np.divide(wanted * middle, total, out=np.zeros_like(middle), where=total > 0))
    bounded: NDArray[np.int64] = np.minimum(place, wanted - 1).astype(np.int64)
    return bounded
