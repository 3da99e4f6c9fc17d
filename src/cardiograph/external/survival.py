"""Scores of a time-to-event model on a second cohort: those of a run's test records, with intervals over groups."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cardiograph.artifacts.run import RunDirectory
from cardiograph.config import RunConfig
from cardiograph.containers import TRAIN
from cardiograph.errors import CohortError, Issue
from cardiograph.external.cohort import reading_notes, seen_by_run
from cardiograph.external.scores import comparison, lacking_blocks, met_records, novelty_counts, record_cautions
from cardiograph.inference.predictor import QUERIES_AT_ONCE
from cardiograph.inference.survival import SurvivalPredictor, SurvivalScores
from cardiograph.run.survival_report import read_survival_metrics
from cardiograph.survival.curves import cumulative_incidence
from cardiograph.survival.evaluation import (
    RiskScores,
    SurvivalMetrics,
    SurvivalTest,
    count_part,
    judge,
    plain_values,
    score_risks,
)
from cardiograph.survival.maggic_cohort import MaggicScores, maggic_scores
from cardiograph.survival.outcome import SurvivalOutcome
from cardiograph.train.data import Dataset

if TYPE_CHECKING:
    import pandas as pd

BEFORE_EXTENSION = "the scores on the run's own test records are those of the run before it was extended"
"""Note of an evaluation of an extended run."""

WITHOUT_FEATURES = "kaplan_meier"
"""Model without features: the observed risk of the run's training records."""


@dataclass(frozen=True)
class ExternalRisks:
    """Records of a second cohort with their follow-up and predicted risks.

    Args:
        model: Name of the model.
        horizons: Horizons of the run that lie before the last follow-up of the cohort.
        left_out: Its other horizons.
        test: Outcomes and risks of the model, of the model without features, and points of a published score.
        scores: Scores of the predictor.
        seen_reasons: [records] reasons why a record counts as already seen by the run; empty if unseen.
        maggic: MAGGIC scores of the records; None if the cohort lacks a variable of the score.
    """

    model: str
    horizons: tuple[float, ...]
    left_out: tuple[float, ...]
    test: SurvivalTest
    scores: SurvivalScores
    seen_reasons: tuple[tuple[str, ...], ...]
    maggic: MaggicScores | None = None


def score_risks_of(
    predictor: SurvivalPredictor,
    dataset: Dataset,
    directory: RunDirectory,
    *,
    other_ids: bool,
    scored: Callable[[int], None],
) -> ExternalRisks:
    """Predict the risks of a cohort, and find the records that the run has seen; ``scored`` as for predictors.

    Raises:
        CohortError: If no horizon of the run lies before the last follow-up of the cohort.
    """
    queries = dataset.queries(np.arange(len(dataset.cohort)))
    if other_ids:
        queries = dataclasses.replace(queries, patient_ids=[None] * len(queries))
    outcome, facts = _outcome(dataset.cohort.table), predictor.facts
    longest = float(outcome.time.max())
    horizons = tuple(each for each in facts.horizons if each < longest)
    if not horizons:
        rule = f"a risk is scored at a time before the last follow-up, and the run's first is {facts.horizons[0]:g}"
        remedy = "add longer follow-up, check the unit of the times, or train a run with shorter --horizons"
        issue = Issue("column", "time", f"at most {longest:g} {facts.unit}", rule, remedy, "short_follow_up")
        message = "no risk of the run can be compared with this follow-up"
        raise CohortError(message, [issue])
    scores, seen = predictor.score(queries, scored), seen_by_run(queries, directory)
    if not isinstance(scores, SurvivalScores):
        message = "the predictor of a time-to-event outcome returned scores without times"
        raise TypeError(message)
    name = predictor.bundle.served.model.name
    train = _training(directory)
    constant = cumulative_incidence(_outcome(train)).at(scores.times).repeat(len(queries), axis=0)
    maggic = maggic_scores(dataset.cohort, np.arange(len(queries)), train=train)
    points = {} if maggic is None else {"maggic": maggic.points}
    risks = {name: scores.risks, WITHOUT_FEATURES: constant}
    return ExternalRisks(
        model=name,
        horizons=horizons,
        left_out=tuple(each for each in facts.horizons if each not in horizons),
        test=SurvivalTest(outcome, dataset.split.groups.index, scores.times, risks, points),
        scores=scores,
        seen_reasons=tuple(
            tuple(f"{reason} is in the reference" for reason in known) + other
            for known, other in zip(scores.excluded_reasons, seen, strict=True)
        ),
        maggic=maggic,
    )


