"""Whether a probability of 0.3 happens three times in ten: reliability curve, slope and intercept.

Source: Van Calster, McLernon, van Smeden, Wynants, Steyerberg, "Calibration: the Achilles heel of predictive
analytics", BMC Medicine 17:230, 2019; logistic recalibration after Cox, Biometrika 45:562, 1958.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cardiograph.evaluate.equal_frequency import BINS, bin_of_each

CLIP = 1e-6
"""Probabilities are kept this far from 0 and 1 before their logit is taken."""
STEPS, TOLERANCE, LONGEST_STEP, SMALLEST = 60, 1e-8, 2.0, 1e-12
"""Of Newton's method: iterations, mean gradient at the end, length of a step, smallest divisor."""


@dataclass(frozen=True)
class Recalibration:
    """What would have to be done to the logits.

    Args:
        slope: b of ``logit P(y = 1) = a + b logit p``; 1 is best, below 1 the probabilities are too extreme.
        intercept: a of ``logit P(y = 1) = a + logit p`` (calibration-in-the-large); 0 is best, below 0 they are too high.
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
        high: [bins] upper end.
        count: [bins] records.
    """

    predicted: NDArray[np.float64]
    observed: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    count: NDArray[np.int64]


def recalibration(labels: NDArray[np.int64], probabilities: NDArray[np.float64]) -> Recalibration:
    """Slope and intercept of one set of records.

    Args:
        labels: [n] 0 or 1.
        probabilities: [n] 0..1.

    Returns:
        NaN for both where only one class is present; NaN slope where the classes do not overlap (no finite optimum) or all
        probabilities are equal.
    """
    slope, intercept = recalibrations(labels, probabilities, np.ones((1, len(labels))))
    return Recalibration(float(slope[0]), float(intercept[0]))


def recalibrations(
    labels: NDArray[np.int64], probabilities: NDArray[np.float64], weights: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Slope and intercept under many weightings at once, as the bootstrap needs them.

    Args:
        labels: [n] 0 or 1.
        probabilities: [n] 0..1.
        weights: [resamples, n] times each record counts, at least 0.

    Returns:
        Slopes and intercepts, [resamples] each; NaN as in :func:`recalibration`.
    """
    clipped = np.clip(probabilities, CLIP, 1 - CLIP)
    logits = np.log(clipped / (1 - clipped))
    both = _both_classes(labels, weights)
    slope = _fits(labels, logits, weights, defined=both & _overlap(labels, logits, weights), free_slope=True)
    intercept = _fits(labels, logits, weights, defined=both, free_slope=False)
    return slope, intercept


def reliability_curve(
    labels: NDArray[np.int64], probabilities: NDArray[np.float64], *, bins: int = BINS, confidence: float = 0.95
) -> ReliabilityCurve:
    """Records in bins of about equal size, from low to high probability; equal probabilities stay in one bin.

    Args:
        labels: [n] 0 or 1.
        probabilities: [n] 0..1.
        bins: At most this many, and never fewer than about 10 records a bin: the bins of the calibration error.
        confidence: Confidence of the Wilson intervals, which take records as independent.
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
    """Wilson score interval of a share.

    Args:
        positives: [bins] how many, of ``count``.
        count: [bins] at least 1.
        confidence: 0..1.

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
    """Whether a finite slope exists: neither class lies wholly on one side of the other.

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
    """One fit per row of ``weights`` where ``defined``, else NaN; all start from the fit of their mean, which is near."""
    result = np.full(len(weights), np.nan)
    if defined.any():
        chosen = weights[defined]
        near = _newton(
            labels, logits, chosen.mean(axis=0, keepdims=True), (0.0, 0.0 if free_slope else 1.0), free_slope=free_slope
        )
        a, b = _newton(labels, logits, chosen, (float(near[0][0]), float(near[1][0])), free_slope=free_slope)
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
    """A and b of ``a + b logit`` by Newton's method, b held where not ``free_slope``; NaN where it does not converge."""
    from scipy.special import expit

    total = weights.sum(axis=1)
    a, b = (np.full(len(weights), value) for value in start)
    for _ in range(STEPS):
        fitted = expit(a[:, None] + b[:, None] * logits)
        error, curve = weights * (labels - fitted), weights * (fitted * (1 - fitted))
        g0, h00 = error.sum(axis=1), curve.sum(axis=1)
        g1, h01, h11 = (error @ logits, curve @ logits, curve @ logits**2) if free_slope else (0.0, 0.0, 1.0)
        open_rows = np.hypot(g0, g1) > TOLERANCE * total
        if not open_rows.any():
            return a, b
        determinant = np.maximum(h00 * h11 - h01 * h01, SMALLEST)
        step_a, step_b = (h11 * g0 - h01 * g1) / determinant, (h00 * g1 - h01 * g0) / determinant
        shrink = np.minimum(1, LONGEST_STEP / np.maximum(np.hypot(step_a, step_b), SMALLEST))
        a, b = a + shrink * step_a, b + shrink * step_b * free_slope
    return np.where(open_rows, np.nan, a), np.where(open_rows, np.nan, b)
