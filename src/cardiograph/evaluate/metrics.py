"""Metrics of a prediction: value, form for resampled records, direction, range and meaning.

An undefined metric is NaN, never an exception and never 0.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from cardiograph.evaluate.brier import calibration_error, calibration_errors
from cardiograph.evaluate.calibration import recalibration, recalibrations

Floats = NDArray[np.float64]
Labels = NDArray[np.int64]
Direction = Literal["higher", "lower", "target"]
CountRule = Callable[[Floats, Floats, Floats, Floats], Floats]
"""``(tn, fp, fn, tp) -> value``, [resamples] each."""


@dataclass(frozen=True, eq=False)
class Resamples:
    """Resamples of the same records as weights, with the sums that several metrics share.

    Probabilities are sorted once, and every resample is a sum over the same order. Equal probabilities form one block,
    so that ties count correctly.

    Args:
        labels: [n] 0 or 1.
        probabilities: [n] probability of label 1, 0..1.
        weights: [resamples, n] number of times each record counts, at least 0.
        threshold: Decision threshold.
    """

    labels: Labels
    probabilities: Floats
    weights: Floats
    threshold: float

    @cached_property
    def ranked(self) -> tuple[Floats, Floats]:
        """Weights of positive and of negative records by falling probability, [resamples, blocks] each."""
        order = np.argsort(-self.probabilities, kind="stable")
        blocks = np.flatnonzero(np.r_[True, np.diff(self.probabilities[order]) != 0]) if len(order) else order
        weights, labels = self.weights[:, order], self.labels[order]
        return np.add.reduceat(weights * labels, blocks, axis=1), np.add.reduceat(
            weights * (1 - labels), blocks, axis=1
        )

    @cached_property
    def counts(self) -> tuple[Floats, Floats, Floats, Floats]:
        """True negatives, false positives, false negatives and true positives, [resamples] each."""
        positive, negative, decided = self.labels, 1 - self.labels, self.probabilities >= self.threshold
        return (
            self.weights @ (negative * ~decided),
            self.weights @ (negative * decided),
            self.weights @ (positive * ~decided),
            self.weights @ (positive * decided),
        )

    @cached_property
    def recalibrations(self) -> tuple[Floats, Floats]:
        """Calibration slopes and intercepts, [resamples] each."""
        return recalibrations(self.labels, self.probabilities, self.weights)

    def mean(self, values: Floats) -> Floats:
        """[resamples] weighted mean of one value per record."""
        mean: Floats = self.weights @ values / self.weights.sum(axis=1)
        return mean


@dataclass(frozen=True)
class Metric:
    """A metric and how to read it.

    Args:
        name: Key in ``metrics.json``.
        title: Display name.
        value: Function ``(labels [n], probabilities [n], threshold) -> float``.
        direction: Whether higher or lower is better, or a target value is best.
        best: The best possible value.
        range: Smallest and largest possible value.
        meaning: Explanation of one line for the report.
        vectorised: The same metric on all resamples at once, [resamples]; None evaluates ``value`` on each resample.
        needs_threshold: Whether the metric depends on the decision ``probability >= threshold``.
        centred: Whether resampling alone raises the metric, so that the interval must be shifted onto the value.
    """

    name: str
    title: str
    value: Callable[[Labels, Floats, float], float]
    direction: Direction
    best: float
    range: tuple[float, float]
    meaning: str
    vectorised: Callable[[Resamples], Floats] | None = None
    needs_threshold: bool = False
    centred: bool = False

    def resampled(self, resamples: Resamples) -> Floats:
        """[resamples] value of the metric, NaN where undefined.

        Raises:
            ValueError: If there is no vectorised form and a weight is not a whole number.
        """
        if self.vectorised is not None:
            return self.vectorised(resamples)
        counts = resamples.weights.astype(np.int64)
        if (counts != resamples.weights).any():
            message = f"{self.name} has no vectorised form, and some weights are not whole numbers"
            raise ValueError(message)
        rows = (np.repeat(np.arange(len(each)), each) for each in counts)
        labels, probabilities, threshold = resamples.labels, resamples.probabilities, resamples.threshold
        return np.array([self.value(labels[drawn], probabilities[drawn], threshold) for drawn in rows])


def metrics_of(probabilities: Floats) -> dict[str, Metric]:
    """Return the metrics of [n] probabilities of a binary outcome, or of [n, classes] probabilities."""
    from cardiograph.evaluate.class_metrics import CLASS_METRICS  # it uses the metrics of this module

    return METRICS if probabilities.ndim == 1 else CLASS_METRICS


def check(labels: Labels, probabilities: Floats) -> None:
    """Check that two arrays are labels and probabilities of the same records.

    Raises:
        ValueError: If lengths differ, a label is not 0 or 1 (with several classes, not a class), or a probability is not
            within 0..1.
    """
    if labels.shape != probabilities.shape[:1] or labels.ndim != 1:
        message = f"labels {labels.shape} and probabilities {probabilities.shape} are one value per record each"
        raise ValueError(message)
    classes = 2 if probabilities.ndim == 1 else probabilities.shape[1]
    if not ((labels >= 0) & (labels < classes)).all():
        message = f"labels are 0 {'or 1' if classes == 2 else f'to {classes - 1}'}; leave unlabelled records out"
        raise ValueError(message)
    if not ((probabilities >= 0) & (probabilities <= 1)).all():
        message = "probabilities are finite and within 0..1"
        raise ValueError(message)


def score(labels: Labels, probabilities: Floats, threshold: float) -> dict[str, float]:
    """Compute every metric of :func:`metrics_of`.

    Args:
        labels: [n] labels from 0.
        probabilities: [n] probability of label 1, 0..1; or [n, classes] of each class.
        threshold: A record counts as positive if its probability is at least this; several classes have none.

    Returns:
        Metric name -> value; NaN where the metric is undefined (no record, only one class, no positive decision).

    Raises:
        ValueError: See :func:`check`.
    """
    check(labels, probabilities)
    return {name: metric.value(labels, probabilities, threshold) for name, metric in metrics_of(probabilities).items()}


def weighted_scores(
    labels: Labels, probabilities: Floats, weights: Floats, *, threshold: float, names: Sequence[str] | None = None
) -> dict[str, Floats]:
    """Compute metrics of one model on every resample.

    Args:
        labels: [n] labels from 0.
        probabilities: [n] probability of label 1, 0..1; or [n, classes] of each class.
        weights: [resamples, n] number of times each record counts, at least 0.
        threshold: Decision threshold; several classes have none.
        names: Metrics to compute; None for all.

    Returns:
        Metric name -> [resamples], NaN where undefined.
    """
    from cardiograph.evaluate.class_metrics import ClassResamples

    kind = Resamples if probabilities.ndim == 1 else ClassResamples
    resamples, metrics = kind(labels, probabilities, weights, threshold), metrics_of(probabilities)
    with np.errstate(divide="ignore", invalid="ignore"):
        return {name: metrics[name].resampled(resamples) for name in names or metrics}


def confusion(labels: Labels, probabilities: Floats, threshold: float) -> NDArray[np.int64]:
    """[2, 2] number of records by true label (rows) and decision (columns)."""
    decided = (probabilities >= threshold).astype(np.int64)
    return np.bincount(2 * labels + decided, minlength=4).reshape(2, 2)


def _two_classes(labels: Labels) -> bool:
    return bool(0 < labels.sum() < len(labels))


def _auroc(labels: Labels, probabilities: Floats, _threshold: float) -> float:
    from sklearn.metrics import roc_auc_score

    return float(roc_auc_score(labels, probabilities)) if _two_classes(labels) else math.nan


def _aurocs(resamples: Resamples) -> Floats:
    """Weighted share of pairs in the right order; ties count half."""
    positive, negative = resamples.ranked
    positives, negatives = positive.sum(axis=1), negative.sum(axis=1)
    pairs = (positive * (negatives[:, None] - negative.cumsum(axis=1) + negative / 2)).sum(axis=1)
    area: Floats = pairs / (positives * negatives)
    return area


def _auprc(labels: Labels, probabilities: Floats, _threshold: float) -> float:
    from sklearn.metrics import average_precision_score

    return float(average_precision_score(labels, probabilities)) if _two_classes(labels) else math.nan


def _auprcs(resamples: Resamples) -> Floats:
    positive, negative = resamples.ranked
    true, false = positive.cumsum(axis=1), negative.cumsum(axis=1)
    precision = np.divide(true, true + false, out=np.zeros_like(true), where=true + false > 0)
    area = (positive * precision).sum(axis=1) / positive.sum(axis=1)
    return np.where(negative.sum(axis=1) > 0, area, np.nan)


def _brier(labels: Labels, probabilities: Floats, _threshold: float) -> float:
    return float(np.mean((probabilities - labels) ** 2)) if len(labels) else math.nan


def _log_loss(labels: Labels, probabilities: Floats, _threshold: float) -> float:
    from sklearn.metrics import log_loss

    return float(log_loss(labels, probabilities, labels=[0, 1])) if len(labels) else math.nan


def _log_losses(resamples: Resamples) -> Floats:
    labels, probabilities = resamples.labels, resamples.probabilities
    smallest = np.finfo(probabilities.dtype).eps
    likelihood = np.clip(np.where(labels == 1, probabilities, 1 - probabilities), smallest, 1 - smallest)
    return resamples.mean(-np.log(likelihood))


def _count_metric(
    name: str, title: str, rule: CountRule, meaning: str, *, value_range: tuple[float, float] = (0, 1)
) -> Metric:
    """Make a metric of the four counts at the threshold, where higher is better; 0 / 0 in ``rule`` means undefined."""

    def value(labels: Labels, probabilities: Floats, threshold: float) -> float:
        counts = confusion(labels, probabilities, threshold).astype(np.float64).reshape(4, 1)
        with np.errstate(divide="ignore", invalid="ignore"):
            return float(rule(*counts)[0])

    return Metric(
        name, title, value, "higher", value_range[1], value_range, meaning,
        vectorised=lambda resamples: rule(*resamples.counts), needs_threshold=True,
    )  # fmt: skip


def _f1(_tn: Floats, fp: Floats, fn: Floats, tp: Floats) -> Floats:
    """Harmonic mean of PPV and sensitivity, undefined if either of them is."""
    return np.where((tp + fp > 0) & (tp + fn > 0), 2 * tp / (2 * tp + fp + fn), np.nan)


METRICS: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric(
            "auroc", "AUROC", _auroc, "higher", 1, (0, 1),
            "chance that a positive record scores higher than a negative one; 0.5 is chance level",
            vectorised=_aurocs,
        ),
        Metric(
            "auprc", "AUPRC", _auprc, "higher", 1, (0, 1),
            "average precision; chance level is the share of positives",
            vectorised=_auprcs,
        ),
        Metric(
            "brier", "Brier score", _brier, "lower", 0, (0, 1),
            "mean squared difference between probability and outcome",
            vectorised=lambda resamples: resamples.mean((resamples.probabilities - resamples.labels) ** 2),
        ),
        Metric(
            "log_loss", "Log loss", _log_loss, "lower", 0, (0, math.inf),
            "the loss that training minimises; confident errors cost most",
            vectorised=_log_losses,
        ),
        _count_metric(
            "balanced_accuracy", "Balanced accuracy", lambda tn, fp, fn, tp: (tp / (tp + fn) + tn / (tn + fp)) / 2,
            "mean of sensitivity and specificity; 0.5 is chance level",
        ),
        _count_metric(
            "accuracy", "Accuracy", lambda tn, fp, fn, tp: (tp + tn) / (tp + tn + fp + fn),
            "share of correct decisions; dominated by the larger class",
        ),
        _count_metric(
            "sensitivity", "Sensitivity", lambda tn, fp, fn, tp: tp / (tp + fn),
            "share of the positive records that are called positive",
        ),
        _count_metric(
            "specificity", "Specificity", lambda tn, fp, fn, tp: tn / (tn + fp),
            "share of the negative records that are called negative",
        ),
        _count_metric(
            "ppv", "Positive predictive value", lambda tn, fp, fn, tp: tp / (tp + fp),
            "share of the records called positive that are positive; depends on prevalence",
        ),
        _count_metric(
            "npv", "Negative predictive value", lambda tn, fp, fn, tp: tn / (tn + fn),
            "share of the records called negative that are negative; depends on prevalence",
        ),
        _count_metric("f1", "F1", _f1, "harmonic mean of sensitivity and positive predictive value"),
        Metric(
            "calibration_slope", "Calibration slope",
            lambda labels, probabilities, _: recalibration(labels, probabilities).slope,
            "target", 1, (-math.inf, math.inf), "below 1: probabilities too extreme; above 1: not extreme enough",
            vectorised=lambda resamples: resamples.recalibrations[0],
        ),
        Metric(
            "calibration_intercept", "Calibration intercept",
            lambda labels, probabilities, _: recalibration(labels, probabilities).intercept,
            "target", 0, (-math.inf, math.inf), "below 0: probabilities too high overall; above 0: too low",
            vectorised=lambda resamples: resamples.recalibrations[1],
        ),
        Metric(
            "ece", "Expected calibration error",
            lambda labels, probabilities, _: calibration_error(labels, probabilities),
            "lower", 0, (0, 1),
            "mean difference between predicted and observed over ten bins; above 0 even for true probabilities",
            vectorised=lambda resamples: calibration_errors(
                resamples.labels, resamples.probabilities, resamples.weights
            ),
            centred=True,
        ),
    )
}  # fmt: skip
"""Every metric, in printing order."""
