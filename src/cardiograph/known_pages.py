"""Which reference pages a page is a near-copy of, without a look at most of them."""

from __future__ import annotations

from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from cardiograph.imaging.hashing import NEAR_COPY_THRESHOLD, near_copy_distance

FEW = 2000
"""Pages up to which each is compared in full."""

AXES, SAMPLE = 16, 256
"""Axes of the first comparison, and the pages whose fingerprints they describe best."""

_PIECE = 4096


class KnownPages:
    """The pages of the reference.

    Two fingerprints, centred and of length 1, whose correlation is ``1 - d`` lie ``sqrt(2 d)`` apart, and no farther in any
    projection. So a page that lies farther in the projection on a few axes cannot be a near-copy; the others are compared
    in full. The answer is that of comparing all.

    Args:
        hashes: [reference, bytes] uint8 perceptual hashes.
        rows: Reference records that have a page.
    """

    def __init__(self, hashes: NDArray[np.uint8], rows: NDArray[np.int64]) -> None:
        self._hashes, self._rows = hashes, rows

    def near_copies(self, page: NDArray[np.uint8]) -> list[int]:
        """Rows of the reference whose page is a near-copy of this one; [bytes] uint8."""
        rows = self._rows
        if len(rows) > FEW:
            axes, known = self._projected
            apart = known - _unit(page[None]) @ axes
            rows = rows[np.einsum("ij,ij->i", apart, apart) <= 2 * NEAR_COPY_THRESHOLD + 1e-4]
        if not len(rows):
            return []
        return [int(row) for row in rows[near_copy_distance(page, self._hashes[rows]) <= NEAR_COPY_THRESHOLD]]

    @cached_property
    def _projected(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """[bytes, axes], and [pages, axes] the pages on them."""
        sample = self._rows[:: max(1, len(self._rows) // SAMPLE)][:SAMPLE]
        _, _, found = np.linalg.svd(_unit(self._hashes[sample]), full_matrices=False)
        axes = np.ascontiguousarray(found[:AXES].T)
        known = np.empty((len(self._rows), axes.shape[1]), np.float32)
        for start in range(0, len(known), _PIECE):
            piece = slice(start, start + _PIECE)
            known[piece] = _unit(self._hashes[self._rows[piece]]) @ axes
        return axes, known


def _unit(hashes: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Fingerprints centred and of length 1; one without traces stays 0."""
    centred = hashes.astype(np.float32)
    centred -= centred.mean(axis=1, keepdims=True)
    length = np.sqrt(np.einsum("ij,ij->i", centred, centred))
    centred /= np.maximum(length, 1e-6)[:, None]
    return centred
