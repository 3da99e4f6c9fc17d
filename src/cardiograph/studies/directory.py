"""Directory of a study: locked while the study runs, marked as finished at its end."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cardiograph.artifacts.cache import PageCache, cache_folder
from cardiograph.artifacts.run import RunDirectory
from cardiograph.errors import ConfigError
from cardiograph.threads import set_threads


@contextmanager
def study_directory(study: str, source: Path, out: Path, *, command: str) -> Iterator[tuple[RunDirectory, PageCache]]:
    """Lock the directory of a study and open the page cache; record duration and end if there is no error.

    Args:
        study: ``compare`` or ``ladder``, for messages.
        source: Table or folder of the cohort.
        out: Path of the directory.
        command: Command line, recorded in ``run.json``.

    Yields:
        The directory and the cache.

    Raises:
        ConfigError: If the directory is inside the cohort.
    """
    set_threads()
    start = time.perf_counter()
    if source.is_dir() and out.resolve().is_relative_to(source.resolve()):
        message = (
            f"{study} {out}: is inside the cohort {source}, where it would be read as a class; choose another --out"
        )
        raise ConfigError(message)
    directory = RunDirectory(out)
    with directory.locked(), PageCache(cache_folder()) as cache:
        yield directory, cache
        directory.record({"seconds": time.perf_counter() - start, "command": command, "source": source.name})
        directory.finish()
