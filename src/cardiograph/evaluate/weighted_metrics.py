"""The metrics under many weightings at once: what :mod:`cardiograph.evaluate.metrics` gives on resampled records.

A bootstrap resample is a vector of counts (how often a record was drawn), so scores are sorted once and all resamples
are sums over the same order. Equal scores form one block, which is what makes ties right.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from cardiograph.evaluate.brier import calibration_errors
from cardiograph.evaluate.calibration import recalibrations
from cardiograph.evaluate.metrics import METRICS

Floats = NDArray[np.float64]
Labels = NDArray[np.int64]


def weighted_scores(
    labels: Labels, probabilities: Floats, weights: Floats, *, threshold: float, names: Sequence[str] = tuple(METRICS)
) -> dict[str, Floats]:
    """Metrics of one model under each weighting.

    Args:
        labels: [n] 0 or 1.
        probabilities: [n] 0..1.
        weights: [resamples, n] times each record counts, at least 0.
        threshold: Threshold of the decision.
        names: The metrics wanted.

    Returns:
        Metric name -> [resamples], NaN where undefined.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        found: dict[str, Floats] = {}
        if {"auroc", "auprc"} & set(names):
            found |= _ranked(labels, probabilities, weights)
        if {"brier", "log_loss"} & set(names):
            found |= _means(labels, probabilities, weights)
        if any(METRICS[name].needs_threshold for name in names):
            found |= _decisions(labels, probabilities >= threshold, weights)
        if {"calibration_slope", "calibration_intercept"} & set(names):
            slope, intercept = recalibrations(labels, probabilities, weights)
            found |= {"calibration_slope": slope, "calibration_intercept": intercept}
        if "ece" in names:
            found["ece"] = calibration_errors(labels, probabilities, weights)
        for name in set(names) - set(found):
            found[name] = _repeated(name, labels, probabilities, weights, threshold)
    return {name: found[name] for name in names}


def _ranked(labels: Labels, probabilities: Floats, weights: Floats) -> dict[str, Floats]:
    """AUROC as the weighted share of pairs in the right order (ties count half); AUPRC as average precision."""
    order = np.argsort(-probabilities, kind="stable")
    blocks = np.flatnonzero(np.r_[True, np.diff(probabilities[order]) != 0]) if len(order) else order
    positive = np.add.reduceat(weights[:, order] * labels[order], blocks, axis=1)
    negative = np.add.reduceat(weights[:, order] * (1 - labels[order]), blocks, axis=1)
    positives, negatives = positive.sum(axis=1), negative.sum(axis=1)
    true, false = positive.cumsum(axis=1), negative.cumsum(axis=1)
    pairs = (positive * (negatives[:, None] - false + negative / 2)).sum(axis=1)
    precision = np.divide(true, true + false, out=np.zeros_like(true), where=true + false > 0)
    area = (positive * precision).sum(axis=1) / positives
    return {"auroc": pairs / (positives * negatives), "auprc": np.where(negatives > 0, area, np.nan)}


def _repeated(name: str, labels: Labels, probabilities: Floats, weights: Floats, threshold: float) -> Floats:
    """A metric that has no formula for weights: computed on each resample, with records repeated as often as drawn.

    Raises:
        ValueError: If a weight is not a whole number.
    """
    counts = weights.astype(np.int64)
    if (counts != weights).any():
        message = f"{name} has no formula for weights, and some weights are not whole numbers"
        raise ValueError(message)
    metric = METRICS[name].function
    rows = (np.repeat(np.arange(len(labels)), each) for each in counts)
    return np.array([metric(labels[drawn], probabilities[drawn], threshold) for drawn in rows])


def _means(labels: Labels, probabilities: Floats, weights: Floats) -> dict[str, Floats]:
    total = weights.sum(axis=1)
    smallest = np.finfo(probabilities.dtype).eps
    likelihood = np.clip(np.where(labels == 1, probabilities, 1 - probabilities), smallest, 1 - smallest)
    return {"brier": weights @ (probabilities - labels) ** 2 / total, "log_loss": weights @ -np.log(likelihood) / total}


def _decisions(labels: Labels, decided: NDArray[np.bool_], weights: Floats) -> dict[str, Floats]:
    tp, fn = weights @ (labels * decided), weights @ (labels * ~decided)
    fp, tn = weights @ ((1 - labels) * decided), weights @ ((1 - labels) * ~decided)
    sensitivity, specificity, ppv = tp / (tp + fn), tn / (tn + fp), tp / (tp + fp)
    defined = (tp + fp > 0) & (tp + fn > 0)
    return {
        "balanced_accuracy": (sensitivity + specificity) / 2,
        "accuracy": (tp + tn) / (tp + tn + fp + fn),
        "sensitivity": sensitivity,
        "specificity": specificity,
        "ppv": ppv,
        "npv": tn / (tn + fn),
        "f1": np.where(defined, 2 * tp / (2 * tp + fp + fn), np.nan),
    }
