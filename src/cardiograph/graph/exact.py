"""Exact nearest reference records: every one is compared."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from cardiograph.containers import Neighbourhood
from cardiograph.graph.bounds import principal_axes
from cardiograph.graph.ranking import MARGIN, Proposals, nearest_of, rounding, squared_lengths, unit

_CHUNK = 4096

_MANY = 512
"""Queries and records from which a search in few dimensions is worth its preparation."""


def nearest(
    reference: NDArray[np.float32],
    queries: NDArray[np.float32],
    *,
    k: int,
    metric: str = "euclidean",
    forbidden: Sequence[NDArray[np.int64]] | None = None,
    longest: float | None = None,
) -> Neighbourhood:
    """Find the ``k`` nearest reference records of each query.

    faiss proposes candidates in float32, whose rounding depends on the size of the batch; distances of the candidates are
    computed again in float64 and ties broken by reference row, and candidates are added until the next one cannot belong.
    So the answer for a query does not depend on the other queries. For many queries, candidates are proposed by bounds below
    their distances, in few dimensions, where the reference has some that hold nearly all of its variance.

    Args:
        reference: [reference, features] float32.
        queries: [queries, features] float32.
        k: Neighbours wanted; fewer come back (padded with -1) where the reference has fewer allowed records.
        metric: ``euclidean``, or ``cosine`` (1 - cosine similarity).
        forbidden: For each query, the reference rows it may not hear (its own group).
        longest: Largest squared length in the reference, where known; for ``cosine`` it is not looked at.

    Returns:
        Neighbourhood of the queries.
    """
    if metric == "cosine":
        reference, queries = unit(reference), unit(queries)
    index = np.full((len(queries), k), -1, np.int64)
    squared = np.full((len(queries), k), np.inf)
    if longest is None or metric == "cosine":
        longest = float(squared_lengths(reference).max(initial=0))
    slack = rounding(squared_lengths(queries), longest)
    banned = np.array([len(rows) for rows in forbidden] if forbidden is not None else np.zeros(len(queries)), np.int64)
    axes = principal_axes(reference) if min(len(queries), len(reference)) >= _MANY else None
    lowered = None if axes is None else (axes.lowered(reference), axes.lowered(queries))
    pending, extra = np.arange(len(queries)), MARGIN if lowered is None else 4 * MARGIN
    while len(pending) and len(reference):
        if lowered is not None and extra > 64 * MARGIN:
            lowered, extra = None, MARGIN
        known, asked = (reference, queries) if lowered is None else lowered
        unsettled = []
        for chunk in np.array_split(pending, range(_CHUNK, len(pending), _CHUNK)):
            wanted = min(len(reference), k + int(banned[chunk].max(initial=0)) + extra)
            rows = [forbidden[query] for query in chunk] if forbidden is not None else None
            proposals = _proposals(known, asked[chunk], wanted, slack[chunk])
            index[chunk], squared[chunk], settled = nearest_of(
                proposals, reference, queries[chunk], k=k, forbidden=rows
            )
            unsettled.append(chunk[~settled])
        pending = np.concatenate(unsettled)
        extra *= 4
    return neighbourhood(index, squared, metric)


def neighbourhood(index: NDArray[np.int64], squared: NDArray[np.float64], metric: str) -> Neighbourhood:
    """Neighbours by squared distances, which for ``cosine`` are those of unit vectors."""
    return Neighbourhood(index, (squared / 2 if metric == "cosine" else np.sqrt(squared)).astype(np.float32))


def _proposals(
    reference: NDArray[np.float32], queries: NDArray[np.float32], wanted: int, slack: NDArray[np.float64]
) -> Proposals:
    import faiss

    squared, rows = faiss.knn(np.ascontiguousarray(queries), np.ascontiguousarray(reference), wanted)
    return Proposals(rows.astype(np.int64), squared, slack, wanted == len(reference))
