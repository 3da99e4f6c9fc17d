"""Predictor: the one way from a patient to a score, for the report's test records, the command line and the service."""

from __future__ import annotations

import copy
import dataclasses
import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cardiograph.artifacts.bundle import ModelBundle
from cardiograph.artifacts.files import read_json
from cardiograph.containers import Neighbour, Neighbourhood, NodeFeatures, Prediction
from cardiograph.errors import EngineError, InputError, Issue, PageError, RunError
from cardiograph.graph.attach import attach, heard_votes, label_prior
from cardiograph.imaging.ecg_gate import ecg_evidence, not_an_ecg
from cardiograph.imaging.encoder import EMBEDDING_WIDTH, Engine, load_engine, probe
from cardiograph.imaging.likeness import KnownTraces
from cardiograph.imaging.prepare import PreparedPage, prepare_page
from cardiograph.models.gnn import Hearing
from cardiograph.schema import ClinicalVariable
from cardiograph.uncertainty.calibrators import Calibrator
from cardiograph.uncertainty.conformal import tie_break
from cardiograph.uncertainty.together import Told, Uncertainty

PROBE_TOLERANCE = 1e-3
"""Largest relative difference of the probe's embedding before an engine counts as another one."""

SAME = 1e-6
"""Distance in the fused space below which two records are one."""

