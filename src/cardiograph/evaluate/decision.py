"""Decision thresholds, chosen on validation records by a named rule."""

from __future__ import annotations

import math
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

ThresholdRule = Literal["youden", "sensitivity", "net_benefit"]
SENSITIVITY = 0.90
"""Default target of the rule ``sensitivity``."""
YOUDEN_IN_WORDS = "largest sensitivity + specificity (Youden)"
DEFAULT_THRESHOLD = 0.5
"""Threshold if the validation records determine none: a single class, or equal probabilities."""


def youden_threshold(labels: NDArray[np.int64], probabilities: NDArray[np.float64]) -> float:
    """Return the threshold with the largest sensitivity + specificity - 1.

    Candidate thresholds lie midway between neighbouring probabilities, so that rounding does not change a decision.
    Ties go to the lowest threshold, which is the most sensitive.

    Args:
        labels: [n] 0 or 1, of validation records.
        probabilities: [n] 0..1.

    Returns:
        The threshold, for ``probability >= threshold``; 0.5 if there is only one class or one distinct probability.

    Source: Youden, Cancer 3:32, 1950.
    """
    scores = np.unique(probabilities)
    positives, negatives = int(labels.sum()), int(len(labels) - labels.sum())
    if len(scores) < 2 or not positives or not negatives:
        return DEFAULT_THRESHOLD
    middle = (scores[:-1] + scores[1:]) / 2
    middle = np.where(middle > scores[:-1], middle, scores[1:])
    sensitivity = (positives - np.searchsorted(np.sort(probabilities[labels == 1]), middle)) / positives
    specificity = np.searchsorted(np.sort(probabilities[labels == 0]), middle) / negatives
    youden = np.round(sensitivity + specificity, 12)
    return float(middle[np.argmax(youden)])


def sensitivity_threshold(
    labels: NDArray[np.int64], probabilities: NDArray[np.float64], *, sensitivity: float = SENSITIVITY
) -> float:
    """Return the highest threshold that still finds a given share of the positive records.

    It lies midway between the lowest probability that it must include and the next lower one (halfway to 0 if there is
    none). On other records the sensitivity differs, strongly so with few positives: with 20, one record is 5 points.

    Args:
        labels: [n] 0 or 1, of validation records.
        probabilities: [n] 0..1.
        sensitivity: Share of positives to find, above 0 and at most 1.

    Returns:
        The threshold, for ``probability >= threshold``; 0.5 without a positive record.

    Raises:
        ValueError: If ``sensitivity`` is not above 0 and at most 1.
    """
    if not 0 < sensitivity <= 1:
        message = f"sensitivity is {sensitivity:g}, allowed above 0 and at most 1; 0.9 finds nine of ten positives"
        raise ValueError(message)
    positive = np.sort(probabilities[labels == 1])[::-1]
    if not len(positive):
        return DEFAULT_THRESHOLD
    required = max(1, math.ceil(sensitivity * len(positive) - 1e-9))
    last = float(positive[required - 1])
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
    """Return the threshold of a named rule.

    Args:
        rule: ``youden``: largest sensitivity + specificity. ``sensitivity``: the highest threshold that finds the share
            ``sensitivity`` of the positives. ``net_benefit``: the threshold probability ``net_benefit_at`` itself,
            because decision theory places the threshold of a calibrated probability at the t for which t / (1 - t) is
            the cost of a false alarm relative to a missed positive (Pauker and Kassirer, NEJM 302:1109, 1980).
        labels: [n] 0 or 1, of validation records.
        probabilities: [n] 0..1.
        sensitivity: Target of the rule ``sensitivity``.
        net_benefit_at: Threshold probability of the rule ``net_benefit``, above 0 and below 1.

    Raises:
        ValueError: If the rule is unknown, or its setting is out of range.
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
            f"threshold rule 'net_benefit' at {net_benefit_at}, allowed above 0 and below 1; give the probability from "
            "which you would act"
        )
        raise ValueError(message)
    return net_benefit_at


def rule_in_words(rule: ThresholdRule, *, sensitivity: float = SENSITIVITY, net_benefit_at: float | None = None) -> str:
    """Describe how the threshold was chosen, for the report; arguments as for :func:`choose_threshold`."""
    return {
        "youden": YOUDEN_IN_WORDS,
        "sensitivity": f"the highest that finds {sensitivity * 100:g} % of the positives",
        "net_benefit": f"the probability {net_benefit_at} from which the user would act",
    }[rule]
