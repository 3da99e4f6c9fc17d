"""What every stage of a run has at hand: settings, run folder, cache, progress, clock."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cardiograph.artifacts.cache import PageCache
from cardiograph.artifacts.run import RunDirectory
from cardiograph.config import RunConfig
from cardiograph.imaging.prepare import INPUT_SIZE
from cardiograph.progress import Progress

INPUT_BYTES = 4 * 3 * INPUT_SIZE**2


MEMORY = 512 * 1024**2
"""Bytes that inputs may take between survey and embedding: 891 pages. Further pages are read twice, at a quarter of what
the first reading costs, which also seeks the grid and hashes."""


View = tuple[str, tuple[int, int, int, int]]
"""Pixel hash of a page, and the box of the view: what decides the input."""


class InputStore:
    """Inputs by view, as float32: eight bits would round them.

    Args:
        limit: Bytes at most; with 0 nothing is kept, which is right where no page will be embedded.
    """

    def __init__(self, limit: int = 0) -> None:
        self._room = limit // INPUT_BYTES
        self._kept: dict[View, NDArray[np.float32]] = {}
        self._lock = Lock()

    def __len__(self) -> int:
        return len(self._kept)

    def keep(self, view: View, make: Callable[[], NDArray[np.float32]]) -> None:
        """Make an input and keep it, if there is room; from any thread."""
        if len(self) >= self._room:
            return
        made = make()
        with self._lock:
            if len(self) < self._room:
                self._kept[view] = made

    def get(self, view: View) -> NDArray[np.float32] | None:
        """[3, 224, 224] input of a view, or None."""
        return self._kept.get(view)

    def clear(self) -> None:
        """Give the memory back."""
        self._kept.clear()


@dataclass(frozen=True)
class RunContext:
    """What every stage has at hand.

    Args:
        config: Settings of the run.
        cache: Where page facts, embeddings and converted encoders are kept between runs.
        progress: Told how far the work is.
        directory: Where results go; None for work that is no run.
        seconds: Seconds of each stage so far.
        encoders: Encoders that were made, by what decides them: a study makes each once.
        inputs: What the survey hands on to the embedding; keeps nothing unless it is given room.
        images_per_second: That were read or embedded, of each such piece of work; what the cache knew does not count.
    """

    config: RunConfig
    cache: PageCache
    progress: Progress
    directory: RunDirectory | None = None
    seconds: dict[str, float] = field(default_factory=dict)
    encoders: dict[str, Any] = field(default_factory=dict)
    inputs: InputStore = field(default_factory=InputStore)
    images_per_second: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def stage(self, name: str, steps: int = 0) -> Iterator[None]:
        """Time a stage and log it; show it, too, where it has steps (one without shows its own)."""
        if steps:
            self.progress.start(name, steps)
        start = time.perf_counter()
        yield
        self.seconds[name] = time.perf_counter() - start
        if self.directory is not None:
            self.directory.log("stage", name=name, seconds=round(self.seconds[name], 3))

    @contextmanager
    def paced(self, work: str, images: int) -> Iterator[None]:
        """Note how many images a second a piece of work gets through; nothing where there are none to work on."""
        start = time.perf_counter()
        yield
        if images:
            self.images_per_second[work] = images / (time.perf_counter() - start)
