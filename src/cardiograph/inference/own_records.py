"""The reference records that belong to a query itself: the same patient, the same page, or a near-copy of it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from cardiograph.artifacts.reference import Reference
from cardiograph.containers import identifier
from cardiograph.imaging.hashing import NearDuplicateIndex, hashes_of_width, split_hashes
from cardiograph.inference.queries import Queries

REASONS = ("this patient", "this page", "a near-copy of this page")
"""Why a group of reference records belongs to a query."""

Match = tuple[frozenset[int], ...]
"""Groups that belong to a query, for each of :data:`REASONS`."""

_NONE: Match = (frozenset(),) * len(REASONS)


@dataclass(frozen=True)
class QueryKeys:
    """What shows that a query is one of the reference records.

    Args:
        patients: [queries] normal form of each patient id, empty without one.
        pixels: [queries] pixel hashes (hex), empty without a page.
        hashes: [queries] perceptual hashes, [bytes] uint8; None without a page, or if near-copies do not count.
    """

    patients: Sequence[str]
    pixels: Sequence[str]
    hashes: Sequence[NDArray[np.uint8] | None]

    @classmethod
    def of(cls, queries: Queries, *, near_copies: bool) -> QueryKeys:
        """Return the keys of queries; ``near_copies`` says whether a near-copy of a page counts as the same page."""
        return cls(
            [identifier(each) for each in queries.patient_ids],
            [each or "" for each in queries.pixel_hashes],
            list(queries.perceptual_hashes) if near_copies else [None] * len(queries),
        )


class OwnRecords:
    """Finds the reference records that a query must not use as neighbours.

    Args:
        reference: Reference records of a bundle, or of a shard.
    """

    def __init__(self, reference: Reference) -> None:
        self._reference = reference
        self._members = _rows_by(reference.groups.tolist())
        self._by_patient = _rows_by(map(identifier, reference.patient_ids))
        self._by_pixels = _rows_by(reference.pixel_hashes)
        self._paged = np.flatnonzero([bool(pixels) for pixels in reference.pixel_hashes])

    def matches(self, keys: QueryKeys) -> list[Match]:
        """Return the groups of each query; near-copies are looked for only if its page itself is not known."""
        found = []
        for patient, pixels, own in zip(keys.patients, keys.pixels, keys.hashes, strict=True):
            same = self._by_patient.get(patient, []), self._by_pixels.get(pixels, [])
            rows = (*same, [] if same[1] else self._copies_of(own))
            groups = self._reference.groups
            found.append(tuple(frozenset(int(groups[row]) for row in each) for each in rows) if any(rows) else _NONE)
        return found

    def members(self, groups: Collection[int]) -> dict[int, NDArray[np.int64]]:
        """Return the rows of each group that has any, ascending."""
        return {group: np.array(self._members[group], np.int64) for group in groups if group in self._members}

    def _copies_of(self, own: NDArray[np.uint8] | None) -> list[int]:
        if own is None or not self._indexes:
            return []
        hashes = split_hashes(hashes_of_width(own[None], self._reference.perceptual_hashes.shape[1]))
        found = [known.near_copies(each[0]) for known, each in zip(self._indexes, hashes, strict=True)]
        return [int(row) for row in self._paged[np.unique(np.concatenate(found))]]

    @cached_property
    def _indexes(self) -> tuple[NearDuplicateIndex, ...]:
        """Index of each hash of the reference records with a page, in their order; empty if there are none."""
        hashes = self._reference.perceptual_hashes
        if not hashes.shape[1]:
            return ()
        paged = hashes if len(self._paged) == len(hashes) else hashes[self._paged]
        return tuple(NearDuplicateIndex(each) for each in split_hashes(paged))


def own_rows(
    matches: Sequence[Sequence[Match]], members: Callable[[Collection[int]], Mapping[int, NDArray[np.int64]]]
) -> tuple[list[NDArray[np.int64]], tuple[tuple[str, ...], ...]]:
    """Return the rows of each query's own groups, ascending, and the reasons for which they are its own.

    Args:
        matches: For each part of the reference, the groups of every query, see :meth:`OwnRecords.matches`.
        members: Returns the rows of groups in the whole reference.
    """
    found = []
    for parts in zip(*matches, strict=True):
        if not any(map(any, parts)):
            found.append(_NONE)
            continue
        patient, page, copies = (frozenset[int]().union(*groups) for groups in zip(*parts, strict=True))
        found.append((patient, page, frozenset[int]() if page else copies))
    needed = frozenset[int]().union(*(groups for match in found for groups in match))
    rows_of, none = members(needed) if needed else {}, np.zeros(0, np.int64)
    rows = [
        np.sort(np.concatenate([none, *(rows_of[each] for each in frozenset().union(*match))])) if any(match) else none
        for match in found
    ]
    return rows, tuple(
        tuple(reason for reason, groups in zip(REASONS, match, strict=True) if groups) for match in found
    )


def _rows_by(keys: Iterable[str | int]) -> dict[str | int, list[int]]:
    rows: dict[str | int, list[int]] = {}
    for row, key in enumerate(keys):
        if key != "":
            rows.setdefault(key, []).append(row)
    return rows
