"""Scores of predicted risk under censoring and competing events, for many resamples at once.

Each function takes [resamples, n] weights (a row of ones if None) and returns one value per resample, NaN where
undefined. The censoring distribution is estimated again in each resample. Records with a competing event never have the
event, so they are controls after it (Wolbers et al., Biostatistics 15:526, 2014). Inverse weights assume that censoring
does not depend on the predictors.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cardiograph.survival.curves import Floats, all_once, censoring, cumulative_incidence
from cardiograph.survival.outcome import CENSORED, EVENT, SurvivalOutcome

Bools = NDArray[np.bool_]


def harrell_c(outcome: SurvivalOutcome, risk: Floats, weights: Floats | None = None) -> Floats:
    """Share of comparable pairs in which the record with the earlier event has the higher risk; ties count half.

    Source: Harrell, Lee and Mark, Stat Med 15:361 (1996).
    """
    weights = all_once(outcome) if weights is None else weights
    later, competing = _comparable(outcome)
    case = outcome.event == EVENT
    return _concordance(risk, case, later | competing, weights[:, case], weights)


def uno_c(outcome: SurvivalOutcome, risk: Floats, weights: Floats | None = None, *, tau: float) -> Floats:
    """Concordance that does not depend on the distribution of censoring, for events before time ``tau``.

    Source: Uno et al., Stat Med 30:1105 (2011); competing events by Wolbers et al. (2014).
    """
    weights = all_once(outcome) if weights is None else weights
    later, competing = _comparable(outcome)
    case = (outcome.event == EVENT) & (outcome.time < tau)
    rows = case[outcome.event == EVENT]
    inverse = _inverse(censoring(outcome, weights).at(outcome.time, before=True))
    ahead = weights[:, case] * inverse[:, case]
    above = _order(risk, case)
    total, agree = np.zeros(len(weights)), np.zeros(len(weights))
    for pairs, left, right in (
        (later[rows], ahead * inverse[:, case], weights),
        (competing[rows], ahead, weights * inverse),
    ):
        total += ((left @ pairs) * right).sum(1)
        agree += ((left @ (pairs * above)) * right).sum(1)
    return _divide(agree, total)


def auroc_at(outcome: SurvivalOutcome, risk: Floats, weights: Floats | None = None, *, horizon: float) -> Floats:
    """Cumulative/dynamic AUROC: records with the event by ``horizon`` against those without, by inverse censoring weights.

    Source: Uno et al., J Am Stat Assoc 102:527 (2007); Blanche, Dartigues and Jacqmin-Gadda, Stat Med 32:5381 (2013),
    with competing events among the controls.
    """
    weights = all_once(outcome) if weights is None else weights
    factor = weights * known_weights(outcome, weights, horizon=horizon)
    case = (outcome.event == EVENT) & (outcome.time <= horizon)
    return _concordance(risk, case, np.tile(~case, (int(case.sum()), 1)), factor[:, case], factor)


def brier_at(outcome: SurvivalOutcome, probability: Floats, weights: Floats | None = None, *, horizon: float) -> Floats:
    """Mean squared error of the probability of the event by ``horizon``, by inverse censoring weights.

    Source: Graf et al., Stat Med 18:2529 (1999); Schoop et al., Biom J 53:88 (2011) with competing events.
    """
    weights = all_once(outcome) if weights is None else weights
    had = (outcome.event == EVENT) & (outcome.time <= horizon)
    factor = weights * known_weights(outcome, weights, horizon=horizon)
    return _divide(factor @ (had - probability) ** 2, weights.sum(1))


def integrated_brier(
    outcome: SurvivalOutcome, probability: Floats, weights: Floats | None = None, *, horizons: Floats
) -> Floats:
    """Mean Brier score from the first to the last of ``horizons`` (trapezoids); ``probability`` is [n, horizons]."""
    each = [
        brier_at(outcome, probability[:, at], weights, horizon=float(horizon)) for at, horizon in enumerate(horizons)
    ]
    return np.asarray(np.trapezoid(np.stack(each, axis=1), horizons, axis=1) / (horizons[-1] - horizons[0]))


def observed_over_expected(
    outcome: SurvivalOutcome, probability: Floats, weights: Floats | None = None, *, horizon: float
) -> Floats:
    """Observed risk by ``horizon`` (Aalen-Johansen) over the mean predicted risk; above 1, too few events are predicted."""
    weights = all_once(outcome) if weights is None else weights
    observed = cumulative_incidence(outcome, weights).at(np.array([horizon]))[:, 0]
    return _divide(observed, weights @ probability / weights.sum(1))


def known_weights(outcome: SurvivalOutcome, weights: Floats, *, horizon: float) -> Floats:
    """Return [resamples, n] inverse probabilities that the state on ``horizon`` is known; 0 for records censored before."""
    curve = censoring(outcome, weights)
    after = outcome.time > horizon
    inverse = _inverse(curve.at(np.where(after, horizon, outcome.time), before=False))
    before = _inverse(curve.at(outcome.time, before=True))
    return np.where(after, inverse, np.where(outcome.event != CENSORED, before, 0.0))


@dataclass(frozen=True)
class Interval:
    """Value on the cohort with a percentile interval of 95 %."""

    value: float
    low: float
    high: float


def interval(score: Callable[[Floats | None], Floats], weights: Floats) -> Interval:
    """Return a score on the cohort with its bootstrap interval; resamples without a value are left out.

    Source: Efron and Tibshirani, An Introduction to the Bootstrap (1993), percentile interval.
    """
    low, high = np.nanquantile(score(weights), [0.025, 0.975])
    return Interval(float(score(None)[0]), float(low), float(high))


@dataclass(frozen=True)
class CalibrationGroup:
    """Records of similar predicted risk: mean prediction, and observed risk with interval and number of records."""

    records: int
    predicted: float
    observed: Interval


def calibration_at(
    outcome: SurvivalOutcome, probability: Floats, weights: Floats, *, horizon: float, groups: int = 5
) -> list[CalibrationGroup]:
    """Compare predicted with observed risk (Aalen-Johansen) by ``horizon`` in at most ``groups`` groups of equal size.

    Source: Austin, Harrell and van Klaveren, Stat Med 39:2714 (2020), on calibration at a fixed time.
    """
    found = []
    for rows in np.array_split(np.argsort(probability, kind="stable"), min(groups, len(outcome))):
        part = outcome.at(rows)

        def observed(some: Floats | None, part: SurvivalOutcome = part) -> Floats:
            return cumulative_incidence(part, some).at(np.array([horizon]))[:, 0]

        bounds = interval(observed, weights[:, rows])
        found.append(CalibrationGroup(len(rows), float(probability[rows].mean()), bounds))
    return found


def _comparable(outcome: SurvivalOutcome) -> tuple[Bools, Bools]:
    """Return [events, n] whether a record outlasts the event, and whether a competing event came before."""
    case = outcome.event == EVENT
    mine = outcome.time[case][:, None]
    later = (outcome.time > mine) | ((outcome.time == mine) & (outcome.event == CENSORED))
    return later, (outcome.event > EVENT) & (outcome.time <= mine)


def _order(risk: Floats, case: Bools) -> Floats:
    """Return [cases, n] 1 where the case has the higher risk, 0.5 where equal."""
    mine = risk[case][:, None]
    order: Floats = (mine > risk) + 0.5 * (mine == risk)
    return order


def _concordance(risk: Floats, case: Bools, pairs: Bools, left: Floats, right: Floats) -> Floats:
    agree = ((left @ (pairs * _order(risk, case))) * right).sum(1)
    return _divide(agree, ((left @ pairs) * right).sum(1))


def _inverse(values: Floats) -> Floats:
    return np.divide(1.0, values, out=np.zeros_like(values), where=values > 0)


def _divide(part: Floats, whole: Floats) -> Floats:
    return np.divide(part, whole, out=np.full_like(part, np.nan), where=whole > 0)
