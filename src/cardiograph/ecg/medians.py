"""Median of signals with gaps."""

from __future__ import annotations

from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

Value = TypeVar("Value", bound=np.floating[Any])


def median(values: NDArray[Value], axis: int) -> NDArray[Value]:
    """Return the median of what is not NaN along an axis; the same numbers as ``numpy.nanmedian``, several times as fast.

    Args:
        values: Any shape, NaN where nothing was recorded, no infinite value.
        axis: Axis to summarise. It is kept with length 1.

    Returns:
        Medians in the type of the values, NaN where nothing was recorded; NaN as well along an empty axis.
    """
    if not values.shape[axis]:
        return np.full_like(values.sum(axis, keepdims=True), np.nan)
    ordered = np.sort(values, axis=axis)  # NaN last; sorting whole rows is vectorised, partial sorting is not
    count = np.isfinite(values).sum(axis, keepdims=True)
    low = np.take_along_axis(ordered, np.maximum(count - 1, 0) // 2, axis)
    high = np.take_along_axis(ordered, np.minimum(count // 2, values.shape[axis] - 1), axis)
    return np.asarray((low + high) / 2, dtype=values.dtype)
