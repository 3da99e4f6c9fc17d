"""Venn-Abers calibration: two isotonic probabilities of one score, assuming a negative and a positive record.

The record is added to the calibration records once with label 0 and once with label 1. Isotonic regression is fitted
each time, and its values at the record are ``low`` and ``high``. One of the two uses the true label and is therefore
calibrated for exchangeable records in finite samples. Their difference shows the uncertainty that the calibration
records leave.

Both depend only on the rank of the score among the calibration scores, so both are step functions that are computed
once.

Source: Vovk, Petej, Fedorova, "Large-scale probabilistic predictors with and without guarantees of validity", NIPS
    2015.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cardiograph.uncertainty.inputs import checked_labels, checked_scores

Point = tuple[int, int]
"""Point of a cumulative sum diagram: number of records so far, number of positives so far."""
FIELDS = ("low_from", "low", "high_to", "high")


@dataclass(frozen=True, eq=False)
class VennAbers:
    """The two step functions of Venn-Abers calibration; :meth:`fit` creates them.

    Args:
        low_from: [a] ascending scores. ``low[i]`` applies from ``low_from[i - 1]`` (included) to ``low_from[i]``.
        low: [a + 1] ascending probabilities, 0..1, assuming that the record is negative.
        high_to: [b] ascending scores. ``high[i]`` applies up to ``high_to[i]`` (included).
        high: [b + 1] ascending probabilities, 0..1, assuming that the record is positive.

    Raises:
        ValueError: If the arrays are not two step functions.
    """

    low_from: NDArray[np.float64]
    low: NDArray[np.float64]
    high_to: NDArray[np.float64]
    high: NDArray[np.float64]

    def __post_init__(self) -> None:
        for scores, values, name in ((self.low_from, self.low, "low"), (self.high_to, self.high, "high")):
            fits = scores.ndim == values.ndim == 1 and len(values) == len(scores) + 1
            if not (fits and (np.diff(scores) > 0).all() and (np.diff(values) >= 0).all()):
                message = f"{name} is not an ascending step function: n ascending scores and n + 1 ascending values"
                raise ValueError(message)
            if not (np.isfinite(scores).all() and ((values >= 0) & (values <= 1)).all()):
                message = f"{name} has a score that is not finite or a value outside 0..1"
                raise ValueError(message)
        if self.low[-1] == 1 or self.high[0] == 0:
            message = (
                f"low reaches {self.low[-1]} and high starts at {self.high[0]}; low stays below 1 and high above 0"
            )
            raise ValueError(message)

    @classmethod
    def fit(cls, scores: NDArray[np.float64], labels: NDArray[np.int64]) -> VennAbers:
        """Fit the step functions to calibration records, which the network was not trained on, in O(n log n).

        Args:
            scores: [n] scores, higher for label 1, on any scale; n is at least 1.
            labels: [n] 0 or 1.

        Raises:
            ValueError: If lengths differ, a score is not finite, a label is not 0 or 1, or there are no records.
        """
        scores = checked_scores(scores)
        labels = checked_labels(labels, len(scores))
        if not len(scores):
            message = "scores has 0 rows, allowed is 1 or more"
            raise ValueError(message)
        distinct, index, count = np.unique(scores, return_inverse=True, return_counts=True)
        positives = np.bincount(index, weights=labels, minlength=len(distinct)).astype(np.int64)
        high = np.append(_with_a_positive(count, positives), 1.0)
        mirrored = _with_a_positive(count[::-1], (count - positives)[::-1])
        low = np.append(0.0, 1 - mirrored[::-1])
        return cls(*_steps(distinct, low), *_steps(distinct, high))

    def interval(self, scores: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the two probabilities of each record.

        Args:
            scores: [n] finite scores.

        Returns:
            ``low`` and ``high``, [n] each, ``0 <= low < high <= 1``.

        Raises:
            ValueError: If a score is not finite.
        """
        scores = checked_scores(scores)
        low = self.low[np.searchsorted(self.low_from, scores, side="right")]
        return low, self.high[np.searchsorted(self.high_to, scores, side="left")]

    def probability(self, scores: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return one probability per record, [n] between 0 and 1, merged from its interval; see :func:`merged`."""
        return merged(*self.interval(scores))

    def parameters(self) -> dict[str, NDArray[np.float64]]:
        """Return the four arrays by name."""
        return {name: getattr(self, name) for name in FIELDS}


def merged(low: NDArray[np.float64], high: NDArray[np.float64]) -> NDArray[np.float64]:
    """Merge two probabilities into the one that minimises the maximum regret in log loss.

    Args:
        low: [n] lower probability, below 1.
        high: [n] upper probability, above 0 and at least ``low``.

    Returns:
        ``high / (1 - low + high)``, [n] between ``low`` and ``high``, computed so that rounding preserves the order.

    Source: Vovk, Petej, Fedorova 2015, on merging two probabilities into one.
    """
    result: NDArray[np.float64] = 1 / (1 + (1 - low) / high)
    return result


def _with_a_positive(count: NDArray[np.int64], positives: NDArray[np.int64]) -> NDArray[np.float64]:
    """Compute the isotonic value of one additional positive record at each distinct score in turn.

    The value is the slope of the lower hull of the cumulative sum diagram at the additional record. Shifting all points
    before that record by (-1, -1) is equivalent and changes only one point per step. The slope never falls, so points
    that were passed need not be visited again.

    Args:
        count: [m] number of records at each distinct score, in ascending order of score.
        positives: [m] number of positives among them.

    Returns:
        [m] ascending values, above 0.

    Source: Vovk, Petej, Fedorova 2015, algorithms 1 and 2.
    """
    diagram: list[Point] = list(zip(np.cumsum(count).tolist(), np.cumsum(positives).tolist(), strict=True))
    ahead: list[Point] = []
    for point in reversed(diagram):
        _turn_left(ahead, point)
    here: Point = (-1, -1)
    _turn_left(ahead, here)
    values = np.empty(len(diagram))
    for turn, (records, positive) in enumerate(diagram):
        start, end = ahead[-1], ahead[-2]
        values[turn] = (end[1] - start[1]) / (end[0] - start[0])
        here = (records - 1, positive - 1)
        if turn + 1 < len(diagram) and _cross(start, end, here) < 0:
            ahead.pop()
            _turn_left(ahead, here)
    return values


def _turn_left(hull: list[Point], point: Point) -> None:
    """Prepend a point to a lower hull, whose first point is last in the list; drop points above the new hull."""
    while len(hull) > 1 and _cross(point, hull[-1], hull[-2]) <= 0:
        hull.pop()
    hull.append(point)


def _cross(origin: Point, first: Point, second: Point) -> int:
    """Return a number above 0 if ``second`` is above the line from ``origin`` through ``first``, in exact integers."""
    return (first[0] - origin[0]) * (second[1] - origin[1]) - (first[1] - origin[1]) * (second[0] - origin[0])


def _steps(scores: NDArray[np.float64], values: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the scores at which the value changes, and the values between them."""
    changes = np.diff(values) != 0
    return scores[changes], np.append(values[:1], values[1:][changes])
