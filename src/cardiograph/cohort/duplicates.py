"""Grouping of related records: the same patient, identical pixels, identical values, or near-duplicate pages."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np
from numpy.typing import NDArray

from cardiograph.containers import Groups
from cardiograph.imaging.hashing import near_copy_pairs

PATIENT, SAME_PIXELS, SAME_VALUES, NEAR_COPY = "patient", "same pixels", "same values", "near copy"
"""Reasons for a link, strongest first; records that are already in one group are not linked again."""


def find_groups(
    *,
    patient_ids: Sequence[str | None],
    pixel_hashes: Sequence[str | None],
    perceptual_hashes: NDArray[np.uint8] | None,
    values: NDArray[np.float64] | None = None,
    near_copies: bool = True,
) -> Groups:
    """Group the records of a cohort; groups are the connected components of all links.

    A page that occurs under two patient ids joins these patients, so that a split keeps them together.

    Args:
        patient_ids: [records] patient ids, None if not given.
        pixel_hashes: [records] hashes of the decoded pages, None for a record without a page.
        perceptual_hashes: [records, bytes] perceptual hashes of the views; rows without a page are ignored. None if no
            record has a page.
        values: [records, variables] clinical values. Records with neither patient id nor page are linked if all their
            values are equal and at least :data:`MIN_VALUES` are present; with fewer, values agree by chance.
        near_copies: Whether near-duplicate pages are linked.

    Returns:
        The groups, with the number of links for each reason.

    Raises:
        ValueError: If the lengths differ.
    """
    count = len(patient_ids)
    if len(pixel_hashes) != count or (perceptual_hashes is not None and len(perceptual_hashes) != count):
        message = "each record needs a patient id, a pixel hash and a perceptual hash"
        raise ValueError(message)
    forest = _Forest(count)
    links = {
        PATIENT: _link_equal(forest, patient_ids),
        SAME_PIXELS: _link_equal(forest, pixel_hashes),
        SAME_VALUES: 0 if values is None else _link_equal(forest, value_keys(patient_ids, pixel_hashes, values)),
        NEAR_COPY: 0,
    }
    if near_copies and perceptual_hashes is not None:
        rows = _unique_pages(pixel_hashes, np.flatnonzero([pixels is not None for pixels in pixel_hashes]))
        pairs = rows[near_copy_pairs(perceptual_hashes[rows])]
        links[NEAR_COPY] = sum(forest.join(int(first), int(second)) for first, second in pairs)
    roots = [forest.root(row) for row in range(count)]
    numbers: dict[int, int] = {}
    index = np.array([numbers.setdefault(root, len(numbers)) for root in roots], np.int64)
    return Groups(index, links)


MIN_VALUES = 3
"""Minimum number of clinical values of records that are linked because their values are equal."""


class _Forest:
    """Disjoint-set forest of rows. Source: Tarjan 1975 (path halving; the smaller row becomes the root)."""

    def __init__(self, count: int) -> None:
        self._parent = list(range(count))

    def root(self, row: int) -> int:
        parent = self._parent
        while parent[row] != row:
            parent[row] = parent[parent[row]]
            row = parent[row]
        return row

    def join(self, first: int, second: int) -> bool:
        """Join the sets of two rows; return False if they were already joined."""
        low, high = sorted((self.root(first), self.root(second)))
        self._parent[high] = low
        return low != high


def _link_equal(forest: _Forest, keys: Sequence[Hashable | None]) -> int:
    first_row: dict[Hashable, int] = {}
    links = 0
    for row, key in enumerate(keys):
        if key is not None and (first := first_row.setdefault(key, row)) != row:
            links += forest.join(first, row)
    return links


def value_keys(
    patient_ids: Sequence[str | None], pixel_hashes: Sequence[str | None], values: NDArray[np.float64]
) -> list[bytes | None]:
    """Return a key of the clinical values of records with neither patient id nor page; None for all others.

    Args:
        patient_ids: [records] patient ids, None if not given.
        pixel_hashes: [records] hashes of the decoded pages, None without a page.
        values: [records, variables] clinical values, NaN if missing.
    """
    enough = (~np.isnan(values)).sum(axis=1) >= MIN_VALUES
    anonymous = [patient is None and page is None for patient, page in zip(patient_ids, pixel_hashes, strict=True)]
    normal = np.where(np.isnan(values), np.nan, values + 0.0)  # a single bit pattern for NaN and for zero
    keyed = enough & np.array(anonymous, dtype=bool)
    return [row.tobytes() if has_key else None for row, has_key in zip(normal, keyed, strict=True)]


def _unique_pages(pixel_hashes: Sequence[str | None], rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the first row of each pixel hash, so that repeated pages are compared only once."""
    first_row: dict[Hashable, int] = {}
    for row in rows:
        first_row.setdefault(pixel_hashes[row] or int(row), int(row))
    return np.array(sorted(first_row.values()), np.int64)