VOID = (
    "the run was extended, which made calibration, threshold and sets void: the probability is uncalibrated and decides "
    "nothing; `cardiograph evaluate RUN COHORT --renew` makes them anew"
)
"""What stands first in every answer of an extended run that was not renewed."""

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
        image: [queries, 512] embeddings, NaN where a patient has no page; None for a model without pages.
        clinical: [queries, variables] in the model's variables and their units, NaN where missing.
        patient_ids: [queries] or None where not given.
        pixel_hashes: [queries] or None without a page.
        perceptual_hashes: [queries] uint8 [bytes], or None without a page.
    """

    image: NDArray[np.float32] | None
    clinical: NDArray[np.float64]
    patient_ids: Sequence[str | float | None]
    pixel_hashes: Sequence[str | None]
    perceptual_hashes: Sequence[NDArray[np.uint8] | None]

    def __len__(self) -> int:
        return len(self.patient_ids)


@dataclass(frozen=True)
class Scores:
    """What the network says of queries.

    Args:
        by_class: [queries, classes] float64 probabilities, calibrated where there are two classes: all but in studies.
        raw: [queries] float64 difference of the logits before calibration; 0 with more classes.
        neighbours: The reference records each one heard.
        known: [queries] why reference records were left out, empty where none were.
        told: Intervals, sets and novelty; None with more classes.
        lacking: [queries] blocks that the query does not have, such as ``("image",)``.
    """

    by_class: NDArray[np.float64]
    raw: NDArray[np.float64]
    neighbours: Neighbourhood
    known: tuple[tuple[str, ...], ...]
    told: Told | None
    lacking: tuple[tuple[str, ...], ...]

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
        names, blocks = bundle.fusion.layout
        placed = bundle.space.place(NodeFeatures(reference.features, names, blocks, reference.present))
        if reference.places is not None:
            placed = dataclasses.replace(placed, values=reference.places)
        self._places, self._blocks = dataclasses.replace(placed, lists=reference.lists), tuple(blocks)
        kept = bundle.served.prior
        self._prior = label_prior(reference.labels) if kept is None else kept
        self._uncertainty = bundle.uncertainty or Uncertainty(Calibrator("none", {}))
        self._degree = torch.from_numpy(reference.degree)
        self._network = copy.deepcopy(bundle.network).double()
        self._states = [torch.from_numpy(state) for state in reference.states]
        self._members = _rows_by(reference.groups.tolist())
        self._by_patient = _rows_by(reference.patient_ids)
        self._by_pixels = _rows_by(reference.pixel_hashes)
        self._paged = np.flatnonzero([bool(pixels) for pixels in reference.pixel_hashes])

    @classmethod
    def load(cls, run: Path | str) -> Self:
        """Load the model of a run (its folder, or the ``bundle`` folder in it).

        Raises:
            RunError: No finished run, or a file that differs from its checksum.
            EngineError: The encoder's engine, precision or result is not available here; no other is taken instead.
        """
        folder = Path(run)
        if (folder / "run.json").exists() and read_json(folder / "run.json").get("status") != "finished":
            message = f"{run}: the run is unfinished; the command that began it goes on with it"
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

    @property
    def engine(self) -> Engine | None:
        """Of the encoder, for a cohort whose pages are embedded beforehand; None for a model without pages."""
        return self._engine

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
        hood = attach(self._places, bundle.space.place(features), bundle.served.graph, forbidden)
        votes = heard_votes(hood, bundle.reference.labels, prior=self._prior)
        logits = self._logits(torch.from_numpy(features.values), Hearing.of(hood, self._degree, votes))
        lacking = tuple(
            tuple(block for block, has in zip(self._blocks, row, strict=True) if not has) for row in features.present
        )
        if logits.shape[1] != 2:
            return Scores(logits.softmax(1).numpy(), np.zeros(len(queries)), hood, known, None, lacking)
        raw = (logits[:, 1] - logits[:, 0]).numpy()
        told = self._uncertainty.tell(raw, _ties(queries), self._distances(hood, lacking))
        by_class = np.stack([1 - told.probabilities, told.probabilities], axis=1)
        return Scores(by_class, raw, hood, known, told, lacking)

    def _logits(self, own: Tensor, hearing: Hearing) -> Tensor:
        """[queries, classes] in float64, whose rounding is far below what is told: a batch and one query give the same.

        Of the reference no more than the neighbours is widened.
        """
        rows = torch.unique(hearing.index[hearing.valid])
        if not len(rows):
            rows = torch.zeros(1, dtype=torch.int64)
        place = torch.searchsorted(rows, hearing.index).clamp(max=len(rows) - 1)
        local = dataclasses.replace(hearing, index=place, votes=hearing.votes.double())
        with torch.inference_mode():
            logits: Tensor = self._network(own.double(), local, [state[rows].double() for state in self._states])[0]
        return logits

    def _distances(self, hood: Neighbourhood, lacking: Sequence[tuple[str, ...]]) -> NDArray[np.float64]:
        """[queries] mean distance to the neighbours; NaN where it is another distance than that of training records."""
        found = mean_distance(hood)
        if self._places.complete:
            found[[bool(blocks) for blocks in lacking]] = np.nan
        return found

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
        own = queries.perceptual_hashes[number]
        if own is None or self._traces is None:
            return []
        return [int(row) for row in self._paged[self._traces.near_copies(own)]]

    @cached_property
    def _traces(self) -> KnownTraces | None:
        """Of the reference records with a page, in their order; None where near-copies do not count."""
        hashes = self.bundle.reference.perceptual_hashes
        if not hashes.shape[1] or not self.bundle.served.pages.near_copies:
            return None
        return KnownTraces(hashes if len(self._paged) == len(hashes) else hashes[self._paged])

    def _predict_chunk(self, chunk: Sequence[Query], read: Sequence[_Read]) -> Iterator[Prediction]:
        pages = [page for page, _, _ in read]
        values = np.array([values for _, values, _ in read]).reshape(len(chunk), -1)
        queries = Queries(
            image=None if self._engine is None else self._embedded(self._engine, pages),
            clinical=values,
            patient_ids=[query.patient_id for query in chunk],
            pixel_hashes=[None if page is None else page.pixel_hash for page in pages],
            perceptual_hashes=[None if page is None else page.perceptual_hash for page in pages],
        )
        scores = self.score(queries)
        for number in range(len(chunk)):
            yield self._prediction(scores, number, values[number])

    @staticmethod
    def _embedded(engine: Engine, pages: Sequence[PreparedPage | None]) -> NDArray[np.float32]:
        """[pages, 512] embeddings, NaN where there is no page."""
        found = np.full((len(pages), EMBEDDING_WIDTH), np.nan, np.float32)
        rows = [row for row, page in enumerate(pages) if page is not None]
        for row, embedding in zip(rows, engine.run(page.input for page in pages if page is not None), strict=True):
            found[row] = embedding
        return found

    def _read(self, query: Query) -> _Read:
        """The page and the values of a patient, and all that is wrong with them."""
        variables = () if self.bundle.scaler is None else self.bundle.scaler.variables
        given = {name: float(value) for name, value in query.clinical.items() if value is not None and value == value}
        issues = list(_value_issues(query.name, given, variables))
        values = [given.get(variable.name, np.nan) for variable in variables]
        if query.page is not None and self._engine is None:
            issues.append(_unused_page(query))
            return None, values, issues
        if not self._knows(query, values):
            issues.append(_nothing_known(query, self._blocks))
        if query.page is None:
            return None, values, issues
        name = query.page.name if isinstance(query.page, Path) else query.name
        pages = self.bundle.served.pages
        try:
            page = prepare_page(query.page, name=name, config=pages)
            reason = not_an_ecg(ecg_evidence(page.view)) if pages.gate else None
        except InputError as error:
            return None, values, [*issues, *error.issues]
        if reason is not None:
            remedy = (
                "check that the file is a printed ECG (pages.gate = false in the run's settings scores any picture)"
            )
            issues.append(Issue(f"page {name}", "", "", reason, remedy, "not_an_ecg"))
        return page, values, issues

    def _knows(self, query: Query, values: Sequence[float]) -> bool:
        """Whether a patient has any of the blocks that the features are made of: one of weight 0 is not."""
        has = {"image": query.page is not None, "clinical": bool(np.isfinite(values).any())}
        return any(has[block] for block in self._blocks)

    def _prediction(self, scores: Scores, number: int, values: NDArray[np.float64]) -> Prediction:
        served = self.bundle.served
        warnings = [
            f"{reason} is in the reference; it was scored without that group" for reason in scores.known[number]
        ]
        lacking = scores.lacking[number]
        if self.bundle.scaler is not None and "clinical" not in lacking:
            warnings += self.bundle.scaler.outside(values)
            missing = self.bundle.scaler.missing(values)
            if missing:
                warnings.append(f"not given: {', '.join(missing)}; the median of the training records stands in")
        warnings += [f"scored without {_BLOCKS[block]}: neighbours are those of the rest alone" for block in lacking]
        told = scores.told
        if served.threshold is None:
            warnings.insert(0, VOID)
        if told is not None and told.novel[number]:
            share = f"{told.novelty[number] * 100:.1f} %"
            warnings.append(f"unlike the training records: {share} of them lie nearer to their neighbours")
        hood = scores.neighbours
        if hood.distance[number, 0] < SAME and hood.index[number, 0] >= 0:
            warnings.append("a reference record has the very same values; it may be this patient")
        probability = float(scores.probabilities[number])
        return Prediction(
            probability=probability,
            positive=None if served.threshold is None else probability >= served.threshold,
            threshold=served.threshold,
            outcome=served.outcome,
            neighbours=tuple(
                self._neighbour(int(row), float(distance))
                for row, distance in zip(hood.index[number], hood.distance[number], strict=True)
                if row >= 0
            ),
            provenance=served.provenance,
            warnings=tuple(warnings),
            missing=lacking,
            **_certainty(told, number, void=served.threshold is None),
        )

    def _neighbour(self, row: int, distance: float) -> Neighbour:
        reference, scaler = self.bundle.reference, self.bundle.scaler
        names = [] if scaler is None else [variable.name for variable in scaler.variables]
        clinical = {
            name: None if np.isnan(value) else float(value)
            for name, value in zip(names, reference.clinical[row], strict=True)
        }
        return Neighbour(reference.record_ids[row], distance, int(reference.labels[row]), clinical)


_BLOCKS = {"image": "an ECG page", "clinical": "clinical values"}


def _certainty(told: Told | None, number: int, *, void: bool) -> dict[str, Any]:
    """What of :class:`Told` stands in an answer."""
    if void:
        return {"decision": "void"}
    if told is None:
        return {}
    low, high, novelty = (float(each[number]) for each in (told.low, told.high, told.novelty))
    return {
        "low": None if np.isnan(low) else low,
        "high": None if np.isnan(high) else high,
        "decision": told.decisions[number],
        "novelty": None if np.isnan(novelty) else novelty,
    }


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


def _unused_page(query: Query) -> Issue:
    return Issue(
        query.name, "ecg", "given", "this model was trained without pages", "leave the page out", "unused_page"
    )


def _nothing_known(query: Query, blocks: Sequence[str]) -> Issue:
    wanted = " or ".join({"image": "an ECG page", "clinical": "a clinical value"}[block] for block in blocks)
    return Issue(query.name, "", "", f"a score needs {wanted}", f"give {wanted}", "nothing_known")


def mean_distance(hood: Neighbourhood) -> NDArray[np.float64]:
    """[records] mean distance to the neighbours, infinite where there is none."""
    near = hood.index >= 0
    count = near.sum(1)
    total = np.where(near, hood.distance, 0).sum(1, dtype=np.float64)
    mean: NDArray[np.float64] = np.divide(total, count, out=np.full(len(hood), np.inf), where=count > 0)
    return mean


def _ties(queries: Queries) -> NDArray[np.float64]:
    """[queries] 0..1, the same whenever the same patient is asked about."""
    keys = zip(queries.pixel_hashes, np.asarray(queries.clinical, np.float64), strict=True)
    return np.array([tie_break(f"{pixels} {values.tolist()}") for pixels, values in keys])
