"""Predictor: the one way from a patient to a score, for the report's test records, the command line and the service."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray

from cardiograph.artifacts.bundle import ModelBundle
from cardiograph.artifacts.files import read_json
from cardiograph.containers import Neighbour, Neighbourhood, Prediction
from cardiograph.errors import EngineError, InputError, Issue, PageError, RunError
from cardiograph.graph.attach import attach
from cardiograph.imaging.encoder import Engine, load_engine, probe
from cardiograph.imaging.hashing import NEAR_COPY_THRESHOLD, near_copy_distance
from cardiograph.imaging.prepare import PreparedPage, prepare_page
from cardiograph.models.gnn import Hearing
from cardiograph.schema import ClinicalVariable

PROBE_TOLERANCE = 1e-3
"""Largest relative difference of the probe's embedding before an engine counts as another one."""

SAME = 1e-6
"""Distance in the fused space below which two records are one."""

_HEADLINE = "This patient cannot be scored."
_CHUNK = 32
"""Pages held in memory at a time."""


_Read = tuple[PreparedPage | None, list[float], list[Issue]]
"""A patient's page, values in the model's variables, and all that is wrong with them."""


@dataclass(frozen=True)
class Query:
    """A patient to be scored.

    Args:
        page: The ECG page, as a path or the content of a file; None for a model without pages.
        clinical: Variable -> value in its unit; absent, None or NaN is missing.
        name: For errors.
        patient_id: Where known: the patient's own reference records are then left out. A whole number is its text.
    """

    page: Path | bytes | None = None
    clinical: Mapping[str, float | None] = field(default_factory=dict)
    name: str = "patient"
    patient_id: str | float | None = None


@dataclass(frozen=True)
class Queries:
    """Patients whose pages are embedded and whose values are checked.

    Args:
        image: [queries, 512] embeddings, or None.
        clinical: [queries, variables] in the model's variables and their units, NaN where missing.
        patient_ids: [queries] or None where not given.
        pixel_hashes: [queries] or None without a page.
        perceptual_hashes: [queries, bytes] or None.
    """

    image: NDArray[np.float32] | None
    clinical: NDArray[np.float64]
    patient_ids: Sequence[str | float | None]
    pixel_hashes: Sequence[str | None]
    perceptual_hashes: NDArray[np.uint8] | None

    def __len__(self) -> int:
        return len(self.patient_ids)


@dataclass(frozen=True)
class Scores:
    """What the network says of queries.

    Args:
        by_class: [queries, classes] float64 probabilities, two classes but in studies.
        neighbours: The reference records each one heard.
        known: [queries] why reference records were left out, empty where none were.
    """

    by_class: NDArray[np.float64]
    neighbours: Neighbourhood
    known: tuple[tuple[str, ...], ...]

    @property
    def probabilities(self) -> NDArray[np.float64]:
        """[queries] of the outcome."""
        return self.by_class[:, 1]