def survival_content(
    predictor: SurvivalPredictor, dataset: Dataset, risks: ExternalRisks, directory: RunDirectory, config: RunConfig
) -> dict[str, Any]:
    """Return the part of ``evaluation.json`` that is computed from the risks."""
    (own, extended), facts, test = _own_metrics(directory), predictor.facts, risks.test
    found = _scored(risks, np.arange(len(test.outcome)), config)
    unseen = np.flatnonzero([not reasons for reasons in risks.seen_reasons]).astype(np.int64)
    without = None
    if 0 < len(unseen) < len(test.outcome):
        without = _scored(risks, unseen, config).scores[risks.model]
    internal = {
        "counts": asdict(own.counts["test"]),
        "scores": {name: asdict(each) for name, each in own.scores[own.primary].items()},
        "observed_to_expected": {day: asdict(each) for day, each in own.observed_to_expected[own.primary].items()},
    }
    content = {
        "kind": "survival",
        "outcome": predictor.bundle.served.outcome,
        "provenance": dataset.provenance,
        "model": risks.model,
        "unit": facts.unit,
        "horizons": risks.horizons,
        "notes": [
            *reading_notes(dataset, predictor, directory.read_json("run.json")["provenance"]),
            *(() if risks.maggic is None else risks.maggic.notes),
            *([BEFORE_EXTENSION] if extended else []),
        ],
        "skipped": [] if dataset.page_index is None else [asdict(issue) for issue in dataset.page_index.skipped],
        "counts": asdict(count_part(test.outcome, test.groups)),
        "scores": _as_dicts(found.scores[risks.model]),
        "without_features": _as_dicts(found.scores[WITHOUT_FEATURES]),
        "differences": _as_dicts(found.differences[WITHOUT_FEATURES]),
        "published": {name: _against(found, risks.model, name, config) for name in test.points},
        "calibration": {day: [asdict(group) for group in groups] for day, groups in found.calibration.items()},
        "observed_to_expected": _as_dicts(found.observed_to_expected[risks.model]),
        "met": met_records(risks.seen_reasons, None if without is None else _as_dicts(without)),
        "lacking": lacking_blocks(risks.scores),
        "novelty": novelty_counts(risks.scores, predictor.bundle.uncertainty),
        "bootstrap": {
            "resamples": config.evaluation.for_records(len(test.outcome)).bootstrap,
            "confidence": config.evaluation.confidence,
            "unit": "group",
        },
        "internal": internal,
    }
    plain: dict[str, Any] = plain_values(content)
    plain["comparison"] = comparison(plain["scores"], plain["internal"]["scores"], name="uno_c")
    plain["cautions"] = list(_cautions(plain, risks))
    return plain


def risk_columns(predictor: SurvivalPredictor, risks: ExternalRisks) -> dict[str, Any]:
    """Return the columns of the predictions table that belong to a time-to-event outcome."""
    outcome, scores, unit = risks.test.outcome, risks.scores, predictor.facts.unit
    parts = [slice(start, start + QUERIES_AT_ONCE) for start in range(0, len(outcome), QUERIES_AT_ONCE)]
    bands = [predictor.bands(scores, rows) for rows in parts]
    low, high = (np.concatenate(each) for each in zip(*bands, strict=True))
    columns: dict[str, Any] = {"time": outcome.time, "event": outcome.event}
    for horizon in (*risks.horizons, *risks.left_out):
        at, name = int(np.searchsorted(scores.times, horizon)), f"{horizon:g}_{unit}"
        columns |= {f"risk_{name}": scores.risks[:, at], f"low_{name}": low[:, at]}
        columns[f"high_{name}"] = high[:, at]
    return columns


def _own_metrics(directory: RunDirectory) -> tuple[SurvivalMetrics, bool]:
    """Return the scores of the run's own test records, and whether they are those before the run was extended."""
    facts = directory.read_json("run.json")
    if "extended" in facts:
        return SurvivalMetrics.from_dict(facts["before"]), True
    return read_survival_metrics(directory), False


def _cautions(found: Mapping[str, Any], risks: ExternalRisks) -> Iterator[str]:
    yield from record_cautions(found, name="uno_c")
    if risks.left_out:
        longest = float(risks.test.outcome.time.max())
        named = ", ".join(f"{each:g}" for each in risks.left_out)
        yield (
            f"The last follow-up of this cohort is {longest:g} {found['unit']}, so the risk by {named} {found['unit']} is "
            "not scored."
        )
    if found["scores"]["uno_c"]["value"] is None:
        yield f"No event before {risks.horizons[-1]:g} {found['unit']}: discrimination cannot be measured."


def _scored(risks: ExternalRisks, rows: NDArray[np.int64], config: RunConfig) -> RiskScores:
    """Score some records."""
    test = risks.test
    some = SurvivalTest(
        test.outcome.at(rows),
        test.groups[rows],
        test.times,
        {name: each[rows] for name, each in test.risks.items()},
        {name: each[rows] for name, each in test.points.items()},
    )
    return score_risks(
        some,
        primary=risks.model,
        horizons=risks.horizons,
        resamples=config.evaluation.for_records(len(rows)).bootstrap,
        confidence=config.evaluation.confidence,
        rng=np.random.default_rng([config.seed, 5]),
    )


def _outcome(table: pd.DataFrame) -> SurvivalOutcome:
    return SurvivalOutcome(table["time"].to_numpy(np.float64), table["event"].to_numpy(np.int64))


def _training(directory: RunDirectory) -> pd.DataFrame:
    """Return the run's training records with follow-up."""
    table, split = directory.read_table("cohort.parquet"), directory.read_table("split.parquet")
    return table[((split["part"] == TRAIN) & (table["event"] >= 0)).to_numpy()]


def _against(found: RiskScores, model: str, published: str, config: RunConfig) -> dict[str, Any]:
    """Return the scores of a published score, the model less these, and a verdict on the difference in Uno's C."""
    differences, level = found.differences[published], config.evaluation.confidence
    verdict = judge(differences["uno_c"], found.scores[model]["uno_c"], published, level)[1]
    scores = _as_dicts(found.scores[published])
    return {"scores": scores, "differences": _as_dicts(differences), "verdict": verdict}


def _as_dicts(scores: Mapping[str, Any]) -> dict[str, Any]:
    return {name: asdict(each) for name, each in scores.items()}
