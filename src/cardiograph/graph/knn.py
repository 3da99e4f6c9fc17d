"""Nearest reference records, exact or by inverted lists, the same for a query alone and among others."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from cardiograph.containers import Neighbourhood, Places
from cardiograph.graph.exact import nearest
from cardiograph.graph.lists import nearest_by_lists
from cardiograph.graph.ranking import unit


def nearest_places(
    reference: Places,
    queries: Places,
    *,
    k: int,
    metric: str = "euclidean",
    forbidden: Sequence[NDArray[np.int64]] | None = None,
) -> Neighbourhood:
    """Find the ``k`` nearest reference records of each query, whichever blocks either of them has.

    Where every reference record is complete, distances are those of :func:`nearest` over the blocks that the query has.
    Where some reference record lacks a block, the distance of two records is the mean of their distances in the blocks
    that both have, each divided by the block's scale; records without a common block are no neighbours. Both are exact.
    Queries with all blocks look into the lists of the reference, where it has some.

    Args:
        reference: Of the reference records.
        queries: Of the queries.
        k: Neighbours wanted.
        metric: ``euclidean`` or ``cosine``.
        forbidden: For each query, the reference rows it may not hear.
    """
    if not reference.complete:
        return _nearest_by_block(reference, queries, k=k, metric=metric, forbidden=forbidden)
    index = np.full((len(queries), k), -1, np.int64)
    distance = np.full((len(queries), k), np.inf, np.float32)
    for pattern in np.unique(queries.present, axis=0):
        rows = np.flatnonzero((queries.present == pattern).all(1)).tolist()
        ranges = [block for block, has in zip(queries.blocks, pattern, strict=True) if has]
        columns = np.concatenate([np.arange(*each) for each in ranges]) if ranges else np.zeros(0, np.int64)
        if not len(columns):
            continue
        banned = None if forbidden is None else [forbidden[row] for row in rows]
        if not pattern.all():
            known, asked = reference.values[:, columns], queries.values[rows][:, columns]
            found = nearest(known, asked, k=k, metric=metric, forbidden=banned)
        elif reference.lists is None:
            known, asked = reference.values, queries.values[rows]
            found = nearest(known, asked, k=k, metric=metric, forbidden=banned, longest=reference.longest)
        else:
            found = nearest_by_lists(
                reference.lists, reference.values, queries.values[rows], k=k, metric=metric, forbidden=banned
            )
        index[rows], distance[rows] = found.index, found.distance
    return Neighbourhood(index, distance)


def _nearest_by_block(
    reference: Places,
    queries: Places,
    *,
    k: int,
    metric: str,
    forbidden: Sequence[NDArray[np.int64]] | None,
) -> Neighbourhood:
    """One query at a time, in float64: what a query gets cannot depend on its company."""
    index = np.full((len(queries), k), -1, np.int64)
    distance = np.full((len(queries), k), np.inf, np.float32)
    known = [reference.values[:, start:stop] for start, stop in reference.blocks]
    asked = [queries.values[:, start:stop] for start, stop in queries.blocks]
    if metric == "cosine":
        known, asked = [unit(each) for each in known], [unit(each) for each in asked]
    held: dict[int, tuple[NDArray[np.float32], NDArray[np.float64]]] = {}  # copies of one patient often share a block
    for row in range(len(queries)):
        total, shared = np.zeros(len(reference)), np.zeros(len(reference))
        for number, scale in enumerate(reference.scales):
            if queries.present[row, number]:
                own = asked[number][row]
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
        index[row, : len(order)], distance[row, : len(order)] = order, mean[order]
    return Neighbourhood(index, distance)
