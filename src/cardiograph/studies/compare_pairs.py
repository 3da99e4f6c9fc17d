"""Scores of fits, and differences of two models on the same folds with their intervals."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from cardiograph.containers import TEST
from cardiograph.evaluation.bootstrap import Interval
from cardiograph.evaluation.delong import AurocDifference, delong_test
from cardiograph.evaluation.metrics import METRICS
from cardiograph.evaluation.net_benefit import net_benefit
from cardiograph.evaluation.resampled import resampled_interval
from cardiograph.studies.compare_bench import Bench, Place
from cardiograph.studies.compare_result import COMPARED, SCORED, benefit_name
from cardiograph.studies.compare_trial import Fitted, Task

Fits = Mapping[Task, Fitted]
Pair = tuple[Fitted, Fitted]


def labels_of_test(bench: Bench, place: Place) -> NDArray[np.int64]:
    """[labelled test records] of a fold."""
    labels, rows = bench.any_study.cohort.labels, bench.split(place).rows(TEST)
    return labels[rows][labels[rows] >= 0]


def scores_of(labels: NDArray[np.int64], fitted: Fitted, thresholds: Sequence[float]) -> dict[str, float]:
    """Metric -> value on the test records of a fold; NaN where undefined."""
    probabilities = np.array(fitted.probabilities)
    found = {name: METRICS[name].function(labels, probabilities, 0.5) for name in SCORED}
    benefits = net_benefit(labels, probabilities, np.array(thresholds))
    return found | {benefit_name(at): float(each) for at, each in zip(thresholds, benefits, strict=True)}


def mean_of(bench: Bench, values: Sequence[float], confidence: float, metric: str = "") -> Interval:
    """Mean over the folds in which a score is defined, with the corrected resampled t interval; one fold has no interval.

    Few folds make an interval wide; that of a metric does not leave the metric's range.
    """
    defined = np.array([value for value in values if math.isfinite(value)])
    if not len(defined):
        return Interval(math.nan, math.nan, math.nan)
    train, test = bench.shares
    found = resampled_interval(defined, train=train, test=test, confidence=confidence)
    if metric not in METRICS:
        return found
    low, high = np.clip([found.low, found.high], *METRICS[metric].range)
    return Interval(found.value, float(low), float(high))


def differences_of(
    bench: Bench, places: Sequence[Place], pairs: Sequence[Pair], confidence: float
) -> dict[str, Interval]:
    """Metric -> first less second: paired over folds, or by DeLong (AUROC alone) where there is one split."""
    values: dict[str, list[float]] = {name: [] for name in COMPARED}
    for place, pair in zip(places, pairs, strict=True):
        labels = labels_of_test(bench, place)
        for name in COMPARED:
            first, second = (METRICS[name].function(labels, np.array(each.probabilities), 0.5) for each in pair)
            values[name].append(first - second)
    found = {name: mean_of(bench, each, confidence) for name, each in values.items()}
    if bench.given is not None:
        told = delong_of(bench, pairs[0], confidence)
        found["auroc"] = Interval(told.difference, told.low, told.high)
    return found


def delong_of(bench: Bench, pair: Pair, confidence: float) -> AurocDifference:
    """DeLong's test on the one split that the table brings."""
    labels, place = bench.any_study.cohort.labels, (0, 0)
    rows = bench.split(place).rows(TEST)
    rows = rows[labels[rows] >= 0]
    groups = bench.split(place).groups.index[rows]
    first, second = (np.array(each.probabilities) for each in pair)
    return delong_test(labels[rows], (first, second), groups, confidence=confidence)
