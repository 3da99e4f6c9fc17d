"""Pages and values held in memory for a few minutes, so that an answer can be explained; never on a disk."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from cardiograph.inference import Query

_VALUES_BYTES = 1000
"""What values and an id are taken to need."""


@dataclass(frozen=True)
class _RecentQuery:
    query: Query
    until: float
    size: int


class RecentQueries:
    """What was asked, by the id of its answer; the oldest go first where room is short.

    Args:
        seconds: How long each is held.
        room: Bytes held at most.
        clock: Seconds that only grow.
    """

    def __init__(self, *, seconds: float, room: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._seconds, self._room, self._clock = seconds, room, clock
        self._held: OrderedDict[str, _RecentQuery] = OrderedDict()
        self._size = 0

    def put(self, name: str, query: Query) -> None:
        """Hold what was asked under the id of its answer."""
        size = _VALUES_BYTES + (len(query.page) if isinstance(query.page, bytes) else 0)
        self._held[name] = _RecentQuery(query, self._clock() + self._seconds, size)
        self._size += size
        self.forget_old()
        while self._size > self._room:
            self._drop(next(iter(self._held)))

    def get(self, name: str) -> Query | None:
        """What was asked, or None where it is not held any more."""
        self.forget_old()
        held = self._held.get(name)
        return None if held is None else held.query

    def take(self, name: str) -> Query | None:
        """The same, which is held no longer."""
        found = self.get(name)
        if found is not None:
            self._drop(name)
        return found

    def forget_old(self) -> None:
        """Drop what was held long enough."""
        now = self._clock()
        while self._held and next(iter(self._held.values())).until <= now:
            self._drop(next(iter(self._held)))

    def _drop(self, name: str) -> None:
        self._size -= self._held.pop(name).size
