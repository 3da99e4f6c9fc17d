"""Patients to score: reads and checks their pages and values, and holds what the predictor needs."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cardiograph.artifacts.bundle import ModelBundle
from cardiograph.cohort.identity import shortened_id
from cardiograph.containers import NearestNeighbours, NodeFeatures, is_shortened
from cardiograph.containers.answers import Query
from cardiograph.ecg.ecg import Ecg
from cardiograph.ecg.pages import prepare_ecg
from cardiograph.errors import InputError, Issue, PageError
from cardiograph.imaging.prepare import PreparedPage, page_remarks, refusal
from cardiograph.registry import Reads
from cardiograph.schema import ClinicalVariable
from cardiograph.uncertainty.conformal import tie_break

_HEADLINE = "This patient cannot be scored."


@dataclass(frozen=True)
class Queries:
    """Patients whose pages are embedded and whose values are checked.

    Args:
        image: [queries, width] embeddings, NaN where a patient has no page; None for a model without pages.
        clinical: [queries, variables] values in the model's variables and their units, NaN where missing.
        patient_ids: [queries] patient ids, None where not given.
        pixel_hashes: [queries] pixel hashes (hex), None without a page.
        perceptual_hashes: [queries] perceptual hashes, [bytes] uint8; None without a page.
        measurements: [queries, measurements] in the model's measurements, NaN where missing; None for a model without.
    """

    image: NDArray[np.float32] | None
    clinical: NDArray[np.float64]
    patient_ids: Sequence[str | float | None]
    pixel_hashes: Sequence[str | None]
    perceptual_hashes: Sequence[NDArray[np.uint8] | None]
    measurements: NDArray[np.float64] | None = None

    def __len__(self) -> int:
        return len(self.patient_ids)

    def of(self, rows: slice) -> Queries:
        """Return a range of the patients."""
        return Queries(
            image=None if self.image is None else self.image[rows],
            clinical=self.clinical[rows],
            patient_ids=self.patient_ids[rows],
            pixel_hashes=self.pixel_hashes[rows],
            perceptual_hashes=self.perceptual_hashes[rows],
            measurements=None if self.measurements is None else self.measurements[rows],
        )

    @cached_property
    def ties(self) -> NDArray[np.float64]:
        """[queries] 0..1 tie-breaking numbers, which depend only on the page and values of the patient."""
        keys = zip(self.pixel_hashes, np.asarray(self.clinical, np.float64), strict=True)
        return np.array([tie_break(f"{pixels} {values.tolist()}") for pixels, values in keys])


@dataclass(frozen=True)
class AttachedQueries:
    """Embedded patients, attached to the reference records.

    Args:
        features: Node features of the queries.
        neighbours: Reference records that each query aggregates.
        excluded_reasons: [queries] reasons why reference records were excluded as neighbours; empty if none were.
    """

    features: NodeFeatures
    neighbours: NearestNeighbours
    excluded_reasons: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Patient:
    """A query whose page and values were read.

    Args:
        page: Page ready for the encoder; None without a usable page.
        values: [variables] values in the model's variables, NaN where not given.
        issues: All faults; a patient with an issue is not scored.
        page_warnings: Warnings about the page.
        leads: Leads of the ECG; None if the model does not need them, or they could not be read.
    """

    page: PreparedPage | None
    values: list[float]
    issues: list[Issue]
    page_warnings: tuple[str, ...] = ()
    leads: Ecg | None = None

    def input(self, reads: Reads) -> NDArray[np.float32] | None:
        """Return the input of an encoder that reads pages or leads; None if the patient has no such input."""
        if reads == "leads":
            from cardiograph.encoders.leads_input import leads_input

            return None if self.leads is None else leads_input(self.leads)
        return None if self.page is None else self.page.input


def read_patient(query: Query, bundle: ModelBundle, *, reads_pages: bool) -> Patient:
    """Read and check the page and the values of a patient.

    Args:
        query: Page, values and ids of the patient.
        bundle: Model that will score the patient.
        reads_pages: Whether the model reads pages.
    """
    variables = () if bundle.scaler is None else bundle.scaler.variables
    given = {name: float(value) for name, value in query.clinical.items() if value is not None and value == value}
    issues = list(_value_issues(query.name, given, variables))
    if is_shortened(query.patient_id):
        issues.append(shortened_id(query.name, "patient_id", query.patient_id))
    values = [given.get(variable.name, np.nan) for variable in variables]
    if query.page is not None and not reads_pages:
        return Patient(None, values, [*issues, _unused_page(query)])
    blocks = {*bundle.fusion.layout[1]}  # without blocks of weight 0
    known = {"clinical"} if any(map(math.isfinite, values)) else set[str]()
    if query.page is None:
        return Patient(None, values, issues if known & blocks else [*issues, _nothing_known(query, bundle)])
    name = query.page.name if isinstance(query.page, Path) else query.name
    pages, needs = bundle.served.pages, bundle.served.needs
    try:
        file = prepare_ecg(query.page, name=name, config=pages, needs=needs)
    except InputError as error:
        return Patient(None, values, [*issues, *error.issues])
    page, leads = file.page, file.leads
    refused = refusal(page.doubt, name=name, gate=pages.gate if query.gate is None else query.gate)
    known |= {"image"} if needs != "leads" else set()
    known |= {"image", "measurements"} if leads is not None else set()
    if refused is not None:
        issues.append(refused)
    elif not known & blocks:
        issues.append(_nothing_known(query, bundle))
    return Patient(page, values, issues, page_remarks(page.doubt, page.page.pictures, page.page.notes), leads)


def faults(found: Sequence[Sequence[Issue]], patients: int) -> InputError:
    """Return the error for patients that cannot be scored.

    Args:
        found: Issues of each such patient.
        patients: Number of patients that were read, up to the last one.
    """
    issues = [issue for each in found for issue in each]
    message = _HEADLINE if patients == 1 else f"{len(found)} of the last {patients} patients cannot be scored."
    only_pages = all(issue.where.startswith("page ") for issue in issues)
    return (PageError if only_pages else InputError)(message, issues)


def _value_issues(name: str, given: Mapping[str, float], variables: Sequence[ClinicalVariable]) -> Iterator[Issue]:
    known = {variable.name: variable for variable in variables}
    for column, value in given.items():
        if column not in known:
            rule = f"this model reads {', '.join(known) or 'no clinical values'}"
            yield Issue(name, column, f"{value:g}", rule, "leave it out", "unknown_variable")
            continue
        variable = known[column]
        if not variable.low <= value <= variable.high or (variable.whole and not value.is_integer()):
            rule = f"allowed {variable.rule}"
            yield Issue(name, column, f"{value:g}", rule, "check the unit or leave the value out", "out_of_range")


def _unused_page(query: Query) -> Issue:
    return Issue(
        query.name, "ecg", "given", "this model was trained without pages", "leave the page out", "unused_page"
    )


def _nothing_known(query: Query, bundle: ModelBundle) -> Issue:
    words = {"image": "an ECG page", "clinical": "a clinical value", "measurements": "an ECG page"}
    wanted = " or ".join(dict.fromkeys(words[block] for block in bundle.fusion.layout[1]))
    return Issue(query.name, "", "", f"a score needs {wanted}", f"give {wanted}", "nothing_known")
