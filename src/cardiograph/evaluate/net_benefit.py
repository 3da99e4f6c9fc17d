"""Net benefit of acting on a probability, and the decision curve with its band.

Source: Vickers and Elkin, "Decision curve analysis: a novel method for evaluating prediction models", Medical Decision
Making 26:565, 2006.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from cardiograph.evaluate.bootstrap import (
    PooledRecords,
    drawn_groups,
    numbered,
    percentile_interval,
    too_few_groups,
)
from cardiograph.evaluate.metrics import check
from cardiograph.evaluate.results import BenefitCurve, DecisionCurve

Floats = NDArray[np.float64]
Labels = NDArray[np.int64]

CURVE_AT: Floats = np.array([*range(1, 31), *range(35, 100, 5)], dtype=np.float64) / 100
"""Threshold probabilities of the curve: dense up to 0.3, where most applications lie, and sparser above."""


def net_benefit(labels: Labels, probabilities: Floats, thresholds: Floats) -> Floats:
    """Compute ``TP / n - FP / n * t / (1 - t)`` for decisions ``probability >= t``.

    The threshold probability t sets the cost of a false alarm relative to a missed positive: at t = 0.1, nine false
    alarms weigh as much as one true positive. The unit is true positives per record, net of false alarms. Net benefit
    does **not** show which threshold an application should use, and it takes the probabilities at face value, so poor
    calibration lowers it.

    Args:
        labels: [n] 0 or 1.
        probabilities: [n] 0..1.
        thresholds: [m] threshold probabilities, above 0 and below 1.

    Returns:
        [m] net benefit, at most the share of positives; NaN without records.

    Raises:
        ValueError: If a threshold is not above 0 and below 1; see also :func:`cardiograph.evaluate.metrics.check`.
    """
    check(labels, probabilities)
    pool = PooledRecords(labels, probabilities, np.zeros(len(labels), np.intp))
    benefit: Floats = _net_benefits(pool.labels, pool.values, pool.records[None], _checked(thresholds))[0]
    return benefit


def treat_all(labels: Labels, thresholds: Floats) -> Floats:
    """Compute the net benefit [m] of treating every patient; treating no patient has 0 everywhere.

    Args:
        labels: [n] 0 or 1.
        thresholds: [m] threshold probabilities, above 0 and below 1.
    """
    return net_benefit(labels, np.ones(len(labels)), thresholds)


def standardised(benefit: Floats, prevalence: float) -> Floats:
    """Divide net benefit by its maximum, the share of positives; NaN if that is 0.

    Source: Kerr, Brown, Zhu, Janes, Journal of Clinical Oncology 34:2534, 2016.
    """
    return benefit / prevalence if prevalence else np.full_like(benefit, math.nan)


def decision_curve(  # noqa: PLR0913 - three arrays that belong together, the grid, and the three knobs of a bootstrap
    labels: Labels,
    probabilities: Mapping[str, Floats],
    groups: NDArray[np.int64],
    *,
    thresholds: Floats = CURVE_AT,
    resamples: int,
    confidence: float,
    rng: np.random.Generator,
) -> DecisionCurve:
    """Compute net benefit over the thresholds with a pointwise band; all models share the same resamples.

    Args:
        labels: [n] 0 or 1.
        probabilities: Model -> [n] probability of label 1.
        groups: [n] group of each record; whole groups are resampled.
        thresholds: [m] threshold probabilities, above 0 and below 1.
        resamples: Number of bootstrap resamples.
        confidence: Confidence level of the band.
        rng: Random generator.

    Returns:
        The curves; None where undefined, and no band if there are too few groups.
    """
    drawn: dict[str, list[Floats]] = {name: [] for name in probabilities}
    group_of = numbered(groups)
    pools = {name: PooledRecords(labels, values, group_of) for name, values in probabilities.items()}
    for counts in drawn_groups(labels, groups, resamples=resamples, rng=rng):
        for name, pool in pools.items():
            drawn[name].append(_net_benefits(pool.labels, pool.values, pool.weights(counts), thresholds))
    few = too_few_groups(labels, groups)
    models = {}
    for name, values in probabilities.items():
        resampled = np.concatenate(drawn[name])
        intervals = [
            percentile_interval(float(value), resampled[:, place], confidence, few=few).as_score()
            for place, value in enumerate(net_benefit(labels, values, thresholds))
        ]
        models[name] = BenefitCurve(
            value=[interval.value for interval in intervals],
            low=[interval.low for interval in intervals],
            high=[interval.high for interval in intervals],
        )
    return DecisionCurve(
        thresholds=thresholds.tolist(),
        prevalence=float(labels.mean()) if len(labels) else None,
        treat_all=[value if math.isfinite(value) else None for value in treat_all(labels, thresholds).tolist()],
        models=models,
    )


def _net_benefits(labels: Labels, probabilities: Floats, weights: Floats, thresholds: Floats) -> Floats:
    """[resamples, thresholds] net benefit."""
    decided = probabilities[:, None] >= thresholds
    false_alarm_cost = thresholds / (1 - thresholds)
    gain = decided * np.where(labels[:, None] == 1, 1.0, -false_alarm_cost)
    with np.errstate(divide="ignore", invalid="ignore"):
        benefit: Floats = (weights @ gain) / weights.sum(axis=1, keepdims=True)
    return benefit


def _checked(thresholds: Floats) -> Floats:
    if not ((thresholds > 0) & (thresholds < 1)).all():
        message = f"threshold probabilities lie above 0 and below 1, not {thresholds.tolist()}"
        raise ValueError(message)
    return thresholds
