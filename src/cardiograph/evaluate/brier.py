"""Decomposition of the Brier score and the expected calibration error, over equal-frequency bins.

Source: Murphy, "A new vector partition of the probability score", Journal of Applied Meteorology 12:595, 1973. The
component within bins follows Stephenson, Coelho and Jolliffe, "Two extra components in the Brier score decomposition",
Weather and Forecasting 23:752, 2008.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from cardiograph.evaluate.results import BrierSummary

Floats = NDArray[np.float64]
Labels = NDArray[np.int64]

MAX_BINS = 10
MIN_BIN_RECORDS = 10
"""Approximate minimum number of records per bin; fewer records make fewer bins."""


@dataclass(frozen=True)
class BrierParts:
    """Exact decomposition ``brier = reliability - resolution + uncertainty + within_bins``; NaN without records.

    Args:
        brier: Mean squared difference between probability and label.
        reliability: Mean over bins of the squared difference between mean probability and share of positives; 0 is
            best.
        resolution: Variance of the share of positives between bins; at best equal to ``uncertainty``.
        uncertainty: ``share * (1 - share)`` of positives, the Brier score of a constant prediction of that share. It
            does not depend on the model.
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

    def summary(self, ece_by_chance: float) -> BrierSummary:
        """Return the components as they are written to ``metrics.json``, with None instead of NaN.

        Args:
            ece_by_chance: Result of :func:`error_by_chance`; NaN without records.
        """
        values = {**asdict(self), "ece_by_chance": ece_by_chance}
        return BrierSummary(**{name: value if math.isfinite(value) else None for name, value in values.items()})


def brier_parts(labels: Labels, probabilities: Floats, *, bins: int = MAX_BINS) -> BrierParts:
    """Decompose the Brier score over bins of about equal size.

    Reliability and resolution depend on the bins, and both grow as the number of records falls; their difference is
    less sensitive.

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
    the error of a single probability: errors of both signs within a bin cancel. It depends on the number of bins, and
    even true probabilities do not reach 0 (see :func:`error_by_chance`), so it is unsuitable for ranking models or for
    comparing test sets of different sizes.

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
    count = len(probabilities)
    sums = bin_sums(np.zeros(count, np.int64), probabilities, np.ones((1, count)), bins=bins)
    bin_of, records = bin_of_each(probabilities, bins=bins), sums.mass.sum()

    def error() -> float:
        positive = np.bincount(bin_of, weights=rng.random(count) < probabilities, minlength=bins)
        return float(np.abs(sums.predicted[0] - positive).sum() / records)

    return float(np.mean([error() for _ in range(draws)])) if count else math.nan


@dataclass(frozen=True)
class BinSums:
    """Weighted sums over the records of each bin; zero for an empty bin.

    Args:
        mass: [resamples, bins] number of records.
        predicted: [resamples, bins] sum of the probabilities.
        positive: [resamples, bins] number of records with label 1.
    """

    mass: Floats
    predicted: Floats
    positive: Floats


def bin_sums(labels: NDArray[np.int64], probabilities: Floats, weights: Floats, *, bins: int = MAX_BINS) -> BinSums:
    """Sum records in bins of about equal size, from low to high probability.

    Equal probabilities share the bin of their middle rank, so that the order of the records does not matter.

    Args:
        labels: [n] 0 or 1.
        probabilities: [n] 0..1.
        weights: [resamples, n] number of times each record counts, at least 0.
        bins: Maximum number of bins; each has about :data:`MIN_BIN_RECORDS` records or more.
    """
    rows = len(weights)
    if not len(labels):
        return BinSums(*(np.zeros((rows, bins)) for _ in range(3)))
    order, blocks = _blocks(probabilities)
    counted = weights[:, order]
    mass = np.add.reduceat(counted, blocks, axis=1)
    cell = _bins_of_blocks(mass, bins) + bins * np.arange(rows)[:, None]

    def binned(values: Floats) -> Floats:
        sums: Floats = np.bincount(cell.ravel(), weights=values.ravel(), minlength=rows * bins).astype(np.float64)
        return sums.reshape(rows, bins)

    positive = np.add.reduceat(counted * labels[order], blocks, axis=1)
    return BinSums(binned(mass), binned(mass * probabilities[order][blocks]), binned(positive))


def bin_of_each(probabilities: Floats, *, bins: int = MAX_BINS) -> NDArray[np.int64]:
    """[n] bin of each record, as in :func:`bin_sums` with every record counted once; some bins may be empty."""
    if not len(probabilities):
        return np.empty(0, dtype=np.int64)
    order, blocks = _blocks(probabilities)
    sizes = np.diff(np.r_[blocks, len(order)])
    bin_of = np.empty(len(order), dtype=np.int64)
    bin_of[order] = np.repeat(_bins_of_blocks(sizes[None].astype(np.float64), bins)[0], sizes)
    return bin_of


def _blocks(probabilities: Floats) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the order of the records by probability, and the start of each block of equal probabilities."""
    order = np.argsort(probabilities, kind="stable")
    starts = np.flatnonzero(np.r_[True, np.diff(probabilities[order]) != 0])
    return order.astype(np.int64), starts.astype(np.int64)


def _bins_of_blocks(mass: Floats, bins: int) -> NDArray[np.int64]:
    """[resamples, blocks] bin of each block, by the rank of its middle."""
    total = mass.sum(axis=1, keepdims=True)
    used_bins = np.clip(total // MIN_BIN_RECORDS, 1, bins)
    middle = mass.cumsum(axis=1) - mass / 2
    bin_of = np.floor(np.divide(used_bins * middle, total, out=np.zeros_like(middle), where=total > 0))
    bounded: NDArray[np.int64] = np.minimum(bin_of, used_bins - 1).astype(np.int64)
    return bounded
