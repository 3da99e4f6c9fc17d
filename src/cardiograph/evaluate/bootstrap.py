"""Intervals by resampling whole groups, stratified by whether a group has a positive record.

Source: Efron and Tibshirani, "An Introduction to the Bootstrap", 1993 (percentile interval); whole groups, because the
records of a patient are not independent (Davison and Hinkley, "Bootstrap Methods and their Application", 1997, 3.8).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cardiograph.evaluate.metrics import METRICS, check, score
from cardiograph.evaluate.weighted_metrics import weighted_scores

Floats = NDArray[np.float64]


Labels = NDArray[np.int64]


CELLS_AT_ONCE = 2_000_000
"""Resamples x records held in memory together."""


UNDEFINED_AT_MOST = 0.10
"""Where a metric is undefined in more resamples than this share, no interval is given."""


FEWEST_GROUPS = 5
"""Groups with a positive record, and groups without, below which no interval is given."""


@dataclass(frozen=True)
class Interval:
    """A value on all records and its percentile interval; NaN where undefined."""

    value: float
    low: float
    high: float

    def as_dict(self) -> dict[str, float | None]:
        """For JSON, which has no NaN: None instead."""
        named = {"value": self.value, "low": self.low, "high": self.high}
        return {name: number if math.isfinite(number) else None for name, number in named.items()}


def group_weights(
    labels: Labels, groups: NDArray[np.int64], *, resamples: int, rng: np.random.Generator
) -> Iterator[Floats]:
    """Draw groups with replacement, as many of each stratum as there are; a stratum is "has a positive record" or not.

    Args:
        labels: [n] 0 or 1.
        groups: [n] group of each record, any integers.
        resamples: How many in all.
        rng: Source of chance.

    Yields:
        [some resamples, n] float64: how often each record counts. A stratum of one group is always drawn.
    """
    _, group_of = np.unique(groups, return_inverse=True)
    size = int(group_of.max()) + 1 if len(group_of) else 0
    has_positive = np.bincount(group_of, weights=labels, minlength=size) > 0
    strata = [np.flatnonzero(has_positive == side) for side in (True, False)]
    at_once = max(1, CELLS_AT_ONCE // max(1, len(labels)))
    for start in range(0, resamples, at_once):
        rows = min(at_once, resamples - start)
        counts = np.zeros((rows, size))
        for members in strata:
            if len(members):
                even = np.full(len(members), 1 / len(members))
                counts[:, members] = rng.multinomial(len(members), even, size=rows)
        yield counts[:, group_of]


def bootstrap_scores(  # noqa: PLR0913 - four arrays that belong together and the three knobs of a bootstrap
    labels: Labels,
    probabilities: Mapping[str, Floats],
    groups: NDArray[np.int64],
    thresholds: Mapping[str, float],
    *,
    resamples: int,
    confidence: float,
    rng: np.random.Generator,
    names: Sequence[str] = tuple(METRICS),
) -> dict[str, dict[str, Interval]]:
    """Every metric of every model with its interval; all models see the same resamples.

    Args:
        labels: [n] 0 or 1.
        probabilities: Model -> [n] probability of label 1.
        groups: [n] group of each record.
        thresholds: Model -> threshold of its decision.
        resamples: Number of bootstrap samples.
        confidence: Confidence of the interval, such as 0.95.
        rng: Source of chance.
        names: The metrics wanted.

    Returns:
        Model -> metric -> interval. Low and high are NaN where the metric is undefined in more than 10 % of resamples.

    Raises:
        ValueError: See :func:`cardiograph.evaluate.metrics.check`.
    """
    few = too_few_groups(labels, groups)
    wholes = {model: score(labels, values, thresholds[model]) for model, values in probabilities.items()}
    drawn: dict[str, dict[str, list[Floats]]] = {model: {name: [] for name in names} for model in probabilities}
    for weights in group_weights(labels, groups, resamples=resamples, rng=rng):
        for model, values in probabilities.items():
            found = weighted_scores(labels, values, weights, threshold=thresholds[model], names=names)
            for name, each in found.items():
                drawn[model][name].append(each)
    return {
        model: {
            name: percentile_interval(
                whole[name], np.concatenate(drawn[model][name]), confidence, few=few, centred=METRICS[name].centred
            )
            for name in names
        }
        for model, whole in wholes.items()
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
    """AUROC of the first model minus AUROC of the second, both on the same resamples.

    Args:
        labels: [n] 0 or 1.
        probabilities: Probabilities of the two models, [n] each.
        groups: [n] group of each record.
        resamples: Number of bootstrap samples.
        confidence: Confidence of the interval.
        rng: Source of chance; with the seed of :func:`bootstrap_scores`, the same resamples.
    """
    for values in probabilities:
        check(labels, values)
    first, second = (score(labels, values, 0.5)["auroc"] for values in probabilities)
    differences = []
    for weights in group_weights(labels, groups, resamples=resamples, rng=rng):
        a, b = (
            weighted_scores(labels, values, weights, threshold=0.5, names=("auroc",))["auroc"]
            for values in probabilities
        )
        differences.append(a - b)
    few = too_few_groups(labels, groups)
    return percentile_interval(first - second, np.concatenate(differences), confidence, few=few)


def too_few_groups(labels: Labels, groups: NDArray[np.int64]) -> bool:
    """Whether a stratum has groups, but fewer than :data:`FEWEST_GROUPS`: too few to show how far a score may be off."""
    positive = len(np.unique(groups[labels == 1]))
    return any(0 < count < FEWEST_GROUPS for count in (positive, len(np.unique(groups)) - positive))


def percentile_interval(
    value: float, drawn: Floats, confidence: float, *, few: bool = False, centred: bool = False
) -> Interval:
    """The central ``confidence`` share of ``drawn`` around ``value``; resamples without a value are left out.

    There is no interval where ``few`` groups were resampled. A ``centred`` score counts the noise of resampling as error, so
    its resamples, whose median would lie above the value, are moved onto it, and not below 0.
    """
    if few:
        return Interval(value, math.nan, math.nan)
    usable = drawn[np.isfinite(drawn)]
    if not math.isfinite(value) or len(usable) < (1 - UNDEFINED_AT_MOST) * len(drawn) or not len(usable):
        return Interval(value, math.nan, math.nan)
    if centred:
        usable = np.maximum(usable - np.median(usable) + value, 0)
    low, high = np.quantile(usable, [(1 - confidence) / 2, (1 + confidence) / 2])
    return Interval(value, float(low), float(high))


def first_of_each(groups: NDArray[np.int64]) -> NDArray[np.int64]:
    """Rows of the first record of each group, ascending: one record per patient."""
    return np.sort(np.unique(groups, return_index=True)[1]).astype(np.int64)


def resampled_interval(values: NDArray[np.float64], *, train: float, test: float, confidence: float = 0.95) -> Interval:
    """Mean over splits with the corrected resampled t interval.

    Scores of random splits of one cohort share records, so that their plain standard error is too small; the variance of
    the mean is taken as ``s^2 (1 / J + test / train)`` for J splits.

    Args:
        values: [splits] a score, or a difference of two scores on the same split; NaN is refused.
        train: Share (or number) of training records.
        test: Test of test records.
        confidence: Confidence of the interval.

    Returns:
        Mean and interval; low and high are NaN for fewer than two values.

    Raises:
        ValueError: A value is not finite, or there is none.

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
    reach = float(t.ppf((1 + confidence) / 2, count - 1)) * error
    return Interval(mean, mean - reach, mean + reach)
