"""Recent queries, held in memory (never on disk) for a few minutes so that a prediction can be explained."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from cardiograph.inference import Query

_VALUES_BYTES = 1000
"""Assumed size of the clinical values and the id of a query."""


@dataclass(frozen=True)
class _RecentQuery:
    query: Query
    until: float
    size: int


class RecentQueries:
    """Queries by the id of their prediction; the oldest are dropped first when space runs out.

    Args:
        seconds: How long a query is held.
        room: Maximum number of bytes held.
        clock: Monotonic clock, in seconds.
    """

    def __init__(self, *, seconds: float, room: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._seconds, self._room, self._clock = seconds, room, clock
        self._held: OrderedDict[str, _RecentQuery] = OrderedDict()
        self._size = 0

    def put(self, name: str, query: Query) -> None:
        """Hold a query under the id of its prediction."""
        size = _VALUES_BYTES + (len(query.page) if isinstance(query.page, bytes) else 0)
        self._held[name] = _RecentQuery(query, self._clock() + self._seconds, size)
        self._size += size
        self.forget_old()
        while self._size > self._room:
            self._drop(next(iter(self._held)))

    def get(self, name: str) -> Query | None:
        """Return the query; None if it is no longer held."""
        self.forget_old()
        held = self._held.get(name)
        return None if held is None else held.query

    def take(self, name: str) -> Query | None:
        """Return the query and drop it; None if it is no longer held."""
        found = self.get(name)
        if found is not None:
            self._drop(name)
        return found

    def forget_old(self) -> None:
        """Drop expired queries."""
        now = self._clock()
        while self._held and next(iter(self._held.values())).until <= now:
            self._drop(next(iter(self._held)))

    def _drop(self, name: str) -> None:
        self._size -= self._held.pop(name).size
