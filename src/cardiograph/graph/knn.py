"""Exact nearest reference records, the same for a query alone and among others."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from cardiograph.containers import Neighbourhood, Places

_MARGIN = 8
_CHUNK = 1024


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
    that both have, each divided by the block's scale; records without a common block are no neighbours.

    Args:
        reference: Of the reference records.
        queries: Of the queries.
        k: Neighbours wanted.
        metric: ``euclidean`` or ``cosine``.
        forbidden: For each query, the reference rows it may not hear.
    """
    if not reference.present.all():
        return _nearest_by_block(reference, queries, k=k, metric=metric, forbidden=forbidden)
    index = np.full((len(queries), k), -1, np.int64)
    distance = np.full((len(queries), k), np.inf, np.float32)
    for pattern in np.unique(queries.present, axis=0):
        rows = np.flatnonzero((queries.present == pattern).all(1)).tolist()
        ranges = [block for block, has in zip(queries.blocks, pattern, strict=True) if has]
        columns = np.concatenate([np.arange(*each) for each in ranges]) if ranges else np.zeros(0, np.int64)
        if not len(columns):
            continue
        found = nearest(
            reference.values if pattern.all() else reference.values[:, columns],
            queries.values[rows] if pattern.all() else queries.values[rows][:, columns],
            k=k,
            metric=metric,
            forbidden=None if forbidden is None else [forbidden[row] for row in rows],
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
        known, asked = [_unit(each) for each in known], [_unit(each) for each in asked]
    for row in range(len(queries)):
        total, shared = np.zeros(len(reference)), np.zeros(len(reference))
        for number, scale in enumerate(reference.scales):
            if queries.present[row, number]:
                apart = known[number].astype(np.float64) - asked[number][row]
                squared = np.einsum("ij,ij->i", apart, apart)
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


def nearest(
    reference: NDArray[np.float32],
    queries: NDArray[np.float32],
    *,
    k: int,
    metric: str = "euclidean",
    forbidden: Sequence[NDArray[np.int64]] | None = None,
) -> Neighbourhood:
    """Find the ``k`` nearest reference records of each query.

    faiss proposes candidates in float32, whose rounding depends on the size of the batch; distances of the candidates are
    computed again in float64 and ties broken by reference row, and candidates are added until the next one cannot belong.
    So the answer for a query does not depend on the other queries.

    Args:
        reference: [reference, features] float32.
        queries: [queries, features] float32.
        k: Neighbours wanted; fewer come back (padded with -1) where the reference has fewer allowed records.
        metric: ``euclidean``, or ``cosine`` (1 - cosine similarity).
        forbidden: For each query, the reference rows it may not hear (its own group).

    Returns:
        Neighbourhood of the queries.
    """
    if metric == "cosine":
        reference, queries = _unit(reference), _unit(queries)
    index = np.full((len(queries), k), -1, np.int64)
    distance = np.full((len(queries), k), np.inf, np.float32)
    norm = float((reference.astype(np.float64) ** 2).sum(1).max()) if len(reference) else 0.0
    banned = np.array([len(rows) for rows in forbidden] if forbidden is not None else np.zeros(len(queries)), np.int64)
    pending = np.arange(len(queries))
    extra = _MARGIN
    while len(pending) and len(reference):
        unsettled = []
        for chunk in np.array_split(pending, range(_CHUNK, len(pending), _CHUNK)):
            wanted = min(len(reference), k + int(banned[chunk].max(initial=0)) + extra)
            rows = [forbidden[query] for query in chunk] if forbidden is not None else None
            found, squared, complete = _rank(reference, queries[chunk], wanted, rows, norm, k)
            index[chunk], distance[chunk] = found, squared
            unsettled.append(chunk[~complete])
        pending = np.concatenate(unsettled)
        extra *= 4
    if metric == "cosine":
        finite = np.isfinite(distance)
        distance[finite] = distance[finite] ** 2 / 2
    return Neighbourhood(index, distance)


def _rank(
    reference: NDArray[np.float32],
    queries: NDArray[np.float32],
    wanted: int,
    forbidden: Sequence[NDArray[np.int64]] | None,
    norm: float,
    k: int,
) -> tuple[NDArray[np.int64], NDArray[np.float32], NDArray[np.bool_]]:
    import faiss

    _, candidates = faiss.knn(np.ascontiguousarray(queries), np.ascontiguousarray(reference), wanted)
    candidates = np.sort(candidates.astype(np.int64), axis=1)
    squared = np.empty(candidates.shape)
    own = queries.astype(np.float64)
    for column in range(wanted):
        squared[:, column] = ((reference[candidates[:, column]] - own) ** 2).sum(1)
    farthest = squared.max(1)
    if forbidden is not None:
        for row, banned in enumerate(forbidden):
            if len(banned):
                squared[row, np.isin(candidates[row], banned)] = np.inf
    order = np.argsort(squared, axis=1, kind="stable")[:, :k]
    best = np.take_along_axis(squared, order, axis=1)
    found = np.where(np.isfinite(best), np.take_along_axis(candidates, order, axis=1), -1)
    slack = 1e-5 * (norm + (own**2).sum(1))
    enough = (found >= 0).sum(1) == k
    complete = (wanted == len(reference)) | (enough & (best.max(1, initial=0) + slack < farthest))
    pad = k - found.shape[1]
    found = np.pad(found, ((0, 0), (0, pad)), constant_values=-1)
    best = np.pad(np.sqrt(best), ((0, 0), (0, pad)), constant_values=np.inf)
    return found, best.astype(np.float32), complete


def _unit(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    length = np.linalg.norm(vectors.astype(np.float64), axis=1, keepdims=True)
    return (vectors / np.where(length == 0, 1, length)).astype(np.float32)
