"""Where new records belong among those of a run: the group each one joins, and which may not become reference records."""

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
from cardiograph.imaging.hashing import near_copies_between

Where = Callable[[int], str]

HELD_OUT, IN_REFERENCE, TWO_GROUPS = "held_out", "in_reference", "joins_groups"
"""Why a record may not become a reference record; the codes of its issue."""

SKIPPED = (IN_REFERENCE, HELD_OUT)
"""What ``--skip-known`` leaves out."""


@dataclass(frozen=True)
class RecordKeys:
    """What tells whether two records are one patient, or copies of one page.

    Args:
        record_ids: [records] names.
        patient_ids: [records] None where not given.
        pixel_hashes: [records] None without a page.
        likeness: [records, bytes] uint8, zeros without a page; None where nobody has one.
        values: [records, variables] in the model's variables, NaN where missing.
    """

    record_ids: Sequence[str]
    patient_ids: Sequence[str | None]
    pixel_hashes: Sequence[str | None]
    likeness: NDArray[np.uint8] | None
    values: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.record_ids)

    def identities(self) -> list[Hashable | None]:
        """[records] what two entries of one record have in common; None where too little is known of a record.

        Patient and pixels; without a page patient and all values, without a patient, too, three values at least.
        """
        told = value_keys([None] * len(self), [None] * len(self), self.values)
        named = zip(self.patient_ids, self.pixel_hashes, told, self.values, strict=True)
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
        members: What tells them apart.
        groups: [records] group of each.
        parts: [records] part of each.
        complete: Whether near-copies of validation and test pages can be found: older runs do not keep what that needs.
    """

    members: RecordKeys
    groups: NDArray[np.int64]
    parts: NDArray[np.object_]
    complete: bool

    @property
    def reference(self) -> NDArray[np.bool_]:
        """[records] whether a record is one of the reference."""
        return np.isin(self.parts, (TRAIN, ADDED))


def run_records(directory: RunDirectory, bundle: ModelBundle) -> RunRecords:
    """The records of a run, from its tables."""
    table, split = directory.read_table("cohort.parquet"), directory.read_table("split.parquet")
    names = [] if bundle.scaler is None else [variable.name for variable in bundle.scaler.variables]
    pixels = list(table["pixel_hash"]) if "pixel_hash" in table else [None] * len(table)
    ids = [str(name) for name in table["record_id"]]
    likeness, complete = _likeness(directory, bundle, ids)
    members = RecordKeys(
        record_ids=ids,
        patient_ids=[identifier(name) or None for name in table["patient_id"]],
        pixel_hashes=[each or None for each in pixels],
        likeness=likeness,
        values=table[names].to_numpy(np.float64),
    )
    return RunRecords(members, split["group"].to_numpy(np.int64), split["part"].to_numpy(object), complete)


def _likeness(
    directory: RunDirectory, bundle: ModelBundle, ids: Sequence[str]
) -> tuple[NDArray[np.uint8] | None, bool]:
    """[records, bytes] of the pages, and whether validation and test records are among them."""
    reference = bundle.reference
    if not reference.perceptual_hashes.shape[1]:
        return None, True
    arrays = directory.read_arrays("embeddings.safetensors")
    if "likeness" in arrays:
        return arrays["likeness"], True
    found = np.zeros((len(ids), reference.perceptual_hashes.shape[1]), np.uint8)
    row_of = {name: row for row, name in enumerate(ids)}
    found[[row_of[name] for name in reference.record_ids]] = reference.perceptual_hashes
    return found, False


@dataclass(frozen=True)
class GroupAssignment:
    """Where new records belong.

    Args:
        groups: [records] group of each: one of the run's, or a new number.
        issues: Row and fault of each record that may not become a reference record.
        joined: Records that joined a group of the reference.
    """

    groups: NDArray[np.int64]
    issues: tuple[tuple[int, Issue], ...]
    joined: int


def join(new: RecordKeys, own: Groups, known: RunRecords, *, near_copies: bool, where: Where) -> GroupAssignment:
    """Find the group of each new record.

    New records that share a group among themselves join the run's groups together. They are refused where one of the
    groups was validated or tested, and where they would make one group of two, whose records hear each other already.

    Args:
        new: The new records.
        own: Their groups among themselves.
        known: The records of the run.
        near_copies: Whether near-copies count.
        where: The place of a new record, for people.
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
    """[new records] group of the run -> why the record belongs to it."""
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
    for reason, (asked, told) in keys.items():
        group_of = {key: group for key, group in zip(told, known.groups.tolist(), strict=True) if key is not None}
        for row, key in enumerate(asked):
            if key is not None and key in group_of:
                found[row].setdefault(group_of[key], reason)
    if near_copies and new.likeness is not None and there.likeness is not None:
        mine, theirs = (_paged(side) for side in (new, there))
        for row, other in near_copies_between(new.likeness[mine], there.likeness[theirs]).tolist():
            found[mine[row]].setdefault(int(known.groups[theirs[other]]), "page (a near-copy)")
    return found


def _paged(members: RecordKeys) -> NDArray[np.int64]:
    return np.flatnonzero([pixels is not None for pixels in members.pixel_hashes]).astype(np.int64)


def _by_identity(known: RunRecords) -> dict[Hashable, str]:
    keys = zip(known.members.identities(), known.reference.tolist(), known.members.record_ids, strict=True)
    return {key: name for key, is_reference, name in keys if is_reference and key is not None}


def _held_out(place: str, links: dict[int, str], apart: set[int]) -> Issue:
    reasons = [reason for group, reason in links.items() if group in apart]
    value = f"known by its {reasons[0]}" if reasons else "in one group with a record that is known"
    rule = "the run's validation and test records judged the model: it may not lean on them, nor on their group"
    remedy = "remove the record; --skip-known leaves out all such"
    return Issue(place, "", value, rule, remedy, "held_out")


def _two_groups(place: str, count: int) -> Issue:
    rule = f"it joins {count} groups of the reference, whose records hear each other already"
    remedy = "correct the patient id or the page, remove the record, or make the run again from all records"
    return Issue(place, "", "", rule, remedy, "joins_groups")


def _in_reference(place: str, name: str) -> Issue:
    rule = f"the reference has it, as {name!r}"
    return Issue(place, "", "", rule, "remove the record; --skip-known leaves out all such", "in_reference")
