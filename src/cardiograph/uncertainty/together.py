"""What turns a score into a probability, an interval, a set and a warning; learnt from validation rows."""

from __future__ import annotations

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
class Told:
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
    """

    probabilities: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    decisions: tuple[str, ...]
    p_values: NDArray[np.float64]
    novelty: NDArray[np.float64]
    novel: NDArray[np.bool_]


@dataclass(frozen=True)
class Uncertainty:
    """The maps from a score to what is told.

    Args:
        calibrator: Score -> probability, and the interval that the probability comes from.
        reason: Why this kind of calibrator.
        compared: Kind -> log loss on held-out groups of the validation records.
        conformal: Score -> set of classes; None with one class.
        novelty: Distance -> unlike the training records; None where not judged.
    """

    calibrator: Calibrator
    reason: str = ""
    compared: dict[str, float] = field(default_factory=dict)
    conformal: ConformalSets | None = None
    novelty: NoveltyGate | None = None

    def tell(self, scores: NDArray[np.float64], ties: NDArray[np.float64], distances: NDArray[np.float64]) -> Told:
        """Probabilities, intervals, sets and novelty of some patients, each as if alone.

        Args:
            scores: [records] difference of the logits.
            ties: [records] 0..1, breaks ties of the conformal sets.
            distances: [records] mean distance to the neighbours; NaN where it cannot be compared with a training record's.
        """
        scores = rounded(scores)
        count = len(scores)
        low, high = self.calibrator.interval(scores)
        decisions: tuple[str, ...] = ("too few",) * count
        p_values = np.full((count, 2), np.nan)
        if self.conformal is not None and self.conformal.enough:
            included, p_values = self.conformal.sets(scores, ties)
            decisions = tuple(answer(each) for each in included)
        novelty, novel = np.full(count, np.nan), np.zeros(count, bool)
        judged = ~np.isnan(distances)
        if self.novelty is not None and judged.any():
            novelty[judged] = self.novelty.percentile(distances[judged]) / 100
            novel[judged] = self.novelty.novel(distances[judged])
        return Told(self.calibrator.apply(scores), low, high, decisions, p_values, novelty, novel)

    def to_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON."""
        parts = {name: getattr(self, name) for name in ("conformal", "novelty")}
        return {
            "calibrator": self.calibrator.to_dict(),
            "reason": self.reason,
            "compared": self.compared,
            **{name: None if part is None else part.to_dict() for name, part in parts.items()},
        }

    @classmethod
    def from_dict(cls, content: dict[str, Any]) -> Self:
        """The inverse of :meth:`to_dict`."""
        kinds: dict[str, Any] = {"conformal": ConformalSets, "novelty": NoveltyGate}
        parts = {name: content[name] and kind.from_dict(content[name]) for name, kind in kinds.items()}
        calibrator = Calibrator.from_dict(content["calibrator"])
        return cls(calibrator, content["reason"], content["compared"], **parts)


def rounded(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Scores as they are looked up, when fitting and when serving."""
    return np.round(scores, DECIMALS)
