"""The Brier score taken apart, and the expected calibration error.

Source: Murphy, "A new vector partition of the probability score", Journal of Applied Meteorology 12:595, 1973; the part
within bins after Stephenson, Coelho and Jolliffe, "Two extra components in the Brier score decomposition", Weather and
Forecasting 23:752, 2008.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from cardiograph.evaluate.equal_frequency import BINS, bin_sums

Floats = NDArray[np.float64]
Labels = NDArray[np.int64]


@dataclass(frozen=True)
class BrierParts:
    """``brier = reliability - resolution + uncertainty + within_bins``, exactly; NaN without records.

    Args:
        brier: Mean squared distance of the probability from what happened.
        reliability: Mean squared distance, over bins, of the mean probability from the share of positives; 0 is best.
        resolution: Variance of the share of positives between bins; as large as ``uncertainty`` at best.
        uncertainty: share x (1 - share) of positives: the Brier score of always saying the share. Not the model's doing.
        within_bins: What the bins hide: variance of the probabilities inside bins less twice their covariance with the
            label. Below 0 where probabilities tell records of one bin apart.
        bins: Bins with records.
    """

    brier: float
    reliability: float
    resolution: float
    uncertainty: float
    within_bins: float
    bins: int

    def as_dict(self) -> dict[str, float | int | None]:
        """For JSON, which has no NaN: None instead."""
        return {name: value if math.isfinite(value) else None for name, value in asdict(self).items()}


def brier_parts(labels: Labels, probabilities: Floats, *, bins: int = BINS) -> BrierParts:
    """Take the Brier score apart over bins of about equal mass.

    Reliability and resolution depend on the bins, and both grow as records get fewer; their difference does so less.

    Args:
        labels: [n] 0 or 1.
        probabilities: [n] 0..1.
        bins: At most this many.
    """
    count = len(labels)
    if not count:
        return BrierParts(*(math.nan,) * 5, bins=0)
    sums = bin_sums(labels, probabilities, np.ones((1, count)), bins=bins)
    used = sums.mass[0] > 0
    mass, said, seen = (values[0][used] for values in (sums.mass, sums.predicted, sums.positive))
    share = float(labels.mean())
    inside = np.sum(probabilities**2 - 2 * probabilities * labels) - np.sum((said**2 - 2 * said * seen) / mass)
    return BrierParts(
        brier=float(np.mean((probabilities - labels) ** 2)),
        reliability=float(np.sum((said - seen) ** 2 / mass) / count),
        resolution=float(np.sum(mass * (seen / mass - share) ** 2) / count),
        uncertainty=share * (1 - share),
        within_bins=float(inside / count),
        bins=int(used.sum()),
    )


def calibration_errors(labels: Labels, probabilities: Floats, weights: Floats, *, bins: int = BINS) -> Floats:
    """Expected calibration error under many weightings: mean distance, over bins, of what was said from what was seen.

    It does **not** mean how far a single probability is off: errors of both signs inside a bin cancel. It depends on the
    number of bins, and even true probabilities do not reach 0, see :func:`error_by_chance`; so models are not ranked by it,
    and scores of test sets of different size are not compared.

    Args:
        labels: [n] 0 or 1.
        probabilities: [n] 0..1.
        weights: [weightings, n] times each record counts.
        bins: At most this many, of about equal mass.

    Returns:
        [weightings] 0..1, NaN without records.

    Source: Naeini, Cooper and Hauskrecht, "Obtaining well calibrated probabilities using Bayesian binning", AAAI 2015;
        its bias: Roelofs and others, "Mitigating bias in calibration error estimation", AISTATS 2022.
    """
    sums = bin_sums(labels, probabilities, weights, bins=bins)
    with np.errstate(divide="ignore", invalid="ignore"):
        errors: Floats = np.abs(sums.predicted - sums.positive).sum(axis=1) / sums.mass.sum(axis=1)
    return errors


def calibration_error(labels: Labels, probabilities: Floats, *, bins: int = BINS) -> float:
    """The expected calibration error of one set of records; read :func:`calibration_errors` for what it does not mean."""
    return float(calibration_errors(labels, probabilities, np.ones((1, len(labels))), bins=bins)[0])


def error_by_chance(probabilities: Floats, rng: np.random.Generator, *, draws: int = 200, bins: int = BINS) -> float:
    """The calibration error that these probabilities would show on average if they were true.

    Args:
        probabilities: [n] 0..1.
        rng: Draws outcomes from the probabilities.
        draws: How often.
        bins: As for :func:`calibration_errors`.
    """
    once = np.ones((1, len(probabilities)))
    outcomes = (rng.random((draws, len(probabilities))) < probabilities).astype(np.int64)
    return float(np.mean([calibration_errors(each, probabilities, once, bins=bins)[0] for each in outcomes]))
