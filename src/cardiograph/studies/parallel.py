"""Trials of a ladder, one by one or side by side in processes: each is the work of one thread."""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from cardiograph.artifacts.cache import PageCache, cache_folder
from cardiograph.artifacts.files import append_line, write_bytes
from cardiograph.config import RunConfig
from cardiograph.errors import RunError
from cardiograph.regular_files import read_regular
from cardiograph.studies.controls import CONTROLS
from cardiograph.studies.faults.records import AugmentationPool
from cardiograph.studies.ladder.plan import Step
from cardiograph.studies.shared_cohort import SharedCohort, TrialMetrics
from cardiograph.threads import available_threads, set_threads

if TYPE_CHECKING:
    from _typeshed import DataclassInstance


_Bench = TypeVar("_Bench")


_Task = TypeVar("_Task")


_Done = TypeVar("_Done")


MOST_WORKERS = 4
"""Processes at most: each holds an encoder and the features of the cohort, about 1 GiB."""


@dataclass(frozen=True)
class LadderTrial:
    """A trial to be made.

    Args:
        step: What is tried.
        seed: Seed of split, simulation and training.
        key: Its name in the log.
    """

    step: Step
    seed: int
    key: str


@dataclass(frozen=True)
class TrialResult:
    """A finished trial.

    Args:
        trial: Which.
        scores: Scores of its test records.
        seconds: It took.
    """

    trial: LadderTrial
    scores: TrialMetrics
    seconds: float


def make_trials(
    shared_cohort: SharedCohort, trials: Sequence[LadderTrial], *, workers: int | None = None
) -> Iterator[TrialResult]:
    """Make trials, in any order; each comes back as soon as it is finished.

    Args:
        shared_cohort: Shared cohort of the cohort; its pages have been read.
        trials: To be made.
        workers: Processes; as many as there are cores, four at most, if None; 1 for none but this one.

    Raises:
        CardiographError: If the input or settings are invalid; the message says how to fix it.
    """
    yield from side_by_side(
        shared_cohort,
        trials,
        _make,
        (_laboratory, (shared_cohort.source, shared_cohort.config, shared_cohort.pool)),
        workers=workers,
    )


def side_by_side(
    fold_data: _Bench,
    tasks: Sequence[_Task],
    work: Callable[[_Bench, _Task], _Done],
    opener: tuple[Callable[..., _Bench], tuple[object, ...]],
    *,
    workers: int | None = None,
) -> Iterator[_Done]:
    """Work on tasks in this process or in several; results come as they are finished.

    Args:
        fold_data: What the work needs, in this process.
        tasks: To be worked on.
        work: A function of a module, of bench and task.
        opener: Makes the bench of another process, and its arguments.
        workers: As for :func:`make_trials`.
    """
    workers = min(workers or min(available_threads(), MOST_WORKERS), len(tasks))
    if workers <= 1:
        yield from (work(fold_data, task) for task in tasks)
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


def _laboratory(source: Path, config: RunConfig, pool: AugmentationPool) -> SharedCohort:
    return SharedCohort(source, config, PageCache(cache_folder()), pool=pool)


def _make(shared_cohort: SharedCohort, trial: LadderTrial) -> TrialResult:
    start, step = time.perf_counter(), trial.step
    config = shared_cohort.settings(step.config, step.faults, step.modality, trial.seed)
    scores = (
        CONTROLS[step.name](shared_cohort, config)
        if step.name in CONTROLS
        else shared_cohort.fit_and_score(config, by_class=step.by_class)
    )
    return TrialResult(trial, scores, time.perf_counter() - start)


_Scores = TypeVar("_Scores", bound="DataclassInstance")


def trial_key(**facts: object) -> str:
    """SHA-256 (hex) of all that decides a trial, given as plain values."""
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


class LineLog(Generic[_Scores]):
    """A file with a line of JSON for each finished trial.

    Args:
        path: Path of the file; made with the first trial. A last line that was cut short is forgotten.
        kind: The dataclass of the scores of a trial.

    Attributes:
        known: Key -> scores of the finished trials.

    Raises:
        RunError: Another line cannot be read.
    """

    def __init__(self, path: Path, kind: type[_Scores]) -> None:
        self._path = path
        self.known: dict[str, _Scores] = {}
        if not path.exists():
            return
        try:
            content = read_regular(path)
        except OSError as error:
            message = f"{path}: cannot be read ({error.strerror}); delete it to have its trials made again"
            raise RunError(message) from error
        whole = content[: content.rfind(b"\n") + 1]
        for number, line in enumerate(whole.splitlines(), start=1):
            try:
                entry = json.loads(line)
                self.known[entry["key"]] = kind(**entry["scores"])
            except (ValueError, TypeError, KeyError) as error:
                message = f"{path}, line {number}: no finished trial ({error}); delete the line to have it made again"
                raise RunError(message) from error
        if whole != content:
            write_bytes(path, whole)

    def keep(self, key: str, scores: _Scores, about: Mapping[str, Any]) -> None:
        """Write a finished trial.

        Args:
            key: From :func:`trial_key`.
            scores: Scores of its test records.
            about: For a reader of the file: step, seed, seconds.
        """
        line = json.dumps({**about, "scores": asdict(scores), "key": key}, allow_nan=False)
        append_line(self._path, line)
        self.known[key] = scores


class TrialLog(LineLog[TrialMetrics]):
    """The trials of a ladder.

    Args:
        path: As for :class:`LineLog`.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(path, TrialMetrics)
