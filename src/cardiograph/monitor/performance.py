"""How well the probabilities of recent records agree with their outcomes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cardiograph.config import EvaluationConfig
from cardiograph.evaluate.bootstrap import Interval, bootstrap_scores, first_of_each
from cardiograph.evaluate.calibration import wilson

RATIO_LOW, RATIO_HIGH = 0.8, 1.25
"""Ratios of observed to expected outcomes between which calibration raises no alert."""
AUROC_LOSS = 0.05
"""Loss of AUROC, against the run's own test records, that is no alert."""
MIN_EACH = 10
"""Groups of each outcome below which nothing is estimated."""


@dataclass(frozen=True)
class Performance:
    """Agreement of probabilities with outcomes.

    Args:
        records: Number of records with an outcome, one for each group.
        positive: Number of those with label 1.
        ratio: Observed over expected number of positive records.
        auroc: AUROC.
        slope: Calibration slope.
    """

    records: int
    positive: int
    ratio: Interval
    auroc: Interval
    slope: Interval

    def as_dict(self) -> dict[str, Any]:
        """Return counts and intervals for JSON, None where undefined."""
        return {
            "records": self.records,
            "positive": self.positive,
            "observed_to_expected": self.ratio.as_dict(),
            "auroc": self.auroc.as_dict(),
            "calibration_slope": self.slope.as_dict(),
        }

    def alerts(self, own_auroc: float) -> list[str]:
        """Return a sentence for each rule that the intervals break; ``own_auroc`` is that of the run's test records."""
        found, ratio, auroc = [], self.ratio, self.auroc
        if ratio.low > RATIO_HIGH or ratio.high < RATIO_LOW:
            found.append(
                f"observed over expected outcomes is {ratio.value:.2f} ({ratio.low:.2f} to {ratio.high:.2f}), and the "
                f"whole interval is outside {RATIO_LOW:g} to {RATIO_HIGH:g}"
            )
        if auroc.high < own_auroc - AUROC_LOSS:
            found.append(
                f"AUROC is {auroc.value:.3f} ({auroc.low:.3f} to {auroc.high:.3f}), and the whole interval is more than "
                f"{AUROC_LOSS:g} below the {own_auroc:.3f} of the run's test records"
            )
        return found


def measure_performance(
    labels: NDArray[np.int64],
    probabilities: NDArray[np.float64],
    groups: NDArray[np.int64],
    *,
    settings: EvaluationConfig,
    seed: int,
) -> Performance | None:
    """Compare probabilities with outcomes, by the first labelled record of each group.

    The interval of the ratio divides the Wilson interval of the observed share by the mean probability.

    Args:
        labels: [records] 0 or 1; -1 where the outcome is not known yet.
        probabilities: [records] 0..1.
        groups: [records] group numbers.
        settings: Number of resamples and confidence level.
        seed: Seed of the resamples.

    Returns:
        The estimates; None with fewer than :data:`MIN_EACH` groups of an outcome.
    """
    known = np.flatnonzero(labels >= 0)
    rows = known[first_of_each(groups[known])]
    labels, probabilities, groups = labels[rows], probabilities[rows], groups[rows]
    positive = int(labels.sum())
    if min(positive, len(rows) - positive) < MIN_EACH:
        return None
    expected = float(probabilities.mean())
    low, high = wilson(np.array([float(positive)]), np.array([len(rows)]), confidence=settings.confidence)
    found = bootstrap_scores(
        labels,
        {"model": probabilities},
        groups,
        {"model": 0.5},
        resamples=settings.bootstrap,
        confidence=settings.confidence,
        rng=np.random.default_rng(seed),
        names=("auroc", "calibration_slope"),
    )["model"]
    ratio = Interval(positive / len(rows) / expected, float(low[0]) / expected, float(high[0]) / expected)
    return Performance(len(rows), positive, ratio, found["auroc"], found["calibration_slope"])
