"""Curves and bands for the report: ROC band, smooth calibration curve, rank correlation.

Source of the smoother (loess without robustness iterations): Cleveland, "Robust locally weighted regression and smoothing
scatterplots", JASA 74:829, 1979; its span for calibration curves: Austin and Steyerberg, Statistics in Medicine 33:517,
2014.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

SPAN = 0.75
"""Share of the records in the neighbourhood of each point of the smooth curve."""


def loess(x: Floats, y: Floats, at: Floats, *, weights: Floats | None = None, span: float = SPAN) -> Floats:
    """Smooth ``y`` over ``x`` by locally weighted linear regression.

    The neighbourhood of a point is that of the unweighted records, so that all resamples are smoothed alike.

    Args:
        x: [n] finite values.
        y: [n] finite values; labels for a calibration curve.
        at: [m] points at which to evaluate the curve.
        weights: [resamples, n] number of times each record counts; None counts each once.
        span: Share of the records in a neighbourhood, above 0 and at most 1.

    Returns:
        [resamples, m], a single row without ``weights``; NaN where a neighbourhood is empty.
    """
    counted = np.ones((1, len(x))) if weights is None else weights
    distance = np.abs(at[:, None] - x)
    nearest = max(1, min(len(x), int(span * len(x) + 1e-10)))
    reach = np.partition(distance, nearest - 1, axis=1)[:, nearest - 1 : nearest]
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


def spearman(values: NDArray[np.float64]) -> tuple[NDArray[np.float64], int]:
    """Compute Spearman rank correlations from pairwise complete records.

    Args:
        values: [records, variables], NaN where missing.

    Returns:
        Correlations [variables, variables], NaN if a pair has fewer than 3 records or a constant variable; and the smallest
        number of records of any pair.
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
