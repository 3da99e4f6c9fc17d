"""A run directory: locked while it is written, bound to one configuration and cohort, resumable until finished."""

from __future__ import annotations

import json
import time
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray
from pydantic import ValidationError

from cardiograph.artifacts import files
from cardiograph.artifacts.label_folders import refuse_several_labels
from cardiograph.config import RunConfig
from cardiograph.errors import RunError
from cardiograph.evaluate.results import RunMetrics
from cardiograph.regular_files import open_regular, read_regular

if TYPE_CHECKING:
    import pandas as pd

UNFINISHED, FINISHED = "unfinished", "finished"
METRICS_FILE = "metrics.json"

MAX_SHOWN = 80
"""Characters of a setting that a message shows."""


class RunDirectory:
    """The files of one run.

    Args:
        path: Folder of the run; created when the run is locked for writing.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the run's lock, which the operating system releases even after ``kill -9``.

        Raises:
            RunError: If another process is writing this run, or the folder cannot be written or belongs to no run.
        """
        from filelock import FileLock, Timeout

        lock = FileLock(self.path / ".lock", timeout=0, mode=files.FILE_MODE)
        try:
            self._refuse_other_folder()
            files.make_folder(self.path)
            lock.acquire()
        except Timeout as error:
            message = f"run {self.path}: another process is writing it; wait for it or choose another folder"
            raise RunError(message) from error
        except (OSError, NotImplementedError) as error:
            reason = getattr(error, "strerror", None) or error
            message = f"run {self.path}: cannot be written ({reason}); choose another folder"
            raise RunError(message) from error
        try:
            self._remove_temporaries()
            yield
        finally:
            lock.release()

    def begin(self, config: RunConfig, data_hash: str) -> bool:
        """Claim the folder for a configuration and a cohort, and return whether the run is already finished.

        Args:
            config: Configuration of the run.
            data_hash: SHA-256 (hex) of the cohort.

        Raises:
            RunError: If the folder contains another run (the message names the differences) or other files.
        """
        if not (self.path / "run.json").exists():
            self._refuse_other_folder()
            self.write_text("config.toml", config.to_toml())
            self.write_json("run.json", {"status": UNFINISHED, "data_hash": data_hash})
            return False
        there = self.read_json("run.json")
        differences = _differences(self.config_content(), tomllib.loads(config.to_toml()))
        if there.get("data_hash") != data_hash:
            differences.append(f"cohort: SHA-256 {str(there.get('data_hash'))[:12]} there, {data_hash[:12]} now")
        if differences:
            message = (
                f"run {self.path}: belongs to another configuration or cohort; choose another folder or delete it\n  "
                + "\n  ".join(differences)
            )
            raise RunError(message)
        return there.get("status") == FINISHED

    def _refuse_other_folder(self) -> None:
        """Raise RunError if the folder contains files but no run; an empty or a new folder can be used."""
        if (self.path / "run.json").exists() or not self.path.is_dir():
            return
        others = sorted(p.name for p in self.path.iterdir() if not p.name.startswith("."))
        if set(others) - {"config.toml", "log.jsonl"}:
            names = ", ".join(others[:3])
            message = f"run {self.path}: holds files that are not a run's ({names}); choose a new folder"
            raise RunError(message)

    def _remove_temporaries(self) -> None:
        """Remove temporary files of killed writes, but only if the folder is known to belong to a run."""
        if (self.path / "run.json").is_file() and self.read_json("run.json").get("status") in (UNFINISHED, FINISHED):
            for folder in (self.path, self.path / "bundle", self.path / "figures"):
                files.remove_temporaries(folder)

    def record(self, facts: Mapping[str, Any]) -> None:
        """Add facts to ``run.json``."""
        self.write_json("run.json", {**self.read_json("run.json"), **facts})

    def finish(self) -> None:
        """Mark the run as finished, once everything else is written."""
        self.record({"status": FINISHED})

    @property
    def finished(self) -> bool:
        """Whether this is a finished run."""
        return (self.path / "run.json").exists() and self.read_json("run.json").get("status") == FINISHED

    def require_finished(self) -> None:
        """Raise RunError unless this is a finished run."""
        refuse_several_labels(self.path)
        if not self.finished:
            message = f"run {self.path}: not a finished run; give a folder that `cardiograph run` has finished"
            raise RunError(message)

    def config_content(self) -> dict[str, Any]:
        """Return the content of ``config.toml``, unvalidated."""
        try:
            return tomllib.loads(read_regular(self.path / "config.toml").decode())
        except (OSError, ValueError, RecursionError) as error:
            message = f"run {self.path}: config.toml cannot be read ({error}); make the run again"
            raise RunError(message) from error

    def config(self) -> RunConfig:
        """Return the configuration of the run, without sections of the study that made it."""
        content = self.config_content()
        try:
            return RunConfig.model_validate({key: content[key] for key in content if key in RunConfig.model_fields})
        except ValueError as error:
            message = f"run {self.path}: config.toml is not of this version or damaged ({error}); make the run again"
            raise RunError(message) from error

    def log(self, event: str, **facts: object) -> None:
        """Append a line to ``log.jsonl``."""
        line = json.dumps({"time": time.strftime("%Y-%m-%dT%H:%M:%S%z"), "event": event, **facts}, default=str)
        files.append_line(self.path / "log.jsonl", line)

    def write_text(self, name: str, content: str) -> None:
        """Write a text file atomically."""
        files.write_bytes(self.path / name, content.encode())

    def write_bytes(self, name: str, content: bytes) -> None:
        """Write a file atomically."""
        files.write_bytes(self.path / name, content)

    def write_json(self, name: str, content: Mapping[str, Any]) -> None:
        """Write a JSON file atomically."""
        files.write_json(self.path / name, content)

    def write_metrics(self, metrics: RunMetrics) -> None:
        """Write ``metrics.json`` atomically."""
        self.write_json(METRICS_FILE, metrics.as_dict())

    def write_arrays(self, name: str, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Write a safetensors file atomically."""
        files.write_arrays(self.path / name, arrays)

    def write_table(self, name: str, table: pd.DataFrame) -> None:
        """Write a Parquet file atomically."""
        with files.written_whole(self.path / name) as temporary:
            table.to_parquet(temporary, index=False)

    def read_json(self, name: str) -> dict[str, Any]:
        """Read a JSON file."""
        return files.read_json(self.path / name)

    def read_metrics(self) -> RunMetrics:
        """Read ``metrics.json``.

        Raises:
            RunError: If the file is missing, damaged, or of another version; the message names the first fault.
        """
        content = self.read_json(METRICS_FILE)
        try:
            return RunMetrics.model_validate(content)
        except ValidationError as error:
            fault = error.errors()[0]
            place = ".".join(map(str, fault["loc"]))
            message = (
                f"{self.path / METRICS_FILE}: {place}: {fault['msg']}; the file is not of this version or damaged, "
                "make the run again"
            )
            raise RunError(message) from error

    def read_arrays(self, name: str) -> dict[str, NDArray[Any]]:
        """Read a safetensors file."""
        return files.read_arrays(self.path / name)

    def read_bytes(self, name: str) -> bytes | None:
        """Return the content of a file, or None if there is no such file."""
        path = self.path / name
        try:
            return read_regular(path)
        except FileNotFoundError:
            return None
        except OSError as error:
            message = f"{path}: cannot be read ({error.strerror}); make the run again"
            raise RunError(message) from error

    def read_table(self, name: str) -> pd.DataFrame:
        """Read a Parquet file."""
        import pandas as pd

        try:
            with open_regular(self.path / name) as handle:
                return pd.read_parquet(handle)
        except (OSError, ValueError, ArithmeticError, LookupError, NotImplementedError) as error:
            message = f"{self.path / name}: cannot be read ({error}); make the run again"
            raise RunError(message) from error


def _differences(there: Mapping[str, Any], now: Mapping[str, Any], prefix: str = "") -> list[str]:
    found = []
    for key in sorted({*there, *now}):
        old, new = there.get(key), now.get(key)
        if isinstance(old, dict) and isinstance(new, dict):
            found += _differences(old, new, f"{prefix}{key}.")
        elif old != new:
            shown = [text if len(text) <= MAX_SHOWN else f"{text[:MAX_SHOWN]} ..." for text in (repr(old), repr(new))]
            found.append(f"{prefix}{key}: {shown[0]} there, {shown[1]} now")
    return found
