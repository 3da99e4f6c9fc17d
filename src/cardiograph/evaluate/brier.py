"""Decomposition of the Brier score, and the expected calibration error.

Source: Murphy, "A new vector partition of the probability score", Journal of Applied Meteorology 12:595, 1973. The
component within bins follows Stephenson, Coelho and Jolliffe, "Two extra components in the Brier score decomposition",
Weather and Forecasting 23:752, 2008.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from cardiograph.evaluate.equal_frequency import MAX_BINS, bin_sums

Floats = NDArray[np.float64]
Labels = NDArray[np.int64]


@dataclass(frozen=True)
class BrierParts:
    """Exact decomposition ``brier = reliability - resolution + uncertainty + within_bins``; NaN without records.

    Args:
        brier: Mean squared difference between probability and label.
        reliability: Mean over bins of the squared difference between mean probability and share of positives; 0 is best.
        resolution: Variance of the share of positives between bins; at best equal to ``uncertainty``.
        uncertainty: ``share * (1 - share)`` of positives, the Brier score of a constant prediction of that share. It does
            not depend on the model.
        within_bins: Variance of the probabilities within bins minus twice their covariance with the label. Negative if
            the probabilities separate positives from negatives within a bin.
        bins: Number of bins with records.
    """

    brier: float
    reliability: float
    resolution: float
    uncertainty: float
    within_bins: float
    bins: int

    def as_dict(self) -> dict[str, float | int | None]:
        """Return the components by name, with None instead of NaN, which JSON lacks."""
        return {name: value if math.isfinite(value) else None for name, value in asdict(self).items()}


def brier_parts(labels: Labels, probabilities: Floats, *, bins: int = MAX_BINS) -> BrierParts:
    """Decompose the Brier score over bins of about equal size.

    Reliability and resolution depend on the bins, and both grow as the number of records falls; their difference is less
    sensitive.

    Args:
        labels: [n] 0 or 1.
        probabilities: [n] 0..1.
        bins: Maximum number of bins.
    """
    count = len(labels)
    if not count:
        return BrierParts(*(math.nan,) * 5, bins=0)
    sums = bin_sums(labels, probabilities, np.ones((1, count)), bins=bins)
    used = sums.mass[0] > 0
    mass, predicted, observed = (values[0][used] for values in (sums.mass, sums.predicted, sums.positive))
    share = float(labels.mean())
    between_bins = np.sum((predicted**2 - 2 * predicted * observed) / mass)
    within_bins = np.sum(probabilities**2 - 2 * probabilities * labels) - between_bins
    return BrierParts(
        brier=float(np.mean((probabilities - labels) ** 2)),
        reliability=float(np.sum((predicted - observed) ** 2 / mass) / count),
        resolution=float(np.sum(mass * (observed / mass - share) ** 2) / count),
        uncertainty=share * (1 - share),
        within_bins=float(within_bins / count),
        bins=int(used.sum()),
    )


def calibration_errors(labels: Labels, probabilities: Floats, weights: Floats, *, bins: int = MAX_BINS) -> Floats:
    """Compute the expected calibration error for each row of weights.

    This is the mean over bins of the absolute difference between mean probability and share of positives. It is **not**
    the error of a single probability: errors of both signs within a bin cancel. It depends on the number of bins, and even
    true probabilities do not reach 0 (see :func:`error_by_chance`), so it is unsuitable for ranking models or for comparing
    test sets of different sizes.

    Args:
        labels: [n] 0 or 1.
        probabilities: [n] 0..1.
        weights: [resamples, n] number of times each record counts.
        bins: Maximum number of bins, of about equal size.

    Returns:
        [resamples] 0..1, NaN without records.

    Source: Naeini, Cooper and Hauskrecht, "Obtaining well calibrated probabilities using Bayesian binning", AAAI 2015;
        on its bias, Roelofs and others, "Mitigating bias in calibration error estimation", AISTATS 2022.
    """
    sums = bin_sums(labels, probabilities, weights, bins=bins)
    with np.errstate(divide="ignore", invalid="ignore"):
        errors: Floats = np.abs(sums.predicted - sums.positive).sum(axis=1) / sums.mass.sum(axis=1)
    return errors


def calibration_error(labels: Labels, probabilities: Floats, *, bins: int = MAX_BINS) -> float:
    """Compute the expected calibration error of one set of records; :func:`calibration_errors` states its limits."""
    return float(calibration_errors(labels, probabilities, np.ones((1, len(labels))), bins=bins)[0])


def error_by_chance(
    probabilities: Floats, rng: np.random.Generator, *, draws: int = 200, bins: int = MAX_BINS
) -> float:
    """Return the mean calibration error that these probabilities would show if they were true.

    Args:
        probabilities: [n] 0..1.
        rng: Random generator that draws labels from the probabilities.
        draws: Number of simulated sets of labels.
        bins: Maximum number of bins, as for :func:`calibration_errors`.
    """
    once = np.ones((1, len(probabilities)))
    outcomes = (rng.random((draws, len(probabilities))) < probabilities).astype(np.int64)
    return float(np.mean([calibration_errors(each, probabilities, once, bins=bins)[0] for each in outcomes]))
