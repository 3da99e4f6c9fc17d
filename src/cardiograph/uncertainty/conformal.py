"""Conformal prediction sets with a guaranteed coverage in each class.

The score of a record is compared with the scores of the calibration records of each class in turn. At confidence 0.90,
a class is excluded if at most a tenth of its own calibration records conform as poorly as this record. Over
exchangeable records, the set then contains the true class as often as the confidence states, among positives and among
negatives. There is no guarantee for a single patient.

Source: Vovk, Gammerman, Shafer, "Algorithmic Learning in a Random World", 2005 (smoothed, Mondrian conformal
    predictors).
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from cardiograph.uncertainty.inputs import checked_labels, checked_scores, checked_share

MIN_CLASS_RECORDS = 50
"""Minimum number of calibration records of each class; with fewer, coverage varies too much."""
DIGITS = 12
"""Digits to which ``1 - confidence`` is rounded, so that a p-value of 0.1 does not exceed 1 - 0.9."""
Answer = Literal["positive", "negative", "can't tell", "unlike both"]


@dataclass(frozen=True, eq=False)
class ConformalSets:
    """Calibration scores of each class and a confidence level; :meth:`fit` creates it.

    Args:
        negative: [n0] ascending scores of the calibration records with label 0.
        positive: [n1] ascending scores of the calibration records with label 1.
        confidence: Coverage of the true class, between 0 and 1.

    Raises:
        ValueError: If a score is not finite, scores are not ascending, or the confidence is not between 0 and 1.
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
        """Create the sets from calibration records, which the network was not trained on.

        Args:
            scores: [n] uncalibrated scores (calibration makes ties), higher for label 1, on any scale.
            labels: [n] 0 or 1.
            confidence: Coverage of the true class, between 0 and 1.

        Raises:
            ValueError: If lengths differ, a score is not finite, a label is not 0 or 1, or the confidence is not
                between 0 and 1.
        """
        scores = checked_scores(scores)
        labels = checked_labels(labels, len(scores))
        return cls(np.sort(scores[labels == 0]), np.sort(scores[labels == 1]), confidence)

    @property
    def counts(self) -> tuple[int, int]:
        """Number of calibration records with label 0 and with label 1."""
        return len(self.negative), len(self.positive)

    @property
    def enough(self) -> bool:
        """Whether each class has :data:`MIN_CLASS_RECORDS` calibration records."""
        return min(self.counts) >= MIN_CLASS_RECORDS

    @property
    def statement(self) -> str:
        """Number of calibration records, and whether there are too few, in words for a report."""
        negative, positive = self.counts
        counts = f"{positive} positive and {negative} negative calibration records"
        return counts if self.enough else f"too few: {counts}, {MIN_CLASS_RECORDS} of each are needed"

    def p_values(self, scores: NDArray[np.float64], u: NDArray[np.float64]) -> NDArray[np.float64]:
        """Compute the smoothed conformal p-value of each class.

        It is ``(less conforming + u * (equal + 1)) / (n + 1)``, which is uniform for records of that class.

        Args:
            scores: [n] scores on the scale of the calibration scores.
            u: [n] uniform numbers in [0, 1), from :func:`tie_break` or a generator; they make the coverage exact.

        Returns:
            [n, 2] p-values of label 0 and label 1, 0..1.

        Raises:
            ValueError: If a score is not finite, lengths differ, or a ``u`` is outside [0, 1).
        """
        scores = checked_scores(scores)
        u = checked_scores(u, name="u")
        if u.shape != scores.shape or not ((u >= 0) & (u < 1)).all():
            message = f"u has shape {u.shape}, allowed is one number in [0, 1) per score: {scores.shape}"
            raise ValueError(message)
        columns = [smoothed_p_values(-self.negative[::-1], -scores, u), smoothed_p_values(self.positive, scores, u)]
        return np.column_stack(columns)

    def sets(
        self, scores: NDArray[np.float64], u: NDArray[np.float64]
    ) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
        """Compute the prediction set of each record.

        Args:
            scores: [n] scores, as in :meth:`p_values`.
            u: [n] uniform numbers, as in :meth:`p_values`.

        Returns:
            Sets [n, 2], which contain a class if its p-value exceeds ``1 - confidence``; and the p-values [n, 2].

        Raises:
            ValueError: See :meth:`p_values`.
        """
        p = self.p_values(scores, u)
        return p > round(1 - self.confidence, DIGITS), p

    def to_dict(self) -> dict[str, Any]:
        """Return plain lists and numbers, without loss of precision."""
        return {
            "negative": self.negative.tolist(),
            "positive": self.positive.tolist(),
            "confidence": self.confidence,
        }

    @staticmethod
    def answer(included: NDArray[np.bool_]) -> Answer:
        """Name a prediction set, see :func:`answer`."""
        return answer(included)

    @classmethod
    def from_dict(cls, content: dict[str, Any]) -> ConformalSets:
        """Restore the sets from :meth:`to_dict`.

        Raises:
            ValueError: If the content is incomplete or invalid.
        """
        missing = [name for name in ("negative", "positive", "confidence") if name not in content]
        if missing:
            message = f"conformal sets lack {missing}; they have negative, positive and confidence"
            raise ValueError(message)
        negative, positive = (np.asarray(content[name], dtype=np.float64) for name in ("negative", "positive"))
        return cls(negative, positive, float(content["confidence"]))


def answer(included: NDArray[np.bool_]) -> Answer:
    """Name a prediction set; ``positive`` and ``negative`` name a class, the other two abstain.

    Args:
        included: [2] whether label 0 and label 1 are in the set.
    """
    negative, positive = (bool(member) for member in included)
    if negative and positive:
        return "can't tell"
    if positive:
        return "positive"
    return "negative" if negative else "unlike both"


def tie_break(key: str) -> float:
    """Return a pseudorandom number in [0, 1) that is the same for the same key on every machine.

    Args:
        key: Identity of a record that does not depend on its score, such as a hash of its input or its ID.

    Source: the first 53 bits of SHA-256 (FIPS 180-4), the precision of a float64.
    """
    return (int.from_bytes(sha256(key.encode("utf-8")).digest()[:8], "big") >> 11) / 2**53


def smoothed_p_values(
    conforming: NDArray[np.float64], query: NDArray[np.float64], u: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Compute smoothed p-values from ascending calibration values, of which the lowest conform least.

    Args:
        conforming: [calibration records] ascending values.
        query: [n] values on the same scale.
        u: [n] uniform numbers in [0, 1).
    """
    below = np.searchsorted(conforming, query, side="left")
    equal = np.searchsorted(conforming, query, side="right") - below
    result: NDArray[np.float64] = (below + u * (equal + 1)) / (len(conforming) + 1)
    return result
