"""Predictor: reads patients, finds whom they hear, and asks the network."""

from __future__ import annotations

import copy
import dataclasses
import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cardiograph.artifacts.bundle import DAMAGE, ModelBundle
from cardiograph.artifacts.checked import CheckedFiles
from cardiograph.artifacts.files import read_json
from cardiograph.containers import NearestNeighbours, NodeFeatures, Prediction, identifier
from cardiograph.containers.answers import Query
from cardiograph.encoders.engine import Engine, load_engine, probe
from cardiograph.errors import EngineError, InputError, RunError
from cardiograph.graph.attach import attach, label_prior, neighbour_votes
from cardiograph.imaging.near_duplicates import NearDuplicateIndex
from cardiograph.imaging.prepare import PreparedPage, preparation
from cardiograph.inference.answers import Scores, answer, mean_distance
from cardiograph.inference.queries import AttachedQueries, Patient, Queries, faults, read_patient
from cardiograph.models.neighbour_table import NeighbourTable
from cardiograph.uncertainty.calibrators import Calibrator
from cardiograph.uncertainty.uncertainty import Uncertainty

PROBE_TOLERANCE = 1e-3
"""Largest relative difference of the probe's embedding before an engine counts as another one."""

_CHUNK = 32
"""Pages held in memory at a time."""


