"""DeLong's test: the difference of two AUROCs on the same independent records, without resampling.

Source: DeLong, DeLong and Clarke-Pearson, Biometrics 44:837, 1988; computed from midranks as in Sun and Xu, IEEE Signal
Processing Letters 21:1389, 2014.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from cardiograph.evaluate.metrics import check

Floats = NDArray[np.float64]
Labels = NDArray[np.int64]


@dataclass(frozen=True)
class AurocDifference:
    """AUROC of the first model minus that of the second; NaN where undefined.

    Args:
        first: AUROC of the first model.
        second: AUROC of the second model.
        difference: ``first - second``.
        low: Lower end of the interval of the difference.
        high: Upper end of that interval.
        z: Difference divided by its standard error.
        p: Two-sided p-value of no difference. A large value does not prove that the models are equal.
    """

    first: float
    second: float
    difference: float
    low: float
    high: float
    z: float
    p: float


def delong_covariance(labels: Labels, probabilities: Floats) -> tuple[Floats, Floats]:
    """Compute the AUROCs of several models on the same records, and their covariance.

    Args:
        labels: [n] 0 or 1, both present; the covariance needs at least two of each.
        probabilities: [models, n] 0..1.

    Returns:
        AUROCs [models] and covariance [models, models]; NaN where undefined.
    """
    from scipy.stats import rankdata

    positive, negative = probabilities[:, labels == 1], probabilities[:, labels == 0]
    positives, negatives = positive.shape[1], negative.shape[1]
    models = len(probabilities)
    if not positives or not negatives:
        return np.full(models, math.nan), np.full((models, models), math.nan)
    ranks = rankdata(np.hstack([positive, negative]), axis=1)
    negatives_below = (ranks[:, :positives] - rankdata(positive, axis=1)) / negatives  # share, for each positive
    positives_above = 1 - (ranks[:, positives:] - rankdata(negative, axis=1)) / positives  # share, for each negative
    auroc: Floats = negatives_below.mean(axis=1)
    if positives < 2 or negatives < 2:
        return auroc, np.full((models, models), math.nan)
    covariance = np.atleast_2d(np.cov(negatives_below)) / positives + np.atleast_2d(np.cov(positives_above)) / negatives
    return auroc, covariance


def delong_test(
    labels: Labels, pair: tuple[Floats, Floats], groups: NDArray[np.int64], *, confidence: float = 0.95
) -> AurocDifference:
    """Compare the AUROCs of two models on the same records.

    Args:
        labels: [n] 0 or 1.
        pair: Probabilities of the two models, [n] each.
        groups: [n] group of each record, all different.
        confidence: Confidence level of the interval.

    Raises:
        ValueError: If two records share a group and are therefore not independent (use
            :func:`cardiograph.evaluate.bootstrap.paired_difference` instead); see also
            :func:`cardiograph.evaluate.metrics.check`.
    """
    for values in pair:
        check(labels, values)
    if len(np.unique(groups)) < len(groups):
        message = (
            f"{len(groups)} records in {len(np.unique(groups))} groups are not independent, as this test needs; resample "
            "whole groups (paired_difference), or keep one record of each (first_of_each)"
        )
        raise ValueError(message)
    auroc, covariance = delong_covariance(labels, np.vstack(pair))
    first, second = (float(value) for value in auroc)
    variance = float(covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1])
    error = math.sqrt(max(0.0, variance)) if math.isfinite(variance) else math.nan
    difference = first - second
    z = difference / error if error > 0 else (0.0 if error == 0 and difference == 0 else math.nan)
    normal = NormalDist()
    half_width = normal.inv_cdf(0.5 + confidence / 2) * error
    p = 2 * normal.cdf(-abs(z)) if math.isfinite(z) else math.nan
    return AurocDifference(first, second, difference, difference - half_width, difference + half_width, z, p)