class Predictor:
    """Scores patients against the reference records of a bundle.

    Args:
        bundle: The model.
        engine: Of its encoder; None for a model without pages.
    """

    def __init__(self, bundle: ModelBundle, engine: Engine | None = None) -> None:
        self.bundle = bundle
        self._engine = engine
        reference = bundle.reference
        self._degree = torch.from_numpy(reference.degree)
        self._states = [torch.from_numpy(state) for state in reference.states]
        self._members = _rows_by(reference.groups.tolist())
        self._by_patient = _rows_by(reference.patient_ids)
        self._by_pixels = _rows_by(reference.pixel_hashes)

    @classmethod
    def load(cls, run: Path | str) -> Self:
        """Load the model of a run (its folder, or the ``bundle`` folder in it).

        Raises:
            RunError: No finished run, or a file that differs from its checksum.
            EngineError: The encoder's engine, precision or result is not available here; no other is taken instead.
        """
        folder = Path(run)
        if (folder / "run.json").exists() and read_json(folder / "run.json").get("status") != "finished":
            message = f"{run}: the run is unfinished; the same `cardiograph run` goes on with it"
            raise RunError(message)
        folder = folder / "bundle" if (folder / "bundle").is_dir() else folder
        if not (folder / "bundle.json").exists():
            kept = "this run kept no model, its report says why" if (folder / "run.json").exists() else "no model here"
            message = f"{run}: {kept}; give a folder that `cardiograph run` has finished"
            raise RunError(message)
        bundle = ModelBundle.load(folder)
        if bundle.served.encoder is None:
            return cls(bundle)
        engine = load_engine(folder, bundle.served.encoder)
        expected = np.array(bundle.served.probe)
        drift = np.abs(probe(engine) - expected).max() / np.abs(expected).max()
        if drift > PROBE_TOLERANCE:
            message = (
                f"{run}: the encoder computes other numbers here than where the model was made (by {drift:.1e} of the "
                "scale); serve it on such a machine with such versions, or make the run again here"
            )
            raise EngineError(message)
        return cls(bundle, engine)

    def predict(
        self,
        page: Path | str | bytes | None = None,
        clinical: Mapping[str, float | None] | None = None,
        *,
        patient_id: str | float | None = None,
    ) -> Prediction:
        """Score one patient.

        Args:
            page: ECG page: a path or the content of a file; None for a model without pages.
            clinical: Variable -> value in its unit; what is absent or None is missing.
            patient_id: Where known: the patient's own reference records are then left out.

        Raises:
            InputError: The page or a value cannot be used.
        """
        source = Path(page) if isinstance(page, str) else page
        return next(iter(self.predict_many([Query(source, clinical or {}, patient_id=patient_id)])))

    def predict_many(self, queries: Iterable[Query]) -> Iterator[Prediction]:
        """Score patients, in order; each gets the answer it would get alone.

        Raises:
            InputError: With the faults of this patient and of all that follow; nobody after it is scored.
        """
        waiting = iter(queries)
        while chunk := list(itertools.islice(waiting, _CHUNK)):
            read = [self._read(query) for query in chunk]
            if any(found for _, _, found in read):
                read += [(None, [], self._read(query)[2]) for query in waiting]
                raise _faults([found for _, _, found in read if found], len(read))
            yield from self._predict_chunk(chunk, read)

    def score(self, queries: Queries) -> Scores:
        """Score embedded patients: the arithmetic behind every probability this project prints."""
        bundle = self.bundle
        clinical = None if bundle.scaler is None else bundle.scaler.transform(queries.clinical)
        features = bundle.fusion.transform(queries.image, clinical)
        forbidden, known = self._forbidden(queries)
        hood = attach(bundle.reference.features, features.values, bundle.served.graph, forbidden)
        with torch.inference_mode():
            own = torch.from_numpy(features.values)
            logits, _ = bundle.network(own, Hearing.of(hood, self._degree), self._states)
            by_class = logits.double().softmax(1).numpy()
        return Scores(by_class, hood, known)

    def _forbidden(self, queries: Queries) -> tuple[list[NDArray[np.int64]], tuple[tuple[str, ...], ...]]:
        """Rows of the groups that a query belongs to, by patient, pixels or likeness, and these reasons."""
        rows, reasons = [], []
        for number in range(len(queries)):
            matches = {
                "this patient": self._by_patient.get(_name(queries.patient_ids[number]), []),
                "this page": self._by_pixels.get(queries.pixel_hashes[number] or "", []),
            }
            if not matches["this page"]:
                matches["a near-copy of this page"] = self._near_copies(queries, number)
            groups = {int(self.bundle.reference.groups[row]) for found in matches.values() for row in found}
            rows.append(np.array(sorted(row for group in groups for row in self._members[group]), np.int64))
            reasons.append(tuple(reason for reason, found in matches.items() if found))
        return rows, tuple(reasons)

    def _near_copies(self, queries: Queries, number: int) -> list[int]:
        hashes = self.bundle.reference.perceptual_hashes
        if queries.perceptual_hashes is None or not hashes.shape[1] or not self.bundle.served.pages.near_copies:
            return []
        distance = near_copy_distance(queries.perceptual_hashes[number], hashes)
        return [int(row) for row in np.flatnonzero(distance <= NEAR_COPY_THRESHOLD)]

    def _predict_chunk(self, chunk: Sequence[Query], read: Sequence[_Read]) -> Iterator[Prediction]:
        pages = [page for page, _, _ in read if page is not None]
        values = np.array([values for _, values, _ in read]).reshape(len(chunk), -1)
        queries = Queries(
            image=None if self._engine is None else np.stack(list(self._engine.run(page.input for page in pages))),
            clinical=values,
            patient_ids=[query.patient_id for query in chunk],
            pixel_hashes=[page.pixel_hash for page in pages] or [None] * len(chunk),
            perceptual_hashes=np.stack([page.perceptual_hash for page in pages]) if pages else None,
        )
        scores = self.score(queries)
        for number in range(len(chunk)):
            yield self._prediction(scores, number, values[number])

    def _read(self, query: Query) -> _Read:
        """The page and the values of a patient, and all that is wrong with them."""
        variables = () if self.bundle.scaler is None else self.bundle.scaler.variables
        given = {name: float(value) for name, value in query.clinical.items() if value is not None and value == value}
        issues = list(_value_issues(query.name, given, variables))
        values = [given.get(variable.name, np.nan) for variable in variables]
        if (query.page is None) != (self._engine is None):
            issues.append(_page_issue(query))
            return None, values, issues
        if query.page is None:
            return None, values, issues
        name = query.page.name if isinstance(query.page, Path) else query.name
        try:
            return prepare_page(query.page, name=name, config=self.bundle.served.pages), values, issues
        except InputError as error:
            return None, values, [*issues, *error.issues]

    def _prediction(self, scores: Scores, number: int, values: NDArray[np.float64]) -> Prediction:
        served = self.bundle.served
        warnings = [
            f"{reason} is in the reference; it was scored without that group" for reason in scores.known[number]
        ]
        if self.bundle.scaler is not None:
            warnings += self.bundle.scaler.outside(values)
            missing = self.bundle.scaler.missing(values)
            if missing:
                warnings.append(f"not given: {', '.join(missing)}; the median of the training records stands in")
        hood = scores.neighbours
        if hood.distance[number, 0] < SAME and hood.index[number, 0] >= 0:
            warnings.append("a reference record has the very same values; it may be this patient")
        probability = float(scores.probabilities[number])
        return Prediction(
            probability=probability,
            positive=probability >= served.threshold,
            threshold=served.threshold,
            outcome=served.outcome,
            neighbours=tuple(
                self._neighbour(int(row), float(distance))
                for row, distance in zip(hood.index[number], hood.distance[number], strict=True)
                if row >= 0
            ),
            provenance=served.provenance,
            warnings=tuple(warnings),
        )

    def _neighbour(self, row: int, distance: float) -> Neighbour:
        reference, scaler = self.bundle.reference, self.bundle.scaler
        names = [] if scaler is None else [variable.name for variable in scaler.variables]
        clinical = {
            name: None if np.isnan(value) else float(value)
            for name, value in zip(names, reference.clinical[row], strict=True)
        }
        return Neighbour(reference.record_ids[row], distance, int(reference.labels[row]), clinical)


