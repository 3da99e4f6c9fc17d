"""Metrics of several classes: means over the classes, each against the rest, and scores of the most likely class."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from cardiograph.evaluate.metrics import METRICS, Metric, Resamples

Floats = NDArray[np.float64]
Labels = NDArray[np.int64]

ONE_AGAINST_REST = ("auroc", "auprc", "brier", "calibration_slope", "calibration_intercept", "ece")
"""Metrics of each class against the rest; none depends on a threshold."""


class ClassResamples(Resamples):
    """Resamples with [n, classes] probabilities and labels from 0; ``threshold`` is not used."""

    @property
    def classes(self) -> int:
        """Number of classes."""
        return int(self.probabilities.shape[1])

    @cached_property
    def against_rest(self) -> tuple[Resamples, ...]:
        """Each class against the rest, as resamples of a binary outcome."""
        return tuple(
            Resamples((self.labels == label).astype(np.int64), self.probabilities[:, label], self.weights, 0.5)
            for label in range(self.classes)
        )

    @cached_property
    def confusions(self) -> Floats:
        """[resamples, classes, classes] weight of the records by true class (rows) and most likely class (columns)."""
        cell = self.labels * self.classes + self.probabilities.argmax(axis=1)
        counts: Floats = self.weights @ np.eye(self.classes**2)[cell]
        return counts.reshape(-1, self.classes, self.classes)

    @property
    def own(self) -> Floats:
        """[n] probability of the true class."""
        return self.probabilities[np.arange(len(self.labels)), self.labels]


def class_confusion(labels: Labels, probabilities: Floats) -> NDArray[np.int64]:
    """[classes, classes] number of records by true class (rows) and most likely class (columns)."""
    classes = probabilities.shape[1]
    return np.bincount(classes * labels + probabilities.argmax(axis=1), minlength=classes**2).reshape(classes, classes)


def _mean_against_rest(name: str) -> Callable[[ClassResamples], Floats]:
    def resampled(resamples: ClassResamples) -> Floats:
        found: Floats = np.mean([METRICS[name].resampled(each) for each in resamples.against_rest], axis=0)
        return found

    return resampled


def _recalls(resamples: ClassResamples) -> Floats:
    """[resamples, classes] share of the records of each class for which it is the most likely one."""
    counts = resamples.confusions
    shares: Floats = np.diagonal(counts, axis1=1, axis2=2) / counts.sum(axis=2)
    return shares


def _accuracies(resamples: ClassResamples) -> Floats:
    counts = resamples.confusions
    shares: Floats = np.trace(counts, axis1=1, axis2=2) / counts.sum(axis=(1, 2))
    return shares


def _f1s(resamples: ClassResamples) -> Floats:
    counts = resamples.confusions
    hits = np.diagonal(counts, axis1=1, axis2=2)
    harmonic: Floats = (2 * hits / (counts.sum(axis=1) + counts.sum(axis=2))).mean(axis=1)
    return harmonic


def _briers(resamples: ClassResamples) -> Floats:
    truth = np.eye(resamples.classes)[resamples.labels]
    return resamples.mean(((resamples.probabilities - truth) ** 2).sum(axis=1))


def _log_losses(resamples: ClassResamples) -> Floats:
    smallest = np.finfo(resamples.probabilities.dtype).eps
    return resamples.mean(-np.log(np.clip(resamples.own, smallest, 1 - smallest)))


def _metric(  # noqa: PLR0913 - what a table says of a metric
    name: str,
    title: str,
    meaning: str,
    resampled: Callable[[ClassResamples], Floats],
    *,
    best: float = 1,
    value_range: tuple[float, float] = (0, 1),
    centred: bool = False,
) -> Metric:
    """Make a metric whose value is that of the one resample in which each record counts once."""

    def value(labels: Labels, probabilities: Floats, _threshold: float) -> float:
        if not len(labels):
            return math.nan
        whole = ClassResamples(labels, probabilities, np.ones((1, len(labels))), math.nan)
        with np.errstate(divide="ignore", invalid="ignore"):
            return float(resampled(whole)[0])

    return Metric(
        name, title, value, "higher" if best else "lower", best, value_range, meaning,
        vectorised=resampled, centred=centred,  # type: ignore[arg-type]  # weighted_scores gives ClassResamples
    )  # fmt: skip


CLASS_METRICS: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        _metric(
            "auroc", "Macro AUROC",
            "mean over the classes of the AUROC of each against the rest; 0.5 is chance level",
            _mean_against_rest("auroc"),
        ),
        _metric(
            "auprc", "Macro AUPRC",
            "mean over the classes of the average precision of each against the rest; chance level is the share of a class",
            _mean_against_rest("auprc"),
        ),
        _metric(
            "brier", "Brier score",
            "squared differences between probabilities and outcome, summed over the classes; 0 to 2",
            _briers, best=0, value_range=(0, 2),
        ),
        _metric(
            "log_loss", "Log loss", "the loss that training minimises; confident errors cost most",
            _log_losses, best=0, value_range=(0, math.inf),
        ),
        _metric(
            "balanced_accuracy", "Balanced accuracy",
            "mean over the classes of the share whose true class is the most likely one; chance level is 1 / classes",
            lambda resamples: _recalls(resamples).mean(axis=1),
        ),
        _metric(
            "accuracy", "Accuracy", "share of records whose true class is the most likely one; dominated by large classes",
            _accuracies,
        ),
        _metric("f1", "Macro F1", "mean over the classes of the harmonic mean of sensitivity and precision", _f1s),
        _metric(
            "ece", "Expected calibration error",
            "mean over the classes of the mean difference between predicted and observed over ten bins; above 0 even for "
            "true probabilities",
            _mean_against_rest("ece"), best=0, centred=True,
        ),
    )
}  # fmt: skip
"""Every metric of several classes, in printing order; a name has the meaning of :data:`METRICS`, over all classes."""
