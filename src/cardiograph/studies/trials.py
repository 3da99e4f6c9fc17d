"""Trials of a ladder, one by one or side by side in processes: each is the work of one thread."""

from __future__ import annotations

import multiprocessing
import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from cardiograph.artifacts.cache import PageCache, cache_folder
from cardiograph.config import RunConfig
from cardiograph.errors import RunError
from cardiograph.studies.controls import CONTROLS
from cardiograph.studies.faulty_records import Pool
from cardiograph.studies.laboratory import Laboratory, Measured
from cardiograph.studies.ladder_plan import Step
from cardiograph.threads import available_threads, set_threads

_Bench = TypeVar("_Bench")
_Task = TypeVar("_Task")
_Done = TypeVar("_Done")

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
    yield from side_by_side(lab, trials, _make, (_laboratory, (lab.source, lab.config, lab.pool)), workers=workers)


def side_by_side(
    bench: _Bench,
    tasks: Sequence[_Task],
    work: Callable[[_Bench, _Task], _Done],
    opener: tuple[Callable[..., _Bench], tuple[object, ...]],
    *,
    workers: int | None = None,
) -> Iterator[_Done]:
    """Work on tasks in this process or in several; results come as they are finished.

    Args:
        bench: What the work needs, in this process.
        tasks: To be worked on.
        work: A function of a module, of bench and task.
        opener: Makes the bench of another process, and its arguments.
        workers: As for :func:`make_trials`.
    """
    workers = min(workers or min(available_threads(), MOST_WORKERS), len(tasks))
    if workers <= 1:
        yield from (work(bench, task) for task in tasks)
        return
    from concurrent.futures import ProcessPoolExecutor, as_completed
    from concurrent.futures.process import BrokenProcessPool

    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, context, _start, opener) as pool:
        try:
            for future in as_completed([pool.submit(_work_here, work, task) for task in tasks]):
                yield future.result()
        except BrokenProcessPool as error:
            message = (
                "a process of the study was ended from outside, for want of memory perhaps; what is finished is kept: "
                "run the same command again, with one process (ladder: --workers 1, compare: --jobs 1)"
            )
            raise RunError(message) from error
        finally:
            pool.shutdown(cancel_futures=True)


_HERE: list[Any] = []
"""The bench of a worker process, empty elsewhere."""


def _start(opener: Callable[..., object], about: tuple[object, ...]) -> None:
    """One thread for each process, and an end with the parent: a killed parent leaves no worker behind."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    set_threads(1)
    _HERE.append(opener(*about))


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _work_here(work: Callable[[Any, _Task], _Done], task: _Task) -> _Done:
    return work(_HERE[0], task)


def _laboratory(source: Path, config: RunConfig, pool: Pool) -> Laboratory:
    return Laboratory(source, config, PageCache(cache_folder()), pool=pool)


def _make(lab: Laboratory, trial: Trial) -> Made:
    start, step = time.perf_counter(), trial.step
    config = lab.settings(step.config, step.faults, step.modality, trial.seed)
    scores = CONTROLS[step.name](lab, config) if step.name in CONTROLS else lab.trial(config, by_class=step.by_class)
    return Made(trial, scores, time.perf_counter() - start)
