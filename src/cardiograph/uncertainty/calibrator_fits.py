"""Fitting of calibrators: scores and labels in, calibrator out."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from cardiograph.uncertainty.calibrators import MAX_SCORE, Calibrator, Kind
from cardiograph.uncertainty.inputs import checked_labels, checked_scores
from cardiograph.uncertainty.venn_abers import VennAbers

Scores = NDArray[np.float64]
Labels = NDArray[np.int64]
MIN_TEMPERATURE, MAX_TEMPERATURE = 0.05, 20.0
MIN_RELATIVE_SPREAD = 1e-12
"""Minimum standard deviation of the scores relative to their mean; below it, all scores count as equal."""


def fit_kind(scores: Scores, labels: Labels, kind: Kind) -> Calibrator:
    """Fit a calibrator of one kind.

    Args:
        scores: [n] difference of the two logits; n is at least 1.
        labels: [n] 0 or 1; a single class is allowed and gives probabilities that are not extreme.
        kind: Kind of calibrator.

    Raises:
        ValueError: If lengths differ, a score is not finite, a label is not 0 or 1, there are no records, or the kind is
            unknown.
    """
    scores = np.clip(checked_scores(scores), -MAX_SCORE, MAX_SCORE)
    labels = checked_labels(labels, len(scores))
    if not len(scores):
        message = "scores has 0 rows, allowed is 1 or more"
        raise ValueError(message)
    if kind not in FITS:
        message = f"kind is {kind!r}, allowed are {', '.join(FITS)}"
        raise ValueError(message)
    return FITS[kind](scores, labels)


def smoothed_targets(labels: Labels) -> NDArray[np.float64]:
    """Return targets slightly inside 0 and 1, so that the best line is finite even if the classes do not overlap.

    Args:
        labels: [n] 0 or 1.

    Returns:
        [n] ``(P + 1) / (P + 2)`` for each of P positives, ``1 / (N + 2)`` for each of N negatives.

    Source: Platt, "Probabilistic outputs for support vector machines", Advances in Large Margin Classifiers, 1999.
    """
    positives = int(labels.sum())
    negatives = len(labels) - positives
    targets: NDArray[np.float64] = np.where(labels == 1, (positives + 1) / (positives + 2), 1 / (negatives + 2))
    return targets


def _none(_scores: Scores, _labels: Labels) -> Calibrator:
    return Calibrator("none", {})


def _temperature(scores: Scores, labels: Labels) -> Calibrator:
    """Minimise the log loss against the smoothed targets, which is convex in 1 / temperature.

    Source: Guo, Pleiss, Sun, Weinberger, "On calibration of modern neural networks", ICML 2017.
    """
    from scipy.optimize import brentq
    from scipy.special import expit

    targets = smoothed_targets(labels)

    def slope_of_loss(sharpness: float) -> float:
        return float(np.mean(scores * (expit(sharpness * scores) - targets)))

    lowest, highest = 1 / MAX_TEMPERATURE, 1 / MIN_TEMPERATURE
    if not scores.any():
        sharpness = 1.0
    elif slope_of_loss(lowest) >= 0:
        sharpness = lowest
    elif slope_of_loss(highest) <= 0:
        sharpness = highest
    else:
        sharpness = float(brentq(slope_of_loss, lowest, highest, xtol=1e-14))
    return Calibrator("temperature", {"temperature": np.array([1 / sharpness])})


def _platt(scores: Scores, labels: Labels) -> Calibrator:
    """Minimise the log loss of a line against the smoothed targets; a falling line is replaced with a flat one."""
    from scipy.optimize import minimize
    from scipy.special import expit, logit

    targets = smoothed_targets(labels)
    centre, spread = float(scores.mean()), float(scores.std())
    flat = float(logit(targets.mean()))
    slope, intercept = 0.0, flat
    if spread > MIN_RELATIVE_SPREAD * max(1.0, abs(centre)):
        standard = np.column_stack([np.ones(len(scores)), (scores - centre) / spread])

        def loss(line: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
            logits = standard @ line
            value = float(np.mean(np.logaddexp(0, logits) - targets * logits))
            return value, standard.T @ (expit(logits) - targets) / len(targets)

        def curvature(line: NDArray[np.float64]) -> NDArray[np.float64]:
            fitted = expit(standard @ line)
            result: NDArray[np.float64] = (standard.T * (fitted * (1 - fitted))) @ standard / len(targets)
            return result

        found = minimize(loss, [flat, 0.0], jac=True, hess=curvature, method="trust-exact", options={"gtol": 1e-10}).x
        if found[1] > 0:
            slope, intercept = float(found[1] / spread), float(found[0] - found[1] * centre / spread)
    return Calibrator("platt", {"slope": np.array([slope]), "intercept": np.array([intercept])})


def _isotonic(scores: Scores, labels: Labels) -> Calibrator:
    """Fit isotonic regression and represent each block as a point (mean score, logit of the share of positives).

    One positive is added at the lowest score and one negative at the highest, so that no block has only one class. Lines
    between the points preserve the order of records within a block, which a plain isotonic map would lose.

    Source: Zadrozny, Elkan, "Transforming classifier scores into accurate multiclass probability estimates", KDD 2002.
    """
    from scipy.optimize import isotonic_regression
    from scipy.special import logit

    distinct, index, count = np.unique(scores, return_inverse=True, return_counts=True)
    positives = np.bincount(index, weights=labels, minlength=len(distinct))
    weights = count.astype(np.float64)
    positives[0] += 1
    weights[0] += 1
    weights[-1] += 1
    fitted = isotonic_regression(positives / weights, weights=weights)
    starts = fitted.blocks[:-1]
    centre = np.add.reduceat(distinct * count, starts) / np.add.reduceat(count, starts)
    logits = logit(np.add.reduceat(positives, starts) / np.add.reduceat(weights, starts))
    so_far = np.maximum.accumulate(np.stack([centre, logits]), axis=1)
    rises = np.append(True, (centre[1:] > so_far[0, :-1]) & (logits[1:] > so_far[1, :-1]))
    return Calibrator("isotonic", {"scores": centre[rises], "logits": logits[rises]})


def _venn_abers(scores: Scores, labels: Labels) -> Calibrator:
    return Calibrator("venn_abers", VennAbers.fit(scores, labels).parameters())


FITS: dict[Kind, Callable[[Scores, Labels], Calibrator]] = {
    "none": _none,
    "temperature": _temperature,
    "platt": _platt,
    "isotonic": _isotonic,
    "venn_abers": _venn_abers,
}
"""Fitting function of each kind."""
