"""Prepares a second cohort for the model of a run: labelled records, pages, values, and records known to the run."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cardiograph.artifacts.run import RunDirectory
from cardiograph.containers import ADDED, TEST, TRAIN, ClinicalTable, Cohort, Split, identifier
from cardiograph.ecg.measure.reference import MEASUREMENTS
from cardiograph.errors import CohortError, Issue, RunError
from cardiograph.features.measurements import named_measurements
from cardiograph.inference import Predictor, Queries
from cardiograph.ingest.context import RunContext
from cardiograph.ingest.embed import embed_pages
from cardiograph.ingest.groups import group_records
from cardiograph.ingest.leads import measure_ecgs
from cardiograph.ingest.page_index import PageIndex, index_pages
from cardiograph.issue_groups import counted
from cardiograph.schema import Provenance
from cardiograph.train.data import Dataset, TrainingInputs

RENEWED_BY = "renewed.parquet"
"""Table of a recalibrated run: the patients and pages to which its calibration and threshold were fitted."""

OTHER_KIND_SHARE = 0.5
"""Difference of two shares of pictures among ECGs above which a note says so."""


def require_estimates(predictor: Predictor, run: Path) -> None:
    """Raise RunError if the model reproduces faults, so that its scores are no estimates, or has several classes."""
    if predictor.bundle.served.reproduces:
        message = (
            f"run {run}: reproduces a faulty protocol, for study; its model can be used by `cardiograph predict` and "
            "`cardiograph serve` only. Make a run without faults to evaluate or extend it"
        )
        raise RunError(message)
    if predictor.bundle.served.classes:
        message = (
            f"run {run}: its outcome has several classes, so another cohort can neither evaluate nor extend it; "
            "make a run with --positive CLASS,... for one class against the rest"
        )
        raise RunError(message)


def labelled_records(cohort: Cohort, *, skip: bool) -> Cohort:
    """Return the cohort without unlabelled records.

    Args:
        cohort: Records as read.
        skip: Leave out unlabelled records instead of raising.

    Raises:
        CohortError: If there are unlabelled records and ``skip`` is false.
    """
    rows = np.flatnonzero(cohort.labels >= 0)
    absent = np.flatnonzero(cohort.labels < 0)
    if not len(absent):
        return cohort
    if not skip:
        rule = "an evaluation compares the score with the outcome"
        remedy = "fill in the outcome, or leave such records out with --skip-unlabelled"
        column = "event" if "event" in cohort.table else "label"
        issues = [
            Issue(f"record {record!r}", column, "empty", rule, remedy, "unlabelled")
            for record in cohort.record_ids[absent]
        ]
        message = f"{len(absent)} of {len(cohort)} records have no label, so their score cannot be evaluated"
        raise CohortError(message, issues)
    return cohort.of(rows)


def read_pages(cohort: Cohort, predictor: Predictor, context: RunContext) -> tuple[Cohort, PageIndex | None]:
    """Index the pages of a cohort if the model reads pages, and return the cohort without skipped pages.

    Raises:
        PageError: If pages cannot be used.
    """
    encoder, engine = predictor.bundle.served.encoder, predictor.engine
    if encoder is None or not cohort.has_pages:
        return cohort, None
    known = None if engine is None else (engine, encoder)
    return index_pages(cohort, dataclasses.replace(context, known_encoder=known))


def build_external_dataset(cohort: Cohort, predictor: Predictor, context: RunContext) -> Dataset:
    """Build a dataset in the form that the model reads, with every record in the test part.

    Raises:
        PageError: If pages cannot be used.
        CohortError: If records have nothing that the model reads.
    """
    cohort, page_index = read_pages(cohort, predictor, context)
    image = None
    if predictor.bundle.served.encoder is not None:
        image = embeddings(cohort, page_index, predictor, context)
    groups = group_records(cohort, page_index, context.config)
    split = Split(np.full(len(cohort), TEST), groups, "given")
    clinical = model_values(cohort, predictor)
    inputs = TrainingInputs(image, clinical, cohort.labels, split)
    inputs = dataclasses.replace(inputs, measurements=model_measurements(cohort, page_index, predictor, context))
    dataset = Dataset(cohort, page_index, split, inputs)
    require_known(dataset)
    return dataset


def model_measurements(
    cohort: Cohort, page_index: PageIndex | None, predictor: Predictor, context: RunContext
) -> ClinicalTable | None:
    """Measure the ECGs of a cohort in the measurements that the model reads; None for a model without them."""
    scaler = predictor.bundle.measurement_scaler
    if scaler is None:
        return None
    values = np.full((len(cohort), len(MEASUREMENTS)), np.nan)
    if page_index is not None:
        values = measure_ecgs(page_index, context)
    return named_measurements(values, [variable.name for variable in scaler.variables])


def embeddings(
    cohort: Cohort, page_index: PageIndex | None, predictor: Predictor, context: RunContext
) -> NDArray[np.float32]:
    """Return [records, width] embeddings, NaN without a page."""
    encoder, engine = predictor.bundle.served.encoder, predictor.engine
    if page_index is None or encoder is None or engine is None:
        return np.full((len(cohort), predictor.bundle.served.embedding_width), np.nan, np.float32)
    return embed_pages(page_index, engine, encoder, context).values


def model_values(cohort: Cohort, predictor: Predictor) -> ClinicalTable | None:
    """Return values in the model's variables, NaN in a column that the cohort lacks."""
    scaler = predictor.bundle.scaler
    if scaler is None:
        return None
    there = {variable.name for variable in cohort.variables}
    nothing = np.full(len(cohort), np.nan)
    columns = [cohort.table[v.name].to_numpy(np.float64) if v.name in there else nothing for v in scaler.variables]
    origin: Provenance = "synthetic patient" if cohort.synthetic else "measured"
    return ClinicalTable(np.stack(columns, axis=1), scaler.variables, (origin,) * len(columns))


