"""Groups of records that must not be parted: one patient, the same pixels, or near-copies of one page."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np
from numpy.typing import NDArray

from cardiograph.containers import Groups
from cardiograph.imaging.hashing import near_copy_pairs

PATIENT, SAME_PIXELS, SAME_VALUES, NEAR_COPY = "patient", "same pixels", "same values", "near copy"
"""The reasons for a link, strongest first; two records that are already together are not linked again."""


def find_groups(
    *,
    patient_ids: Sequence[str | None],
    pixel_hashes: Sequence[str | None],
    perceptual_hashes: NDArray[np.uint8] | None,
    values: NDArray[np.float64] | None = None,
    near_copies: bool = True,
) -> Groups:
    """Group the records of a cohort; groups are the connected components of all links.

    A record with a page that is in two patients' files joins these patients: the split must keep them together.

    Args:
        patient_ids: [records] one for each record, None where not given.
        pixel_hashes: [records] of the decoded page, None where a record has none.
        perceptual_hashes: [records, bytes] of the view; None where no record has a page. Rows of records
            without a page are not looked at.
        values: [records, variables] clinical values. Records with neither patient nor page are linked where all their
            values are equal, if there are at least :data:`FEWEST_VALUES`: with fewer, patients are alike by chance.
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
    forest = _Forest(count)
    links = {
        PATIENT: _link_equal(forest, patient_ids),
        SAME_PIXELS: _link_equal(forest, pixel_hashes),
        SAME_VALUES: 0 if values is None else _link_equal(forest, value_keys(patient_ids, pixel_hashes, values)),
        NEAR_COPY: 0,
    }
    if near_copies and perceptual_hashes is not None:
        rows = _one_of_each(pixel_hashes, np.flatnonzero([pixels is not None for pixels in pixel_hashes]))
        pairs = rows[near_copy_pairs(perceptual_hashes[rows])]
        links[NEAR_COPY] = sum(forest.join(int(first), int(second)) for first, second in pairs)
    roots = [forest.root(row) for row in range(count)]
    numbers: dict[int, int] = {}
    index = np.array([numbers.setdefault(root, len(numbers)) for root in roots], np.int64)
    return Groups(index, links)


FEWEST_VALUES = 3
"""Clinical values that a record has to have before equal ones make it a copy."""


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


def value_keys(
    patient_ids: Sequence[str | None], pixel_hashes: Sequence[str | None], values: NDArray[np.float64]
) -> list[bytes | None]:
    """What tells records apart that have neither patient nor page; None for all others.

    Args:
        patient_ids: [records] None where not given.
        pixel_hashes: [records] None without a page.
        values: [records, variables] NaN where missing.
    """
    enough = (~np.isnan(values)).sum(axis=1) >= FEWEST_VALUES
    unnamed = [patient is None and page is None for patient, page in zip(patient_ids, pixel_hashes, strict=True)]
    plain = np.where(np.isnan(values), np.nan, values + 0.0)  # one NaN, one zero
    return [row.tobytes() if told and free else None for row, told, free in zip(plain, enough, unnamed, strict=True)]


def _one_of_each(pixel_hashes: Sequence[str | None], rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """The first row of each pixel hash: a page that is there 30 times is compared once."""
    first_row: dict[Hashable, int] = {}
    for row in rows:
        first_row.setdefault(pixel_hashes[row] or int(row), int(row))
    return np.array(sorted(first_row.values()), np.int64)
