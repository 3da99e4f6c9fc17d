"""Calibration of probabilities: binned reliability curve, calibration slope and intercept.

Source: Van Calster, McLernon, van Smeden, Wynants, Steyerberg, "Calibration: the Achilles heel of predictive
analytics", BMC Medicine 17:230, 2019; logistic recalibration as in Cox, Biometrika 45:562, 1958.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cardiograph.evaluate.brier import MAX_BINS, bin_of_each

CLIP = 1e-6
"""Minimum distance of a probability from 0 and 1 before its logit is taken."""
MAX_FITTED_SINGLY = 20_000
"""Records above which those of equal label and probability are fitted as one; calibrated probabilities have few values."""
MAX_ITERATIONS, GRADIENT_TOLERANCE, MAX_STEP_LENGTH, MIN_DIVISOR = 60, 1e-8, 2.0, 1e-12
"""Settings of Newton's method; the tolerance applies to the gradient per record."""


@dataclass(frozen=True)
class Recalibration:
    """Coefficients of the logistic recalibration of probabilities ``p``.

    Args:
        slope: b in ``logit P(y = 1) = a + b logit p``; 1 is best, and below 1 the probabilities are too extreme.
        intercept: a in ``logit P(y = 1) = a + logit p`` (calibration-in-the-large); 0 is best, and below 0 the
            probabilities are too high.
    """

    slope: float
    intercept: float


@dataclass(frozen=True)
class ReliabilityCurve:
    """Observed frequency by predicted probability.

    Args:
        predicted: [bins] mean probability.
        observed: [bins] share of positives.
        low: [bins] lower end of the Wilson interval of ``observed``.
        high: [bins] upper end of that interval.
        count: [bins] number of records.
    """

    predicted: NDArray[np.float64]
    observed: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    count: NDArray[np.int64]


def recalibration(labels: NDArray[np.int64], probabilities: NDArray[np.float64]) -> Recalibration:
    """Compute calibration slope and intercept of one set of records.

    Args:
        labels: [n] 0 or 1.
        probabilities: [n] 0..1.

    Returns:
        Both are NaN if only one class is present. The slope is NaN if the classes do not overlap (there is no finite
        optimum) or if all probabilities are equal.
    """
    slope, intercept = recalibrations(labels, probabilities, np.ones((1, len(labels))))
    return Recalibration(float(slope[0]), float(intercept[0]))


