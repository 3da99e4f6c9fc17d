"""The predictor of a time-to-event outcome: risks by each horizon and a curve with a band."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from cardiograph.artifacts.bundle import ModelBundle
from cardiograph.artifacts.files import read_json
from cardiograph.containers import Prediction
from cardiograph.containers.answers import Query
from cardiograph.containers.survival import NO_DECISION, RiskPoint, SurvivalPrediction
from cardiograph.encoders.engine import Engine
from cardiograph.inference.answers import Scores, answer
from cardiograph.inference.predictor import Predictor
from cardiograph.inference.queries import AttachedQueries, Patient
from cardiograph.survival.hazards import FollowUpFacts

BAND = (0.05, 0.95)
"""Quantiles of the refitted networks between which the band lies."""

MAX_LOGIT = 30.0
"""Bound of the logit of a risk of 0 or 1."""


@dataclass(frozen=True)
class SurvivalScores(Scores):
    """Scores of queries with a risk over time.

    Args:
        times: [times] times of the curve.
        risks: [queries, times] probabilities of the event.
        low: [queries, times] lower end of the band.
        high: [queries, times] upper end of the band.
    """

    times: NDArray[np.float64]
    risks: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]


class SurvivalPredictor(Predictor):
    """Scores patients with a model of a time-to-event outcome.

    The band lies between the 5th and 95th percentile of networks that were refitted on resampled training groups; it
    shows how much the curve depends on the training patients, and not how far a patient can differ from the model.

    Args:
        bundle: Trained model with its refits.
        engine: Inference engine of its encoder; None for a model without pages.
    """

    follows_up = True

    def __init__(self, bundle: ModelBundle, engine: Engine | None = None) -> None:
        super().__init__(bundle, engine)
        self._refits = [copy.deepcopy(refit).double() for refit in bundle.refits]

    @property
    def facts(self) -> FollowUpFacts:
        """Time scale of the model."""
        found = self.bundle.served.follow_up
        if found is None:
            message = "the bundle has no time-to-event outcome; use Predictor"
            raise TypeError(message)
        return found

    def score_attached(self, attached: AttachedQueries, ties: NDArray[np.float64]) -> SurvivalScores:
        """Score patients that are attached to the reference; see :meth:`Predictor.score_attached`."""
        own, times = torch.from_numpy(attached.features.values), self.facts.times
        risks, *drawn = [
            self.facts.risk(self.logits(own, attached.neighbours, network).numpy(), times)
            for network in (None, *self._refits)
        ]
        low, high = np.quantile(np.stack(drawn or [risks]), BAND, axis=0)
        self.bundle.require_unchanged()
        last = risks[:, -1]
        with np.errstate(divide="ignore"):
            raw = np.clip(np.log(last) - np.log1p(-last), -MAX_LOGIT, MAX_LOGIT)
        uncertainty = self._uncertainty.predict(raw, ties, *self._distances(attached.neighbours, attached.features))
        absent = tuple(
            tuple(block for block, has in zip(self._blocks, row, strict=True) if not has)
            for row in attached.features.present
        )
        by_class = np.stack([1 - last, last], axis=1)
        kept = (by_class, raw, attached.neighbours, attached.excluded_reasons, uncertainty, absent)
        return SurvivalScores(*kept, times, risks, np.minimum(low, risks), np.maximum(high, risks))

    def _answers(self, queries: Sequence[Query], read: Sequence[Patient]) -> Iterator[Prediction]:
        if not queries:
            return
        embedded = self.embed(queries, read)
        scores = self.score_attached(self.attach(embedded), embedded.ties)
        for number, patient in enumerate(read):
            values, warnings = np.array(patient.values), patient.page_warnings
            readings = self._readings(embedded, number)
            plain = answer(self.bundle, scores, number, values, page_warnings=warnings, readings=readings)
            yield self._timed(plain, scores, number)

    def _timed(self, plain: Prediction, scores: SurvivalScores, number: int) -> SurvivalPrediction:
        """Return the prediction with its curve."""
        columns = (scores.times, scores.risks[number], scores.low[number], scores.high[number])
        points = tuple(RiskPoint(*map(float, each)) for each in zip(*columns, strict=True))
        fields = {each.name: getattr(plain, each.name) for each in dataclasses.fields(plain)}
        seen = {-1: None, 0: "without the event", 1: "with the event"}
        neighbours = tuple(dataclasses.replace(each, class_name=seen[each.label]) for each in plain.neighbours)
        count = len(self._refits)
        fields |= {"low": points[-1].low, "high": points[-1].high, "decision": NO_DECISION, "neighbours": neighbours}
        return SurvivalPrediction(
            **fields,
            unit=self.facts.unit,
            risks=tuple(point for point in points if point.time in self.facts.horizons),
            curve=points,
            band=f"5th to 95th percentile of {count} networks refitted on resampled training groups" if count else "",
        )


def load_predictor(run: Path | str) -> Predictor:
    """Load the predictor that fits the outcome of a run; arguments and errors as for :meth:`Predictor.load`."""
    folder = Path(run) / "bundle" if (Path(run) / "bundle").is_dir() else Path(run)
    described = folder / "bundle.json"
    timed = described.is_file() and read_json(described).get("follow_up") is not None
    return (SurvivalPredictor if timed else Predictor).load(run)
