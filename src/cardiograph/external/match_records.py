"""Record linkage: assigns new records to groups of a run, and refuses those that may not become reference records."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cardiograph.artifacts.bundle import ModelBundle
from cardiograph.artifacts.run import RunDirectory
from cardiograph.cohort.duplicates import value_keys
from cardiograph.containers import ADDED, TRAIN, Groups, identifier
from cardiograph.errors import Issue
from cardiograph.imaging.hashing import hashes_of_width, near_copies_between

Where = Callable[[int], str]
"""Function from the row of a record to a description of its place."""

HELD_OUT, IN_REFERENCE = "held_out", "in_reference"
"""Issue codes: reasons why a record may not become a reference record."""

SKIPPED = (IN_REFERENCE, HELD_OUT)
"""Issue codes of the records that ``--skip-known`` leaves out."""


@dataclass(frozen=True)
class RecordKeys:
    """Keys by which records of one patient and copies of one page are recognised.

    Args:
        record_ids: [records] names.
        patient_ids: [records] names, None where not given.
        pixel_hashes: [records] hex, None without a page.
        likeness: [records, bytes] uint8 perceptual hashes, zeros without a page; None if no record has a page.
        values: [records, variables] values in the model's variables, NaN where missing.
    """

    record_ids: Sequence[str]
    patient_ids: Sequence[str | None]
    pixel_hashes: Sequence[str | None]
    likeness: NDArray[np.uint8] | None
    values: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.record_ids)

    def identities(self) -> list[Hashable | None]:
        """Return [records] keys that are equal for two entries of the same record; None if a record has too few fields.

        The key consists of patient and pixels; without a page, of patient and all values; without a patient as well, of
        at least three values.
        """
        of_values = value_keys([None] * len(self), [None] * len(self), self.values)
        named = zip(self.patient_ids, self.pixel_hashes, of_values, self.values, strict=True)
        return [
            (patient, pixels)
            if pixels is not None
            else (patient, "values", values)
            if values is not None
            else (patient, "few", row.tobytes())
            if patient is not None and not np.isnan(row).all()
            else None
            for patient, pixels, values, row in named
        ]


@dataclass(frozen=True)
class RunRecords:
    """All records of a run.

    Args:
        members: Keys of the records.
        groups: [records] group numbers.
        parts: [records] parts, such as ``train``.
    """

    members: RecordKeys
    groups: NDArray[np.int64]
    parts: NDArray[np.object_]

    @property
    def reference(self) -> NDArray[np.bool_]:
        """[records] whether a record is in the reference."""
        return np.isin(self.parts, (TRAIN, ADDED))


def run_records(directory: RunDirectory, bundle: ModelBundle) -> RunRecords:
    """Read the records of a run from its tables."""
    table, split = directory.read_table("cohort.parquet"), directory.read_table("split.parquet")
    names = [] if bundle.scaler is None else [variable.name for variable in bundle.scaler.variables]
    pixels = list(table["pixel_hash"]) if "pixel_hash" in table else [None] * len(table)
    ids = [str(name) for name in table["record_id"]]
    likeness = None
    if bundle.reference.perceptual_hashes.shape[1]:
        likeness = directory.read_arrays("embeddings.safetensors")["likeness"]
    members = RecordKeys(
        record_ids=ids,
        patient_ids=[identifier(name) or None for name in table["patient_id"]],
        pixel_hashes=[each or None for each in pixels],
        likeness=likeness,
        values=table[names].to_numpy(np.float64),
    )
    return RunRecords(members, split["group"].to_numpy(np.int64), split["part"].to_numpy(object))


@dataclass(frozen=True)
class GroupAssignment:
    """Groups of new records.

    Args:
        groups: [records] group numbers: a group of the run, or a new number.
        issues: Row and fault of each record that may not become a reference record.
        joined: Number of records that joined a group of the reference.
    """

    groups: NDArray[np.int64]
    issues: tuple[tuple[int, Issue], ...]
    joined: int


def assign_groups(
    new: RecordKeys, own: Groups, known: RunRecords, *, near_copies: bool, where: Where
) -> GroupAssignment:
    """Find the group of each new record.

    New records of one group join a group of the run together. They are refused if that group was validated or tested,
    or if they would merge two groups whose records may already be each other's neighbours.

    Args:
        new: Keys of the new records.
        own: Groups of the new records among themselves.
        known: Records of the run.
        near_copies: Whether near-copies of a page count as the same page.
        where: Function that describes the place of a new record.
    """
    found = _links(new, known, near_copies=near_copies)
    there = _by_identity(known)
    apart = set(known.groups[~known.reference].tolist())
    groups = np.empty(len(new), np.int64)
    fresh = int(known.groups.max(initial=-1)) + 1
    issues: list[tuple[int, Issue]] = []
    joined = 0
    for rows in _members_of(own):
        touched = {group for row in rows for group in found[row]}
        if touched & apart:
            issues += [(row, _held_out(where(row), found[row], apart)) for row in rows]
        elif len(touched) > 1:
            issues += [(row, _two_groups(where(row), len(touched))) for row in rows]
        groups[rows] = min(touched, default=fresh)
        fresh += not touched
        joined += len(rows) * bool(touched)
    refused = {row for row, _ in issues}
    for row, key in enumerate(new.identities()):
        if row not in refused and key is not None and key in there:
            issues.append((row, _in_reference(where(row), there[key])))
    return GroupAssignment(groups, tuple(sorted(issues, key=lambda issue: issue[0])), joined)


def _members_of(own: Groups) -> Iterator[list[int]]:
    order = np.argsort(own.index, kind="stable")
    for rows in np.split(order, np.flatnonzero(np.diff(own.index[order])) + 1):
        if len(rows):
            yield rows.tolist()


def _links(new: RecordKeys, known: RunRecords, *, near_copies: bool) -> list[dict[int, str]]:
    """Return for each new record: group of the run -> reason why the record belongs to it."""
    found: list[dict[int, str]] = [{} for _ in range(len(new))]
    there = known.members
    keys = {
        "patient": (new.patient_ids, there.patient_ids),
        "page": (new.pixel_hashes, there.pixel_hashes),
        "values": (
            value_keys(new.patient_ids, new.pixel_hashes, new.values),
            value_keys(there.patient_ids, there.pixel_hashes, there.values),
        ),
    }
    for reason, (new_keys, run_keys) in keys.items():
        group_of = {key: group for key, group in zip(run_keys, known.groups.tolist(), strict=True) if key is not None}
        for row, key in enumerate(new_keys):
            if key is not None and key in group_of:
                found[row].setdefault(group_of[key], reason)
    if near_copies and new.likeness is not None and there.likeness is not None:
        mine, theirs = (_paged(side) for side in (new, there))
        own = hashes_of_width(new.likeness[mine], there.likeness.shape[1])
        for row, other in near_copies_between(own, there.likeness[theirs]).tolist():
            found[mine[row]].setdefault(int(known.groups[theirs[other]]), "page (a near-copy)")
    return found


def _paged(members: RecordKeys) -> NDArray[np.int64]:
    return np.flatnonzero([pixels is not None for pixels in members.pixel_hashes]).astype(np.int64)


def _by_identity(known: RunRecords) -> dict[Hashable, str]:
    keys = zip(known.members.identities(), known.reference.tolist(), known.members.record_ids, strict=True)
    return {key: name for key, is_reference, name in keys if is_reference and key is not None}


def _held_out(place: str, links: dict[int, str], apart: set[int]) -> Issue:
    reasons = [reason for group, reason in links.items() if group in apart]
    value = f"known by its {reasons[0]}" if reasons else "in one group with a known record"
    rule = "the run's validation and test records, and their groups, must not become reference records"
    remedy = "remove the record; --skip-known leaves out all such records"
    return Issue(place, "", value, rule, remedy, "held_out")


def _two_groups(place: str, count: int) -> Issue:
    rule = f"it joins {count} groups of the reference, whose records may already be each other's neighbours"
    remedy = "correct the patient id or the page, remove the record, or make the run again from all records"
    return Issue(place, "", "", rule, remedy, "joins_groups")


def _in_reference(place: str, name: str) -> Issue:
    rule = f"the reference has it, as {name!r}"
    return Issue(place, "", "", rule, "remove the record; --skip-known leaves out all such records", "in_reference")
