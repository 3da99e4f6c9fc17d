"""Summary of the trials of a ladder: means, paired differences, intervals and sentences."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from cardiograph.evaluate.bootstrap import Interval, resampled_interval
from cardiograph.schema import UNLABELLED
from cardiograph.studies.faults.switches import THESIS
from cardiograph.studies.ladder import wording
from cardiograph.studies.ladder.plan import Plan, Step
from cardiograph.studies.ladder.result import LADDER_METRICS, Block, LadderFacts, LadderResult, LadderRow
from cardiograph.studies.shared_cohort import SharedCohort, TrialMetrics

StepScores = dict[str, list[TrialMetrics]]
"""Key of a step -> scores of its trials, in the order of the seeds."""

Sentence = Callable[[LadderRow, LadderRow | None, LadderFacts], str]


def summarise_ladder(shared_cohort: SharedCohort, plan: Plan, scores: StepScores, *, quick: bool) -> LadderResult:
    """Summarise the trials of a ladder.

    Args:
        shared_cohort: Cohort of the ladder.
        plan: Steps of the ladder.
        scores: Scores of each step that was run, by seed.
        quick: Whether the ladder is a quick one.
    """
    facts = ladder_facts(shared_cohort, seeds=len(next(iter(scores.values()))), quick=quick)
    rows_of = _RowBuilder(shared_cohort, scores, facts)
    ladders = tuple(
        Block(name, wording.modality_title(name, facts), rows, rows_of.overall(rows))
        for name, steps in plan.ladders.items()
        for rows in [rows_of.compared_with_previous(steps, wording.of_step)]
    )
    alone = tuple(
        Block(name, wording.modality_title(name, facts), rows_of.compared_with_first(steps, wording.of_fault_alone))
        for name, steps in plan.alone.items()
    )
    controls = Block(
        "controls",
        wording.modality_title(plan.controls[0].modality, facts),
        rows_of.compared_with_first(plan.controls, wording.of_control),
    )
    notes = wording.ladder_notes(facts, had_split=shared_cohort.had_split)
    return LadderResult(facts, ladders, alone, controls, notes, wording.ladder_reading(ladders, alone, facts))


def ladder_facts(shared_cohort: SharedCohort, *, seeds: int, quick: bool) -> LadderFacts:
    """Return cohort and settings of a ladder."""
    cohort = shared_cohort.usable[0]
    names = cohort.table["class_name"][cohort.labels != UNLABELLED]
    largest = float(names.value_counts(normalize=True).iloc[0])
    ours = shared_cohort.config.model_dump()
    differences = [
        f"{section}.{key}: {value} published, {ours[section][key]} ours"
        for section in ("balance", "model")
        for key, value in THESIS[section].items()
        if ours[section][key] != value
    ]
    return LadderFacts(
        cohort=shared_cohort.source.name,
        outcome=shared_cohort.config.outcome.name,
        records=len(cohort),
        groups=len(shared_cohort.groups),
        classes=shared_cohort.classes,
        seeds=seeds,
        first_seed=shared_cohort.config.seed,
        confidence=shared_cohort.config.evaluation.confidence,
        quick=quick,
        weights=shared_cohort.config.encoder.weights if shared_cohort.cohort.has_pages else "",
        model=shared_cohort.config.model.name,
        simulated=not shared_cohort.cohort.variables,
        chance={"auroc": 0.5, "balanced_accuracy": 0.5, "class_accuracy": largest},
        differences=tuple(differences),
    )


class _RowBuilder:
    """Makes the rows of a table from steps."""

    def __init__(self, shared_cohort: SharedCohort, scores: StepScores, facts: LadderFacts) -> None:
        self._split, self._scores, self._facts = shared_cohort.config.split, scores, facts

    def compared_with_previous(self, steps: Sequence[Step], sentence: Sentence) -> tuple[LadderRow, ...]:
        """Return rows that are each compared with the last row before that was run."""
        rows: list[LadderRow] = []
        before: LadderRow | None = None
        for step in steps:
            rows.append(self._row(step, before, sentence))
            before = rows[-1] if rows[-1].scores else before
        return tuple(rows)

    def compared_with_first(self, steps: Sequence[Step], sentence: Sentence) -> tuple[LadderRow, ...]:
        """Return rows that are each compared with the first."""
        first = self._row(steps[0], None, sentence)
        return (first, *(self._row(step, first, sentence) for step in steps[1:]))

    def overall(self, rows: Sequence[LadderRow]) -> Interval:
        """Return the AUROC of the last row minus that of the first, paired by seed."""
        first, last = (np.array(row.trials["auroc"]) for row in (rows[0], rows[-1]))
        return self._interval(last - first)

    def _row(self, step: Step, before: LadderRow | None, sentence: Sentence) -> LadderRow:
        found = {} if step.why_not else _by_metric(self._scores[step.key])
        earlier = {} if before is None else before.trials
        changes = {
            metric: self._interval(values - np.array(earlier[metric]))
            for metric, values in found.items()
            if metric in earlier
        }
        scores = {metric: _clipped(self._interval(values)) for metric, values in found.items()}
        trials = {metric: tuple(values.tolist()) for metric, values in found.items()}
        row = LadderRow(step.name, step.title, step.why_not, scores, changes, trials)
        return dataclasses.replace(row, sentence=sentence(row, before, self._facts))

    def _interval(self, values: NDArray[np.float64]) -> Interval:
        return resampled_interval(
            values, train=self._split.train, test=self._split.test, confidence=self._facts.confidence
        )


def _clipped(found: Interval) -> Interval:
    """Clip a t interval to 0..1, the range of the scores."""
    low, high = (min(max(end, 0.0), 1.0) if math.isfinite(end) else end for end in (found.low, found.high))
    return Interval(found.value, low, high)


def _by_metric(trials: Sequence[TrialMetrics]) -> dict[str, NDArray[np.float64]]:
    """Return metric -> [seeds] scores; a metric that was not measured is left out."""
    columns = {metric: [getattr(trial, metric) for trial in trials] for metric in LADDER_METRICS}
    return {metric: np.array(values) for metric, values in columns.items() if None not in values}