def require_known(dataset: Dataset) -> None:
    """Raise CohortError if records have nothing that the model reads."""
    inputs = dataset.inputs
    unknown = np.ones(len(dataset.cohort), bool)
    if inputs.image is not None:
        unknown &= np.isnan(inputs.image).any(1)
    if inputs.clinical is not None:
        unknown &= np.isnan(inputs.clinical.values).all(1)
    blocks = {"an ECG page": inputs.image is not None, "a clinical value": inputs.clinical is not None}
    wanted = " or ".join(name for name, used in blocks.items() if used)
    issues = [
        Issue(
            f"record {record!r}",
            "",
            "",
            f"a score needs {wanted}",
            f"give {wanted}, or remove the row",
            "nothing_known",
        )
        for record in dataset.cohort.record_ids[unknown]
    ]
    if issues:
        message = f"{len(issues)} of {len(unknown)} records have nothing that this model reads"
        raise CohortError(message, issues)


def seen_by_run(queries: Queries, directory: RunDirectory) -> list[tuple[str, ...]]:
    """Return for each query the reasons why the run used it outside its reference; empty if it did not.

    These are validation and test records, and records with which the run was recalibrated.
    """
    table, split = directory.read_table("cohort.parquet"), directory.read_table("split.parquet")
    apart = {"validation or test records": table[(~split["part"].isin((TRAIN, ADDED))).to_numpy()]}
    if (directory.path / RENEWED_BY).exists():
        apart["records that renewed it"] = directory.read_table(RENEWED_BY)
    found: list[tuple[str, ...]] = [()] * len(queries)
    for where, rows in apart.items():
        patients = {identifier(name) for name in rows["patient_id"]} - {""}
        pages = {str(pixels) for pixels in rows["pixel_hash"] if pixels} if "pixel_hash" in rows else set[str]()
        for number, (patient, pixels) in enumerate(zip(queries.patient_ids, queries.pixel_hashes, strict=True)):
            named = {"this patient": identifier(patient) in patients, "this page": pixels in pages}
            found[number] += tuple(f"{what} is among the run's {where}" for what, known in named.items() if known)
    return found


def reading_notes(dataset: Dataset, predictor: Predictor, run_provenance: str) -> list[str]:
    """Return a sentence for each column that was converted, not read or is missing.

    Args:
        dataset: Dataset of the second cohort.
        predictor: Predictor of the run.
        run_provenance: Provenance of the run's own scores.
    """
    cohort, bundle = dataset.cohort, predictor.bundle
    attrs = cohort.table.attrs
    notes = [f"{each['variable']} was converted from {each['unit']}" for each in attrs.get("conversions", [])]
    notes += attrs.get("notes", [])
    notes += [] if dataset.page_index is None else dataset.page_index.notes(cohort.record_ids)
    if run_provenance != dataset.provenance:
        notes.append(f"provenance of the run's own scores: {run_provenance}; of these: {dataset.provenance}")
    wanted = [] if bundle.scaler is None else [variable.name for variable in bundle.scaler.variables]
    there = [variable.name for variable in cohort.variables]
    lacking = [name for name in wanted if name not in there]
    if lacking:
        notes.append(f"the cohort lacks columns that the model reads: {', '.join(lacking)}")
    notes += _missing_values(dataset, set(there))
    unused = [name for name in there if name not in wanted]
    unused += ["ecg"] if cohort.has_pages and bundle.served.encoder is None else []
    if unused:
        notes.append(f"the model does not read these columns: {', '.join(unused)}")
    return notes


def _missing_values(dataset: Dataset, there: Collection[str]) -> list[str]:
    """Return a sentence on the columns of the cohort in which some records have no value; empty if there are none."""
    clinical, total = dataset.inputs.clinical, len(dataset.cohort)
    if clinical is None:
        return []
    missing = np.isnan(clinical.values).sum(axis=0)
    named = {variable.name: int(count) for variable, count in zip(clinical.variables, missing, strict=True)}
    parts = [f"{name} in {count} of {total} records" for name, count in named.items() if count and name in there]
    rest = "the median of the training records is used instead"
    return [f"not given: {', '.join(parts)}; {rest}"] if parts else []


def left_out_notes(cohort: Cohort, labelled: Cohort, dataset: Dataset) -> list[str]:
    """Return a sentence for each reason why records were left out."""
    unlabelled, bad = len(cohort) - len(labelled), len(labelled) - len(dataset.cohort)
    reasons = {"without a label": unlabelled, "with a page that cannot be used": bad}
    return [f"left out: {counted(count, 'record')} {reason}" for reason, count in reasons.items() if count]


def kind_notes(dataset: Dataset, run: Mapping[str, Any]) -> list[str]:
    """Return a note if a run learned mostly from recordings and these ECGs are mostly pictures, or the reverse.

    Args:
        dataset: Dataset of the second cohort.
        run: Content of the run's ``run.json``; runs of earlier versions do not say what they learned from.
    """
    own, here = run.get("ecg_kinds") or {}, {} if dataset.page_index is None else dataset.page_index.kinds
    shares = [kinds["pictures"] / sum(kinds.values()) for kinds in (own, here) if any(kinds.values())]
    if len(shares) < 2 or abs(shares[0] - shares[1]) <= OTHER_KIND_SHARE:
        return []
    words = [f"{kinds['recordings']} recordings and {kinds['pictures']} pictures" for kinds in (own, here)]
    return [
        f"the run has {words[0]} of ECGs, this cohort {words[1]}: a model can do worse on the kind that it knows less"
    ]
