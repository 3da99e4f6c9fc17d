"""Answers that may be "can't tell": the classes that a record cannot be ruled out of, with a known rate of error per class.

A record's score is compared with those of calibration records of each class in turn. A class is ruled out where no more
than a tenth (at confidence 0.90) of its own calibration records look as unlike it. Over exchangeable records, the true class
is then in the set as often as the confidence says, among the positives and among the negatives; for one patient nothing is
said.

Source: Vovk, Gammerman, Shafer, "Algorithmic Learning in a Random World", 2005, smoothed and Mondrian conformal predictors.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from cardiograph.uncertainty.inputs import checked_labels, checked_scores, checked_share

ENOUGH = 50
"""Calibration records of a class below which its rate of error moves too much from one calibration set to another."""
DIGITS = 12
"""1 - 0.9 is rounded to so many digits, so that a p-value of 0.1 is not above it."""
Answer = Literal["positive", "negative", "can't tell", "unlike both"]


@dataclass(frozen=True, eq=False)
class ConformalSets:
    """Calibration scores of each class, and a confidence; made by :meth:`fit`.

    Args:
        negative: [n0] ascending scores of the calibration records with label 0.
        positive: [n1] ascending scores of those with label 1.
        confidence: 0..1, how often the true class is in the set.

    Raises:
        ValueError: A score is not finite, or they do not ascend, or the confidence is not between 0 and 1.
    """

    negative: NDArray[np.float64]
    positive: NDArray[np.float64]
    confidence: float

    def __post_init__(self) -> None:
        for scores, name in ((self.negative, "negative"), (self.positive, "positive")):
            if (np.diff(checked_scores(scores, name=name)) < 0).any():
                message = f"{name} scores of conformal sets are in ascending order"
                raise ValueError(message)
        checked_share(self.confidence, name="confidence")

    @classmethod
    def fit(cls, scores: NDArray[np.float64], labels: NDArray[np.int64], confidence: float = 0.90) -> ConformalSets:
        """From calibration rows, which the network did not learn from.

        Args:
            scores: [n] higher for label 1, any scale; raw, because calibration makes ties.
            labels: [n] 0 or 1.
            confidence: 0..1.

        Raises:
            ValueError: Lengths differ, a score is not finite, a label is not 0 or 1, the confidence is not within 0..1.
        """
        scores = checked_scores(scores)
        labels = checked_labels(labels, len(scores))
        return cls(np.sort(scores[labels == 0]), np.sort(scores[labels == 1]), confidence)

    @property
    def counts(self) -> tuple[int, int]:
        """Calibration records with label 0 and with label 1."""
        return len(self.negative), len(self.positive)

    @property
    def enough(self) -> bool:
        """Whether each class has :data:`ENOUGH` calibration records."""
        return min(self.counts) >= ENOUGH

    @property
    def statement(self) -> str:
        """How many calibration records there are, and whether they are too few, in words for a report."""
        negative, positive = self.counts
        told = f"{positive} positive and {negative} negative calibration records"
        return told if self.enough else f"too few: {told}, {ENOUGH} of each are needed"

    def p_values(self, scores: NDArray[np.float64], u: NDArray[np.float64]) -> NDArray[np.float64]:
        """How usual each record would be among the calibration records of each class.

        ``(more unlike + u * (equal + 1)) / (n + 1)``, uniform for records of that class.

        Args:
            scores: [n] on the scale of those it was fitted on.
            u: [n] uniform in [0, 1), one per record, from :func:`tie_break` or a generator; what makes the rate exact.

        Returns:
            [n, 2] for label 0 and label 1, 0..1.

        Raises:
            ValueError: A score is not finite, lengths differ, a ``u`` is outside [0, 1).
        """
        scores = checked_scores(scores)
        u = checked_scores(u, name="u")
        if u.shape != scores.shape or not ((u >= 0) & (u < 1)).all():
            message = f"u has shape {u.shape}, allowed is one number in [0, 1) per score: {scores.shape}"
            raise ValueError(message)
        columns = [_p_values(-self.negative[::-1], -scores, u), _p_values(self.positive, scores, u)]
        return np.column_stack(columns)

    def sets(
        self, scores: NDArray[np.float64], u: NDArray[np.float64]
    ) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
        """The classes that each record cannot be ruled out of.

        Args:
            scores: [n] as in :meth:`p_values`.
            u: [n] as in :meth:`p_values`.

        Returns:
            Sets [n, 2], a class is in where its p-value exceeds ``1 - confidence``; and the p-values [n, 2].

        Raises:
            ValueError: See :meth:`p_values`.
        """
        p = self.p_values(scores, u)
        return p > round(1 - self.confidence, DIGITS), p

    def to_dict(self) -> dict[str, Any]:
        """As plain lists and numbers, without loss."""
        return {
            "negative": self.negative.tolist(),
            "positive": self.positive.tolist(),
            "confidence": self.confidence,
        }

    @classmethod
    def from_dict(cls, content: dict[str, Any]) -> ConformalSets:
        """Back from :meth:`to_dict`.

        Raises:
            ValueError: A part is missing, or see the class.
        """
        missing = [name for name in ("negative", "positive", "confidence") if name not in content]
        if missing:
            message = f"conformal sets lack {missing}; they have negative, positive and confidence"
            raise ValueError(message)
        negative, positive = (np.asarray(content[name], dtype=np.float64) for name in ("negative", "positive"))
        return cls(negative, positive, float(content["confidence"]))


def answer(included: NDArray[np.bool_]) -> Answer:
    """A set in words; only ``positive`` and ``negative`` are an answer, the other two abstain.

    Args:
        included: [2] whether label 0 and label 1 are in the set.
    """
    negative, positive = (bool(member) for member in included)
    if negative and positive:
        return "can't tell"
    if positive:
        return "positive"
    return "negative" if negative else "unlike both"


def abstains(given: Answer) -> bool:
    """Whether an answer names no class."""
    return given in ("can't tell", "unlike both")


def tie_break(key: str) -> float:
    """A number in [0, 1) that looks drawn at random and is the same for the same key, today and on another machine.

    Args:
        key: What stays the same for a record, and is not chosen with its score in view: a hash of its input, or its id.

    Source: the first 53 bits of SHA-256 (FIPS 180-4), as many as a float64 keeps.
    """
    return (int.from_bytes(sha256(key.encode("utf-8")).digest()[:8], "big") >> 11) / 2**53


def _p_values(
    conforming: NDArray[np.float64], query: NDArray[np.float64], u: NDArray[np.float64]
) -> NDArray[np.float64]:
    """P-values against ascending calibration values, of which the lowest are the most unlike."""
    below = np.searchsorted(conforming, query, side="left")
    equal = np.searchsorted(conforming, query, side="right") - below
    result: NDArray[np.float64] = (below + u * (equal + 1)) / (len(conforming) + 1)
    return result
