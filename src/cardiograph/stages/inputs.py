"""Encoder inputs of pages that were just surveyed, so that the embedding need not read them again."""

from __future__ import annotations

from collections.abc import Callable
from threading import Lock

import numpy as np
from numpy.typing import NDArray

from cardiograph.imaging.preprocess import INPUT_SIZE

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
