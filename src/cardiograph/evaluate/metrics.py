"""The scores of a binary prediction; an undefined one is NaN, never an exception and never 0."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from cardiograph.evaluate.brier import calibration_error
from cardiograph.evaluate.calibration import recalibration

Labels = NDArray[np.int64]
Probabilities = NDArray[np.float64]
Direction = Literal["higher", "lower", "target"]


@dataclass(frozen=True)
class Metric:
    """A score and how to read it.

    Args:
        name: Key in ``metrics.json``.
        title: Name for people.
        function: ``(labels [n], probabilities [n], threshold) -> float``.
        direction: Whether higher or lower is better, or a target value is best.
        best: The best value there is.
        range: Smallest and largest value possible.
        needs_threshold: Whether it looks at the decision ``probability >= threshold``.
        meaning: One line for people.
        centred: Whether resampling by itself makes it larger, so that its resamples are moved onto the value.
    """

    name: str
    title: str
    function: Callable[[Labels, Probabilities, float], float]
    direction: Direction
    best: float
    range: tuple[float, float]
    needs_threshold: bool
    meaning: str
    centred: bool = False


def check(labels: Labels, probabilities: Probabilities) -> None:
    """Refuse arrays that are not labels and probabilities of the same records.

    Raises:
        ValueError: Lengths differ, a label is not 0 or 1, a probability is not within 0..1.
    """
    if labels.shape != probabilities.shape or labels.ndim != 1:
        message = f"labels {labels.shape} and probabilities {probabilities.shape} are one value per record each"
        raise ValueError(message)
    if not np.isin(labels, (0, 1)).all():
        message = "labels are 0 or 1; leave unlabelled records out"
        raise ValueError(message)
    if not ((probabilities >= 0) & (probabilities <= 1)).all():
        message = "probabilities are finite and within 0..1"
        raise ValueError(message)


def score(labels: Labels, probabilities: Probabilities, threshold: float) -> dict[str, float]:
    """Every metric of :data:`METRICS`.

    Args:
        labels: [n] 0 or 1.
        probabilities: [n] of label 1, 0..1.
        threshold: A record counts as positive where its probability is at least this.

    Returns:
        Metric name -> value; NaN where the metric is undefined (one class only, nobody predicted positive, no record).

    Raises:
        ValueError: See :func:`check`.
    """
    check(labels, probabilities)
    return {name: metric.function(labels, probabilities, threshold) for name, metric in METRICS.items()}


def confusion(labels: Labels, probabilities: Probabilities, threshold: float) -> NDArray[np.int64]:
    """[2, 2] records by true label (rows) and decision (columns)."""
    decided = (probabilities >= threshold).astype(np.int64)
    return np.bincount(2 * labels + decided, minlength=4).reshape(2, 2)


def _auroc(labels: Labels, probabilities: Probabilities, _threshold: float) -> float:
    from sklearn.metrics import roc_auc_score

    return float(roc_auc_score(labels, probabilities)) if _two_classes(labels) else math.nan


def _auprc(labels: Labels, probabilities: Probabilities, _threshold: float) -> float:
    from sklearn.metrics import average_precision_score

    return float(average_precision_score(labels, probabilities)) if _two_classes(labels) else math.nan


def _brier(labels: Labels, probabilities: Probabilities, _threshold: float) -> float:
    return float(np.mean((probabilities - labels) ** 2)) if len(labels) else math.nan


def _log_loss(labels: Labels, probabilities: Probabilities, _threshold: float) -> float:
    from sklearn.metrics import log_loss

    return float(log_loss(labels, probabilities, labels=[0, 1])) if len(labels) else math.nan


def _slope(labels: Labels, probabilities: Probabilities, _threshold: float) -> float:
    return recalibration(labels, probabilities).slope


def _intercept(labels: Labels, probabilities: Probabilities, _threshold: float) -> float:
    return recalibration(labels, probabilities).intercept


def _ece(labels: Labels, probabilities: Probabilities, _threshold: float) -> float:
    return calibration_error(labels, probabilities)


def _two_classes(labels: Labels) -> bool:
    return bool(0 < labels.sum() < len(labels))


def rate(part: float, whole: float) -> float:
    """``part / whole``, NaN where there is no whole."""
    return part / whole if whole else math.nan


def _from_counts(rule: Callable[[int, int, int, int], float]) -> Callable[[Labels, Probabilities, float], float]:
    def metric(labels: Labels, probabilities: Probabilities, threshold: float) -> float:
        (tn, fp), (fn, tp) = confusion(labels, probabilities, threshold).tolist()
        return rule(tn, fp, fn, tp)

    return metric


def _f1(_tn: int, fp: int, fn: int, tp: int) -> float:
    """Harmonic mean of PPV and sensitivity, undefined where one of them is."""
    return rate(2 * tp, 2 * tp + fp + fn) if tp + fp and tp + fn else math.nan


_INF = math.inf
METRICS: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric(
            "auroc", "AUROC", _auroc, "higher", 1, (0, 1), False,
            "chance that a positive record scores above a negative one; 0.5 is a coin",
        ),
        Metric(
            "auprc", "AUPRC", _auprc, "higher", 1, (0, 1), False,
            "average precision; the share of positives is what chance gives",
        ),
        Metric(
            "brier", "Brier score", _brier, "lower", 0, (0, 1), False,
            "mean squared distance of the probability from what happened",
        ),
        Metric(
            "log_loss", "Log loss", _log_loss, "lower", 0, (0, _INF), False,
            "what the network minimises; a confident error costs most",
        ),
        Metric(
            "balanced_accuracy", "Balanced accuracy",
            _from_counts(lambda tn, fp, fn, tp: (rate(tp, tp + fn) + rate(tn, tn + fp)) / 2),
            "higher", 1, (0, 1), True, "mean of sensitivity and specificity; 0.5 is a coin",
        ),
        Metric(
            "accuracy", "Accuracy", _from_counts(lambda tn, fp, fn, tp: rate(tp + tn, tn + fp + fn + tp)),
            "higher", 1, (0, 1), True, "share of records decided rightly; the larger class weighs more",
        ),
        Metric(
            "sensitivity", "Sensitivity", _from_counts(lambda tn, fp, fn, tp: rate(tp, tp + fn)),
            "higher", 1, (0, 1), True, "share of the positive records that are found",
        ),
        Metric(
            "specificity", "Specificity", _from_counts(lambda tn, fp, fn, tp: rate(tn, tn + fp)),
            "higher", 1, (0, 1), True, "share of the negative records that are left alone",
        ),
        Metric(
            "ppv", "Positive predictive value", _from_counts(lambda tn, fp, fn, tp: rate(tp, tp + fp)),
            "higher", 1, (0, 1), True, "share of the records called positive that are; depends on how common positives are",
        ),
        Metric(
            "npv", "Negative predictive value", _from_counts(lambda tn, fp, fn, tp: rate(tn, tn + fn)),
            "higher", 1, (0, 1), True, "share of the records called negative that are; depends on how common positives are",
        ),
        Metric(
            "f1", "F1", _from_counts(_f1), "higher", 1, (0, 1), True,
            "harmonic mean of sensitivity and positive predictive value",
        ),
        Metric(
            "calibration_slope", "Calibration slope", _slope, "target", 1, (-_INF, _INF), False,
            "below 1: probabilities too extreme; above 1: too timid",
        ),
        Metric(
            "calibration_intercept", "Calibration intercept", _intercept, "target", 0, (-_INF, _INF), False,
            "below 0: probabilities too high on the whole; above 0: too low",
        ),
        Metric(
            "ece", "Expected calibration error", _ece, "lower", 0, (0, 1), False,
            "mean distance of said from seen in ten bins; true probabilities do not reach 0 on few records", centred=True,
        ),
    )
}  # fmt: skip
"""Every metric, in the order in which it is printed."""
