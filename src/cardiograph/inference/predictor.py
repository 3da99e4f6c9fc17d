"""The predictor: reads patients, finds their neighbours in the reference, and scores them."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cardiograph.artifacts.bundle import DAMAGE, ModelBundle
from cardiograph.artifacts.checked import CheckedFiles
from cardiograph.artifacts.files import read_json
from cardiograph.artifacts.label_folders import refuse_several_labels
from cardiograph.config import load_config
from cardiograph.containers import NearestNeighbours, NodeFeatures, Prediction
from cardiograph.containers.answers import Query
from cardiograph.containers.readings import Readings
from cardiograph.ecg.pages import read_options
from cardiograph.encoders.engine import Engine, drift, embed_present, load_engine, probe
from cardiograph.encoders.preparation import encoder_preparation
from cardiograph.encoders.readings import reading_heads
from cardiograph.errors import EngineError, RunError
from cardiograph.features.measurements import MEASUREMENT_PREPARATION, measurement_vector, named_measurements
from cardiograph.graph.attach import neighbour_votes
from cardiograph.inference.answers import Scores, build_prediction, joined_scores, mean_distance, other_kind
from cardiograph.inference.own_records import QueryKeys
from cardiograph.inference.patients import PatientPredictor
from cardiograph.inference.queries import AttachedQueries, Patient, Queries, read_patient
from cardiograph.inference.reference_records import HeldRecords, RecordFacts, ReferenceRecords
from cardiograph.inference.shard_access import ShardAccess, records_of
from cardiograph.models.build import Model
from cardiograph.models.neighbour_table import NeighbourTable
from cardiograph.threads import torch_threads
from cardiograph.uncertainty.calibrators import Calibrator
from cardiograph.uncertainty.several_classes import ClassCalibrator
from cardiograph.uncertainty.uncertainty import Uncertainty, UncertaintyOutput

QUERIES_AT_ONCE = 8192
"""Maximum number of queries whose neighbours are unfolded at once; each takes some kilobytes."""

SCORED_AT_ONCE = 32_768
"""Maximum number of queries that are scored at once; many at once share a search, and each takes some memory."""

FEW_QUERIES = 16
"""Number of queries up to which the network runs on one thread: several wait for each other longer than they save."""

PROBE_TOLERANCE = 1e-3
"""Largest relative difference of the probe embedding at which an engine counts as the same."""


class Predictor(PatientPredictor[Prediction]):
    """Scores patients against the reference records of a bundle.

    Args:
        bundle: Trained and calibrated model.
        engine: Inference engine of its encoder; None for a model without pages.
        records: Reference records; those of the bundle if None.
    """

    follows_up = False  # whether the outcome is the time to an event

    def __init__(
        self, bundle: ModelBundle, engine: Engine | None = None, records: ReferenceRecords | None = None
    ) -> None:
        self.bundle = bundle
        self._engine = engine
        self.records = HeldRecords(bundle) if records is None else records
        self._blocks, classes = tuple(bundle.fusion.layout[1]), bundle.served.class_count
        uncalibrated = Calibrator("none", {}) if classes == 2 else ClassCalibrator.uncalibrated(classes)
        self._uncertainty = bundle.uncertainty or Uncertainty(uncalibrated)
        self._network = copy.deepcopy(bundle.network).double()
        self._heads = reading_heads(bundle.served.encoder, bundle.served.probe)

    @classmethod
    def load(cls, run: Path | str, *, like: Predictor | None = None, shards: ShardAccess | None = None) -> Self:
        """Load the model of a run.

        Args:
            run: Folder of the run, or the ``bundle`` folder in it.
            like: Another predictor, whose engine is used if it has the same encoder; an engine takes much memory.
            shards: Where the shards of the reference records are, for a run that `cardiograph shards cut` has cut.

        Raises:
            RunError: If the run is not finished, or a file differs from its checksum.
            ServiceError: If the shards of the reference records do not answer.
            EngineError: If this machine or version cannot reproduce the engine, precision, embeddings or page
                preparation of the encoder.
        """
        folder = Path(run)
        refuse_several_labels(folder)
        if (folder / "run.json").exists() and read_json(folder / "run.json").get("status") != "finished":
            message = f"{run}: the run is unfinished; repeat the command that started it to resume it"
            raise RunError(message)
        folder = folder / "bundle" if (folder / "bundle").is_dir() else folder
        if not (folder / "bundle.json").exists():
            reason = "this run has no model, see its report" if (folder / "run.json").exists() else "no model here"
            message = f"{run}: {reason}; give a folder that `cardiograph run` has finished"
            raise RunError(message)
        checked = CheckedFiles(folder)
        bundle = ModelBundle.restore(checked)
        served, encoder = bundle.served, bundle.served.encoder
        if (served.follow_up is not None) != cls.follows_up:
            raise other_kind(run, follows_up=cls.follows_up)
        changed = encoder is not None and encoder.preparation != encoder_preparation(encoder.reads, served.pages)
        if changed or served.measured not in ("", MEASUREMENT_PREPARATION):
            message = f"{run}: made by a version that reads and compares pages differently; make the run again"
            raise EngineError(message)
        records = records_of(bundle, run, shards)
        try:
            engine = None if like is None or like.bundle.served.encoder != encoder else like.engine
            if engine is None and encoder is not None:
                engine = load_engine(checked, encoder)
            moved = 0.0 if engine is None else drift(probe(engine), np.array(bundle.served.probe))
            loaded = cls(bundle, engine, records)
            loaded._score_anyone()
        except DAMAGE as error:
            reason = str(error).partition("\n")[0][:200] or type(error).__name__
            message = f"{run}: the parts of its model do not fit ({reason}); make the run again"
            raise RunError(message) from error
        if not moved <= PROBE_TOLERANCE:
            message = (
                f"{run}: the encoder computes different numbers here than where the model was made (by {moved:.1e} of "
                "the scale); use the machine and versions of the run, or make the run again here"
            )
            raise EngineError(message)
        return loaded

    def _score_anyone(self) -> None:
        """Score a made-up patient to detect parts of the bundle that do not fit together.

        Raises:
            ValueError: If the result is not a probability; other errors if the computation fails.
        """
        values, measured = self.records.facts(np.zeros(1, np.int64)).clinical, self.bundle.measurement_scaler
        image = np.zeros((1, len(self.bundle.fusion.kept)), np.float32) if "image" in self._blocks else None
        measurements = None if measured is None else np.full((1, len(measured.variables)), np.nan)
        scores = self.score(Queries(image, values, [None], [None], [None], measurements))
        probability = self.prediction(scores, 0, Patient(None, values[0].tolist(), [])).probability
        if not 0 <= probability <= 1:
            message = f"a made-up patient gets the probability {probability}"
            raise ValueError(message)

    def with_pages(self, **settings: Any) -> Self:  # noqa: ANN401 - settings of many types
        """Return the same predictor with other settings for reading ECG files.

        Args:
            settings: Keys of :class:`cardiograph.config_reading.PagesConfig`, such as ``rate`` for files that state none.

        Raises:
            ConfigError: If a setting is unknown or not allowed.
        """
        served = self.bundle.served
        pages = load_config(None, {"pages": served.pages.model_dump() | settings}).pages
        read_options(pages)
        bundle = dataclasses.replace(self.bundle, served=dataclasses.replace(served, pages=pages))
        return type(self)(bundle, self._engine, self.records)

    @property
    def engine(self) -> Engine | None:
        """Engine of the encoder, to embed the pages of a whole cohort; None for a model without pages."""
        return self._engine

    @property
    def reads(self) -> tuple[str, ...]:
        """Names of the clinical variables that the model reads."""
        scaler = self.bundle.scaler
        return () if scaler is None else tuple(variable.name for variable in scaler.variables)

    @property
    def outcome(self) -> str:
        """Name of the outcome."""
        return self.bundle.served.outcome

    @property
    def sha256(self) -> str:
        """SHA-256 of ``bundle.json``, which lists the SHA-256 of every other file."""
        return self.bundle.sha256

    def require_unchanged(self) -> None:
        """Raise RunError if a file of the bundle has changed since it was read."""
        self.bundle.require_unchanged()

    def _predict_read(self, queries: Sequence[Query], read: Sequence[Patient]) -> Iterator[Prediction]:
        if queries:
            embedded = self.embed(queries, read)
            yield from self.predictions(embedded, self.attach(embedded), read)

    def predictions(
        self, embedded: Queries, attached: AttachedQueries, read: Sequence[Patient]
    ) -> Iterator[Prediction]:
        """Score embedded patients that are attached to the reference, and turn the scores into predictions."""
        scores = self.score_attached(attached, embedded.ties)
        facts = self._facts(scores.neighbours)
        for number, patient in enumerate(read):
            yield self.prediction(scores, number, patient, self.readings_of(embedded, number), facts)

    def prediction(
        self,
        scores: Scores,
        number: int,
        patient: Patient,
        readings: Readings | None = None,
        facts: RecordFacts | None = None,
    ) -> Prediction:
        """Return the prediction of the patient of this number from the scores of several.

        Args:
            scores: Scores of all patients.
            number: Position of the patient in ``scores``.
            patient: The patient as it was read.
            readings: What the encoder reads in the ECG.
            facts: Facts about the neighbours, if they are known already.
        """
        facts = facts or self._facts(scores.neighbours.of(slice(number, number + 1)))
        plain = build_prediction(self.bundle, scores, number, patient, facts, readings)
        return self._with_outcome_fields(plain, scores, number, facts)

    def _with_outcome_fields(self, plain: Prediction, scores: Scores, number: int, facts: RecordFacts) -> Prediction:
        """Return a prediction with what only one kind of outcome has; the arguments are those of :meth:`answer`."""
        return plain

    def _facts(self, neighbours: NearestNeighbours) -> RecordFacts:
        return self.records.facts(np.unique(neighbours.index[neighbours.index >= 0]))

    def readings_of(self, embedded: Queries, number: int) -> Readings | None:
        """Return what the encoder reads in the ECG of a patient; None unless it is the shipped encoder of leads."""
        if self._heads is None or embedded.image is None:
            return None
        return self._heads.read(embedded.image[number])

    def read(self, query: Query) -> Patient:
        """Read and check the page and the values of a patient."""
        return read_patient(query, self.bundle, reads_pages=self._engine is not None)

    def embed(self, queries: Sequence[Query], read: Sequence[Patient]) -> Queries:
        """Embed and measure the ECGs of patients that were read without an issue."""
        pages, served = [patient.page for patient in read], self.bundle.served
        reads = "page" if served.encoder is None else served.encoder.reads
        inputs = [patient.input(reads) for patient in read]
        return Queries(
            image=None if self._engine is None else embed_present(self._engine, inputs, served.embedding_width),
            clinical=np.array([patient.values for patient in read]).reshape(len(read), -1),
            patient_ids=[query.patient_id for query in queries],
            pixel_hashes=[None if page is None else page.pixel_hash for page in pages],
            perceptual_hashes=[None if page is None else page.perceptual_hash for page in pages],
            measurements=self._measured(read),
        )

    def _measured(self, read: Sequence[Patient]) -> NDArray[np.float64] | None:
        """Return [patients, measurements] in the model's measurements; None for a model without them."""
        scaler = self.bundle.measurement_scaler
        if scaler is None:
            return None
        values = np.array([measurement_vector(patient.leads) for patient in read])
        return named_measurements(values, [variable.name for variable in scaler.variables]).values

    def score(self, queries: Queries, scored: Callable[[int], None] = lambda count: None) -> Scores:
        """Score embedded patients; every probability that this package reports is computed here.

        ``scored`` is called with a number of patients whenever so many more are scored.
        """
        parts = []
        for start in range(0, max(1, len(queries)), SCORED_AT_ONCE):
            part = queries.of(slice(start, start + SCORED_AT_ONCE))
            parts.append(self.score_attached(self.attach(part), part.ties))
            scored(len(part))
        return joined_scores(parts)

    def attach(self, queries: Queries) -> AttachedQueries:
        """Fuse embedded patients and find their neighbours.

        Raises:
            RunError: If a file of the bundle has changed since it was read.
        """
        self.bundle.require_unchanged()
        features = self.fuse(queries)
        forbidden, reasons = self._own(queries)
        return AttachedQueries(features, self._nearest(features, forbidden), reasons)

    def attach_without(self, query: Queries, rows: Sequence[NDArray[np.int64]]) -> AttachedQueries:
        """Attach copies of one embedded patient, each without a further set of reference records.

        Args:
            query: One embedded patient.
            rows: For each copy, the rows of the reference to exclude.
        """
        (forbidden,), reasons = self._own(query)
        alone, count = self.fuse(query), len(rows)
        features = dataclasses.replace(
            alone, values=alone.values.repeat(count, axis=0), present=alone.present.repeat(count, axis=0)
        )
        nearest = self._nearest(features, [np.union1d(forbidden, more) for more in rows])
        return AttachedQueries(features, nearest, reasons * count)

    def attach_changed(self, query: Queries, features: NodeFeatures) -> AttachedQueries:
        """Attach changed copies of one embedded patient; each copy finds the neighbours of its own features.

        Args:
            query: One embedded patient; its own reference records stay excluded.
            features: Features of the copies.
        """
        count = len(features.values)
        forbidden, reasons = self._own(query)
        return AttachedQueries(features, self._nearest(features, forbidden * count), reasons * count)

    def _nearest(self, features: NodeFeatures, forbidden: Sequence[NDArray[np.int64]]) -> NearestNeighbours:
        return self.records.nearest(self.bundle.space.transform(features), forbidden)

    def _own(self, queries: Queries) -> tuple[list[NDArray[np.int64]], tuple[tuple[str, ...], ...]]:
        """Return the reference rows of each query's own groups (by patient, page or near-copy), and the reasons."""
        return self.records.own(QueryKeys.of(queries, near_copies=self.bundle.served.pages.near_copies))

    def fuse(self, queries: Queries) -> NodeFeatures:
        """Return the node features of embedded patients."""
        return self.bundle.fuse(queries.image, queries.clinical, queries.measurements)

    def score_attached(self, attached: AttachedQueries, ties: NDArray[np.float64]) -> Scores:
        """Score patients that are attached to the reference.

        ``ties`` are [queries] 0..1, see :attr:`Queries.ties`.
        """
        logits = self._logits_of(attached)
        raw = (logits[:, 1] - logits[:, 0] if logits.shape[1] == 2 else logits).numpy()
        uncertainty = self._uncertainty_of(attached, raw, ties)
        found = uncertainty.probabilities
        by_class = np.stack([1 - found, found], axis=1) if found.ndim == 1 else found
        reasons, absent = attached.excluded_reasons, self._absent(attached.features)
        return Scores(by_class, raw, attached.neighbours, reasons, uncertainty, absent)

    def _logits_of(self, attached: AttachedQueries) -> Tensor:
        """Return the logits of attached patients, computed for some of them at a time."""
        neighbours, own = attached.neighbours, torch.from_numpy(attached.features.values)
        parts = range(0, max(1, len(neighbours)), QUERIES_AT_ONCE)
        rows = [slice(start, start + QUERIES_AT_ONCE) for start in parts]
        logits = torch.cat([self.logits(own[each], neighbours.of(each)) for each in rows])
        self.bundle.require_unchanged()  # a large bundle is memory-mapped and may have changed meanwhile
        return logits

    def _uncertainty_of(
        self, attached: AttachedQueries, raw: NDArray[np.float64], ties: NDArray[np.float64]
    ) -> UncertaintyOutput:
        return self._uncertainty.predict(raw, ties, *self._distances(attached.neighbours, attached.features))

    def _absent(self, features: NodeFeatures) -> tuple[tuple[str, ...], ...]:
        """Return the blocks that each patient lacks."""
        return tuple(
            tuple(block for block, has in zip(self._blocks, row, strict=True) if not has) for row in features.present
        )

    def logits(self, own: Tensor, neighbours: NearestNeighbours, network: Model | None = None) -> Tensor:
        """Return [queries, classes] float64 logits; a gradient for ``own`` is kept if it requires one.

        The rounding of float64 is far below the reported digits, so a query gets the same result alone and in a batch.
        Of the reference only the neighbours are converted to float64.

        Args:
            own: [queries, features] node features.
            neighbours: Neighbours of each query.
            network: Network in float64; that of the bundle if None.
        """
        rows = np.unique(neighbours.index[neighbours.index >= 0])
        part = self.records.inputs(rows if len(rows) else np.zeros(1, np.int64))
        place = np.where(neighbours.index >= 0, np.searchsorted(rows, neighbours.index), -1)
        local = NearestNeighbours(place, neighbours.distance)
        votes = neighbour_votes(local, part.labels, prior=self.records.prior)
        table = NeighbourTable.of(local, torch.from_numpy(part.degree), votes)
        table = dataclasses.replace(table, votes=table.votes.double())
        few = torch_threads(1) if len(own) <= FEW_QUERIES else nullcontext()
        with few, torch.inference_mode(not own.requires_grad):
            logits: Tensor = (network or self._network)(
                own.double(), table, [torch.from_numpy(state).double() for state in part.states]
            )[0]
        return logits

    def _distances(
        self, neighbours: NearestNeighbours, features: NodeFeatures
    ) -> tuple[NDArray[np.float64], list[str | None]]:
        """Return [queries] mean distances to the neighbours, and the blocks that they use; None for all blocks."""
        present = features.present[:, self.bundle.space.used]
        found = mean_distance(neighbours)
        found[~present.any(1)] = np.nan
        return found, [None if row.all() else self.bundle.search_blocks(row) for row in present]
