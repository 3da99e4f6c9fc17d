"""Kaplan-Meier and Aalen-Johansen curves, for many resamples at once.

``weights`` are [resamples, n] counts of each record; a single row of ones is the cohort itself.

Sources: Kaplan and Meier, J Am Stat Assoc 53:457 (1958); Aalen and Johansen, Scand J Stat 5:141 (1978).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cardiograph.survival.outcome import CENSORED, EVENT, SurvivalOutcome

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Steps:
    """Right-continuous step functions that begin at one value.

    Args:
        times: [m] increasing times at which the functions change, in the unit of the outcome.
        values: [resamples, m] values from each of these times on.
        start: Value before the first time.
    """

    times: Floats
    values: Floats
    start: float

    def at(self, times: Floats, *, before: bool = False) -> Floats:
        """Return [resamples, times] values; just before these times if ``before``."""
        padded = np.concatenate([np.full((len(self.values), 1), self.start), self.values], axis=1)
        found: Floats = padded[:, np.searchsorted(self.times, times, side="left" if before else "right")]
        return found


def all_once(outcome: SurvivalOutcome) -> Floats:
    """Return the [1, n] weights that count each record once."""
    return np.ones((1, len(outcome)))


def resample(outcome: SurvivalOutcome, *, resamples: int, rng: np.random.Generator) -> Floats:
    """Return [resamples, n] bootstrap counts of the records, one record per patient.

    Source: Efron, J Am Stat Assoc 76:312 (1981), bootstrap of censored data by whole pairs.
    """
    n = len(outcome)
    counts: Floats = rng.multinomial(n, np.full(n, 1 / n), size=resamples).astype(np.float64)
    return counts


def survival(outcome: SurvivalOutcome, weights: Floats | None = None) -> Steps:
    """Estimate the probability of being free of every event (Kaplan-Meier)."""
    times, at_risk, died = _counts(outcome, weights, outcome.event != CENSORED)
    return Steps(times, _product(_ratio(died, at_risk)), 1.0)


def censoring(outcome: SurvivalOutcome, weights: Floats | None = None) -> Steps:
    """Estimate the probability of being uncensored, by the reverse Kaplan-Meier curve.

    An event precedes a censoring at the same time, so its record is not at risk of censoring then.
    """
    times, at_risk, censored = _counts(outcome, weights, outcome.event == CENSORED)
    _, _, events = _counts(outcome, weights, outcome.event != CENSORED)
    return Steps(times, _product(_ratio(censored, at_risk - events)), 1.0)


def cumulative_incidence(outcome: SurvivalOutcome, weights: Floats | None = None, *, cause: int = EVENT) -> Steps:
    """Estimate the probability of an event of one cause (Aalen-Johansen); 1 - Kaplan-Meier without competing events."""
    times, at_risk, died = _counts(outcome, weights, outcome.event == cause)
    free = survival(outcome, weights).at(times, before=True)
    return Steps(times, np.cumsum(free * _ratio(died, at_risk), axis=1), 0.0)


def numbers_at_risk(outcome: SurvivalOutcome, times: Floats) -> NDArray[np.int64]:
    """Count the records still followed at each time: [times]."""
    counts: NDArray[np.int64] = (outcome.time[:, None] >= times).sum(0)
    return counts


def _counts(
    outcome: SurvivalOutcome, weights: Floats | None, chosen: NDArray[np.bool_]
) -> tuple[Floats, Floats, Floats]:
    """Return [m] distinct times, and [resamples, m] weights at risk and weights of the chosen records at each."""
    weights = all_once(outcome) if weights is None else weights
    times, place = np.unique(outcome.time, return_inverse=True)
    order = np.argsort(place, kind="stable")
    starts = np.searchsorted(place[order], np.arange(len(times)))
    left = np.add.reduceat(weights[:, order], starts, axis=1)
    ended = np.add.reduceat((weights * chosen)[:, order], starts, axis=1)
    return times, left[:, ::-1].cumsum(1)[:, ::-1], ended


def _ratio(part: Floats, whole: Floats) -> Floats:
    return np.divide(part, whole, out=np.zeros_like(part), where=whole > 0)


def _product(hazard: Floats) -> Floats:
    """Return the [resamples, m] share that is left after each hazard."""
    left: Floats = np.cumprod(1 - hazard, axis=1, dtype=np.float64)
    return left
