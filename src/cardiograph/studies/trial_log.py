"""Finished trials, written one by one: what was killed goes on where it was."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from cardiograph.artifacts.files import append_line, write_bytes
from cardiograph.errors import RunError
from cardiograph.regular_files import read_regular
from cardiograph.studies.laboratory import Measured

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

_Scores = TypeVar("_Scores", bound="DataclassInstance")


def trial_key(**facts: object) -> str:
    """SHA-256 (hex) of all that decides a trial, given as plain values."""
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


class LineLog(Generic[_Scores]):
    """A file with a line of JSON for each finished trial.

    Args:
        path: Of the file; made with the first trial. A last line that was cut short is forgotten.
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
            scores: Of its test records.
            about: For a reader of the file: step, seed, seconds.
        """
        line = json.dumps({**about, "scores": asdict(scores), "key": key}, allow_nan=False)
        append_line(self._path, line)
        self.known[key] = scores


class TrialLog(LineLog[Measured]):
    """The trials of a ladder.

    Args:
        path: As for :class:`LineLog`.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(path, Measured)
