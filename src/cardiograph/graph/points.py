"""Ranks reference records by their distance from queries, even if blocks are absent."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from cardiograph.containers import IvfIndex, SearchPoints
from cardiograph.graph.exact import rank_exactly, unit
from cardiograph.graph.ivf import rank_by_ivf
from cardiograph.graph.ranking import BLOCKS, Ranking


def rank_points(
    reference: SearchPoints,
    queries: SearchPoints,
    *,
    k: int,
    metric: str,
    forbidden: Sequence[NDArray[np.int64]] | None,
    complete: bool,
) -> Ranking:
    """Rank the ``k`` nearest reference records of each query.

    Args:
        reference: Search points of the reference records, or of a shard of them.
        queries: Search points of the queries.
        k: Number of neighbours.
        metric: ``euclidean`` or ``cosine``.
        forbidden: For each query, the rows of ``reference`` that cannot be neighbours.
        complete: Whether every reference record has all blocks; of a shard, whether those of all shards do. If so,
            distances are those over the blocks of the query. Otherwise they are means over the blocks that both have.
    """
    if not complete:
        return _rank_by_block(reference, queries, k=k, metric=metric, forbidden=forbidden)
    ranking = Ranking.empty(len(queries), k, metric)
    for pattern in np.unique(queries.present, axis=0):
        rows = np.flatnonzero((queries.present == pattern).all(1)).tolist()
        ranges = [block for block, has in zip(queries.blocks, pattern, strict=True) if has]
        columns = np.concatenate([np.arange(*each) for each in ranges]) if ranges else np.zeros(0, np.int64)
        if not len(columns):
            continue
        banned = None if forbidden is None else [forbidden[row] for row in rows]
        if not pattern.all():
            known, query_values = reference.values[:, columns], queries.values[rows][:, columns]
            found = rank_exactly(known, query_values, k=k, metric=metric, forbidden=banned)
        elif isinstance(reference.lists, IvfIndex):
            found = rank_by_ivf(
                reference.lists, reference.values, queries.values[rows], k=k, metric=metric, forbidden=banned
            )
        else:
            known, query_values = reference.values, queries.values[rows]
            found = rank_exactly(known, query_values, k=k, metric=metric, forbidden=banned, longest=reference.longest)
        ranking.index[rows], ranking.value[rows] = found.index, found.value
    return ranking


def _rank_by_block(
    reference: SearchPoints,
    queries: SearchPoints,
    *,
    k: int,
    metric: str,
    forbidden: Sequence[NDArray[np.int64]] | None,
) -> Ranking:
    """Search one query at a time in float64, so that the result does not depend on the other queries."""
    ranking = Ranking.empty(len(queries), k, BLOCKS)
    known = [reference.values[:, start:stop] for start, stop in reference.blocks]
    query_values = [queries.values[:, start:stop] for start, stop in queries.blocks]
    if metric == "cosine":
        known, query_values = [unit(each) for each in known], [unit(each) for each in query_values]
    held: dict[int, tuple[NDArray[np.float32], NDArray[np.float64]]] = {}  # copies of one patient often share a block
    for row in range(len(queries)):
        total, shared = np.zeros(len(reference)), np.zeros(len(reference))
        for number, scale in enumerate(reference.scales):
            if queries.present[row, number]:
                own = query_values[number][row]
                if number not in held or not np.array_equal(held[number][0], own):
                    apart = known[number].astype(np.float64) - own
                    held[number] = own, np.einsum("ij,ij->i", apart, apart)
                squared = held[number][1]
                both = reference.present[:, number]
                total[both] += (squared[both] / 2 if metric == "cosine" else np.sqrt(squared[both])) / scale
                shared += both
        mean = np.divide(total, shared, out=np.full(len(reference), np.inf), where=shared > 0)
        if forbidden is not None:
            mean[forbidden[row]] = np.inf
        order = np.argsort(mean, kind="stable")[:k]
        order = order[np.isfinite(mean[order])]
        ranking.index[row, : len(order)], ranking.value[row, : len(order)] = order, mean[order]
    return ranking
