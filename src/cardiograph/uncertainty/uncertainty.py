"""What turns a score into a probability, an interval, a set and a warning; learnt from validation rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from cardiograph.uncertainty.calibrators import Calibrator
from cardiograph.uncertainty.conformal import ConformalSets, answer
from cardiograph.uncertainty.novelty import NoveltyGate

DECIMALS = 5
"""To which scores are rounded before they are looked up: a batch and one record differ by less in float32."""


@dataclass(frozen=True)
class UncertaintyOutput:
    """What is known of the scores of some patients.

    Args:
        probabilities: [records] calibrated, of the outcome.
        low: [records] lower end of the Venn-Abers interval that ``probabilities`` are merged from; NaN where another map
            gives the probabilities.
        high: [records] upper end.
        decisions: [records] ``positive``, ``negative``, ``can't tell``, ``unlike both`` or ``too few``.
        p_values: [records, 2] conformal p-value of each class; NaN where there are too few calibration records.
        novelty: [records] share of training records that lie nearer to their neighbours, 0..1; NaN where not judged.
        novel: [records] whether that is beyond the limit.
        unjudged: [records] why no limit applies to a record; empty where it was judged.
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
    """The maps from a score to what is told.

    Args:
        calibrator: Score -> probability, and the interval that the probability comes from.
        reason: Why this kind of calibrator.
        compared: Kind -> log loss on held-out groups of the validation records.
        conformal: Score -> set of classes; None with one class.
        novelty: Distance -> unlike the training records; None where not judged.
        partial_novelty: Blocks that a record has -> the same for records that lack the others.
    """

    calibrator: Calibrator
    reason: str = ""
    compared: dict[str, float] = field(default_factory=dict)
    conformal: ConformalSets | None = None
    novelty: NoveltyGate | None = None
    partial_novelty: dict[str, NoveltyGate] = field(default_factory=dict)

    def predict(
        self,
        scores: NDArray[np.float64],
        ties: NDArray[np.float64],
        distances: NDArray[np.float64],
        lacking: Sequence[str | None] | None = None,
    ) -> UncertaintyOutput:
        """Probabilities, intervals, sets and novelty of some patients, each as if alone.

        Args:
            scores: [records] difference of the logits.
            ties: [records] 0..1, breaks ties of the conformal sets.
            distances: [records] mean distance to the neighbours; NaN where it cannot be compared with a training record's.
            lacking: [records] None for a record with all blocks by which neighbours are sought; for another one the blocks
                that it has, such as ``image``.
        """
        scores = rounded(scores)
        count = len(scores)
        low, high = self.calibrator.interval(scores)
        decisions: tuple[str, ...] = ("too few",) * count
        p_values = np.full((count, 2), np.nan)
        if self.conformal is not None and self.conformal.enough:
            included, p_values = self.conformal.sets(scores, ties)
            decisions = tuple(answer(each) for each in included)
        novelty, novel, unjudged = self._novelty(distances, [None] * count if lacking is None else lacking)
        return UncertaintyOutput(
            self.calibrator.apply(scores), low, high, decisions, p_values, novelty, novel, unjudged
        )

    def _novelty(
        self, distances: NDArray[np.float64], lacking: Sequence[str | None]
    ) -> tuple[NDArray[np.float64], NDArray[np.bool_], tuple[str, ...]]:
        """Share of nearer training records, whether that is too many, and why it was not judged."""
        novelty, novel, reasons = np.full(len(distances), np.nan), np.zeros(len(distances), bool), []
        for row, (distance, blocks) in enumerate(zip(distances, lacking, strict=True)):
            gate = self.novelty if blocks is None else self.partial_novelty.get(blocks)
            if gate is None or np.isnan(distance):
                reasons.append("there are no training distances for what is given")
                continue
            novelty[row] = gate.percentile(distances[row : row + 1])[0] / 100
            novel[row] = gate.novel(distances[row : row + 1])[0]
            few = f"only {len(gate.distances)} training records can be compared"
            reasons.append("" if gate.enough or novel[row] else few)
        return novelty, novel, tuple(reasons)

    def to_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON."""
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
        """The inverse of :meth:`to_dict`."""
        kinds: dict[str, Any] = {"conformal": ConformalSets, "novelty": NoveltyGate}
        parts: dict[str, Any] = {name: content[name] and kind.from_dict(content[name]) for name, kind in kinds.items()}
        partial = content.get("partial_novelty", {}).items()
        parts["partial_novelty"] = {blocks: NoveltyGate.from_dict(gate) for blocks, gate in partial}
        calibrator = Calibrator.from_dict(content["calibrator"])
        return cls(calibrator, content["reason"], content["compared"], **parts)


def rounded(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Scores as they are looked up, when fitting and when serving."""
    return np.round(scores, DECIMALS)