class Predictor:
    """Scores patients against the reference records of a bundle.

    Args:
        bundle: The model.
        engine: Engine of its encoder; None for a model without pages.
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
        self._by_patient = _rows_by(map(identifier, reference.patient_ids))
        self._by_pixels = _rows_by(reference.pixel_hashes)
        self._paged = np.flatnonzero([bool(pixels) for pixels in reference.pixel_hashes])

    @classmethod
    def load(cls, run: Path | str) -> Self:
        """Load the model of a run (its folder, or the ``bundle`` folder in it).

        Raises:
            RunError: No finished run, or a file that differs from its checksum.
            EngineError: The encoder's engine, precision, result or preparation of pages is not available here.
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
        checked = CheckedFiles(folder)
        bundle = ModelBundle.restore(checked)
        served = bundle.served
        if served.encoder is not None and served.encoder.preparation != preparation(served.pages):
            message = f"{run}: made by a version that reads and compares pages in another way; make the run again"
            raise EngineError(message)
        try:
            engine = None if bundle.served.encoder is None else load_engine(checked, bundle.served.encoder)
            drift = 0.0 if engine is None else _drift(engine, np.array(bundle.served.probe))
            loaded = cls(bundle, engine)
            loaded._score_anyone()
        except DAMAGE as error:
            reason = str(error).partition("\n")[0][:200] or type(error).__name__
            message = f"{run}: the parts of its model do not fit ({reason}); make the run again"
            raise RunError(message) from error
        if not drift <= PROBE_TOLERANCE:
            message = (
                f"{run}: the encoder computes other numbers here than where the model was made (by {drift:.1e} of the "
                "scale); serve it on such a machine with such versions, or make the run again here"
            )
            raise EngineError(message)
        return loaded

    def _score_anyone(self) -> None:
        """Score a made-up patient, so that parts which do not fit are noticed when they are loaded.

        Raises:
            ValueError: The answer is no probability; other errors where the arithmetic fails.
        """
        values = self.bundle.reference.clinical[:1]
        image = np.zeros((1, len(self.bundle.fusion.kept)), np.float32) if "image" in self._blocks else None
        scores = self.score(Queries(image, values, [None], [None], [None]))
        probability = answer(self.bundle, scores, 0, values[0]).probability
        if not 0 <= probability <= 1:
            message = f"a made-up patient gets the probability {probability}"
            raise ValueError(message)

    @property
    def engine(self) -> Engine | None:
        """Of the encoder, for a cohort whose pages are embedded beforehand; None for a model without pages."""
        return self._engine

    @property
    def reads(self) -> tuple[str, ...]:
        """Names of the clinical variables that the model reads."""
        scaler = self.bundle.scaler
        return () if scaler is None else tuple(variable.name for variable in scaler.variables)

    def predict(
        self,
        page: Path | str | bytes | None = None,
        clinical: Mapping[str, float | None] | None = None,
        *,
        patient_id: str | float | None = None,
        gate: bool | None = None,
    ) -> Prediction:
        """Score one patient.

        Args:
            page: ECG page: a path or the content of a file; None for a model without pages.
            clinical: Variable -> value in its unit; what is absent or None is missing.
            patient_id: Where known: the patient's own reference records are then left out.
            gate: Whether a page that does not look like an ECG is refused, or scored with a warning; None leaves it to the
                model's setting.

        Raises:
            InputError: The page or a value cannot be used.
        """
        source = Path(page) if isinstance(page, str) else page
        return next(iter(self.predict_many([Query(source, clinical or {}, patient_id=patient_id, gate=gate)])))

    def predict_many(self, queries: Iterable[Query]) -> Iterator[Prediction]:
        """Score patients, in order; each gets the answer it would get alone.

        Raises:
            InputError: With the faults of this patient and of all that follow; nobody after it is scored.
        """
        waiting = iter(queries)
        while chunk := list(itertools.islice(waiting, _CHUNK)):
            read = [self.read(query) for query in chunk]
            if any(patient.issues for patient in read):
                read += [Patient(None, [], self.read(query).issues) for query in waiting]
                raise faults([patient.issues for patient in read if patient.issues], len(read))
            scores = self.score(self.embed(chunk, read))
            for number, patient in enumerate(read):
                yield answer(self.bundle, scores, number, np.array(patient.values), remarks=patient.remarks)

    def predict_each(self, queries: Iterable[Query]) -> Iterator[Prediction | InputError]:
        """Score patients, in order; who cannot be scored has the error, with all faults, in the place of the answer."""
        waiting = iter(queries)
        while chunk := list(itertools.islice(waiting, _CHUNK)):
            read = [self.read(query) for query in chunk]
            good = [number for number, patient in enumerate(read) if not patient.issues]
            found: dict[int, Prediction] = {}
            if good:
                scores = self.score(self.embed([chunk[number] for number in good], [read[number] for number in good]))
                found = {
                    number: answer(
                        self.bundle, scores, place, np.array(read[number].values), remarks=read[number].remarks
                    )
                    for place, number in enumerate(good)
                }
            for number, patient in enumerate(read):
                yield found[number] if number in found else faults([patient.issues], 1)

    def read(self, query: Query) -> Patient:
        """The page and the values of a patient, and all that is wrong with them."""
        return read_patient(query, self.bundle, sees=self._engine is not None)

    def embed(self, queries: Sequence[Query], read: Sequence[Patient]) -> Queries:
        """What the network needs of patients that were read without an issue."""
        pages = [patient.page for patient in read]
        return Queries(
            image=None if self._engine is None else _embedded(self._engine, pages, self.bundle.served.embedding_width),
            clinical=np.array([patient.values for patient in read]).reshape(len(read), -1),
            patient_ids=[query.patient_id for query in queries],
            pixel_hashes=[None if page is None else page.pixel_hash for page in pages],
            perceptual_hashes=[None if page is None else page.perceptual_hash for page in pages],
        )

    def score(self, queries: Queries) -> Scores:
        """Score embedded patients: the arithmetic behind every probability this project prints."""
        return self.judge(self.attach(queries), queries.ties)

    def attach(self, queries: Queries) -> AttachedQueries:
        """Fuse embedded patients, and find whom they hear.

        Raises:
            RunError: A file of the bundle was changed since it was read.
        """
        self.bundle.require_unchanged()
        features = self.fuse(queries)
        forbidden, known = self._forbidden(queries)
        return AttachedQueries(features, self._heard(features, forbidden), known)

    def attach_without(self, query: Queries, rows: Sequence[NDArray[np.int64]]) -> AttachedQueries:
        """One embedded patient, attached once for each set of reference rows that it may not hear, either.

        Args:
            query: The patient.
            rows: Rows of the reference.
        """
        (forbidden,), known = self._forbidden(query)
        alone, count = self.fuse(query), len(rows)
        features = dataclasses.replace(
            alone, values=alone.values.repeat(count, axis=0), present=alone.present.repeat(count, axis=0)
        )
        return AttachedQueries(
            features, self._heard(features, [np.union1d(forbidden, more) for more in rows]), known * count
        )

    def attach_changed(self, query: Queries, features: NodeFeatures) -> AttachedQueries:
        """Attach changed copies of one embedded patient; each copy finds the neighbours of its own features.

        Args:
            query: The patient, whose own records stay left out.
            features: Features of the copies.
        """
        count = len(features.values)
        forbidden, known = self._forbidden(query)
        return AttachedQueries(features, self._heard(features, forbidden * count), known * count)

    def _heard(self, features: NodeFeatures, forbidden: Sequence[NDArray[np.int64]]) -> NearestNeighbours:
        return attach(self._places, self.bundle.space.place(features), self.bundle.served.graph, forbidden)

    def fuse(self, queries: Queries) -> NodeFeatures:
        """Node features of embedded patients."""
        scaler = self.bundle.scaler
        return self.bundle.fusion.transform(
            queries.image, None if scaler is None else scaler.transform(queries.clinical)
        )

    def judge(self, attached: AttachedQueries, ties: NDArray[np.float64]) -> Scores:
        """Score patients who hear what they hear.

        Args:
            attached: Features and neighbours.
            ties: [queries] 0..1, see :attr:`Queries.ties`.
        """
        hood, features = attached.neighbours, attached.features
        logits = self.logits(torch.from_numpy(features.values), hood)
        self.bundle.require_unchanged()  # a large bundle is mapped: it may have changed while it was read
        lacking = tuple(
            tuple(block for block, has in zip(self._blocks, row, strict=True) if not has) for row in features.present
        )
        if logits.shape[1] != 2:
            return Scores(logits.softmax(1).numpy(), np.zeros(len(logits)), hood, attached.known, None, lacking)
        raw = (logits[:, 1] - logits[:, 0]).numpy()
        told = self._uncertainty.predict(raw, ties, *self._distances(hood, features))
        by_class = np.stack([1 - told.probabilities, told.probabilities], axis=1)
        return Scores(by_class, raw, hood, attached.known, told, lacking)

    def logits(self, own: Tensor, hood: NearestNeighbours) -> Tensor:
        """[queries, classes] in float64, whose rounding is far below what is told: a batch and one query give the same.

        Of the reference no more than the neighbours is widened. A gradient for ``own`` is kept where it asks for one.

        Args:
            own: [queries, features].
            hood: Whom each one hears.
        """
        neighbour_table = NeighbourTable.of(
            hood, self._degree, neighbour_votes(hood, self.bundle.reference.labels, prior=self._prior)
        )
        rows = torch.unique(neighbour_table.index[neighbour_table.valid])
        if not len(rows):
            rows = torch.zeros(1, dtype=torch.int64)
        place = torch.searchsorted(rows, neighbour_table.index).clamp(max=len(rows) - 1)
        local = dataclasses.replace(neighbour_table, index=place, votes=neighbour_table.votes.double())
        with torch.inference_mode(not own.requires_grad):
            logits: Tensor = self._network(own.double(), local, [state[rows].double() for state in self._states])[0]
        return logits

    def _distances(
        self, hood: NearestNeighbours, features: NodeFeatures
    ) -> tuple[NDArray[np.float64], list[str | None]]:
        """[queries] mean distance to the neighbours, and by which blocks it was measured; None: by all of the space."""
        present = features.present[:, self.bundle.space.used]
        found = mean_distance(hood)
        found[~present.any(1)] = np.nan
        return found, [None if row.all() else self.bundle.sought_blocks(row) for row in present]

    def _forbidden(self, queries: Queries) -> tuple[list[NDArray[np.int64]], tuple[tuple[str, ...], ...]]:
        """Rows of the groups that a query belongs to, by patient, pixels or likeness, and these reasons."""
        rows, reasons = [], []
        for number in range(len(queries)):
            matches = {
                "this patient": self._by_patient.get(identifier(queries.patient_ids[number]), []),
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
    def _traces(self) -> NearDuplicateIndex | None:
        """Of the reference records with a page, in their order; None where near-copies do not count."""
        hashes = self.bundle.reference.perceptual_hashes
        if not hashes.shape[1] or not self.bundle.served.pages.near_copies:
            return None
        return NearDuplicateIndex(hashes if len(self._paged) == len(hashes) else hashes[self._paged])


def _drift(engine: Engine, expected: NDArray[np.float64]) -> float:
    """By how much an engine's probe differs from the expected one, as a share of its scale."""
    return float(np.abs(probe(engine) - expected).max() / np.abs(expected).max())


def _embedded(engine: Engine, pages: Sequence[PreparedPage | None], width: int) -> NDArray[np.float32]:
    """[pages, width] embeddings, NaN where there is no page."""
    found = np.full((len(pages), width), np.nan, np.float32)
    rows = [row for row, page in enumerate(pages) if page is not None]
    for row, embedding in zip(rows, engine.run(page.input for page in pages if page is not None), strict=True):
        found[row] = embedding
    return found


def _rows_by(keys: Iterable[str | int]) -> dict[str | int, list[int]]:
    rows: dict[str | int, list[int]] = {}
    for row, key in enumerate(keys):
        if key != "":
            rows.setdefault(key, []).append(row)
    return rows
