"""Worker processes on this machine, one thread each; they end together with the process that started them."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
import tempfile
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from cardiograph.errors import RunError
from cardiograph.threads import become_worker

_State = TypeVar("_State")
_Task = TypeVar("_Task")
_Result = TypeVar("_Result")
_Value = TypeVar("_Value")

TASKS_PER_WORKER = 3
"""Tasks in flight for each worker: one at work, one that waits, one result on its way."""


@dataclass(frozen=True)
class HeldHere(Generic[_Value]):
    """A value that each task takes along."""

    content: _Value

    def value(self) -> _Value:
        """Return the value."""
        return self.content


class ProcessWorkers:
    """New processes for each call of :meth:`map`.

    Args:
        workers: Number of processes.
    """

    def __init__(self, workers: int) -> None:
        self._workers = workers

    def count(self) -> int:
        """Number of processes."""
        return self._workers

    def close(self) -> None:
        """Do nothing: processes end with each call of :meth:`map`."""

    def hold(self, value: _Value) -> HeldHere[_Value]:
        """Return the value in a wrapper; each task takes it along."""
        return HeldHere(value)

    def map(
        self, start: Callable[[], _State], work: Callable[[_State, _Task], _Result], tasks: Iterable[_Task]
    ) -> Iterator[_Result]:
        """Yield results as they are finished; see :meth:`cardiograph.workers.place.Workers.map`."""
        context = multiprocessing.get_context("spawn")
        with (
            tempfile.TemporaryDirectory(prefix="cardiograph-workers-") as folder,
            ProcessPoolExecutor(self._workers, context, _start, (Path(folder) / _START_FILE,)) as executor,
        ):
            # in a file: as an argument, several megabytes would keep this process waiting until a worker has its imports
            (Path(folder) / _START_FILE).write_bytes(pickle.dumps(start))
            try:
                yield from in_flight(
                    (executor.submit(_work, work, task) for task in tasks), TASKS_PER_WORKER * self._workers
                )
            except BrokenProcessPool as error:
                message = (
                    "a worker process was killed, perhaps because memory ran out; finished work is kept: run the same "
                    "command again, with fewer processes (--on processes:1, ladder: --workers 1, compare: --jobs 1)"
                )
                raise RunError(message) from error
            finally:
                executor.shutdown(cancel_futures=True)


def in_flight(submitted: Iterable[Future[_Result]], limit: int) -> Iterator[_Result]:
    """Yield results of futures as they finish; a further one is submitted only while fewer than ``limit`` wait."""
    waiting: set[Future[_Result]] = set()
    for future in submitted:
        waiting.add(future)
        if len(waiting) >= limit:
            done, waiting = wait(waiting, return_when=FIRST_COMPLETED)
            yield from (each.result() for each in done)
    while waiting:
        done, waiting = wait(waiting, return_when=FIRST_COMPLETED)
        yield from (each.result() for each in done)


_START_FILE = "start.pickle"
"""File of the function that makes the state of a worker, in a folder that only this user can read."""

_FILES: list[Path] = []
"""That file, in a worker process; empty in the parent process."""

_STATE: list[Any] = []
"""The state of a worker process, made by its first task; empty in the parent process."""


def _start(file: Path) -> None:
    """Initialise a worker: one thread, and exit together with the parent, so that a killed parent leaves no worker.

    Ctrl-C, which reaches every process of a terminal, ends it without a traceback; the parent says what happened.

    The state is made by the first task, whose error reaches the parent; an error here would look like a killed worker.
    """
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    threading.Thread(target=_exit_with_parent, daemon=True).start()
    become_worker()
    _FILES.append(file)


def _exit_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _work(work: Callable[[Any, _Task], _Result], task: _Task) -> _Result:
    if not _STATE:
        start = pickle.loads(_FILES[0].read_bytes())  # noqa: S301 - the parent process has written it
        _STATE.append(start())
    return work(_STATE[0], task)
