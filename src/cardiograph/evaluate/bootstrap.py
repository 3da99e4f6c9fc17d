"""Bootstrap intervals from whole groups, stratified by the highest label of a group: whether it has a positive record.

Source: Efron and Tibshirani, "An Introduction to the Bootstrap", 1993 (percentile interval). Whole groups are drawn,
because the records of one patient are not independent (Davison and Hinkley, "Bootstrap Methods and their Application",
1997, section 3.8).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cardiograph.evaluate.metrics import METRICS, check, metrics_of, score, weighted_scores
from cardiograph.evaluate.results import Score
from cardiograph.threads import in_threads

Floats = NDArray[np.float64]
Labels = NDArray[np.int64]

CHUNK_CELLS = 2_000_000
"""Maximum number of weights (resamples x records) in memory at once."""
MAX_UNDEFINED_SHARE = 0.10
"""Maximum share of resamples in which a metric may be undefined; above it there is no interval."""
MIN_RECORDS_FOR_THREADS = 20_000
"""Number of records from which several models, or several levels of a subgroup, are resampled at the same time."""
MIN_GROUPS_DRAWN_SINGLY = 20_000
"""Number of groups of a stratum from which they are drawn one by one."""
MIN_GROUPS = 5
"""Minimum number of groups with a positive record, and of groups without, for an interval."""


@dataclass(frozen=True)
class Interval:
    """A metric on all records with the ends of its interval; NaN where undefined."""

    value: float
    low: float
    high: float

    def as_dict(self) -> dict[str, float | None]:
        """Return the three numbers by name, with None instead of NaN, which JSON lacks."""
        named = {"value": self.value, "low": self.low, "high": self.high}
        return {name: number if math.isfinite(number) else None for name, number in named.items()}

    def as_score(self) -> Score:
        """Return the three numbers as they are written to ``metrics.json``, with None instead of NaN."""
        return Score(**self.as_dict())


def group_weights(
    labels: Labels, groups: NDArray[np.int64], *, resamples: int, rng: np.random.Generator
) -> Iterator[Floats]:
    """Draw groups as :func:`drawn_groups` does, and return the weights of their records.

    Yields:
        [resamples of this chunk, n] float64 weights: the number of times each record was drawn.
    """
    group_of = numbered(groups)
    for counts in drawn_groups(labels, groups, resamples=resamples, rng=rng):
        yield counts[:, group_of]


def drawn_groups(
    labels: Labels, groups: NDArray[np.int64], *, resamples: int, rng: np.random.Generator
) -> Iterator[Floats]:
    """Draw groups with replacement, separately among groups with each highest label.

    With two labels these are the groups with and without a positive record. Each stratum keeps its number of groups, so
    the only group of a stratum is in every resample.

    Args:
        labels: [n] labels from 0.
        groups: [n] group of each record, any integers.
        resamples: Total number of resamples.
        rng: Random generator.

    Yields:
        [resamples of this chunk, groups] float64: the number of times each group was drawn, in ascending order of groups.
    """
    group_of = numbered(groups)
    size = int(group_of.max()) + 1 if len(group_of) else 0
    strata = _strata(labels, group_of, size)
    chunk = max(1, CHUNK_CELLS // max(1, len(labels)))
    for start in range(0, resamples, chunk):
        rows = min(chunk, resamples - start)
        counts = np.zeros((rows, size))
        for members in strata:
            if len(members):
                counts[:, members] = _draws(len(members), rows, rng)
        yield counts


def numbered(groups: NDArray[np.int64] | Floats) -> NDArray[np.intp]:
    """Return the position of each record's group in ascending order of groups, from 0."""
    return np.unique(groups, return_inverse=True)[1]


