"""Near-copies of a page among many known ones: exact, from a few numbers of each instead of all 1536."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cardiograph.imaging.hashing import NEAR_COPY_THRESHOLD, near_copy_distance, turned_hashes, unit_hashes
from cardiograph.threads import one_blas_thread

COARSE = 64
"""Pages, spread through the known ones, whose directions are looked along; as many numbers are kept of each known page."""

_BLOCK = 4096
_SLACK = 1e-3
"""Above the rounding of float32 sums: what is this near to the limit is looked at in full."""


class NearDuplicateIndex:
    """Perceptual hashes in which near-copies are sought.

    A hash is a vector u of length 1. Of each known one its part p in the space of a few of them is kept, and the length r of
    the rest. By the inequality of Cauchy and Schwarz the correlation of two hashes is at most p1 p2 + r1 r2: where that
    is too low, nothing is missed by not looking on; what remains is compared in full. The directions decide the speed alone.

    Args:
        hashes: [n, bytes] uint8, from :func:`cardiograph.imaging.hashing.perceptual_hash`; kept as they are, on the disk
            where they are memory-mapped. 65 float32 values are kept in memory beside each.
        threshold: Largest distance of near-copies.
    """

    def __init__(self, hashes: NDArray[np.uint8], threshold: float = NEAR_COPY_THRESHOLD) -> None:
        self._hashes, self._threshold = hashes, threshold
        sample = unit_hashes(hashes[:: max(1, -(-len(hashes) // COARSE))])
        with one_blas_thread():  # so small a matrix is waited for by a second thread longer than it is worked on
            self._directions = np.asarray(np.linalg.qr(sample.T)[0], np.float32)
        self._parts = np.empty((len(hashes), self._directions.shape[1]), np.float32)
        self._rests = np.empty(len(hashes), np.float32)
        for start in range(0, len(hashes), _BLOCK):
            rows = slice(start, start + _BLOCK)
            self._parts[rows], self._rests[rows] = self._coarse(unit_hashes(hashes[rows]))

    def near_copies(self, one: NDArray[np.uint8]) -> NDArray[np.int64]:
        """Rows of the near-copies of a hash, in order.

        Args:
            one: [bytes] uint8.
        """
        parts, rests = self._coarse(unit_hashes(turned_hashes(one[None])))
        at_most = (self._parts @ parts.T + self._rests[:, None] * rests).max(axis=1)
        rows = np.flatnonzero(at_most >= 1 - self._threshold - _SLACK)
        return rows[near_copy_distance(one, self._hashes[rows]) <= self._threshold]

    def _coarse(self, unit: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """[n, directions] parts and [n] lengths of the rest."""
        parts = unit @ self._directions
        rests = np.sqrt(np.maximum(np.square(unit).sum(axis=1) - np.square(parts).sum(axis=1), 0))
        return parts, rests