def recalibrations(
    labels: NDArray[np.int64], probabilities: NDArray[np.float64], weights: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Compute calibration slope and intercept for each row of weights, as the bootstrap needs them.

    Args:
        labels: [n] 0 or 1.
        probabilities: [n] 0..1.
        weights: [resamples, n] number of times each record counts, at least 0.

    Returns:
        Slopes and intercepts, [resamples] each; NaN as in :func:`recalibration`.
    """
    clipped = np.clip(probabilities, CLIP, 1 - CLIP)
    logits = np.log(clipped / (1 - clipped))
    if len(labels) > MAX_FITTED_SINGLY:
        labels, logits, weights = _merged(labels, logits, weights)
    both = _both_classes(labels, weights)
    slope = _fits(labels, logits, weights, defined=both & _overlap(labels, logits, weights), free_slope=True)
    intercept = _fits(labels, logits, weights, defined=both, free_slope=False)
    return slope, intercept


def _merged(
    labels: NDArray[np.int64], logits: NDArray[np.float64], weights: NDArray[np.float64]
) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]:
    """Return the different pairs of label and logit with the sums of their weights; the fit of these is the same."""
    order = np.lexsort((labels, logits))
    another = (np.diff(logits[order], prepend=np.nan) != 0) | (np.diff(labels[order], prepend=-1) != 0)
    starts = np.flatnonzero(another)
    return labels[order][starts], logits[order][starts], np.add.reduceat(weights[:, order], starts, axis=1)


def reliability_curve(
    labels: NDArray[np.int64], probabilities: NDArray[np.float64], *, bins: int = MAX_BINS, confidence: float = 0.95
) -> ReliabilityCurve:
    """Compute the share of positives by mean probability, in the bins of the expected calibration error.

    Args:
        labels: [n] 0 or 1.
        probabilities: [n] 0..1.
        bins: Maximum number of bins; each has about 10 records or more.
        confidence: Confidence level of the Wilson intervals, which treat records as independent.
    """
    bin_of = bin_of_each(probabilities, bins=bins)
    counted = np.bincount(bin_of, minlength=1)
    used = counted > 0
    positives = np.bincount(bin_of, weights=labels, minlength=len(counted))[used].astype(np.float64)
    total = np.bincount(bin_of, weights=probabilities, minlength=len(counted))[used]
    count = counted[used].astype(np.int64)
    low, high = wilson(positives, count, confidence=confidence)
    return ReliabilityCurve(total / count, positives / count, low, high, count)


def wilson(
    positives: NDArray[np.float64], count: NDArray[np.int64], *, confidence: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the ends of the Wilson score interval of a share, [bins] each.

    Args:
        positives: [bins] number of positives among ``count`` records.
        count: [bins] number of records, at least 1.
        confidence: Confidence level, between 0 and 1.

    Source: Wilson, JASA 22:209, 1927.
    """
    from statistics import NormalDist

    z = NormalDist().inv_cdf(0.5 + confidence / 2)
    share = positives / count
    centre = (share + z**2 / (2 * count)) / (1 + z**2 / count)
    half = z / (1 + z**2 / count) * np.sqrt(share * (1 - share) / count + z**2 / (4 * count**2))
    return np.clip(centre - half, 0, 1), np.clip(centre + half, 0, 1)


def _both_classes(labels: NDArray[np.int64], weights: NDArray[np.float64]) -> NDArray[np.bool_]:
    positive = weights @ labels
    both: NDArray[np.bool_] = (positive > 0) & (positive < weights.sum(axis=1))
    return both


def _overlap(labels: NDArray[np.int64], logits: NDArray[np.float64], weights: NDArray[np.float64]) -> NDArray[np.bool_]:
    """[resamples] whether a finite slope exists, that is, whether the logits of the two classes overlap.

    Source: Albert and Anderson, Biometrika 71:1, 1984, for one covariate.
    """
    ends = []
    for label in (0, 1):
        counted = (weights > 0) & (labels == label)
        ends.append((np.where(counted, logits, np.inf).min(axis=1, initial=np.inf),
                     np.where(counted, logits, -np.inf).max(axis=1, initial=-np.inf)))  # fmt: skip
    (low_0, high_0), (low_1, high_1) = ends
    overlap: NDArray[np.bool_] = (low_1 < high_0) & (low_0 < high_1)
    return overlap


def _fits(
    labels: NDArray[np.int64],
    logits: NDArray[np.float64],
    weights: NDArray[np.float64],
    *,
    defined: NDArray[np.bool_],
    free_slope: bool,
) -> NDArray[np.float64]:
    """Fit each ``defined`` row of ``weights``, starting from the fit of their mean; NaN elsewhere."""
    result = np.full(len(weights), np.nan)
    if defined.any():
        chosen = weights[defined]
        start = _newton(
            labels, logits, chosen.mean(axis=0, keepdims=True), (0.0, 0.0 if free_slope else 1.0), free_slope=free_slope
        )
        a, b = _newton(labels, logits, chosen, (float(start[0][0]), float(start[1][0])), free_slope=free_slope)
        result[defined] = b if free_slope else a
    return result


def _newton(
    labels: NDArray[np.int64],
    logits: NDArray[np.float64],
    weights: NDArray[np.float64],
    start: tuple[float, float],
    *,
    free_slope: bool,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Fit ``a + b logit`` by Newton's method, with b fixed unless ``free_slope``; NaN where it does not converge."""
    from scipy.special import expit

    total = weights.sum(axis=1)
    a, b = (np.full(len(weights), value) for value in start)
    for _ in range(MAX_ITERATIONS):
        fitted = expit(a[:, None] + b[:, None] * logits)
        error, curve = weights * (labels - fitted), weights * (fitted * (1 - fitted))
        g0, h00 = error.sum(axis=1), curve.sum(axis=1)
        g1, h01, h11 = (error @ logits, curve @ logits, curve @ logits**2) if free_slope else (0.0, 0.0, 1.0)
        unconverged = np.hypot(g0, g1) > GRADIENT_TOLERANCE * total
        if not unconverged.any():
            return a, b
        determinant = np.maximum(h00 * h11 - h01 * h01, MIN_DIVISOR)
        step_a, step_b = (h11 * g0 - h01 * g1) / determinant, (h00 * g1 - h01 * g0) / determinant
        shrink = np.minimum(1, MAX_STEP_LENGTH / np.maximum(np.hypot(step_a, step_b), MIN_DIVISOR))
        a, b = a + shrink * step_a, b + shrink * step_b * free_slope
    return np.where(unconverged, np.nan, a), np.where(unconverged, np.nan, b)
