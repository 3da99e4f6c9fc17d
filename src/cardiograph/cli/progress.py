"""Progress of a command where stderr is a pipe or a file: a line every ten seconds in place of bars."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TextIO

SECONDS_BETWEEN_LINES = 10.0


class Lines:
    """Writes how far the current stage is, at fixed intervals and only while it is open.

    Args:
        stream: Receives the lines.
        seconds: Time between two lines.
        clock: Returns seconds; replaced in tests.
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
        """Begin a stage of ``total`` steps; ``unit`` names what the steps are."""
        self._stage, self._total, self._done, self._unit = stage, total, 0, unit
        self._since = self._clock()

    def advance(self, steps: int = 1) -> None:
        """Count finished steps of the current stage."""
        self._done += steps

    @property
    def line(self) -> str:
        """Stage, finished steps, and seconds since the stage began."""
        counted = f" {self._done} of {self._total} {self._unit}".rstrip() if self._total > 1 else ""
        return f"{self._stage}:{counted}{',' if counted else ''} {self._clock() - self._since:.0f} s"

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
            except (OSError, ValueError):  # the reader has gone: the work goes on without progress
                return
