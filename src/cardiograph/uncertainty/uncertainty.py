"""Uncertainty of a prediction: calibrated probability, interval, prediction set and novelty flag."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from cardiograph.uncertainty.calibrators import Calibrator
from cardiograph.uncertainty.conformal import DIGITS, ConformalSets
from cardiograph.uncertainty.novelty import NoveltyGate
from cardiograph.uncertainty.several_classes import ClassCalibrator, ClassSets

DECIMALS = 5
"""Decimals to which scores are rounded, so that float32 noise between a batch and a single record has no effect."""


@dataclass(frozen=True)
class UncertaintyOutput:
    """Calibrated probabilities, intervals, prediction sets and novelty flags of some patients.

    Args:
        probabilities: [records] calibrated probability of the outcome, 0..1; [records, classes] with several classes.
        low: [records] lower end of the Venn-Abers interval that the probability is merged from; NaN if another kind of
            calibrator gives the probability.
        high: [records] upper end of that interval.
        decisions: [records] ``positive``, ``negative``, ``can't tell``, ``unlike both`` or ``too few``; with several
            classes ``one class``, ``several classes``, ``unlike all`` or ``too few``.
        p_values: [records, classes] conformal p-value of each class; NaN if there are too few calibration records.
        novelty: [records] share of training records that are closer to their neighbours, 0..1; NaN if not judged.
        novel: [records] whether the distance exceeds the limit.
        unjudged: [records] reason why novelty was not judged; empty if it was.
    """

    probabilities: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    decisions: tuple[str, ...]
    p_values: NDArray[np.float64]
    novelty: NDArray[np.float64]
    novel: NDArray[np.bool_]
    unjudged: tuple[str, ...] = ()


@dataclass(frozen=True)
class Uncertainty:
    """Calibrator, conformal sets and novelty gates of a model, fitted on validation and training records.

    Args:
        calibrator: Maps a score to a probability and the interval that it is merged from.
        reason: Reason for the kind of calibrator.
        compared: Kind of calibrator -> log loss on held-out groups of the validation records.
        conformal: Maps a score to a set of classes; None if there is only one class.
        novelty: Novelty gate for records with all feature blocks; None if novelty is not judged.
        partial_novelty: Available feature blocks -> novelty gate for records that lack the others.
    """

    calibrator: Calibrator | ClassCalibrator
    reason: str = ""
    compared: dict[str, float] = field(default_factory=dict)
    conformal: ConformalSets | ClassSets | None = None
    novelty: NoveltyGate | None = None
    partial_novelty: dict[str, NoveltyGate] = field(default_factory=dict)

    def probabilities(self, scores: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the calibrated probabilities alone; see :meth:`predict`."""
        return self.predict(scores, np.zeros(len(scores)), np.full(len(scores), np.nan)).probabilities

    def predict(
        self,
        scores: NDArray[np.float64],
        ties: NDArray[np.float64],
        distances: NDArray[np.float64],
        lacking: Sequence[str | None] | None = None,
    ) -> UncertaintyOutput:
        """Compute probabilities, intervals, prediction sets and novelty, independently for each patient.

        Args:
            scores: [records] difference of the two logits; [records, classes] logits of several classes.
            ties: [records] uniform numbers in [0, 1) that break ties of the conformal sets.
            distances: [records] mean distance to the neighbours; NaN if it is not comparable with training distances.
            lacking: [records] None for a record with all feature blocks that the neighbour search uses; otherwise the
                blocks that it has, such as ``image``.
        """
        scores = rounded(scores)
        count = len(scores)
        low, high = self.calibrator.interval(scores)
        decisions: tuple[str, ...] = ("too few",) * count
        p_values = np.full((count, self.calibrator.classes), np.nan)
        if self.conformal is not None and self.conformal.enough:
            included, p_values = self.conformal.sets(scores, ties)
            decisions = tuple(self.conformal.answer(each) for each in included)
        novelty, novel, unjudged = self._novelty(distances, [None] * count if lacking is None else lacking)
        return UncertaintyOutput(
            self.calibrator.apply(scores), low, high, decisions, p_values, novelty, novel, unjudged
        )

    def included(self, p_values: NDArray[np.float64]) -> NDArray[np.bool_] | None:
        """Return whether each class is in the conformal set, from [..., classes] p-values; None without sets."""
        if self.conformal is None or not self.conformal.enough:
            return None
        return p_values > round(1 - self.conformal.confidence, DIGITS)

    def _novelty(
        self, distances: NDArray[np.float64], lacking: Sequence[str | None]
    ) -> tuple[NDArray[np.float64], NDArray[np.bool_], tuple[str, ...]]:
        """Return the share of closer training records, the novelty flags, and why novelty was not judged."""
        novelty, novel = np.full(len(distances), np.nan), np.zeros(len(distances), bool)
        reasons = np.full(len(distances), "there are no training distances for what is given", object)
        given = np.array(lacking, object)
        for blocks in dict.fromkeys(lacking):
            gate = self.novelty if blocks is None else self.partial_novelty.get(blocks)
            if gate is None:
                continue
            rows = np.flatnonzero((given == blocks) & ~np.isnan(distances))
            novelty[rows] = gate.percentile(distances[rows]) / 100
            novel[rows] = gate.novel(distances[rows])
            too_few = f"only {len(gate.distances)} training records can be compared"
            reasons[rows] = "" if gate.enough else np.where(novel[rows], "", too_few)
        return novelty, novel, tuple(reasons.tolist())

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, ready for JSON."""
        parts = {name: getattr(self, name) for name in ("conformal", "novelty")}
        return {
            "calibrator": self.calibrator.to_dict(),
            "reason": self.reason,
            "compared": self.compared,
            **{name: None if part is None else part.to_dict() for name, part in parts.items()},
            "partial_novelty": {blocks: gate.to_dict() for blocks, gate in self.partial_novelty.items()},
        }

    @classmethod
    def from_dict(cls, content: dict[str, Any]) -> Self:
        """Restore from :meth:`to_dict`."""
        several = "scales" in content["calibrator"]
        kinds: dict[str, Any] = {"conformal": ClassSets if several else ConformalSets, "novelty": NoveltyGate}
        parts: dict[str, Any] = {name: content[name] and kind.from_dict(content[name]) for name, kind in kinds.items()}
        partial = content["partial_novelty"].items()
        parts["partial_novelty"] = {blocks: NoveltyGate.from_dict(gate) for blocks, gate in partial}
        calibrator = (ClassCalibrator if several else Calibrator).from_dict(content["calibrator"])
        return cls(calibrator, content["reason"], content["compared"], **parts)


def rounded(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Round scores as fitting and serving both require."""
    return np.round(scores, DECIMALS)
