"""From the trials of a ladder to means, paired differences, intervals and sentences."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from cardiograph.evaluate.bootstrap import Interval, resampled_interval
from cardiograph.schema import UNLABELLED
from cardiograph.studies.faults.switches import THESIS
from cardiograph.studies.ladder import wording as words
from cardiograph.studies.ladder.plan import Plan, Step
from cardiograph.studies.ladder.result import LADDER_METRICS, Block, LadderFacts, LadderResult, LadderRow
from cardiograph.studies.shared_cohort import SharedCohort, TrialMetrics

Scores = dict[str, list[TrialMetrics]]
"""Key of a step -> its trials, in the order of the seeds."""

Sentence = Callable[[LadderRow, LadderRow | None, LadderFacts], str]


def summarise(shared_cohort: SharedCohort, plan: Plan, scores: Scores, *, quick: bool) -> LadderResult:
    """Means, intervals and sentences.

    Args:
        shared_cohort: Shared cohort of the cohort.
        plan: Its steps.
        scores: Scores of each step that was run, seed by seed.
        quick: Whether it was called quick.
    """
    facts = facts_of(shared_cohort, seeds=len(next(iter(scores.values()))), quick=quick)
    make = _Rows(shared_cohort, scores, facts)
    ladders = tuple(
        Block(name, words.modality(name, facts), rows, make.overall(rows))
        for name, steps in plan.ladders.items()
        for rows in [make.in_turn(steps, words.of_step)]
    )
    alone = tuple(
        Block(name, words.modality(name, facts), make.beside_first(steps, words.of_fault_alone))
        for name, steps in plan.alone.items()
    )
    controls = Block(
        "controls",
        words.modality(plan.controls[0].modality, facts),
        make.beside_first(plan.controls, words.of_control),
    )
    notes = words.notes(facts, had_split=shared_cohort.had_split)
    return LadderResult(facts, ladders, alone, controls, notes, words.reading(ladders, alone, facts))


def facts_of(shared_cohort: SharedCohort, *, seeds: int, quick: bool) -> LadderFacts:
    """What the ladder was made on."""
    cohort = shared_cohort.usable[0]
    names = cohort.table["class_name"][cohort.labels != UNLABELLED]
    largest = float(names.value_counts(normalize=True).iloc[0])
    ours = shared_cohort.config.model_dump()
    differences = [
        f"{section}.{key}: {value} there, {ours[section][key]} in ours"
        for section in ("balance", "model")
        for key, value in THESIS[section].items()
        if ours[section][key] != value
    ]
    return LadderFacts(
        cohort=shared_cohort.source.name,
        outcome=shared_cohort.config.outcome,
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


class _Rows:
    """Rows of steps."""

    def __init__(self, shared_cohort: SharedCohort, scores: Scores, facts: LadderFacts) -> None:
        self._split, self._scores, self._facts = shared_cohort.config.split, scores, facts

    def in_turn(self, steps: Sequence[Step], sentence: Sentence) -> tuple[LadderRow, ...]:
        """Each compared with the last one before it that was run."""
        rows: list[LadderRow] = []
        before: LadderRow | None = None
        for step in steps:
            rows.append(self._row(step, before, sentence))
            before = rows[-1] if rows[-1].scores else before
        return tuple(rows)

    def beside_first(self, steps: Sequence[Step], sentence: Sentence) -> tuple[LadderRow, ...]:
        """Each compared with the first."""
        first = self._row(steps[0], None, sentence)
        return (first, *(self._row(step, first, sentence) for step in steps[1:]))

    def overall(self, rows: Sequence[LadderRow]) -> Interval:
        """AUROC of the last row less that of the first, seed by seed."""
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
    """A t interval may leave the range that a score has."""
    low, high = (min(max(end, 0.0), 1.0) if math.isfinite(end) else end for end in (found.low, found.high))
    return Interval(found.value, low, high)


def _by_metric(trials: Sequence[TrialMetrics]) -> dict[str, NDArray[np.float64]]:
    """Metric -> [seeds]; a metric that was not measured is left out."""
    columns = {metric: [getattr(trial, metric) for trial in trials] for metric in LADDER_METRICS}
    return {metric: np.array(values) for metric, values in columns.items() if None not in values}
