"""Scores of several models on test records with bootstrap intervals of whole groups, and the verdict on the graph."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from cardiograph.survival.curves import Floats, all_once
from cardiograph.survival.outcome import CENSORED, EVENT, SurvivalOutcome
from cardiograph.survival.scores import (
    CalibrationGroup,
    Interval,
    auroc_at,
    brier_at,
    calibration_at,
    harrell_c,
    integrated_brier,
    observed_over_expected,
    uno_c,
)

TITLES = {
    "sign": "SIGN, discrete time (graph)",
    "sign_cox": "SIGN, Cox head (graph)",
    "mlp": "MLP, discrete time (no graph)",
    "mlp_cox": "MLP, Cox head (no graph)",
    "cox_clinical": "Cox regression, clinical values",
    "cox": "Cox regression, same features",
    "maggic": "MAGGIC score",
    "kaplan_meier": "Kaplan-Meier (no features)",
    "shuffled": "SIGN, shuffled outcomes (control)",
}
"""Model -> display name, in the order of tables."""

Helps = Literal["yes", "no", "undecided"]


@dataclass(frozen=True)
class PartCounts:
    """Records of one part, and how their follow-up ended."""

    records: int
    groups: int
    events: int
    competing: int
    censored: int


@dataclass(frozen=True)
class SurvivalTest:
    """Test records and predictions.

    Args:
        outcome: Outcome of each record.
        groups: [records] groups that the bootstrap resamples.
        times: [times] times of the predictions; they contain the horizons.
        risks: Model -> [records, times] probabilities of the event.
        points: Published score -> [records] points, which order records by their risk.
    """

    outcome: SurvivalOutcome
    groups: NDArray[np.int64]
    times: Floats
    risks: Mapping[str, Floats]
    points: Mapping[str, Floats] = field(default_factory=dict)

    def at(self, model: str, horizon: float) -> Floats:
        """Return [records] risks by a horizon, or the points of a published score."""
        if model in self.points:
            return self.points[model]
        risk: Floats = self.risks[model][:, int(np.searchsorted(self.times, horizon))]
        return risk


@dataclass(frozen=True)
class RiskScores:
    """Scores of predicted risks; fields as in :class:`SurvivalMetrics`."""

    scores: dict[str, dict[str, Interval]]
    differences: dict[str, dict[str, Interval]]
    calibration: dict[str, list[CalibrationGroup]]
    observed_to_expected: dict[str, dict[str, Interval]]


@dataclass(frozen=True)
class SurvivalMetrics:
    """Content of ``metrics.json`` of a run with a time-to-event outcome.

    Args:
        unit: Unit of all times.
        horizons: Times at which risks are scored.
        primary: Model that the run keeps.
        counts: Part -> records and events.
        scores: Model -> score -> value with interval; ``auroc_T`` and ``brier_T`` are those at horizon T.
        differences: Model -> score -> primary model less this model, on the same resamples.
        calibration: Horizon -> groups of similar risk of the primary model.
        observed_to_expected: Model -> horizon -> observed risk over mean predicted risk, with interval.
        features: Model -> number of features.
        helps: Whether the primary model beats Cox regression on the clinical values, or on the same features.
        verdict: The same as a sentence; a second one if a published score is compared.
        control: Sentence on the model that learnt from shuffled outcomes.
        confidence: Level of the intervals.
        resamples: Resamples of groups for each interval.
        kind: ``survival``.
    """

    unit: str
    horizons: tuple[float, ...]
    primary: str
    counts: dict[str, PartCounts]
    scores: dict[str, dict[str, Interval]]
    differences: dict[str, dict[str, Interval]]
    calibration: dict[str, list[CalibrationGroup]]
    observed_to_expected: dict[str, dict[str, Interval]]
    features: dict[str, int]
    helps: Helps
    verdict: str
    control: str
    confidence: float
    resamples: int
    kind: Literal["survival"] = "survival"

    @property
    def test(self) -> dict[str, Interval]:
        """Scores of the primary model."""
        return self.scores[self.primary]

    @property
    def events_per_variable(self) -> dict[str, float]:
        """Model -> training events per feature."""
        events = self.counts["train"].events
        return {name: events / count for name, count in self.features.items() if count}

    def as_dict(self) -> dict[str, Any]:
        """Return plain values, ready for JSON; an undefined value is None."""
        plain: dict[str, Any] = plain_values(asdict(self) | {"events_per_variable": self.events_per_variable})
        return plain

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> SurvivalMetrics:
        """Restore from :meth:`as_dict`; undefined values are NaN.

        Raises:
            ValueError: If a part is missing or has another type.
        """
        from pydantic import TypeAdapter

        given = {key: value for key, value in content.items() if key != "events_per_variable"}
        return TypeAdapter(cls).validate_python(_nan(given))


def count_part(outcome: SurvivalOutcome, groups: NDArray[np.int64]) -> PartCounts:
    """Count the records of a part by how their follow-up ended."""
    events, competing = int((outcome.event == EVENT).sum()), int((outcome.event > EVENT).sum())
    censored = int((outcome.event == CENSORED).sum())
    return PartCounts(len(outcome), len(np.unique(groups)), events, competing, censored)


def group_resamples(groups: NDArray[np.int64], *, resamples: int, rng: np.random.Generator) -> Floats:
    """Return [resamples, n] counts of each record in bootstrap samples of whole groups."""
    _, member = np.unique(groups, return_inverse=True)
    count = int(member.max()) + 1
    drawn: Floats = rng.multinomial(count, np.full(count, 1 / count), size=resamples)[:, member].astype(np.float64)
    return drawn


def evaluate_survival(  # noqa: PLR0913 - the test records and the settings of the intervals
    test: SurvivalTest,
    *,
    primary: str,
    horizons: tuple[float, ...],
    unit: str,
    counts: dict[str, PartCounts],
    features: dict[str, int],
    resamples: int,
    confidence: float,
    rng: np.random.Generator,
) -> SurvivalMetrics:
    """Score every model on the test records.

    Args:
        test: Test records and predictions.
        primary: Model that the run keeps.
        horizons: Times at which risks are scored.
        unit: Unit of all times.
        counts: Part -> records and events.
        features: Model -> number of features.
        resamples: Bootstrap resamples of groups.
        confidence: Level of the intervals.
        rng: Random generator of the resamples.
    """
    found = score_risks(test, primary=primary, horizons=horizons, resamples=resamples, confidence=confidence, rng=rng)
    reference = "cox_clinical" if "cox_clinical" in test.risks else "cox"
    own = found.scores[primary]["uno_c"]
    helps, verdict = judge(found.differences[reference]["uno_c"], own, reference, confidence)
    if test.points:
        published = max(test.points, key=lambda name: found.scores[name]["uno_c"].value)
        verdict += " " + judge(found.differences[published]["uno_c"], own, published, confidence)[1]
    return SurvivalMetrics(
        unit=unit,
        horizons=horizons,
        primary=primary,
        counts=counts,
        scores=found.scores,
        differences=found.differences,
        calibration=found.calibration,
        observed_to_expected=found.observed_to_expected,
        features=features,
        helps=helps,
        verdict=verdict,
        control=_control(found.scores["shuffled"]["uno_c"], confidence),
        confidence=confidence,
        resamples=resamples,
    )


def score_risks(
    test: SurvivalTest,
    *,
    primary: str,
    horizons: tuple[float, ...],
    resamples: int,
    confidence: float,
    rng: np.random.Generator,
) -> RiskScores:
    """Score predicted risks of every model; arguments as for :func:`evaluate_survival`."""
    drawn = group_resamples(test.groups, resamples=resamples, rng=rng)
    weights = np.concatenate([all_once(test.outcome), drawn])
    tables = {name: _scores(test, name, horizons, weights) for name in (*test.risks, *test.points)}
    bounded = partial(_interval, confidence=confidence)
    mine = tables[primary]
    return RiskScores(
        scores={name: {score: bounded(v) for score, v in table.items()} for name, table in tables.items()},
        differences={
            name: {score: bounded(mine[score] - values) for score, values in table.items()}
            for name, table in tables.items()
            if name != primary
        },
        calibration={
            f"{horizon:g}": calibration_at(test.outcome, test.at(primary, horizon), drawn, horizon=horizon)
            for horizon in horizons
        },
        observed_to_expected={
            name: {
                f"{horizon:g}": bounded(
                    observed_over_expected(test.outcome, test.at(name, horizon), weights, horizon=horizon)
                )
                for horizon in horizons
            }
            for name in test.risks
        },
    )


def judge(difference: Interval, own: Interval, reference: str, confidence: float) -> tuple[Helps, str]:
    """Return whether the primary model beats a reference in Uno's C, and the sentence that says so.

    Args:
        difference: Primary model less the reference.
        own: Score of the primary model.
        reference: Key of the reference in :data:`TITLES`.
        confidence: Level of the intervals.
    """
    other = TITLES[reference]
    numbers = (
        f"Uno's C {own.value:.3f} against {own.value - difference.value:.3f}, difference {difference.value:+.3f}, "
        f"{confidence:.0%} interval {difference.low:+.3f} to {difference.high:+.3f}"
    )
    simpler = "score" if reference == "maggic" else "regression"
    if difference.low > 0:
        return "yes", f"The graph model beats {other}: {numbers}."
    if difference.high < 0:
        return "no", f"The graph model is worse than {other}: {numbers}. Use the {simpler}."
    return "undecided", f"The graph model is not shown to beat {other}: {numbers}. Prefer the simpler {simpler}."


def _control(found: Interval, confidence: float) -> str:
    if np.isnan(found.value):
        return "The control with shuffled outcomes has no score: there are too few events."
    scored = f"{found.value:.3f} ({confidence:.0%} interval {found.low:.3f} to {found.high:.3f})"
    if found.low <= 0.5 <= found.high:
        return f"A model that learnt from shuffled outcomes has Uno's C {scored}, as chance has."
    return f"Caution: a model that learnt from shuffled outcomes has Uno's C {scored}, which chance rarely gives."


def _scores(test: SurvivalTest, name: str, horizons: tuple[float, ...], weights: Floats) -> dict[str, Floats]:
    """Return score -> [1 + resamples] values, the first on the cohort itself; points have no Brier score (NaN)."""
    outcome, last = test.outcome, horizons[-1]
    undefined = np.full(len(weights), np.nan)
    found = {
        "uno_c": uno_c(outcome, test.at(name, last), weights, tau=last),
        "harrell_c": harrell_c(outcome, test.at(name, last), weights),
        "integrated_brier": undefined,
    }
    found |= {
        f"auroc_{horizon:g}": auroc_at(outcome, test.at(name, horizon), weights, horizon=horizon)
        for horizon in horizons
    }
    found |= {f"brier_{horizon:g}": undefined for horizon in horizons}
    if name in test.points:
        return found
    inside = (test.times > 0) & (test.times <= last)
    found["integrated_brier"] = integrated_brier(
        outcome, test.risks[name][:, inside], weights, horizons=test.times[inside]
    )
    return found | {
        f"brier_{horizon:g}": brier_at(outcome, test.at(name, horizon), weights, horizon=horizon)
        for horizon in horizons
    }


def _interval(values: Floats, confidence: float) -> Interval:
    drawn = values[1:][~np.isnan(values[1:])]
    if np.isnan(values[0]) or not len(drawn):
        return Interval(float("nan"), float("nan"), float("nan"))
    low, high = np.quantile(drawn, [(1 - confidence) / 2, (1 + confidence) / 2])
    return Interval(float(values[0]), float(low), float(high))


def plain_values(value: Any) -> Any:  # noqa: ANN401 - nested values
    """Return nested values with lists for tuples and None for NaN, ready for JSON."""
    if isinstance(value, dict):
        return {key: plain_values(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [plain_values(each) for each in value]
    return None if isinstance(value, float) and np.isnan(value) else value


def _nan(value: Any) -> Any:  # noqa: ANN401 - nested values
    if isinstance(value, dict):
        return {key: _nan(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_nan(each) for each in value]
    return float("nan") if value is None else value
