"""Curves and bands for the report: ROC band, smooth calibration curve, rank correlation.

Source of the smoother (loess without robustness iterations): Cleveland, "Robust locally weighted regression and
smoothing scatterplots", JASA 74:829, 1979; its span for calibration curves: Austin and Steyerberg, Statistics in
Medicine 33:517, 2014.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from cardiograph.config import EvaluationConfig
from cardiograph.evaluate.bootstrap import PooledRecords, drawn_groups, numbered, too_few_groups
from cardiograph.evaluate.calibration import ReliabilityCurve, reliability_curve
from cardiograph.evaluate.predictions import PartPredictions

Floats = NDArray[np.float64]

SPAN = 0.75
"""Share of the records in the neighbourhood of each point of the smooth curve."""
MIN_SMOOTH_RECORDS = 50
"""Minimum number of records for a smooth curve; with fewer it would show noise."""
ROC_RESAMPLES = 400
SMOOTH_RESAMPLES = 300
MAX_DRAWN, DRAWN_DECIMALS = 10_000, 4
"""Number of different probabilities above which a curve is drawn from rounded ones, and their decimals."""


@dataclass(frozen=True)
class Band:
    """A pointwise confidence band.

    Args:
        at: [m] points on the horizontal axis.
        low: [m] lower end.
        high: [m] upper end.
    """

    at: Floats
    low: Floats
    high: Floats


@dataclass(frozen=True)
class SmoothCurve:
    """A smooth calibration curve.

    Args:
        at: [m] probabilities.
        observed: [m] smoothed share of positives, 0..1.
        band: Bootstrap band of ``observed``; None if there are too few groups.
    """

    at: Floats
    observed: Floats
    band: Band | None


@dataclass(frozen=True)
class PartCurves:
    """Curves of one model on one part of a split.

    Args:
        roc_band: Bootstrap band of the sensitivity by 1 - specificity; None if only one class is present.
        reliability: Share of positives in bins of the probability.
        smooth: Smooth calibration curve; None if there are too few records, one class, or one distinct probability.
    """

    roc_band: Band | None
    reliability: ReliabilityCurve
    smooth: SmoothCurve | None


def part_curves(part: PartPredictions, model: str, *, confidence: float) -> PartCurves:
    """Compute the curves and bands of one model that a report draws.

    Args:
        part: Predictions on one part of a split.
        model: Key of the model.
        confidence: Confidence level of the bands.
    """
    probabilities = part.probabilities[model]
    both_classes = 0 < part.positives < len(part)
    smoothable = both_classes and len(part) >= MIN_SMOOTH_RECORDS and float(np.ptp(probabilities)) > 0
    return PartCurves(
        roc_band=roc_band(part, model, confidence=confidence) if both_classes else None,
        reliability=reliability_curve(part.labels, probabilities),
        smooth=smooth_calibration(part, model, confidence=confidence) if smoothable else None,
    )


def roc_band(part: PartPredictions, model: str, *, confidence: float) -> Band:
    """Compute the pointwise percentile band of the sensitivity over resamples of whole groups.

    Args:
        part: Predictions with both classes.
        model: Key of the model.
        confidence: Confidence level of the band.
    """
    grid, pool = np.linspace(0, 1, 101), _pool(part, model)
    order = np.argsort(-pool.values, kind="stable")
    last = np.flatnonzero(np.r_[np.diff(pool.values[order]) != 0, True])
    positive = pool.labels[order] == 1
    drawn = []
    rng, resamples = np.random.default_rng(0), _resamples(ROC_RESAMPLES, part)
    for counts in drawn_groups(part.labels, part.groups, resamples=resamples, rng=rng):
        for row in pool.weights(counts)[:, order]:
            true, false = (row * positive).cumsum()[last], (row * ~positive).cumsum()[last]
            if true[-1] and false[-1]:
                drawn.append(np.interp(grid, np.r_[0, false / false[-1]], np.r_[0, true / true[-1]]))
    low, high = np.quantile(drawn or [grid], [(1 - confidence) / 2, (1 + confidence) / 2], axis=0)
    return Band(grid, low, high)


def smooth_calibration(part: PartPredictions, model: str, *, confidence: float) -> SmoothCurve:
    """Smooth the share of positives over the probability, with a bootstrap band over groups.

    Args:
        part: Predictions with both classes.
        model: Key of the model.
        confidence: Confidence level of the band.
    """
    pool, probabilities = _pool(part, model), part.probabilities[model]
    smoothed = partial(loess, pool.values, pool.labels.astype(np.float64), records=pool.records)
    at = np.linspace(float(probabilities.min()), float(probabilities.max()), 81)
    band = None
    if not too_few_groups(part.labels, part.groups):
        rng, resamples = np.random.default_rng(0), _resamples(SMOOTH_RESAMPLES, part)
        drawn = drawn_groups(part.labels, part.groups, resamples=resamples, rng=rng)
        curves = smoothed(at, weights=np.vstack([pool.weights(counts) for counts in drawn]))
        low, high = np.nanquantile(curves, [(1 - confidence) / 2, (1 + confidence) / 2], axis=0).clip(0, 1)
        band = Band(at, low, high)
    return SmoothCurve(at, smoothed(at)[0].clip(0, 1), band)


def _pool(part: PartPredictions, model: str) -> PooledRecords:
    """Return the pooled records of a curve; of many different probabilities it draws rounded ones, which look the same."""
    probabilities = part.probabilities[model]
    if len(np.unique(probabilities)) > MAX_DRAWN:
        probabilities = probabilities.round(DRAWN_DECIMALS)
    return PooledRecords(part.labels, probabilities, numbered(part.groups))


def _resamples(count: int, part: PartPredictions) -> int:
    """Return the number of resamples of a band, at most ``count``; the narrow band of a large part needs fewer."""
    return EvaluationConfig(bootstrap=count).for_records(len(part)).bootstrap


def loess(
    x: Floats,
    y: Floats,
    at: Floats,
    *,
    weights: Floats | None = None,
    records: Floats | None = None,
    span: float = SPAN,
) -> Floats:
    """Smooth ``y`` over ``x`` by locally weighted linear regression.

    The neighbourhood of a point is that of the records as they are, so that all resamples are smoothed alike.

    Args:
        x: [n] finite values.
        y: [n] finite values; labels for a calibration curve.
        at: [m] points at which to evaluate the curve.
        weights: [resamples, n] number of times each row counts; None for one row of ``records``.
        records: [n] number of records in each row; None for one each.
        span: Share of the records in a neighbourhood, above 0 and at most 1.

    Returns:
        [resamples, m], a single row without ``weights``; NaN where a neighbourhood is empty.
    """
    each = np.ones(len(x)) if records is None else records
    counted = each[None] if weights is None else weights
    distance = np.abs(at[:, None] - x)
    reach = np.array([_reach(row, each, span) for row in distance])[:, None]
    share = np.divide(distance, reach, out=np.where(distance > 0, 1.0, 0.0), where=reach > 0)
    kernel = np.clip(1 - share**3, 0, None) ** 3
    offset = x - at[:, None]
    s0, s1, s2, t0, t1 = (
        counted @ part.T for part in (kernel, kernel * offset, kernel * offset**2, kernel * y, kernel * offset * y)
    )
    spread = s0 * s2 - s1**2
    straight = spread > 1e-12 * s0 * np.maximum(s2, 1e-12)
    with np.errstate(divide="ignore", invalid="ignore"):
        level: Floats = np.where(straight, (s2 * t0 - s1 * t1) / spread, t0 / s0)
    return level


def _reach(distance: Floats, records: Floats, span: float) -> float:
    """Return the smallest distance within which a share of the records lies."""
    order, total = np.argsort(distance), float(records.sum())
    nearest = max(1, min(total, math.floor(span * total + 1e-10)))
    return float(distance[order][np.searchsorted(records[order].cumsum(), nearest)])


def spearman(values: NDArray[np.float64]) -> tuple[NDArray[np.float64], int]:
    """Compute Spearman rank correlations from pairwise complete records.

    Args:
        values: [records, variables], NaN where missing.

    Returns:
        Correlations [variables, variables], NaN if a pair has fewer than 3 records or a constant variable; and the
        smallest number of records of any pair.
    """
    from scipy.stats import rankdata

    width = values.shape[1]
    matrix, fewest = np.eye(width), len(values)
    for row, column in zip(*np.tril_indices(width, k=-1), strict=True):
        both = np.isfinite(values[:, [row, column]]).all(axis=1)
        a, b = (rankdata(values[both, place]) for place in (row, column))
        fewest = min(fewest, int(both.sum()))
        defined = len(a) >= 3 and np.ptp(a) > 0 and np.ptp(b) > 0
        matrix[row, column] = matrix[column, row] = np.corrcoef(a, b)[0, 1] if defined else np.nan
    return matrix, fewest
