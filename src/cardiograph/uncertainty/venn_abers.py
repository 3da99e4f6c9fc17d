"""Two probabilities for one score: what isotonic calibration says if the new record is negative, and if it is positive.

The record is put among the calibration rows once with label 0 and once with label 1, isotonic regression is fitted each
time, and its values at the record are ``low`` and ``high``. One of the two comes from the true label, so one of the two is
calibrated, for exchangeable records and in finite samples; how far they lie apart says how much the calibration rows leave
open.

Both depend on the score through its place among the calibration scores only, and both are step functions of it, which are
worked out once.

Source: Vovk, Petej, Fedorova, "Large-scale probabilistic predictors with and without guarantees of validity", NIPS 2015.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cardiograph.uncertainty.inputs import checked_labels, checked_scores

Point = tuple[int, int]
"""Of a cumulative sum diagram: records so far, positives so far."""
FIELDS = ("low_from", "low", "high_to", "high")


@dataclass(frozen=True, eq=False)
class VennAbers:
    """The two step functions; made by :meth:`fit`.

    Args:
        low_from: [a] ascending scores. ``low[i]`` holds from ``low_from[i - 1]``, itself included, up to ``low_from[i]``.
        low: [a + 1] ascending, 0..1: the probability if the record were negative.
        high_to: [b] ascending scores. ``high[i]`` holds up to ``high_to[i]``, itself included.
        high: [b + 1] ascending, 0..1: the probability if the record were positive.

    Raises:
        ValueError: The arrays are not two step functions.
    """

    low_from: NDArray[np.float64]
    low: NDArray[np.float64]
    high_to: NDArray[np.float64]
    high: NDArray[np.float64]

    def __post_init__(self) -> None:
        for places, values, name in ((self.low_from, self.low, "low"), (self.high_to, self.high, "high")):
            fits = places.ndim == values.ndim == 1 and len(values) == len(places) + 1
            if not (fits and (np.diff(places) > 0).all() and (np.diff(values) >= 0).all()):
                message = f"{name} is no ascending step function: n ascending scores and n + 1 ascending values"
                raise ValueError(message)
            if not (np.isfinite(places).all() and ((values >= 0) & (values <= 1)).all()):
                message = f"{name} has a score that is not finite or a value outside 0..1"
                raise ValueError(message)
        if self.low[-1] == 1 or self.high[0] == 0:
            message = (
                f"low reaches {self.low[-1]} and high starts at {self.high[0]}; low stays below 1 and high above 0"
            )
            raise ValueError(message)

    @classmethod
    def fit(cls, scores: NDArray[np.float64], labels: NDArray[np.int64]) -> VennAbers:
        """From calibration rows, which the network did not learn from; O(n log n).

        Args:
            scores: [n] n at least 1, higher for label 1, any scale.
            labels: [n] 0 or 1.

        Raises:
            ValueError: Lengths differ, a score is not finite, a label is not 0 or 1, there is no row.
        """
        scores = checked_scores(scores)
        labels = checked_labels(labels, len(scores))
        if not len(scores):
            message = "scores has 0 rows, allowed is 1 or more"
            raise ValueError(message)
        distinct, place, count = np.unique(scores, return_inverse=True, return_counts=True)
        positives = np.bincount(place, weights=labels, minlength=len(distinct)).astype(np.int64)
        high = np.append(_with_a_positive(count, positives), 1.0)
        mirrored = _with_a_positive(count[::-1], (count - positives)[::-1])
        low = np.append(0.0, 1 - mirrored[::-1])
        return cls(*_steps(distinct, low), *_steps(distinct, high))

    def interval(self, scores: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """The two probabilities of each record.

        Args:
            scores: [n] finite.

        Returns:
            ``low`` and ``high``, [n] each, ``0 <= low < high <= 1``.

        Raises:
            ValueError: A score is not finite.
        """
        scores = checked_scores(scores)
        low = self.low[np.searchsorted(self.low_from, scores, side="right")]
        return low, self.high[np.searchsorted(self.high_to, scores, side="left")]

    def probability(self, scores: NDArray[np.float64]) -> NDArray[np.float64]:
        """One probability per record, [n] within (0, 1), from its interval; see :func:`merged`."""
        return merged(*self.interval(scores))

    def parameters(self) -> dict[str, NDArray[np.float64]]:
        """The four arrays by name."""
        return {name: getattr(self, name) for name in FIELDS}

    def to_dict(self) -> dict[str, list[float]]:
        """As plain lists, without loss."""
        return {name: values.tolist() for name, values in self.parameters().items()}

    @classmethod
    def from_dict(cls, content: dict[str, Any]) -> VennAbers:
        """Back from :meth:`to_dict`.

        Raises:
            ValueError: A list is missing, or they are not two step functions.
        """
        missing = [name for name in FIELDS if name not in content]
        if missing:
            message = f"Venn-Abers steps lack {missing}; they have {list(FIELDS)}"
            raise ValueError(message)
        return cls(*(np.asarray(content[name], dtype=np.float64) for name in FIELDS))


def merged(low: NDArray[np.float64], high: NDArray[np.float64]) -> NDArray[np.float64]:
    """The probability whose log loss is worst by as little as possible, whichever of the two is right.

    Args:
        low: [n] below 1.
        high: [n] above 0, at least ``low``.

    Returns:
        ``high / (1 - low + high)``, [n] between ``low`` and ``high``, written so that rounding keeps its order.

    Source: Vovk, Petej, Fedorova 2015, on making one probability of two.
    """
    result: NDArray[np.float64] = 1 / (1 + (1 - low) / high)
    return result


def _with_a_positive(count: NDArray[np.int64], positives: NDArray[np.int64]) -> NDArray[np.float64]:
    """Isotonic value at each distinct score, in turn, of one further positive there.

    The value is the slope of the lower hull of the cumulative sum diagram where the further record is. Leaving the
    record where it is and moving all points before it by (-1, -1) comes to the same, and then one point moves a turn.
    The slope never falls, so that a point once left behind stays behind.

    Args:
        count: [m] records at each distinct score, in ascending order.
        positives: [m] how many of them are positive.

    Returns:
        [m] ascending, above 0.

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
    """Put a point before a lower hull whose first point is last in the list, and drop what then lies above it."""
    while len(hull) > 1 and _cross(point, hull[-1], hull[-2]) <= 0:
        hull.pop()
    hull.append(point)


def _cross(origin: Point, first: Point, second: Point) -> int:
    """Above 0 where ``second`` lies above the line from ``origin`` through ``first``; exact, in whole numbers."""
    return (first[0] - origin[0]) * (second[1] - origin[1]) - (first[1] - origin[1]) * (second[0] - origin[0])


def _steps(scores: NDArray[np.float64], values: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Only the scores at which the value changes, and the values."""
    changes = np.diff(values) != 0
    return scores[changes], np.append(values[:1], values[1:][changes])
