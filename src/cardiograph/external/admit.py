"""Checks new records that are to become reference records of a finished run, and assigns them to groups."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from cardiograph.artifacts.bundle import ModelBundle
from cardiograph.artifacts.reference_ecgs import stored
from cardiograph.containers import TEST, Cohort, Split
from cardiograph.errors import CohortError
from cardiograph.external.append_reference import NewReference, require_complete
from cardiograph.external.cohort import embeddings, model_measurements, model_values, require_known
from cardiograph.external.match_records import SKIPPED, GroupAssignment, RecordKeys, RunRecords, assign_groups
from cardiograph.features.fusion import BLOCKS
from cardiograph.imaging.hashing import hashes_of_width
from cardiograph.inference import Predictor
from cardiograph.ingest.context import RunContext
from cardiograph.ingest.groups import group_records
from cardiograph.ingest.page_index import PageIndex
from cardiograph.run.ecgs import stored_ecgs
from cardiograph.train.data import Dataset, TrainingInputs


@dataclass(frozen=True)
class AdmittedRecords:
    """Records to add, matched with the records of the run.

    Args:
        dataset: New records with pages and values.
        assignment: Group of each new record.
        names: [records] record ids that the run does not have.
        skipped: Reason -> number of records that were left out.
        notes: Sentences for the metadata of the run.
    """

    dataset: Dataset
    assignment: GroupAssignment
    names: tuple[str, ...]
    skipped: dict[str, int]
    notes: tuple[str, ...]


def admit(
    read: tuple[Cohort, PageIndex | None],
    known: RunRecords,
    predictor: Predictor,
    context: RunContext,
    *,
    numbers: Mapping[str, int],
    skip_known: bool,
) -> AdmittedRecords:
    """Check new records and assign each to a group of the run or to a new group.

    Args:
        read: New cohort and its pages; None without pages.
        known: Records of the run.
        predictor: Predictor of the run.
        context: Settings, cache and progress.
        numbers: Record id -> row number in the new cohort, for messages.
        skip_known: Leave out records that the run already has, or whose group it validated or tested, instead of
            raising.

    Raises:
        CohortError: If records may not become reference records, or none is left.
    """
    context.progress.start("matching records", 1)
    cohort, page_index = read
    kept = np.arange(len(cohort))
    dataset, assignment = _matched(cohort, page_index, known, predictor, context, numbers)
    skipped: dict[str, int] = {}
    left_out = [(row, issue.code) for row, issue in assignment.issues if skip_known and issue.code in SKIPPED]
    if left_out:
        skipped = {code: sum(each == code for _, each in left_out) for code in SKIPPED}
        kept = np.setdiff1d(kept, [row for row, _ in left_out])
        if not len(kept):
            message = f"all {len(cohort)} records are in the run already or may not be added; nothing to extend by"
            raise CohortError(message, [issue for _, issue in assignment.issues])
        pages = (
            None
            if page_index is None
            else dataclasses.replace(page_index.of(kept.tolist()), skipped=page_index.skipped)
        )
        dataset, assignment = _matched(cohort.of(kept), pages, known, predictor, context, numbers)
    if assignment.issues:
        message = f"{len(assignment.issues)} of {len(cohort)} records cannot become reference records of this run"
        raise CohortError(message, [issue for _, issue in assignment.issues])
    require_known(dataset)
    measurements = model_measurements(dataset.cohort, dataset.page_index, predictor, context)
    dataset = dataclasses.replace(dataset, inputs=dataclasses.replace(dataset.inputs, measurements=measurements))
    require_complete(
        predictor.bundle, _blocks(dataset), where=lambda row: _where(numbers, dataset.cohort.record_ids[row])
    )
    names, renamed = _new_names([str(name) for name in dataset.cohort.record_ids], known.members.record_ids)
    notes = []
    if renamed:
        notes.append(f"{renamed} records have a name that the run already has; they are renamed to NAME:2 and so on")
    return AdmittedRecords(dataset, assignment, names, skipped, tuple(notes))


def _blocks(dataset: Dataset) -> dict[str, NDArray[np.bool_]]:
    """Return block -> [records] whether a record has it."""
    found = {block: np.zeros(len(dataset.cohort), bool) for block in BLOCKS}
    if dataset.inputs.measurements is not None:
        found["measurements"] = np.asarray(~np.isnan(dataset.inputs.measurements.values).all(1))
    if dataset.inputs.image is not None:
        found["image"] = np.asarray(~np.isnan(dataset.inputs.image).any(1))
    if dataset.inputs.clinical is not None:
        found["clinical"] = np.asarray(~np.isnan(dataset.inputs.clinical.values).all(1))
    return found


def _matched(
    cohort: Cohort,
    page_index: PageIndex | None,
    known: RunRecords,
    predictor: Predictor,
    context: RunContext,
    numbers: Mapping[str, int],
) -> tuple[Dataset, GroupAssignment]:
    """Return the records with their values (pages not yet embedded), and their groups."""
    own, clinical = group_records(cohort, page_index, context.config), model_values(cohort, predictor)
    split = Split(np.full(len(cohort), TEST), own, "given")
    image = None if page_index is None else np.zeros((len(cohort), 1), np.float32)
    if image is not None and page_index is not None:
        image[~page_index.paged] = np.nan
    elif predictor.bundle.served.encoder is not None:
        image = np.full((len(cohort), 1), np.nan, np.float32)
    dataset = Dataset(cohort, page_index, split, TrainingInputs(image, clinical, cohort.labels, split))
    keys = RecordKeys(
        record_ids=[str(name) for name in cohort.record_ids],
        patient_ids=list(cohort.table["patient_id"]),
        pixel_hashes=[None] * len(cohort) if page_index is None else page_index.pixel_hashes,
        likeness=None if page_index is None else page_index.perceptual_hashes,
        values=np.zeros((len(cohort), 0)) if clinical is None else clinical.values,
    )

    def where(row: int) -> str:
        return _where(numbers, keys.record_ids[row])

    near_copies = predictor.bundle.served.pages.near_copies
    return dataset, assign_groups(keys, own, known, near_copies=near_copies, where=where)


def _new_names(names: Sequence[str], existing: Sequence[str]) -> tuple[tuple[str, ...], int]:
    """Return names that the run does not have, and how many were changed."""
    taken, given, found, changed = set(existing), set(names), [], 0
    for name in names:
        chosen, number = name, 1
        while chosen in taken or (chosen != name and chosen in given):
            number += 1
            chosen = f"{name}:{number}"
        changed += chosen != name
        taken.add(chosen)
        found.append(chosen)
    return tuple(found), changed


def embedded(added: AdmittedRecords, predictor: Predictor, context: RunContext) -> AdmittedRecords:
    """Embed the pages of the new records."""
    dataset = added.dataset
    if predictor.bundle.served.encoder is None:
        return added
    image = embeddings(dataset.cohort, dataset.page_index, predictor, context)
    inputs = dataclasses.replace(dataset.inputs, image=image)
    return dataclasses.replace(added, dataset=dataclasses.replace(dataset, inputs=inputs))


def new_reference(added: AdmittedRecords, predictor: Predictor) -> NewReference:
    """Return the new records in the form that is appended to the reference of a bundle."""
    dataset, width = added.dataset, predictor.bundle.reference.perceptual_hashes.shape[1]
    cohort, page_index, clinical = dataset.cohort, dataset.page_index, dataset.inputs.clinical
    nothing = np.zeros((len(cohort), width), np.uint8)
    return NewReference(
        image=dataset.inputs.image,
        measurements=None if dataset.inputs.measurements is None else dataset.inputs.measurements.values,
        clinical=np.zeros((len(cohort), 0)) if clinical is None else clinical.values,
        labels=cohort.labels,
        time=cohort.table["time"].to_numpy(np.float64) if predictor.follows_up else None,
        event=cohort.table["event"].to_numpy(np.int64) if predictor.follows_up else None,
        groups=added.assignment.groups,
        record_ids=added.names,
        patient_ids=tuple(name or "" for name in cohort.table["patient_id"]),
        pixel_hashes=("",) * len(cohort)
        if page_index is None
        else tuple(each or "" for each in page_index.pixel_hashes),
        perceptual_hashes=nothing
        if page_index is None or not width
        else hashes_of_width(page_index.perceptual_hashes, width),
    )


ECGS_STORED = "the bundle stores the ECGs of the added records (2.5 s of each lead), as it does those of the run"
"""Note in the metadata of an extended run; an ECG can identify a person."""


def ecgs_with(bundle: ModelBundle, added: AdmittedRecords, context: RunContext) -> Iterator[NDArray[np.int16]] | None:
    """Return the stored ECGs of the reference of a run followed by those of the new records; None if it stores none."""
    page_index, before = added.dataset.page_index, bundle.reference.ecgs
    if before is None:
        return None
    if page_index is None:
        return chain(before, (stored(None) for _ in added.names))
    return chain(before, stored_ecgs(page_index, range(len(added.names)), context))


def _where(numbers: Mapping[str, int], name: str) -> str:
    return f"record {name!r} (no. {numbers[name]} of the cohort)"
