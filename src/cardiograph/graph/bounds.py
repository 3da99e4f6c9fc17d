"""Lower bounds of distances, from a few dimensions that hold nearly all variance of the records."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cardiograph.containers import Axes

VARIANCE_HELD = 0.999
"""Share of the variance that the axes must hold."""

_SAMPLE = 2048


def principal_axes(values: NDArray[np.float32]) -> Axes | None:
    """Axes that hold :data:`VARIANCE_HELD` of the variance of a sample of records; None if that takes many axes.

    Args:
        values: [records, coordinates] float32.
    """
    found = _of_sample(values)
    if found is None:
        return None
    axes, held = found
    count = int(np.searchsorted(held, VARIANCE_HELD)) + 1
    return _first(axes, count) if 4 * count <= values.shape[1] else None


def few_axes(values: NDArray[np.float32], most: int) -> Axes | None:
    """Return up to ``most`` axes, at most a quarter of the coordinates; None if there are none.

    Args:
        values: [records, coordinates] float32.
        most: Maximum number of axes.
    """
    found, most = _of_sample(values), min(most, values.shape[1] // 4)
    if found is None or not most:
        return None
    return _first(found[0], min(most, int(np.searchsorted(found[1], VARIANCE_HELD)) + 1))


def _of_sample(values: NDArray[np.float32]) -> tuple[Axes, NDArray[np.float64]] | None:
    """Return all principal axes of a sample by variance, and the cumulative share of variance."""
    sample = values[:: max(1, len(values) // _SAMPLE)][:_SAMPLE].astype(np.float64)
    centre = sample.mean(0)
    sample -= centre
    variances, axes = np.linalg.eigh(sample.T @ sample)
    held = np.cumsum(variances[::-1])
    return (Axes(centre, axes[:, ::-1]), held / held[-1]) if held[-1] > 0 else None


def _first(axes: Axes, count: int) -> Axes:
    return Axes(axes.centre, np.ascontiguousarray(axes.axes[:, :count]))
