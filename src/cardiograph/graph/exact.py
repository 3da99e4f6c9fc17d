"""Exact nearest reference records: candidates from float32 products, ranked by float64 distances, ties broken by row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from cardiograph.containers import NearestNeighbours
from cardiograph.graph.bounds import principal_axes
from cardiograph.graph.ranking import Ranking
from cardiograph.threads import torch_threads

MARGIN = 4
"""Extra candidates beyond those wanted and forbidden; they show that no nearer record was missed."""

_CHUNK_ROWS = 8192
"""Number of rows processed in float64 at a time."""

_CHUNK_QUERIES = 4096

_GROUP = 16
"""Records per group whose smallest distance is computed first."""

_NARROW = 128
"""Coordinates below which one thread is used: the products are so small that threads would wait for each other."""

_MANY = 512
"""Queries and records from which a search in few dimensions pays for its preparation."""


@dataclass(frozen=True)
class Proposals:
    """Candidates for each query, ordered by float32 distances or by lower bounds of distances.

    Args:
        rows: [queries, candidates] int64 rows of the reference, -1 pads.
        squared: [queries, candidates] float32 squared distances or lower bounds, ascending; infinity pads.
        slack: [queries] float64, largest possible excess of a value by rounding.
        exhaustive: Whether the candidates are all records.
    """

    rows: NDArray[np.int64]
    squared: NDArray[np.float32]
    slack: NDArray[np.float64]
    exhaustive: bool


def nearest(
    reference: NDArray[np.float32],
    queries: NDArray[np.float32],
    *,
    k: int,
    metric: str = "euclidean",
    forbidden: Sequence[NDArray[np.int64]] | None = None,
) -> NearestNeighbours:
    """Find the ``k`` nearest reference records of each query; see :func:`rank_exactly`."""
    return rank_exactly(reference, queries, k=k, metric=metric, forbidden=forbidden).neighbours()


def rank_exactly(
    reference: NDArray[np.float32],
    queries: NDArray[np.float32],
    *,
    k: int,
    metric: str = "euclidean",
    forbidden: Sequence[NDArray[np.int64]] | None = None,
    longest: float | None = None,
) -> Ranking:
    """Rank the ``k`` nearest reference records of each query.

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
        for chunk in np.array_split(pending, range(_CHUNK_QUERIES, len(pending), _CHUNK_QUERIES)):
            wanted = min(len(reference), k + int(banned[chunk].max(initial=0)) + extra)
            rows = [forbidden[query] for query in chunk] if forbidden is not None else None
            proposals = _proposals(known, query_values[chunk], wanted, slack[chunk])
            index[chunk], squared[chunk], settled = nearest_of(
                proposals, reference, queries[chunk], k=k, forbidden=rows
            )
            unsettled.append(chunk[~settled])
        pending = np.concatenate(unsettled)
        extra *= 4
    return Ranking(index, squared, metric)


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


def nearest_of(
    proposals: Proposals,
    reference: NDArray[np.float32],
    queries: NDArray[np.float32],
    *,
    k: int,
    metric: str = "euclidean",
    forbidden: Sequence[NDArray[np.int64]] | None,
) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.bool_]]:
    """Select the ``k`` nearest allowed candidates of each query by float64 squared distance, ties broken by row.

    Distances are recomputed for the first ``k`` and for those that may be nearer than one of these.

    Returns:
        [queries, k] rows (-1 pads), [queries, k] squared distances (infinity pads), and for each query whether the
        selection is certain.
    """
    allowed = _allowed(proposals.rows, forbidden, len(reference))
    rough = np.where(allowed, proposals.squared, np.inf).astype(np.float64)
    exact = np.full(rough.shape, np.inf)

    def look(wanted: NDArray[np.bool_]) -> None:
        query, place = np.nonzero(wanted)
        exact[query, place] = squared_distances(reference, proposals.rows[query, place], queries, query, metric)

    first = allowed & (allowed.cumsum(1) <= k)
    look(first)
    enough = first.sum(1) == k
    limit = np.where(enough, np.where(first, exact, 0).max(1, initial=0), np.inf) + proposals.slack
    settled = (proposals.squared[:, -1] > limit) | proposals.exhaustive
    look(allowed & ~first & (rough <= limit[:, None]) & settled[:, None])
    order = np.lexsort((proposals.rows, exact), axis=1)[:, :k]
    best = np.take_along_axis(exact, order, axis=1)
    rows = np.where(np.isfinite(best), np.take_along_axis(proposals.rows, order, axis=1), -1)
    pad = ((0, 0), (0, k - rows.shape[1]))
    return np.pad(rows, pad, constant_values=-1), np.pad(best, pad, constant_values=np.inf), settled


def squared_distances(
    reference: NDArray[np.float32],
    rows: NDArray[np.int64],
    queries: NDArray[np.float32],
    query_rows: NDArray[np.int64],
    metric: str = "euclidean",
) -> NDArray[np.float64]:
    """Return [pairs] float64 squared distances of ``reference[rows]`` and ``queries[query_rows]``.

    A distance does not depend on the other pairs. With ``cosine``, queries are unit vectors already and reference
    records are scaled to unit length.
    """
    found = np.empty(len(rows))
    for start in range(0, len(rows), _CHUNK_ROWS):
        piece = slice(start, start + _CHUNK_ROWS)
        known = reference[rows[piece]]
        apart = (unit(known) if metric == "cosine" else known).astype(np.float64)
        apart -= queries[query_rows[piece]]
        found[piece] = np.einsum("ij,ij->i", apart, apart)
    return found


def squared_lengths(values: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return [rows] float64 squared lengths, computed in chunks."""
    found = np.empty(len(values))
    for start in range(0, len(values), _CHUNK_ROWS):
        piece = values[start : start + _CHUNK_ROWS].astype(np.float64)
        found[start : start + _CHUNK_ROWS] = np.einsum("ij,ij->i", piece, piece)
    return found


def unit(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Scale rows to length 1; a row of zeros is unchanged."""
    length = np.sqrt(squared_lengths(values))
    length[length == 0] = 1
    found = np.empty(values.shape, np.float32)
    for start in range(0, len(values), _CHUNK_ROWS):
        piece = slice(start, start + _CHUNK_ROWS)
        found[piece] = values[piece] / length[piece, None]
    return found


def rounding(lengths: NDArray[np.float64], longest: float) -> NDArray[np.float64]:
    """Return the [queries] rounding bound of a float32 squared distance, from squared lengths of queries and reference."""
    slack: NDArray[np.float64] = 1e-5 * (longest + lengths)
    return slack


def _allowed(
    rows: NDArray[np.int64], forbidden: Sequence[NDArray[np.int64]] | None, reference: int
) -> NDArray[np.bool_]:
    """Return [queries, candidates] whether a candidate exists and is allowed."""
    allowed: NDArray[np.bool_] = rows >= 0
    if forbidden is None:
        return allowed
    counts = np.array([len(banned) for banned in forbidden], np.int64)
    if not counts.any():
        return allowed
    owner = np.repeat(np.arange(len(rows)), counts)
    keys = np.sort(owner * reference + np.concatenate([*forbidden]))
    candidates = rows + np.arange(len(rows))[:, None] * reference
    place = np.searchsorted(keys, candidates).clip(max=len(keys) - 1)
    free: NDArray[np.bool_] = allowed & (keys[place] != candidates)
    return free
