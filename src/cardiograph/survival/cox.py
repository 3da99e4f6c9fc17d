"""Cox regression with a ridge penalty, and absolute risks from relative hazards.

Sources: Cox, J R Stat Soc B 34:187 (1972); Breslow, ibid. 216 (ties and baseline hazard); Verweij and van Houwelingen,
Stat Med 13:2427 (1994) (ridge penalty). Other causes than the event count as censored, so the hazard is that of the cause.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cardiograph.survival.curves import Floats, _counts
from cardiograph.survival.outcome import EVENT, SurvivalOutcome

PENALTIES = (1000.0, 300.0, 100.0, 30.0, 10.0, 3.0, 1.0, 0.3)
"""Ridge penalties that are tried, from strong to weak; in units of the log likelihood of the cohort."""
_MAX_STEPS, _TOLERANCE = 50, 1e-8


@dataclass(frozen=True)
class CoxFit:
    """Coefficients per feature (log hazard ratio of one unit) and the penalty that was chosen."""

    coefficients: Floats
    penalty: float


def fit_cox(features: Floats, outcome: SurvivalOutcome, *, penalty: float, start: Floats | None = None) -> Floats:
    """Return [features] coefficients that maximise the penalised partial likelihood (Newton's method, halved steps)."""
    order = np.argsort(-outcome.time, kind="stable")
    x, sorted_outcome = features[order], outcome.at(order)
    beta = np.zeros(x.shape[1]) if start is None else start
    value = _penalised(x, sorted_outcome, beta, penalty)
    for _ in range(_MAX_STEPS):
        gradient, hessian = _derivatives(x, sorted_outcome, beta)
        step = np.linalg.solve(hessian + penalty * np.eye(len(beta)), gradient - penalty * beta)
        scale = 1.0
        while (new := _penalised(x, sorted_outcome, beta + scale * step, penalty)) < value and scale > _TOLERANCE:
            scale /= 2
        beta, gain, value = beta + scale * step, new - value, new
        if gain < _TOLERANCE:
            break
    return beta


def choose_cox(train: tuple[Floats, SurvivalOutcome], val: tuple[Floats, SurvivalOutcome]) -> CoxFit:
    """Fit on training records with the penalty of the highest partial likelihood on validation records."""
    best, best_value, beta = None, -np.inf, None
    for penalty in PENALTIES:
        beta = fit_cox(*train, penalty=penalty, start=beta)
        value = log_likelihood(val[0] @ beta, val[1])
        if best is None or value > best_value:
            best, best_value = CoxFit(beta, penalty), value
    assert best is not None  # noqa: S101 - PENALTIES is not empty
    return best


def log_likelihood(log_hazard: Floats, outcome: SurvivalOutcome) -> float:
    """Partial log likelihood of [n] relative log hazards, ties by Breslow."""
    order = np.argsort(-outcome.time, kind="stable")
    sorted_outcome, eta = outcome.at(order), log_hazard[order]
    case = sorted_outcome.event == EVENT
    return float((eta - np.logaddexp.accumulate(eta)[_last_tied(sorted_outcome)])[case].sum())


def absolute_risk(log_hazard: Floats, outcome: SurvivalOutcome, queries: Floats, *, horizons: Floats) -> Floats:
    """Return [queries, horizons] probabilities of the event, from Breslow's baseline hazard of the training records.

    Competing events enter with one hazard for all (Nelson-Aalen), so that the sum of all risks stays below 1.

    Args:
        log_hazard: [n] relative log hazards of the training records.
        outcome: Outcome of the training records.
        queries: [queries] relative log hazards.
        horizons: [horizons] times, in the unit of the outcome.
    """
    weights = np.ones((1, len(outcome)))
    shift = log_hazard.mean()
    relative = np.exp(log_hazard - shift)[None]
    times, weighted, _ = _counts(outcome, relative, outcome.event == EVENT)
    _, at_risk, events = _counts(outcome, weights, outcome.event == EVENT)
    other = _counts(outcome, weights, outcome.event > EVENT)[2][0] / at_risk[0]
    hazard = np.exp(queries - shift)[:, None] * (events[0] / weighted[0])
    before = hazard.cumsum(1) - hazard + other.cumsum() - other
    incidence = np.cumsum(np.exp(-before) * -np.expm1(-hazard), axis=1)
    padded = np.concatenate([np.zeros((len(queries), 1)), incidence], axis=1)
    risk: Floats = padded[:, np.searchsorted(times, horizons, side="right")]
    return risk


def _last_tied(outcome: SurvivalOutcome) -> np.ndarray:
    """Position of the last record with the same time, in records sorted by falling time."""
    return np.searchsorted(-outcome.time, -outcome.time, side="right") - 1


def _penalised(x: Floats, outcome: SurvivalOutcome, beta: Floats, penalty: float) -> float:
    return log_likelihood(x @ beta, outcome) - penalty / 2 * float(beta @ beta)


def _derivatives(x: Floats, outcome: SurvivalOutcome, beta: Floats) -> tuple[Floats, Floats]:
    """Gradient and negative second derivative of the partial likelihood, records sorted by falling time."""
    eta = x @ beta
    w = np.exp(eta - eta.max())
    last = _last_tied(outcome)[outcome.event == EVENT]
    mean = (w[:, None] * x).cumsum(0)[last] / w.cumsum()[last][:, None]
    # Each record enters the second moment once for every event at or before its own time.
    share = np.zeros(len(x))
    np.add.at(share, last, 1 / w.cumsum()[last])
    weight = w * share[::-1].cumsum()[::-1]
    gradient = x[outcome.event == EVENT].sum(0) - mean.sum(0)
    return gradient, (x * weight[:, None]).T @ x - mean.T @ mean
