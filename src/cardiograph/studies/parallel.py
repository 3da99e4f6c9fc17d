"""Worker processes of a study, one thread each, and the log of finished trials that makes a study resumable."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from cardiograph.artifacts.files import append_line, write_bytes
from cardiograph.errors import RunError
from cardiograph.regular_files import read_regular
from cardiograph.threads import available_threads

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

_Data = TypeVar("_Data")
_Task = TypeVar("_Task")
_Result = TypeVar("_Result")
_Scores = TypeVar("_Scores", bound="DataclassInstance")

MAX_WORKERS = 4
"""Maximum number of processes by default: each holds an encoder and the features of the cohort, about 1 GiB."""


def run_parallel(
    data: _Data,
    tasks: Sequence[_Task],
    work: Callable[[_Data, _Task], _Result],
    opener: tuple[Callable[..., _Data], tuple[object, ...]],
    *,
    workers: int | None = None,
) -> Iterator[_Result]:
    """Run tasks in this process or in several, and yield each result as soon as it is finished.

    Args:
        data: Data of the tasks, used in this process.
        tasks: Tasks to run.
        work: Module-level function of data and task.
        opener: Function that makes the data in another process, and its arguments.
        workers: Number of processes; 1 uses this process alone, None the number of cores up to ``MAX_WORKERS``.

    Raises:
        RunError: If a worker process is killed.
    """
    workers = min(workers or min(available_threads(), MAX_WORKERS), len(tasks))
    if workers <= 1:
        yield from (work(data, task) for task in tasks)
        return
    from cardiograph.workers.processes import ProcessWorkers

    yield from ProcessWorkers(workers).map(partial(opener[0], *opener[1]), work, tasks)


def trial_key(**facts: object) -> str:
    """Return the SHA-256 (hex) of everything that determines a trial, given as plain values."""
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


class TrialLog(Generic[_Scores]):
    """File with one line of JSON per finished trial.

    Args:
        path: Path of the file; created with the first trial. A truncated last line is dropped.
        kind: Dataclass of the scores of a trial.

    Attributes:
        known: Key -> scores of the finished trials.

    Raises:
        RunError: If another line cannot be read.
    """

    def __init__(self, path: Path, kind: type[_Scores]) -> None:
        self._path = path
        self.known: dict[str, _Scores] = {}
        if not path.exists():
            return
        try:
            content = read_regular(path)
        except OSError as error:
            message = f"{path}: cannot be read ({error.strerror}); delete it to repeat its trials"
            raise RunError(message) from error
        whole = content[: content.rfind(b"\n") + 1]
        for number, line in enumerate(whole.splitlines(), start=1):
            try:
                entry = json.loads(line)
                self.known[entry["key"]] = kind(**entry["scores"])
            except (ValueError, TypeError, KeyError) as error:
                message = f"{path}, line {number}: not a finished trial ({error}); delete the line to repeat the trial"
                raise RunError(message) from error
        if whole != content:
            write_bytes(path, whole)

    def keep(self, key: str, scores: _Scores, about: Mapping[str, Any]) -> None:
        """Append a finished trial to the file.

        Args:
            key: Result of :func:`trial_key`.
            scores: Scores of the trial.
            about: Further values for readers of the file, such as step, seed and seconds.
        """
        line = json.dumps({**about, "scores": asdict(scores), "key": key}, allow_nan=False)
        append_line(self._path, line)
        self.known[key] = scores
