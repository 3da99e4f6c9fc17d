"""Trials of a ladder: one step with one seed, in this process or in several."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from cardiograph.artifacts.cache import PageCache, cache_folder
from cardiograph.config import RunConfig
from cardiograph.studies.controls import CONTROLS
from cardiograph.studies.faults.records import AugmentationPool
from cardiograph.studies.ladder.plan import Step
from cardiograph.studies.parallel import run_parallel
from cardiograph.studies.shared_cohort import SharedCohort, TrialMetrics


@dataclass(frozen=True)
class LadderTrial:
    """One trial of a ladder.

    Args:
        step: Step of the plan.
        seed: Seed of split, simulation and training.
        key: Key of the trial in the log.
    """

    step: Step
    seed: int
    key: str


@dataclass(frozen=True)
class TrialResult:
    """Result of a trial.

    Args:
        trial: The trial.
        scores: Scores of the test records.
        seconds: Duration in seconds.
    """

    trial: LadderTrial
    scores: TrialMetrics
    seconds: float


def run_trials(
    shared_cohort: SharedCohort, trials: Sequence[LadderTrial], *, workers: int | None = None
) -> Iterator[TrialResult]:
    """Run trials in any order, and yield each result as soon as it is finished.

    Args:
        shared_cohort: Cohort whose pages have been read.
        trials: Trials to run.
        workers: See :func:`cardiograph.studies.parallel.run_parallel`.

    Raises:
        CardiographError: If the input or settings are invalid; the message says how to fix it.
    """
    opener = (_open_cohort, (shared_cohort.source, shared_cohort.config, shared_cohort.pool))
    yield from run_parallel(shared_cohort, trials, _run_trial, opener, workers=workers)


def _open_cohort(source: Path, config: RunConfig, pool: AugmentationPool) -> SharedCohort:
    return SharedCohort(source, config, PageCache(cache_folder()), pool=pool)


def _run_trial(shared_cohort: SharedCohort, trial: LadderTrial) -> TrialResult:
    start, step = time.perf_counter(), trial.step
    config = shared_cohort.settings(step.config, step.faults, step.modality, trial.seed)
    if step.name in CONTROLS:
        scores = CONTROLS[step.name](shared_cohort, config)
    else:
        scores = shared_cohort.fit_and_score(config, by_class=step.by_class)
    return TrialResult(trial, scores, time.perf_counter() - start)
