"""What acting on a probability is worth: net benefit, and the decision curve with its band.

Source: Vickers and Elkin, "Decision curve analysis: a novel method for evaluating prediction models", Medical Decision
Making 26:565, 2006.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cardiograph.evaluate.bootstrap import group_weights, percentile_interval, too_few_groups
from cardiograph.evaluate.metrics import check

Floats = NDArray[np.float64]
Labels = NDArray[np.int64]

CURVE_AT: Floats = np.array([*range(1, 31), *range(35, 100, 5)], dtype=np.float64) / 100
"""Threshold probabilities of the curve: close where most uses lie, wider above 0.3."""


def net_benefit(labels: Labels, probabilities: Floats, thresholds: Floats) -> Floats:
    """``TP / n - FP / n * t / (1 - t)``, deciding by ``probability >= t``.

    The threshold probability says what a false alarm costs beside a missed positive: at t = 0.1, nine false alarms weigh as
    much as one positive found. The unit is positives found, per record, with no false alarm. It does **not** say which
    threshold a use should have, and it takes the probabilities at their word: a model that is badly calibrated loses here.

    Args:
        labels: [n] 0 or 1.
        probabilities: [n] 0..1.
        thresholds: [m] above 0 and below 1.

    Returns:
        [m] at most the share of positives; NaN without records.

    Raises:
        ValueError: A threshold is not within 0..1, or see :func:`cardiograph.evaluate.metrics.check`.
    """
    check(labels, probabilities)
    benefit: Floats = _net_benefits(labels, probabilities, np.ones((1, len(labels))), _checked(thresholds))[0]
    return benefit


def treat_all(labels: Labels, thresholds: Floats) -> Floats:
    """[m] net benefit of acting on everybody; acting on nobody has 0 everywhere.

    Args:
        labels: [n] 0 or 1.
        thresholds: [m] above 0 and below 1.
    """
    return net_benefit(labels, np.ones(len(labels)), thresholds)


def standardised(benefit: Floats, prevalence: float) -> Floats:
    """Net benefit as a share of the largest possible one, which is the share of positives; NaN where that is 0.

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
) -> dict[str, Any]:
    """Net benefit of every model over the thresholds, with a pointwise band; all models see the same resamples.

    Args:
        labels: [n] 0 or 1.
        probabilities: Model -> [n] probability of label 1.
        groups: [n] group of each record; whole groups are resampled.
        thresholds: [m] above 0 and below 1.
        resamples: Number of bootstrap samples.
        confidence: Confidence of the band.
        rng: Source of chance.

    Returns:
        ``thresholds``, ``treat_all`` ([m] each), ``prevalence``, and ``models``: model -> ``value``, ``low``, ``high``
        ([m] each, None where undefined or where too few groups allow a band). Plain values, ready for JSON.
    """
    drawn: dict[str, list[Floats]] = {name: [] for name in probabilities}
    for weights in group_weights(labels, groups, resamples=resamples, rng=rng):
        for name, values in probabilities.items():
            drawn[name].append(_net_benefits(labels, values, weights, thresholds))
    few = too_few_groups(labels, groups)
    models = {}
    for name, values in probabilities.items():
        whole, resampled = net_benefit(labels, values, thresholds), np.concatenate(drawn[name])
        each = [
            percentile_interval(float(value), resampled[:, place], confidence, few=few).as_dict()
            for place, value in enumerate(whole)
        ]
        models[name] = {key: [interval[key] for interval in each] for key in ("value", "low", "high")}
    return {
        "thresholds": thresholds.tolist(),
        "prevalence": float(labels.mean()) if len(labels) else None,
        "treat_all": [value if math.isfinite(value) else None for value in treat_all(labels, thresholds).tolist()],
        "models": models,
    }


def _net_benefits(labels: Labels, probabilities: Floats, weights: Floats, thresholds: Floats) -> Floats:
    """[weightings, thresholds]."""
    decided = probabilities[:, None] >= thresholds
    price = thresholds / (1 - thresholds)
    worth = decided * np.where(labels[:, None] == 1, 1.0, -price)
    with np.errstate(divide="ignore", invalid="ignore"):
        benefit: Floats = (weights @ worth) / weights.sum(axis=1, keepdims=True)
    return benefit


def _checked(thresholds: Floats) -> Floats:
    if not ((thresholds > 0) & (thresholds < 1)).all():
        message = f"threshold probabilities lie above 0 and below 1, not {thresholds.tolist()}"
        raise ValueError(message)
    return thresholds
