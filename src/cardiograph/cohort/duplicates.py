"""Groups of records that must not be parted: one patient, the same pixels, or near-copies of one page."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np
from numpy.typing import NDArray

from cardiograph.containers import Groups
from cardiograph.imaging.hashing import near_copy_pairs

PATIENT, SAME_PIXELS, NEAR_COPY = "patient", "same pixels", "near copy"
"""The reasons for a link, strongest first; two records that are already together are not linked again."""


def find_groups(
    *,
    patient_ids: Sequence[str | None],
    pixel_hashes: Sequence[str | None],
    perceptual_hashes: NDArray[np.uint8] | None,
    has_page: NDArray[np.bool_] | None = None,
    near_copies: bool = True,
) -> Groups:
    """Group the records of a cohort; groups are the connected components of all links.

    A record with a page that is in two patients' files joins these patients: the split must keep them together.

    Args:
        patient_ids: [records] one for each record, None where not given.
        pixel_hashes: [records] of the decoded page, None where a record has none.
        perceptual_hashes: [records, bytes] of the view; None where no record has a page. Rows of records
            without a page are not looked at.
        has_page: [records] which rows of ``perceptual_hashes`` count; those with a pixel hash by default.
        near_copies: Whether near-copies are linked at all.

    Returns:
        The groups, with the count of links for each reason.

    Raises:
        ValueError: The lengths differ.
    """
    count = len(patient_ids)
    if len(pixel_hashes) != count or (perceptual_hashes is not None and len(perceptual_hashes) != count):
        message = "a patient id, a pixel hash and a perceptual hash for each record"
        raise ValueError(message)
    if has_page is None:
        has_page = np.array([value is not None for value in pixel_hashes], bool)
    forest = _Forest(count)
    links = {
        PATIENT: _link_equal(forest, patient_ids),
        SAME_PIXELS: _link_equal(forest, pixel_hashes),
        NEAR_COPY: 0,
    }
    if near_copies and perceptual_hashes is not None:
        rows = _one_of_each(pixel_hashes, np.flatnonzero(has_page))
        pairs = rows[near_copy_pairs(perceptual_hashes[rows])]
        links[NEAR_COPY] = sum(forest.join(int(first), int(second)) for first, second in pairs)
    roots = [forest.root(row) for row in range(count)]
    numbers: dict[int, int] = {}
    index = np.array([numbers.setdefault(root, len(numbers)) for root in roots], np.int64)
    return Groups(index, links)


class _Forest:
    """Disjoint sets of rows. Source: Tarjan 1975 (path halving; the smaller row becomes the root)."""

    def __init__(self, count: int) -> None:
        self._parent = list(range(count))

    def root(self, row: int) -> int:
        parent = self._parent
        while parent[row] != row:
            parent[row] = parent[parent[row]]
            row = parent[row]
        return row

    def join(self, first: int, second: int) -> bool:
        """Join the sets of two rows; False where they were one already."""
        low, high = sorted((self.root(first), self.root(second)))
        self._parent[high] = low
        return low != high


def _link_equal(forest: _Forest, keys: Sequence[Hashable | None]) -> int:
    first_row: dict[Hashable, int] = {}
    links = 0
    for row, key in enumerate(keys):
        if key is not None:
            links += forest.join(first_row.setdefault(key, row), row)
    return links


def _one_of_each(pixel_hashes: Sequence[str | None], rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """The first row of each pixel hash: a page that is there 30 times is compared once."""
    first_row: dict[Hashable, int] = {}
    for row in rows:
        first_row.setdefault(pixel_hashes[row] or int(row), int(row))
    return np.array(sorted(first_row.values()), np.int64)
