"""The reference records that belong to a query itself: the same patient, the same page, or a near-copy of it."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from cardiograph.artifacts.reference import Reference
from cardiograph.containers import identifier
from cardiograph.imaging.hashing import NearDuplicateIndex, hashes_of_width, split_hashes
from cardiograph.inference.queries import Queries


class OwnRecords:
    """Finds the reference records that a query must not use as neighbours.

    Args:
        reference: Reference records of a bundle.
        near_copies: Whether near-copies of a page count as the same page.
    """

    def __init__(self, reference: Reference, *, near_copies: bool) -> None:
        self._reference, self._near_copies = reference, near_copies
        self._members = _rows_by(reference.groups.tolist())
        self._by_patient = _rows_by(map(identifier, reference.patient_ids))
        self._by_pixels = _rows_by(reference.pixel_hashes)
        self._paged = np.flatnonzero([bool(pixels) for pixels in reference.pixel_hashes])

    def of(self, queries: Queries) -> tuple[list[NDArray[np.int64]], tuple[tuple[str, ...], ...]]:
        """Return the reference rows of each query's own groups (by patient, page or near-copy), and the reasons."""
        rows, reasons = [], []
        for number in range(len(queries)):
            matches = {
                "this patient": self._by_patient.get(identifier(queries.patient_ids[number]), []),
                "this page": self._by_pixels.get(queries.pixel_hashes[number] or "", []),
            }
            if not matches["this page"]:
                matches["a near-copy of this page"] = self._copies_of(queries.perceptual_hashes[number])
            groups = {int(self._reference.groups[row]) for found in matches.values() for row in found}
            rows.append(np.array(sorted(row for group in groups for row in self._members[group]), np.int64))
            reasons.append(tuple(reason for reason, found in matches.items() if found))
        return rows, tuple(reasons)

    def _copies_of(self, own: NDArray[np.uint8] | None) -> list[int]:
        if own is None or not self._indexes:
            return []
        hashes = split_hashes(hashes_of_width(own[None], self._reference.perceptual_hashes.shape[1]))
        found = [known.near_copies(each[0]) for known, each in zip(self._indexes, hashes, strict=True)]
        return [int(row) for row in self._paged[np.unique(np.concatenate(found))]]

    @cached_property
    def _indexes(self) -> tuple[NearDuplicateIndex, ...]:
        """Index of each hash of the reference records with a page, in their order; empty if near-copies are ignored."""
        hashes = self._reference.perceptual_hashes
        if not hashes.shape[1] or not self._near_copies:
            return ()
        paged = hashes if len(self._paged) == len(hashes) else hashes[self._paged]
        return tuple(NearDuplicateIndex(each) for each in split_hashes(paged))


def _rows_by(keys: Iterable[str | int]) -> dict[str | int, list[int]]:
    rows: dict[str | int, list[int]] = {}
    for row, key in enumerate(keys):
        if key != "":
            rows.setdefault(key, []).append(row)
    return rows