def _draws(size: int, rows: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """[rows, size] how often each of ``size`` groups is among ``size`` draws; drawn one by one where that is faster."""
    if size < MIN_GROUPS_DRAWN_SINGLY:
        return rng.multinomial(size, np.full(size, 1 / size), size=rows)
    return np.stack([np.bincount(rng.integers(size, size=size), minlength=size) for _ in range(rows)])


class PooledRecords:
    """Records with the same label and the same values as one row, which has the weight of all of them.

    Metrics count records of the same label and probability alike. A calibrated model has few different probabilities,
    so a million records may be two thousand rows.

    Args:
        labels: [n] labels from 0.
        values: [n] or [n, classes] values, such as probabilities.
        group_of: [n] position of each record's group, see :func:`numbered`.
        groups: Number of groups; the highest position and 1 if None.

    Attributes:
        labels: [rows] labels.
        values: [rows] or [rows, classes] values.
        records: [rows] float64 number of records.
    """

    def __init__(self, labels: Labels, values: Floats, group_of: NDArray[np.intp], groups: int | None = None) -> None:
        from scipy.sparse import csr_array

        _, first, row_of = np.unique(
            np.column_stack([labels, values]) if values.ndim == 2 else _joined(labels, values),
            axis=0, return_index=True, return_inverse=True,
        )  # fmt: skip
        self.labels, self.values = labels[first], values[first]
        self.records: Floats = np.bincount(row_of.ravel(), minlength=len(first)).astype(np.float64)
        shape = (len(first), int(group_of.max(initial=-1)) + 1 if groups is None else groups)
        self._of_groups = csr_array((np.ones(len(labels)), (row_of.ravel(), group_of)), shape=shape)

    def weights(self, counts: Floats) -> Floats:
        """Return the [resamples, rows] weights, from the [resamples, groups] counts of :func:`drawn_groups`."""
        summed: Floats = (self._of_groups @ np.ascontiguousarray(counts.T)).T
        return summed


def _joined(labels: Labels, values: Floats) -> NDArray[np.int64]:
    """[n] numbers that are equal where label and value are."""
    return numbered(values) * (int(labels.max(initial=0)) + 1) + labels


def highest_labels(labels: Labels, group_of: NDArray[np.intp], size: int) -> Labels:
    """Return the highest label of each of ``size`` groups; 0 where none is higher."""
    highest = np.zeros(size, dtype=np.int64)
    np.maximum.at(highest, group_of, labels)
    return highest


def _strata(labels: Labels, group_of: NDArray[np.intp], size: int) -> list[NDArray[np.intp]]:
    """Return the groups with each highest label, from the last label to 0."""
    highest = highest_labels(labels, group_of, size)
    return [np.flatnonzero(highest == label) for label in range(int(labels.max(initial=1)), -1, -1)]


def bootstrap_scores(  # noqa: PLR0913 - four arrays that belong together and the three knobs of a bootstrap
    labels: Labels,
    probabilities: Mapping[str, Floats],
    groups: NDArray[np.int64],
    thresholds: Mapping[str, float],
    *,
    resamples: int,
    confidence: float,
    rng: np.random.Generator,
    names: Sequence[str] | None = None,
) -> dict[str, dict[str, Interval]]:
    """Compute metrics of several models with intervals; all models share the same resamples.

    Args:
        labels: [n] labels from 0.
        probabilities: Model -> [n] probability of label 1, or [n, classes] of each class.
        groups: [n] group of each record.
        thresholds: Model -> decision threshold; empty with several classes.
        resamples: Number of bootstrap resamples.
        confidence: Confidence level of the interval, such as 0.95.
        rng: Random generator.
        names: Metrics to compute; all of them if None.

    Returns:
        Model -> metric -> interval. The ends are NaN where the metric is undefined in more than 10 % of resamples, or
        where there are too few groups.

    Raises:
        ValueError: See :func:`cardiograph.evaluate.metrics.check`.
    """
    few, metrics = too_few_groups(labels, groups), METRICS
    for values in probabilities.values():
        metrics = metrics_of(values)
    names = tuple(metrics) if names is None else names
    thresholds = {model: thresholds.get(model, math.nan) for model in probabilities}
    values_on_all = {model: score(labels, values, thresholds[model]) for model, values in probabilities.items()}
    drawn: dict[str, dict[str, list[Floats]]] = {model: {name: [] for name in names} for model in probabilities}
    group_of = numbered(groups)
    pools = {model: PooledRecords(labels, values, group_of) for model, values in probabilities.items()}
    for counts in drawn_groups(labels, groups, resamples=resamples, rng=rng):

        def scored(model: str, counts: Floats = counts) -> dict[str, Floats]:
            pool = pools[model]
            weights = pool.weights(counts)
            return weighted_scores(pool.labels, pool.values, weights, threshold=thresholds[model], names=names)

        many = len(labels) >= MIN_RECORDS_FOR_THREADS
        for model, found in zip(probabilities, in_threads(scored, probabilities, many=many), strict=True):
            for name, each in found.items():
                drawn[model][name].append(each)
    return {
        model: {
            name: percentile_interval(
                value[name], np.concatenate(drawn[model][name]), confidence, few=few, centred=metrics[name].centred
            )
            for name in names
        }
        for model, value in values_on_all.items()
    }


def paired_difference(
    labels: Labels,
    probabilities: tuple[Floats, Floats],
    groups: NDArray[np.int64],
    *,
    resamples: int,
    confidence: float,
    rng: np.random.Generator,
) -> Interval:
    """Return the AUROC of the first model minus that of the second, both on the same resamples.

    With several classes it is the macro AUROC, see :mod:`cardiograph.evaluate.class_metrics`.

    Args:
        labels: [n] labels from 0.
        probabilities: Probabilities of the two models, [n] or [n, classes] each.
        groups: [n] group of each record.
        resamples: Number of bootstrap resamples.
        confidence: Confidence level of the interval.
        rng: Random generator; the seed used for :func:`bootstrap_scores` gives the same resamples.
    """
    for values in probabilities:
        check(labels, values)
    first, second = (score(labels, values, 0.5)["auroc"] for values in probabilities)
    differences, group_of = [], numbered(groups)
    pools = [PooledRecords(labels, values, group_of) for values in probabilities]
    for counts in drawn_groups(labels, groups, resamples=resamples, rng=rng):
        a, b = (
            weighted_scores(pool.labels, pool.values, pool.weights(counts), threshold=0.5, names=("auroc",))["auroc"]
            for pool in pools
        )
        differences.append(a - b)
    few = too_few_groups(labels, groups)
    return percentile_interval(first - second, np.concatenate(differences), confidence, few=few)


def too_few_groups(labels: Labels, groups: NDArray[np.int64]) -> bool:
    """Return whether a stratum has groups, but fewer than :data:`MIN_GROUPS`, which is too few for an interval."""
    group_of = numbered(groups)
    size = int(group_of.max()) + 1 if len(group_of) else 0
    return any(0 < len(members) < MIN_GROUPS for members in _strata(labels, group_of, size))


def percentile_interval(
    value: float, drawn: Floats, confidence: float, *, few: bool = False, centred: bool = False
) -> Interval:
    """Return ``value`` with the central ``confidence`` share of its resampled values.

    Args:
        value: The metric on all records.
        drawn: [resamples] the metric on each resample; NaN values are ignored.
        confidence: Confidence level, between 0 and 1.
        few: Whether there are too few groups for an interval.
        centred: Whether to shift the resampled values so that their median equals ``value``, clipped at 0. Resampling
            alone raises such a metric, so the unshifted interval would lie above the value.
    """
    if few:
        return Interval(value, math.nan, math.nan)
    usable = drawn[np.isfinite(drawn)]
    if not math.isfinite(value) or len(usable) < (1 - MAX_UNDEFINED_SHARE) * len(drawn) or not len(usable):
        return Interval(value, math.nan, math.nan)
    if centred:
        usable = np.maximum(usable - np.median(usable) + value, 0)
    low, high = np.quantile(usable, [(1 - confidence) / 2, (1 + confidence) / 2])
    return Interval(value, float(low), float(high))


def first_of_each(groups: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the row of the first record of each group, ascending: one record per patient."""
    return np.sort(np.unique(groups, return_index=True)[1]).astype(np.int64)


def resampled_interval(values: NDArray[np.float64], *, train: float, test: float, confidence: float = 0.95) -> Interval:
    """Return the mean over splits with the corrected resampled t interval.

    Random splits of one cohort share records, so the usual standard error of their scores is too small. The variance of
    the mean over J splits is estimated as ``s^2 (1 / J + test / train)`` instead.

    Args:
        values: [splits] a score, or a difference of two scores on the same split; must be finite.
        train: Share (or number) of training records.
        test: Share (or number) of test records.
        confidence: Confidence level of the interval.

    Returns:
        Mean and interval; the ends are NaN for fewer than two values.

    Raises:
        ValueError: If ``values`` is empty or contains a value that is not finite.

    Source: Nadeau and Bengio, Inference for the Generalization Error, Machine Learning 52, 2003,
        doi:10.1023/A:1024068626366.
    """
    if not len(values) or not np.isfinite(values).all():
        message = "an interval needs finite values, at least one"
        raise ValueError(message)
    mean, count = float(np.mean(values)), len(values)
    if count < 2:
        return Interval(mean, math.nan, math.nan)
    from scipy.stats import t

    error = float(np.std(values, ddof=1)) * math.sqrt(1 / count + test / train)
    half_width = float(t.ppf((1 + confidence) / 2, count - 1)) * error
    return Interval(mean, mean - half_width, mean + half_width)