def _rows_by(keys: Iterable[str | int]) -> dict[str | int, list[int]]:
    rows: dict[str | int, list[int]] = {}
    for row, key in enumerate(keys):
        if key != "":
            rows.setdefault(key, []).append(row)
    return rows


def _faults(found: Sequence[Sequence[Issue]], patients: int) -> InputError:
    issues = [issue for each in found for issue in each]
    message = _HEADLINE if patients == 1 else f"{len(found)} of the last {patients} patients cannot be scored."
    only_pages = all(issue.where.startswith("page ") for issue in issues)
    return (PageError if only_pages else InputError)(message, issues)


def _name(patient_id: str | float | None) -> str:
    """A patient's id as the cohort's reader writes it; empty where there is none."""
    if isinstance(patient_id, float):
        return "" if np.isnan(patient_id) else f"{patient_id:.0f}" if patient_id.is_integer() else repr(patient_id)
    return "" if patient_id is None else str(patient_id)


def _value_issues(name: str, given: Mapping[str, float], variables: Sequence[ClinicalVariable]) -> Iterator[Issue]:
    known = {variable.name: variable for variable in variables}
    for column, value in given.items():
        if column not in known:
            rule = f"this model knows {', '.join(known) or 'no clinical values'}"
            yield Issue(name, column, f"{value:g}", rule, "leave it out", "unknown_variable")
            continue
        variable = known[column]
        if not variable.low <= value <= variable.high or (variable.whole and not value.is_integer()):
            rule = f"allowed {variable.allowed}{', whole numbers' if variable.whole else ''}"
            yield Issue(name, column, f"{value:g}", rule, "check the unit or leave the value out", "out_of_range")


def _page_issue(query: Query) -> Issue:
    if query.page is None:
        return Issue(
            query.name, "ecg", "missing", "this model was trained with pages", "give an ECG page", "missing_page"
        )
    return Issue(
        query.name, "ecg", "given", "this model was trained without pages", "leave the page out", "unused_page"
    )
