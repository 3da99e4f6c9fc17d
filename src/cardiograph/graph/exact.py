"""Exact nearest reference records by comparing all of them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from cardiograph.containers import NearestNeighbours
from cardiograph.graph.bounds import principal_axes
from cardiograph.graph.ranking import MARGIN, Proposals, nearest_of, rounding, squared_lengths, unit
from cardiograph.threads import torch_threads

_CHUNK = 4096

_GROUP = 16
"""Records per group whose smallest distance is computed first."""

_NARROW = 128
"""Coordinates below which one thread is used: the products are so small that threads would wait for each other."""

_MANY = 512
"""Queries and records from which a search in few dimensions pays for its preparation."""


def nearest(
    reference: NDArray[np.float32],
    queries: NDArray[np.float32],
    *,
    k: int,
    metric: str = "euclidean",
    forbidden: Sequence[NDArray[np.int64]] | None = None,
    longest: float | None = None,
) -> NearestNeighbours:
    """Find the ``k`` nearest reference records of each query.

    faiss proposes candidates in float32, whose rounding depends on the size of the batch; distances of the candidates are
    computed again in float64 and ties broken by reference row, and candidates are added until the next one cannot belong.
    So the result for a query does not depend on the other queries. For many queries, candidates are proposed by
    bounds below their distances, in few dimensions, if these hold nearly all variance of the reference.

    Args:
        reference: [reference, features] float32.
        queries: [queries, features] float32.
        k: Number of neighbours; padded with -1 if fewer reference records are allowed.
        metric: ``euclidean``, or ``cosine`` (1 - cosine similarity).
        forbidden: For each query, the reference rows of its own group, which cannot be neighbours.
        longest: Largest squared length in the reference, if known; ignored for ``cosine``.

    Returns:
        The nearest neighbours of the queries.
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
    if lowered is not None:  # a centre far from the origin makes lengths longer
        low = [squared_lengths(each) for each in lowered]
        slack = np.maximum(slack, rounding(low[1], float(low[0].max())))
    pending, extra = np.arange(len(queries)), MARGIN if lowered is None else 4 * MARGIN
    while len(pending) and len(reference):
        if lowered is not None and extra > 64 * MARGIN:
            lowered, extra = None, MARGIN
        known, query_values = (reference, queries) if lowered is None else lowered
        unsettled = []
        for chunk in np.array_split(pending, range(_CHUNK, len(pending), _CHUNK)):
            wanted = min(len(reference), k + int(banned[chunk].max(initial=0)) + extra)
            rows = [forbidden[query] for query in chunk] if forbidden is not None else None
            proposals = _proposals(known, query_values[chunk], wanted, slack[chunk])
            index[chunk], squared[chunk], settled = nearest_of(
                proposals, reference, queries[chunk], k=k, forbidden=rows
            )
            unsettled.append(chunk[~settled])
        pending = np.concatenate(unsettled)
        extra *= 4
    return neighbourhood(index, squared, metric)


def neighbourhood(index: NDArray[np.int64], squared: NDArray[np.float64], metric: str) -> NearestNeighbours:
    """Convert squared distances (of unit vectors for ``cosine``) to nearest neighbours."""
    return NearestNeighbours(index, (squared / 2 if metric == "cosine" else np.sqrt(squared)).astype(np.float32))


def _proposals(
    reference: NDArray[np.float32], queries: NDArray[np.float32], wanted: int, slack: NDArray[np.float64]
) -> Proposals:
    import faiss

    if len(queries) > _GROUP and len(reference) > 4 * _GROUP * wanted:
        threads = 1 if reference.shape[1] < _NARROW else torch.get_num_threads()
        with torch_threads(threads):
            rows, squared = _by_groups(reference, queries, wanted)
        return Proposals(rows, squared, slack, exhaustive=False)
    squared, rows = faiss.knn(np.ascontiguousarray(queries), np.ascontiguousarray(reference), wanted)
    return Proposals(rows.astype(np.int64), squared, slack, wanted == len(reference))


def _by_groups(
    reference: NDArray[np.float32], queries: NDArray[np.float32], wanted: int
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Return [queries, wanted] rows and squared distances in ascending order.

    The nearest ``wanted`` records lie in the groups with the ``wanted`` smallest minima, and minima cost less than
    sorting.
    """
    known, query_values = (
        torch.from_numpy(np.ascontiguousarray(reference)),
        torch.from_numpy(np.ascontiguousarray(queries)),
    )
    groups = -(-len(known) // _GROUP)
    lengths, own = (known * known).sum(1), (query_values * query_values).sum(1)
    rows, squared = torch.empty(len(query_values), wanted, dtype=torch.int64), torch.empty(len(query_values), wanted)
    block = max(_GROUP, min(256, 600_000 // len(known)))  # a table that stays in the cache
    table = torch.full((block, groups * _GROUP), torch.inf)
    members = torch.arange(_GROUP) * groups
    for start in range(0, len(query_values), block):
        some = query_values[start : start + block]
        rough = table[: len(some)]
        rough[:, : len(known)] = torch.addmm(lengths[None], some, known.T, alpha=-2)
        smallest = rough.view(len(some), _GROUP, groups).amin(1)
        chosen = smallest.topk(wanted, dim=1, largest=False, sorted=False).indices
        candidates = (chosen[:, :, None] + members).flatten(1)
        near = rough.gather(1, candidates).topk(wanted, dim=1, largest=False)
        rows[start : start + block] = candidates.gather(1, near.indices)
        squared[start : start + block] = near.values + own[start : start + block, None]
    return rows.numpy(), squared.numpy()
