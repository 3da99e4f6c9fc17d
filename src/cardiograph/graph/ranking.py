"""Nearest reference records with the float64 values that rank them, so that parts of a search are merged exactly."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cardiograph.containers import NearestNeighbours

BLOCKS = "blocks"
"""Measure of a search in incomplete records: the mean distance over the blocks that two records share."""


@dataclass(frozen=True)
class Ranking:
    """The nearest reference records of each query, before their distances are rounded to float32.

    Args:
        index: [queries, k] int64 rows of the reference, nearest first; -1 pads.
        value: [queries, k] float64 values of the measure, ascending; infinity pads.
        measure: ``euclidean``, with squared distances; ``cosine``, with squared distances of unit vectors; or
            :data:`BLOCKS`, with mean distances.
    """

    index: NDArray[np.int64]
    value: NDArray[np.float64]
    measure: str

    @classmethod
    def empty(cls, queries: int, k: int, measure: str) -> Ranking:
        """Return a ranking without records."""
        return cls(np.full((queries, k), -1, np.int64), np.full((queries, k), np.inf), measure)

    def neighbours(self) -> NearestNeighbours:
        """Return the neighbours with their float32 distances."""
        if self.measure == "euclidean":
            distance = np.sqrt(self.value)
        else:
            distance = self.value / 2 if self.measure == "cosine" else self.value
        return NearestNeighbours(self.index, distance.astype(np.float32))


def merged(parts: Sequence[Ranking]) -> Ranking:
    """Merge the answers of disjoint parts of the reference: the nearest of all, ties broken by row.

    If each part holds its own ``k`` nearest records, the result holds the ``k`` nearest of the whole reference.

    Args:
        parts: Rankings of the same queries, with as many columns and the same measure, and rows of the whole reference.
    """
    index, value = (np.concatenate([getattr(part, name) for part in parts], axis=1) for name in ("index", "value"))
    order = np.lexsort((index, value), axis=1)[:, : parts[0].index.shape[1]]
    return Ranking(np.take_along_axis(index, order, 1), np.take_along_axis(value, order, 1), parts[0].measure)
