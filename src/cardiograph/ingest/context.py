"""Shared context of a run: config, cache, progress, run directory, timers."""

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
from cardiograph.encoders.engine import EncoderFacts, Engine
from cardiograph.progress import Progress

MAX_INPUT_BYTES = 512 * 1024**2
"""Maximum memory in bytes for encoder inputs between indexing and embedding: 891 pages, or 5,000 recordings. Further
ECGs are read twice; the second reading of a page costs a quarter of the first, which also finds the grid and computes
hashes."""

View = tuple[str, tuple[int, int, int, int]]
"""Pixel hash of a page, and left, top, right, bottom of its view in pixels: they determine the encoder input."""


class InputStore:
    """Thread-safe store of encoder inputs in float32 (8-bit values would round them).

    An input is kept by the view of its page, or by the content hash of its leads.

    Args:
        limit: Maximum size in bytes; 0, for callers that embed no pages, keeps nothing.
    """

    def __init__(self, limit: int = 0) -> None:
        self._limit = self._left = limit
        self._kept: dict[View | str, NDArray[np.float32]] = {}
        self._lock = Lock()

    def __len__(self) -> int:
        return len(self._kept)

    def keep(self, key: View | str, make: Callable[[], NDArray[np.float32]]) -> None:
        """Compute an input and keep it, if the limit allows it."""
        if self._left <= 0:
            return
        made = make()
        with self._lock:
            if made.nbytes > self._left:
                self._left = 0  # no further input is computed in vain
            elif key not in self._kept:
                self._left -= made.nbytes
                self._kept[key] = made

    def get(self, key: View | str) -> NDArray[np.float32] | None:
        """Return the input of a key, or None if it is not kept."""
        return self._kept.get(key)

    def clear(self) -> None:
        """Remove all inputs and free their memory."""
        self._kept.clear()
        self._left = self._limit


@dataclass(frozen=True)
class RunContext:
    """Shared context of the stages of a run.

    Args:
        config: Settings of the run.
        cache: Cache of page facts, embeddings and converted encoders, shared between runs.
        progress: Callback that receives stage progress.
        directory: Run directory for the results; None if the work is not a run.
        seconds: Duration of each finished stage in seconds.
        encoders: Encoders by the settings that determine them, so that a study makes each encoder once.
        inputs: Encoder inputs that :func:`cardiograph.ingest.page_index.index_pages` passes on to
            :func:`cardiograph.ingest.embed.embed_pages`; by default it keeps none.
        known_encoder: Encoder, if it is known before the files are read, so that workers embed each file as they read it.
        images_per_second: Throughput of each task that reads or embeds pages, without pages found in the cache.
    """

    config: RunConfig
    cache: PageCache
    progress: Progress
    directory: RunDirectory | None = None
    seconds: dict[str, float] = field(default_factory=dict)
    encoders: dict[str, Any] = field(default_factory=dict)
    inputs: InputStore = field(default_factory=InputStore)
    known_encoder: tuple[Engine, EncoderFacts] | None = None
    images_per_second: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def stage(self, name: str, steps: int = 0) -> Iterator[None]:
        """Measure the duration of a stage and log it; with ``steps``, also show its progress."""
        if steps:
            self.progress.start(name, steps)
        start = time.perf_counter()
        yield
        self.seconds[name] = time.perf_counter() - start
        if self.directory is not None:
            self.directory.log("stage", name=name, seconds=round(self.seconds[name], 3))

    @contextmanager
    def paced(self, work: str, images: int) -> Iterator[None]:
        """Measure the throughput of a task in images per second; does nothing if there are no images."""
        start = time.perf_counter()
        yield
        if images:
            self.images_per_second[work] = images / (time.perf_counter() - start)
