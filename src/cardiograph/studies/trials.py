"""Trials of a ladder, one by one or side by side in processes: each is the work of one thread."""

from __future__ import annotations

import multiprocessing
import os
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from cardiograph.artifacts.cache import PageCache, cache_folder
from cardiograph.errors import RunError
from cardiograph.studies.controls import CONTROLS
from cardiograph.studies.laboratory import Laboratory, Measured
from cardiograph.studies.ladder_plan import Step
from cardiograph.threads import available_threads, set_threads

MOST_WORKERS = 4
"""Processes at most: each holds an encoder and the features of the cohort, about 1 GiB."""


@dataclass(frozen=True)
class Trial:
    """A trial to be made.

    Args:
        step: What is tried.
        seed: Of split, simulation and training.
        key: Its name in the log.
    """

    step: Step
    seed: int
    key: str


@dataclass(frozen=True)
class Made:
    """A finished trial.

    Args:
        trial: Which.
        scores: Of its test records.
        seconds: It took.
    """

    trial: Trial
    scores: Measured
    seconds: float


def make_trials(lab: Laboratory, trials: Sequence[Trial], *, workers: int | None = None) -> Iterator[Made]:
    """Make trials, in any order; each comes back as soon as it is finished.

    Args:
        lab: Of the cohort; its pages have been read.
        trials: To be made.
        workers: Processes; as many as there are cores, four at most, where None; 1 for none but this one.

    Raises:
        CardiographError: With what is wrong and what to do.
    """
    workers = min(workers or min(available_threads(), MOST_WORKERS), len(trials))
    if workers <= 1:
        yield from (_make(lab, trial) for trial in trials)
        return
    from concurrent.futures import ProcessPoolExecutor, as_completed
    from concurrent.futures.process import BrokenProcessPool

    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, context, _start, (lab.source, lab.config, lab.pool)) as pool:
        try:
            for future in as_completed([pool.submit(_make_here, trial) for trial in trials]):
                yield future.result()
        except BrokenProcessPool as error:
            message = (
                "a process of the ladder was ended from outside, for want of memory perhaps; finished trials are kept: "
                "run the same command again, with --workers 1"
            )
            raise RunError(message) from error
        finally:
            pool.shutdown(cancel_futures=True)


_HERE: list[Laboratory] = []
"""The laboratory of a worker process, empty elsewhere."""


def _start(*about: object) -> None:
    """One thread for each process, and an end with the parent: a killed parent leaves no worker behind."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    set_threads(1)
    source, config, pool = about
    _HERE.append(Laboratory(source, config, PageCache(cache_folder()), pool=pool))  # type: ignore[arg-type]


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _make_here(trial: Trial) -> Made:
    return _make(_HERE[0], trial)


def _make(lab: Laboratory, trial: Trial) -> Made:
    start, step = time.perf_counter(), trial.step
    config = lab.settings(step.config, step.faults, step.modality, trial.seed)
    scores = CONTROLS[step.name](lab, config) if step.name in CONTROLS else lab.trial(config, by_class=step.by_class)
    return Made(trial, scores, time.perf_counter() - start)
