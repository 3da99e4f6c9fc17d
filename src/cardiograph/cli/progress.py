"""Progress reporter for a stderr that is a pipe or a file: a line every ten seconds instead of bars."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TextIO

SECONDS_BETWEEN_LINES = 10.0


class Lines:
    """Writes the progress of the current stage at fixed intervals while it is open.

    Args:
        stream: Stream that receives the lines.
        seconds: Seconds between two lines.
        clock: Returns the time in seconds; tests replace it.
    """

    def __init__(
        self,
        stream: TextIO,
        *,
        seconds: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._stream, self._seconds, self._clock = stream, seconds, clock
        self._stage, self._total, self._done, self._unit = "starting", 1, 0, ""
        self._since = clock()

    def start(self, stage: str, total: int, *, unit: str = "") -> None:
        """Begin a stage of ``total`` steps; ``unit`` names the steps, such as "files"."""
        self._stage, self._total, self._done, self._unit = stage, total, 0, unit
        self._since = self._clock()

    def advance(self, steps: int = 1) -> None:
        """Count finished steps of the current stage."""
        self._done += steps

    @property
    def line(self) -> str:
        """Stage, finished steps, seconds since the stage began, and about how many are left, as one line."""
        seconds = self._clock() - self._since
        if self._total <= 1:
            return f"{self._stage}: {seconds:.0f} s"
        rest = self._total - self._done
        left = f", about {seconds * rest / self._done:.0f} s left" if self._done and rest > 0 else ""
        return f"{self._stage}: {self._done} of {self._total} {self._unit}".rstrip() + f", {seconds:.0f} s{left}"

    @contextmanager
    def open(self) -> Iterator[None]:
        """Write lines from a background thread while the block runs."""
        closed = threading.Event()
        writer = threading.Thread(target=self._write_until, args=(closed,), daemon=True)
        writer.start()
        try:
            yield
        finally:
            closed.set()
            writer.join()

    def _write_until(self, closed: threading.Event) -> None:
        while not closed.wait(self._seconds):
            try:
                self._stream.write(f"{self.line}\n")
                self._stream.flush()
            except (OSError, ValueError):  # the reader has closed the pipe: the command continues without progress
                return
