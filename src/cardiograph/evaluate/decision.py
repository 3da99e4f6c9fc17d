"""The threshold at which a probability becomes a class, chosen on validation rows by a rule that has a name."""

from __future__ import annotations

import math
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

ThresholdRule = Literal["youden", "sensitivity", "net_benefit"]
SENSITIVITY = 0.90
"""Sensitivity that the rule of that name asks for, where the user asks for no other."""
YOUDEN_IN_WORDS = "largest sensitivity + specificity (Youden)"
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


def sensitivity_threshold(
    labels: NDArray[np.int64], probabilities: NDArray[np.float64], *, sensitivity: float = SENSITIVITY
) -> float:
    """The highest threshold that still finds this share of the positive validation rows.

    It lies midway between the lowest score it has to find and the next score below (halfway to 0 where there is none). On
    other records the sensitivity will differ, and with few positives by much: with 20 of them, one more or less is 5 points.

    Args:
        labels: [n] 0 or 1.
        probabilities: [n] 0..1.
        sensitivity: Above 0, at most 1.

    Returns:
        The threshold, for ``probability >= threshold``; 0.5 without a positive row.

    Raises:
        ValueError: The sensitivity asked for is not above 0 and at most 1.
    """
    if not 0 < sensitivity <= 1:
        message = f"sensitivity is {sensitivity:g}, allowed above 0 and at most 1; 0.9 asks for nine of ten positives"
        raise ValueError(message)
    positive = np.sort(probabilities[labels == 1])[::-1]
    if not len(positive):
        return UNDECIDABLE
    wanted = max(1, math.ceil(sensitivity * len(positive) - 1e-9))
    last = float(positive[wanted - 1])
    below = probabilities[probabilities < last]
    middle = (last + (float(below.max()) if len(below) else 0.0)) / 2
    return middle if not len(below) or middle > float(below.max()) else last


def choose_threshold(
    rule: ThresholdRule,
    labels: NDArray[np.int64],
    probabilities: NDArray[np.float64],
    *,
    sensitivity: float = SENSITIVITY,
    net_benefit_at: float | None = None,
) -> float:
    """The threshold by a named rule, from validation rows.

    Args:
        rule: ``youden``: largest sensitivity + specificity. ``sensitivity``: the highest threshold that finds the share
            asked for. ``net_benefit``: the threshold probability that the user names; decision theory puts the cut of a
            calibrated probability exactly there, whatever the validation rows say, because t / (1 - t) is what a false
            alarm costs beside a missed positive (Pauker and Kassirer, NEJM 302:1109, 1980).
        labels: [n] 0 or 1, of the validation rows.
        probabilities: [n] 0..1.
        sensitivity: For the rule of that name.
        net_benefit_at: Threshold probability, above 0 and below 1; for ``net_benefit``, which needs it.

    Raises:
        ValueError: An unknown rule, or a value that the rule cannot use.
    """
    if rule == "youden":
        return youden_threshold(labels, probabilities)
    if rule == "sensitivity":
        return sensitivity_threshold(labels, probabilities, sensitivity=sensitivity)
    if rule != "net_benefit":
        message = f"threshold rule is {rule!r}, allowed: {', '.join(get_args(ThresholdRule))}"
        raise ValueError(message)
    if net_benefit_at is None or not 0 < net_benefit_at < 1:
        message = (
            f"threshold rule 'net_benefit' at {net_benefit_at}, allowed above 0 and below 1; name the probability from "
            "which acting is right"
        )
        raise ValueError(message)
    return net_benefit_at


def rule_in_words(rule: ThresholdRule, *, sensitivity: float = SENSITIVITY, net_benefit_at: float | None = None) -> str:
    """How the threshold was chosen, for the report; arguments as for :func:`choose_threshold`."""
    return {
        "youden": YOUDEN_IN_WORDS,
        "sensitivity": f"the highest that finds {sensitivity * 100:g} % of the positives",
        "net_benefit": f"the probability {net_benefit_at} from which the user calls acting right",
    }[rule]
