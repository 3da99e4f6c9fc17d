"""Intervals for means over repeated splits of one cohort, whose test sets overlap."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from cardiograph.evaluation.bootstrap import Interval


def resampled_interval(values: NDArray[np.float64], *, train: float, test: float, confidence: float = 0.95) -> Interval:
    """Mean over splits with the corrected resampled t interval.

    Scores of random splits of one cohort share records, so that their plain standard error is too small; the variance of
    the mean is taken as ``s^2 (1 / J + test / train)`` for J splits.

    Args:
        values: [splits] a score, or a difference of two scores on the same split; NaN is refused.
        train: Share (or number) of training records.
        test: Of test records.
        confidence: Of the interval.

    Returns:
        Mean and interval; low and high are NaN for fewer than two values.

    Raises:
        ValueError: A value is not finite, or there is none.

    Source: Nadeau and Bengio, Inference for the Generalization Error, Machine Learning 52, 2003,
        doi:10.1023/A:1024068626366.
    """
    if not len(values) or not np.isfinite(values).all():
        message = "an interval needs finite values, at least one"
        raise ValueError(message)
    mean, count = float(np.mean(values)), len(values)
    if count < 2:
        return Interval(mean, math.nan, math.nan)
    from scipy.stats import t

    error = float(np.std(values, ddof=1)) * math.sqrt(1 / count + test / train)
    reach = float(t.ppf((1 + confidence) / 2, count - 1)) * error
    return Interval(mean, mean - reach, mean + reach)
