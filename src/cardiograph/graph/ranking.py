"""Ranks candidates proposed in float32 by their float64 distances, ties broken by row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

MARGIN = 4
"""Extra candidates beyond those wanted and forbidden; they show that no nearer record was missed."""

_CHUNK_ROWS = 8192
"""Number of rows processed in float64 at a time."""


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
