"""The predictor of a time-to-event outcome: risks by each horizon and a curve with a band."""

from __future__ import annotations

import copy
import dataclasses
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from cardiograph.artifacts.bundle import ModelBundle
from cardiograph.artifacts.files import read_json
from cardiograph.containers import Neighbour, Prediction
from cardiograph.containers.survival import NO_DECISION, FollowedNeighbour, RiskPoint, SurvivalPrediction
from cardiograph.encoders.engine import Engine
from cardiograph.inference.answers import Scores
from cardiograph.inference.predictor import Predictor
from cardiograph.inference.queries import AttachedQueries
from cardiograph.inference.reference_records import RecordFacts, ReferenceRecords
from cardiograph.inference.shard_access import ShardAccess
from cardiograph.survival.hazards import FollowUpFacts
from cardiograph.survival.outcome import CENSORED, EVENT

BAND = (0.05, 0.95)
"""Quantiles of the refitted networks between which the band lies."""

_SEEN = {0: "without the event", 1: "with the event"}
_ENDS = {CENSORED: "censored", EVENT: "with the event"}

MAX_LOGIT = 30.0
"""Bound of the logit of a risk of 0 or 1."""


@dataclass(frozen=True)
class SurvivalScores(Scores):
    """Scores of queries with a risk over time.

    Args:
        times: [times] times of the curve.
        risks: [queries, times] probabilities of the event.
        attached: The queries with their features and neighbours, from which the band of a query is computed.
    """

    times: NDArray[np.float64] = field(metadata={"shared": True})
    risks: NDArray[np.float64]
    attached: AttachedQueries


class SurvivalPredictor(Predictor):
    """Scores patients with a model of a time-to-event outcome.

    The band lies between the 5th and 95th percentile of networks that were refitted on resampled training groups; it
    shows how much the curve depends on the training patients, and not how far a patient can differ from the model.

    Args:
        bundle: Trained model with its refits.
        engine: Inference engine of its encoder; None for a model without pages.
        records: Reference records; those of the bundle if None.
    """

    follows_up = True

    def __init__(
        self, bundle: ModelBundle, engine: Engine | None = None, records: ReferenceRecords | None = None
    ) -> None:
        super().__init__(bundle, engine, records)
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
        times = self.facts.times
        risks = self.facts.risk(self._logits_of(attached).numpy(), times)
        last = risks[:, -1]
        with np.errstate(divide="ignore"):
            raw = np.clip(np.log(last) - np.log1p(-last), -MAX_LOGIT, MAX_LOGIT)
        by_class, uncertainty = np.stack([1 - last, last], axis=1), self._uncertainty_of(attached, raw, ties)
        plain = (by_class, raw, attached.neighbours, attached.excluded_reasons, uncertainty)
        return SurvivalScores(*plain, self._absent(attached.features), times, risks, attached)

    def bands(self, scores: SurvivalScores, rows: slice) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the [queries, times] lower and upper ends of the bands of some queries."""
        own, near, risks = scores.attached.features.values[rows], scores.neighbours.of(rows), scores.risks[rows]
        drawn = [risks] * (not self._refits)
        for refit in self._refits:
            drawn.append(self.facts.risk(self.logits(torch.from_numpy(own), near, refit).numpy(), scores.times))
        low, high = np.quantile(drawn, BAND, axis=0)
        return np.minimum(low, risks), np.maximum(high, risks)

    def _with_outcome_fields(
        self, plain: Prediction, scores: Scores, number: int, facts: RecordFacts
    ) -> SurvivalPrediction:
        """Return the prediction with its curve, and the follow-up of the similar records."""
        if not isinstance(scores, SurvivalScores):
            message = "the curve of a patient needs the scores of this predictor"
            raise TypeError(message)
        low, high = self.bands(scores, slice(number, number + 1))
        columns = (scores.times, scores.risks[number], low[0], high[0])
        points = tuple(RiskPoint(*map(float, each)) for each in zip(*columns, strict=True))
        fields = {each.name: getattr(plain, each.name) for each in dataclasses.fields(plain)}
        rows = scores.neighbours.index[number]
        found = zip(rows[rows >= 0].tolist(), plain.neighbours, strict=True)
        neighbours, count = tuple(_followed(facts, row, each) for row, each in found), len(self._refits)
        fields |= {"low": points[-1].low, "high": points[-1].high, "decision": NO_DECISION, "neighbours": neighbours}
        return SurvivalPrediction(
            **fields,
            unit=self.facts.unit,
            risks=tuple(point for point in points if point.time in self.facts.horizons),
            curve=points,
            band=f"5th to 95th percentile of {count} networks refitted on resampled training groups" if count else "",
        )


def _followed(facts: RecordFacts, row: int, neighbour: Neighbour) -> FollowedNeighbour:
    """Return a similar record with its follow-up; bundles made before it was kept know the event alone."""
    fields, place = vars(neighbour), facts.position(row)
    if facts.time is None or facts.event is None:
        return FollowedNeighbour(**fields | {"class_name": _SEEN.get(neighbour.label)})
    event = int(facts.event[place])
    if event < 0:
        return FollowedNeighbour(**fields)
    ended = _ENDS.get(event, "with a competing event")
    return FollowedNeighbour(**fields | {"class_name": ended}, time=float(facts.time[place]), event=event)


def load_predictor(run: Path | str, *, shards: ShardAccess | None = None) -> Predictor:
    """Load the predictor that fits the outcome of a run; arguments and errors as for :meth:`Predictor.load`."""
    folder = Path(run) / "bundle" if (Path(run) / "bundle").is_dir() else Path(run)
    described = folder / "bundle.json"
    timed = described.is_file() and read_json(described).get("follow_up") is not None
    return (SurvivalPredictor if timed else Predictor).load(run, shards=shards)
