"""Exact search for the near-copies of a page, with few numbers per known page instead of all 1536 hash values."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cardiograph.imaging.hashing import NEAR_COPY_THRESHOLD, near_copy_distance, turned_hashes, unit_hashes
from cardiograph.threads import one_blas_thread

DIRECTIONS = 64
"""Number of pages, evenly spaced among the known ones, that span the projection; each known page keeps this many
numbers."""

_BLOCK_ROWS = 4096
_SLACK = 1e-3
"""Tolerance above the rounding of float32 sums: candidates this close to the limit are compared in full."""


class NearDuplicateIndex:
    """Index of perceptual hashes for the search of near-copies.

    A hash is a vector of length 1. For each known hash the index keeps its projection p on a few directions and the
    length r of the remainder. By the Cauchy-Schwarz inequality the correlation of two hashes is at most p1 p2 + r1 r2.
    Hashes whose bound is too low are skipped without loss; the others are compared in full. The directions affect speed
    only.

    Args:
        hashes: [n, 1536] uint8 hashes of :func:`cardiograph.imaging.hashing.perceptual_hash`. They are not copied, so
            they may be memory-mapped; the index keeps 65 float32 values per hash in memory.
        threshold: Largest distance of near-copies.
    """

    def __init__(self, hashes: NDArray[np.uint8], threshold: float = NEAR_COPY_THRESHOLD) -> None:
        self._hashes, self._threshold = hashes, threshold
        sample = unit_hashes(hashes[:: max(1, -(-len(hashes) // DIRECTIONS))])
        with one_blas_thread():  # for so small a matrix, synchronising a second thread takes longer than the work
            self._directions = np.asarray(np.linalg.qr(sample.T)[0], np.float32)
        self._parts = np.empty((len(hashes), self._directions.shape[1]), np.float32)
        self._rests = np.empty(len(hashes), np.float32)
        for start in range(0, len(hashes), _BLOCK_ROWS):
            rows = slice(start, start + _BLOCK_ROWS)
            self._parts[rows], self._rests[rows] = self._project(unit_hashes(hashes[rows]))

    def near_copies(self, one: NDArray[np.uint8]) -> NDArray[np.int64]:
        """Return the rows of the near-copies of a hash in ascending order.

        Args:
            one: [1536] uint8 hash.
        """
        parts, rests = self._project(unit_hashes(turned_hashes(one[None])))
        bound = (self._parts @ parts.T + self._rests[:, None] * rests).max(axis=1)
        rows = np.flatnonzero(bound >= 1 - self._threshold - _SLACK)
        return rows[near_copy_distance(one, self._hashes[rows]) <= self._threshold]

    def _project(self, unit: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return [n, directions] projections and [n] lengths of the remainders."""
        parts = unit @ self._directions
        rests = np.sqrt(np.maximum(np.square(unit).sum(axis=1) - np.square(parts).sum(axis=1), 0))
        return parts, rests
