"""The threshold at which a probability becomes a class."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

UNDECIDABLE = 0.5
"""The threshold where validation rows cannot tell: one class, or one score for all."""


def youden_threshold(labels: NDArray[np.int64], probabilities: NDArray[np.float64]) -> float:
    """The threshold with the largest sensitivity + specificity - 1, for use on validation rows.

    Thresholds lie midway between neighbouring scores, so that a score moved by rounding keeps its class. Among equally
    good ones the lowest is taken, which is the most sensitive.

    Args:
        labels: [n] 0 or 1.
        probabilities: [n] 0..1.

    Returns:
        The threshold, for ``probability >= threshold``; 0.5 where there is one class or one score only.

    Source: Youden, Cancer 3:32, 1950.
    """
    scores = np.unique(probabilities)
    positives, negatives = int(labels.sum()), int(len(labels) - labels.sum())
    if len(scores) < 2 or not positives or not negatives:
        return UNDECIDABLE
    middle = (scores[:-1] + scores[1:]) / 2
    middle = np.where(middle > scores[:-1], middle, scores[1:])
    sensitivity = (positives - np.searchsorted(np.sort(probabilities[labels == 1]), middle)) / positives
    specificity = np.searchsorted(np.sort(probabilities[labels == 0]), middle) / negatives
    youden = np.round(sensitivity + specificity, 12)
    return float(middle[np.argmax(youden)])
