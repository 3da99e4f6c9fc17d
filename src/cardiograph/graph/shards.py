"""Neighbour search in shards: consecutive reference records that different processes or machines can hold.

Each shard ranks its own ``k`` nearest records, exactly or by its own IVF index, and the rankings are merged by float64
distance and row. So the result of an exact search does not depend on the number of shards, to the last bit.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from cardiograph.config import GraphConfig
from cardiograph.containers import IvfIndex, NeighbourIndex, SearchPoints, ShardedIndex
from cardiograph.graph.ivf import fit_ivf
from cardiograph.graph.points import rank_points
from cardiograph.graph.ranking import Ranking, merged
from cardiograph.workers import Held, Workers

Answer = TypeVar("Answer")

QUERIES_AT_ONCE = 65_536
"""Queries sent to the shards in one call, which bounds the memory of a message."""


@dataclass(frozen=True)
class Shard:
    """Consecutive reference records.

    Args:
        points: Their search points, with the IVF index of the shard if it is searched approximately.
        first: Row of the reference at which the shard begins.
        complete: Whether every reference record has all blocks, also in the other shards.
    """

    points: SearchPoints
    first: int
    complete: bool

    def with_index(self, lists: IvfIndex) -> Shard:
        """Return the shard with its IVF index."""
        return dataclasses.replace(self, points=dataclasses.replace(self.points, lists=lists))


class MapShards(Protocol):
    """Applies a function to each shard, wherever it is held, and returns the results in the order of the shards.

    The function can be pickled. A pool of processes or actors that hold one shard each sends it to all of them.
    """

    def __call__(self, work: Callable[[Shard], Answer]) -> Sequence[Answer]:
        """Return the result of ``work`` for each shard."""


def in_turn(shards: Sequence[Shard]) -> MapShards:
    """Return a map over shards that this process holds."""

    def apply(work: Callable[[Shard], Answer]) -> list[Answer]:
        return [work(shard) for shard in shards]

    return apply


def on_workers(workers: Workers, shards: Sequence[Shard]) -> MapShards:
    """Return a map over shards that workers hold."""
    held = [workers.hold(shard) for shard in shards]

    def apply(work: Callable[[Shard], Answer]) -> list[Answer]:
        tasks = ((number, work, shard) for number, shard in enumerate(held))
        found = dict(workers.map(_nothing, _answer, tasks))
        return [found[number] for number in range(len(held))]

    return apply


def _nothing() -> None:
    """Return the state of a worker that needs none."""


def _answer(_: None, task: tuple[int, Callable[[Shard], Answer], Held[Shard]]) -> tuple[int, Answer]:
    number, work, shard = task
    return number, work(shard.value())


def split(reference: SearchPoints, count: int) -> list[Shard]:
    """Split the reference into ``count`` shards of nearly equal size, without their indexes; values are not copied.

    If there are fewer records than shards, some shards are empty.
    """
    return _cut(reference, [len(reference) * number // count for number in range(count + 1)])


def shards_of(reference: SearchPoints) -> list[Shard]:
    """Return the shards of a reference whose index is a :class:`ShardedIndex`, or the whole reference as one shard."""
    if not isinstance(reference.lists, ShardedIndex):
        return [Shard(reference, 0, reference.complete)]
    shards = _cut(reference, reference.lists.bounds)
    return [
        dataclasses.replace(shard, points=dataclasses.replace(shard.points, lists=lists))
        for shard, lists in zip(shards, reference.lists.parts, strict=True)
    ]


def _cut(reference: SearchPoints, bounds: Sequence[int]) -> list[Shard]:
    return [
        Shard(
            SearchPoints(
                reference.values[start:stop], reference.present[start:stop], reference.blocks, reference.scales
            ),
            start,
            reference.complete,
        )
        for start, stop in itertools.pairwise(bounds)
    ]


def is_approximate(records: int, config: GraphConfig, *, complete: bool) -> bool:
    """Return whether each shard of a reference needs an IVF index: its shards are larger than ``config.exact_up_to``.

    Args:
        records: Number of reference records.
        config: Number of shards, and of records up to which the search in a shard is exact.
        complete: Whether every reference record has all blocks; otherwise the search is exact.
    """
    return complete and records // config.shards > config.exact_up_to


def index_of(shard: Shard, *, forbidden: Sequence[NDArray[np.int64]], config: GraphConfig) -> IvfIndex:
    """Fit the IVF index of a shard; see :meth:`Shard.with_index`.

    Args:
        shard: Shard without an index.
        forbidden: For each record of the whole reference, the rows that cannot be its neighbours.
        config: ``k`` and metric.
    """
    rows = slice(shard.first, shard.first + len(shard.points))
    banned = _within(forbidden[rows], shard.first, len(shard.points))
    return fit_ivf(shard.points.values, banned, k=config.k, metric=config.metric)


def joint_index(map_shards: MapShards, records: int) -> NeighbourIndex | None:
    """Return the indexes of all shards as one; None if all shards are searched exactly.

    Args:
        map_shards: Shards of the whole reference.
        records: Number of reference records.

    Raises:
        ValueError: The shards are not those of the whole reference, or only some of them have an index.
    """
    described = map_shards(_extent_and_index)
    bounds = [stop for (_, stop), _ in described]
    if [start for (start, _), _ in described] != [0, *bounds[:-1]] or bounds[-1] != records:
        held = ", ".join(f"{start}-{stop}" for (start, stop), _ in described)
        message = f"the shards hold the reference rows {held}; they must hold rows 0-{records} in order, without a gap"
        raise ValueError(message)
    parts = [part for _, part in described]
    found = tuple(part for part in parts if part is not None)
    if found and len(found) < len(parts):
        message = f"{len(found)} of {len(parts)} shards have an IVF index; either all shards or none has one"
        raise ValueError(message)
    if len(found) > 1:
        return ShardedIndex(found)
    return found[0] if found else None


def _extent_and_index(shard: Shard) -> tuple[tuple[int, int], IvfIndex | None]:
    lists = shard.points.lists
    extent = shard.first, shard.first + len(shard.points)
    return extent, lists if isinstance(lists, IvfIndex) else None


def search_shard(
    shard: Shard,
    queries: SearchPoints,
    *,
    k: int,
    metric: str,
    forbidden: Sequence[NDArray[np.int64]] | None,
) -> Ranking:
    """Rank the ``k`` records of a shard that are nearest to each query, as rows of the whole reference.

    Args:
        shard: Shard to search.
        queries: Search points of the queries.
        k: Number of neighbours.
        metric: ``euclidean`` or ``cosine``.
        forbidden: For each query, the rows of the whole reference that cannot be neighbours.
    """
    banned = None if forbidden is None else _within(forbidden, shard.first, len(shard.points))
    found = rank_points(shard.points, queries, k=k, metric=metric, forbidden=banned, complete=shard.complete)
    return dataclasses.replace(found, index=np.where(found.index >= 0, found.index + shard.first, -1))


def _within(rows: Sequence[NDArray[np.int64]], first: int, count: int) -> list[NDArray[np.int64]]:
    """Return the rows of each query that lie in a shard, counted from its first record."""
    flat = np.concatenate([np.zeros(0, np.int64), *rows]) - first
    inside = (flat >= 0) & (flat < count)
    ends = np.concatenate([[0], np.cumsum(inside)])[np.cumsum([0, *map(len, rows)])].tolist()
    kept = flat[inside]
    return [kept[start:stop] for start, stop in itertools.pairwise(ends)]


def rank_in_shards(
    map_shards: MapShards,
    queries: SearchPoints,
    *,
    k: int,
    metric: str,
    forbidden: Sequence[NDArray[np.int64]] | None,
) -> Ranking:
    """Rank the ``k`` nearest records of all shards; see :func:`search_shard` for the arguments."""
    if len(queries) <= QUERIES_AT_ONCE:
        return merged(map_shards(partial(search_shard, queries=queries, k=k, metric=metric, forbidden=forbidden)))
    parts = []
    for start in range(0, len(queries), QUERIES_AT_ONCE):
        rows = np.arange(start, min(start + QUERIES_AT_ONCE, len(queries)))
        banned = None if forbidden is None else forbidden[start : start + QUERIES_AT_ONCE]
        parts.append(rank_in_shards(map_shards, queries.of(rows), k=k, metric=metric, forbidden=banned))
    index, value = (np.concatenate([getattr(part, name) for part in parts]) for name in ("index", "value"))
    return Ranking(index, value, parts[0].measure)
