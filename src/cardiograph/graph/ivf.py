"""Inverted-file (IVF) index: approximate neighbours among millions of reference records.

The neighbours of a query do not depend on other queries: of the members of the ``probes`` nearest lists they are the
``k`` nearest allowed ones by float64 distance, ties broken by row; if these lists hold fewer than ``k`` allowed members,
the ``k`` nearest of all. Products of float32 matrices only propose candidates, and float64 decides what their
rounding leaves open. So a query gets the same neighbours alone and in a batch. A single query reads few whole
records: next to the lists the index keeps each record projected on a few axes, and skips records whose lower bound is
too far away.

Source: Jegou, Douze and Schmid, Product quantization for nearest neighbor search, IEEE TPAMI 33(1), 2011, section IV (the
inverted file, here without quantisation).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from cardiograph.containers import Axes, IvfIndex, NeighbourIndex, ShardedIndex
from cardiograph.graph.bounds import few_axes
from cardiograph.graph.exact import (
    MARGIN,
    Proposals,
    nearest,
    nearest_of,
    rank_exactly,
    rounding,
    squared_distances,
    squared_lengths,
    unit,
)
from cardiograph.graph.ranking import Ranking

RECALL = 0.99
"""Required recall on the sample, held by the measured recall minus two standard errors."""

SAMPLE = 1000
"""Number of reference records on which recall is measured."""

SEED = 0
"""Seed of the sample and the centroids: equal reference records get equal lists."""

FIRST_PROBES, STEP = 8, 1.5
"""Initial number of probes, and the factor by which it grows."""

_PER_ROOT, _TEACHERS, _ROUNDS = 2, 40, 8
"""Lists per square root of records; training records per list, and k-means iterations."""

_MAX_SINGLE_QUERIES = 8
"""Up to this number of queries each searches its lists alone, which is less work than list by list."""

_ROWS, _SLOTS, _AT_ONCE = 2048, 20_000_000, 1024

_MAX_AXES = 64
"""Maximum number of axes of the projected records: 260 bytes per record."""


def fit_ivf(
    values: NDArray[np.float32], forbidden: Sequence[NDArray[np.int64]], *, k: int, metric: str = "euclidean"
) -> IvfIndex:
    """Cluster reference records and choose the number of probes that reaches the required recall.

    Args:
        values: [reference, coordinates] float32.
        forbidden: For each reference record, the rows that cannot be neighbours.
        k: Number of neighbours.
        metric: ``euclidean`` or ``cosine``.
    """
    import faiss

    rng = np.random.default_rng(SEED)
    count = max(1, min(round(_PER_ROOT * len(values) ** 0.5), len(values) // 8))
    teachers = np.sort(rng.permutation(len(values))[: count * _TEACHERS])
    means = faiss.Kmeans(
        values.shape[1], count, niter=_ROUNDS, seed=SEED, min_points_per_centroid=1, max_points_per_centroid=_TEACHERS
    )
    means.train(unit(values[teachers]) if metric == "cosine" else values[teachers])
    centroids = np.asarray(means.centroids, np.float32).reshape(count, -1)
    own = _nearest_centroid(values, centroids, metric)
    rows = np.argsort(own, kind="stable").astype(np.int64)
    starts = np.searchsorted(own[rows], np.arange(count + 1)).astype(np.int64)
    lists = IvfIndex(centroids, rows, starts, min(FIRST_PROBES, count), 0.0, 0, raised=False)
    axes = few_axes(_placed(values[teachers], metric), _MAX_AXES)
    if axes is not None:
        lowered = _lowered(axes, values, rows, metric)
        lists = dataclasses.replace(lists, centre=axes.centre, axes=axes.axes, lowered=lowered)
    sample = np.sort(rng.permutation(len(values))[:SAMPLE])
    return _with_recall(lists, values, sample, [forbidden[row] for row in sample], k=k, metric=metric)


def lengthened(lists: NeighbourIndex, added: NDArray[np.float32], metric: str = "euclidean") -> NeighbourIndex:
    """Add records to the lists of their nearest centroids; centroids and probes stay unchanged.

    Args:
        lists: Index of the reference; of several shards, the last one receives the records.
        added: [records, coordinates] float32 coordinates, appended after the rows of the reference.
        metric: ``euclidean`` or ``cosine``.
    """
    if isinstance(lists, ShardedIndex):
        return ShardedIndex((*lists.parts[:-1], _lengthened(lists.parts[-1], added, metric)))
    return _lengthened(lists, added, metric)


def _lengthened(lists: IvfIndex, added: NDArray[np.float32], metric: str) -> IvfIndex:
    count = len(lists.centroids)
    own = np.repeat(np.arange(count), np.diff(lists.starts))
    own = np.concatenate([own, _nearest_centroid(added, lists.centroids, metric)])
    rows = np.concatenate([lists.rows, len(lists.rows) + np.arange(len(added))])
    order = np.argsort(own, kind="stable")
    starts = np.searchsorted(own[order], np.arange(count + 1)).astype(np.int64)
    lowered = lists.lowered
    if len(lowered):
        new = _lowered(Axes(lists.centre, lists.axes), added, np.arange(len(added)), metric)
        lowered = np.concatenate([lowered, new])[order]
    return dataclasses.replace(lists, rows=rows[order], starts=starts, lowered=lowered)


def _lowered(axes: Axes, values: NDArray[np.float32], rows: NDArray[np.int64], metric: str) -> NDArray[np.float32]:
    """Return [rows, axes + 1] records projected on the axes, in the order of ``rows``."""
    found = np.empty((len(rows), axes.axes.shape[1] + 1), np.float32)
    for start in range(0, len(rows), _ROWS):
        found[start : start + _ROWS] = axes.lowered(_placed(values[rows[start : start + _ROWS]], metric))
    return found


def _nearest_centroid(values: NDArray[np.float32], centroids: NDArray[np.float32], metric: str) -> NDArray[np.int64]:
    """Return the [records] number of the nearest centroid."""
    import faiss

    found = [
        faiss.knn(_placed(values[start : start + _ROWS], metric), centroids, 1)[1][:, 0]
        for start in range(0, len(values), _ROWS)
    ]
    return np.concatenate([np.zeros(0, np.int64), *found])


def _with_recall(
    lists: IvfIndex,
    values: NDArray[np.float32],
    sample: NDArray[np.int64],
    forbidden: Sequence[NDArray[np.int64]],
    *,
    k: int,
    metric: str,
) -> IvfIndex:
    """Raise the number of probes until the recall on the sample suffices; probing all lists is the exact search."""
    true = nearest(values, values[sample], k=k, metric=metric, forbidden=forbidden).index
    wanted = (true >= 0).sum(1)
    while True:
        found = rank_by_ivf(lists, values, values[sample], k=k, metric=metric, forbidden=forbidden).index
        hits = ((true[:, :, None] == found[:, None, :]).any(2) & (true >= 0)).sum(1)
        shares = hits[wanted > 0] / wanted[wanted > 0]
        recall = float(shares.mean()) if len(shares) else 1.0
        error = float(shares.std() / len(shares) ** 0.5) if len(shares) else 0.0
        raised = lists.probes > FIRST_PROBES
        lists = dataclasses.replace(lists, recall=recall, sampled=len(sample), raised=raised)
        if recall - 2 * error >= RECALL or lists.probes == len(lists.centroids):
            return lists
        lists = dataclasses.replace(lists, probes=min(len(lists.centroids), round(lists.probes * STEP)))


def rank_by_ivf(
    lists: IvfIndex,
    reference: NDArray[np.float32],
    queries: NDArray[np.float32],
    *,
    k: int,
    metric: str = "euclidean",
    forbidden: Sequence[NDArray[np.int64]] | None = None,
) -> Ranking:
    """Rank the ``k`` nearest members of the nearest lists of each query.

    Args:
        lists: Index of the reference.
        reference: [reference, coordinates] float32.
        queries: [queries, coordinates] float32.
        k: Number of neighbours.
        metric: ``euclidean``, or ``cosine`` (1 - cosine similarity).
        forbidden: For each query, the reference rows that cannot be neighbours.
    """
    banned = [np.zeros(0, np.int64)] * len(queries) if forbidden is None else forbidden
    placed_queries = _placed(queries, metric)
    index, squared = np.full((len(queries), k), -1, np.int64), np.full((len(queries), k), np.inf)
    open_rows = np.arange(len(queries))
    if len(queries) > _MAX_SINGLE_QUERIES:
        width = k + max(len(rows) for rows in banned) + MARGIN
        chunk = max(256, _SLOTS // (lists.probes * width))
        parts = []
        for start in range(0, len(queries), chunk):
            some = slice(start, start + chunk)
            index[some], squared[some], settled = _list_by_list(
                lists, reference, placed_queries[some], k=k, metric=metric, forbidden=banned[some], width=width
            )
            parts.append(start + np.flatnonzero(~settled))
        open_rows = np.concatenate(parts)
    short: list[int] = []
    for row in open_rows.tolist():
        alone = _alone(lists, reference, placed_queries[row : row + 1], k=k, metric=metric, banned=banned[row])
        if alone is None:
            short.append(row)
        else:
            index[row], squared[row] = alone
    if short:
        whole = rank_exactly(reference, queries[short], k=k, metric=metric, forbidden=[banned[row] for row in short])
        index[short], squared[short] = whole.index, whole.value
    return Ranking(index, squared, metric)


def probed(lists: IvfIndex, queries: NDArray[np.float32]) -> NDArray[np.int64]:
    """Return the [queries, probes] lists of the nearest centroids, unordered; ties are broken by number.

    Where float32 rounding leaves the choice open, float64 decides.
    """
    probes, centroids = lists.probes, lists.centroids
    if probes == len(centroids):
        return np.tile(np.arange(probes), (len(queries), 1))
    lengths = lists.lengths
    found = np.empty((len(queries), probes), np.int64)
    for start in range(0, len(queries), _ROWS):
        some = queries[start : start + _ROWS]
        own = squared_lengths(some)
        rough = lengths.astype(np.float32) - 2 * (some @ centroids.T)
        found[start : start + _ROWS] = np.argpartition(rough, probes - 1, axis=1)[:, :probes]
        limit = np.take_along_axis(rough, found[start : start + _ROWS], axis=1).max(1)
        slack = rounding(own, float(lengths.max()))
        in_question = np.flatnonzero((rough <= (limit + 2 * slack)[:, None]).sum(1) > probes)
        for row in in_question:
            near = np.flatnonzero(rough[row] <= limit[row] + 2 * slack[row])
            sure = near[rough[row, near] < limit[row] - 2 * slack[row]]
            rest = near[rough[row, near] >= limit[row] - 2 * slack[row]]
            exact = squared_distances(centroids, rest, some[row : row + 1], np.zeros(len(rest), np.int64))
            order = np.argsort(exact, kind="stable")[: probes - len(sure)]
            found[start + row] = np.concatenate([sure, rest[order]])
    return found


def _probed_alone(lists: IvfIndex, query: NDArray[np.float32], own: NDArray[np.float32]) -> NDArray[np.int64]:
    """Return the lists that :func:`probed` finds for one query, from projections and few complete centroids.

    The product with all centroids would read 4 MB of a million records' index, and its BLAS threads wait for each other:
    on a busy machine for longer than the rest of the search takes.

    Args:
        lists: Index of the reference, with projections.
        query: [1, coordinates] the query.
        own: [1, axes + 1] its projection.
    """
    probes, lowered = lists.probes, lists.lowered_centroids
    apart = lowered - own
    low = np.einsum("ij,ij->i", apart, apart)
    first = np.argpartition(low, probes - 1)[:probes]
    limit = squared_distances(lists.centroids, first, query, np.zeros(probes, np.int64)).max()
    near = np.flatnonzero(low <= limit + rounding(squared_lengths(own), lists.longest_lowered_centroid)[0])
    if len(near) > len(lowered) // 4:  # the axes hold too little of the variance
        nearest: NDArray[np.int64] = probed(lists, query)[0]
        return nearest
    exact = squared_distances(lists.centroids, near, query, np.zeros(len(near), np.int64))
    return near[np.argsort(exact, kind="stable")[:probes]]


def _list_by_list(  # noqa: PLR0913 - one step of a search, with all its settings
    lists: IvfIndex,
    reference: NDArray[np.float32],
    queries: NDArray[np.float32],
    *,
    k: int,
    metric: str,
    forbidden: Sequence[NDArray[np.int64]],
    width: int,
) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.bool_]]:
    """Compare each list with all queries that probe it; returns what :func:`nearest_of` returns."""
    import faiss

    of_query = probed(lists, queries)
    rows = np.full((len(queries), lists.probes, width), -1, np.int32)
    squared = np.full(rows.shape, np.inf, np.float32)
    order = np.argsort(of_query, axis=None, kind="stable")
    ends = np.searchsorted(of_query.ravel()[order], np.arange(len(lists.centroids) + 1))
    longest = 0.0
    for number in range(len(lists.centroids)):
        members, looking = lists.members(number), order[ends[number] : ends[number + 1]]
        if not len(members) or not len(looking):
            continue
        query, slot = np.divmod(looking, lists.probes)
        known = _placed(reference[members], metric)
        longest = max(longest, float(squared_lengths(known).max()))
        wide = min(width, len(members))
        found = faiss.knn(queries[query], known, wide)
        squared[query, slot, :wide], rows[query, slot, :wide] = found[0], members[found[1]]
    flat = squared.reshape(len(queries), -1)
    best = np.argpartition(flat, min(width, flat.shape[1]) - 1, axis=1)[:, :width]
    best = np.take_along_axis(best, np.argsort(np.take_along_axis(flat, best, axis=1), axis=1, kind="stable"), axis=1)
    proposals = Proposals(
        np.take_along_axis(rows.reshape(len(queries), -1), best, axis=1).astype(np.int64),
        np.take_along_axis(flat, best, axis=1),
        rounding(squared_lengths(queries), longest),
        exhaustive=False,
    )
    return nearest_of(proposals, reference, queries, k=k, metric=metric, forbidden=forbidden)


def _alone(
    lists: IvfIndex,
    reference: NDArray[np.float32],
    query: NDArray[np.float32],
    *,
    k: int,
    metric: str,
    banned: NDArray[np.int64],
) -> tuple[NDArray[np.int64], NDArray[np.float64]] | None:
    """Search one query [1, coordinates]: [k] rows and squared distances; None if its lists hold too few members.

    A float32 sum of squared differences is off by less than a thousandth of itself, so few members need float64.
    """
    members = _within_reach(lists, reference, query, k=k, metric=metric, banned=banned)
    if members is None:
        return None
    rough = np.empty(len(members), np.float32)
    for start in range(0, len(members), _AT_ONCE):  # few enough to stay in the processor's cache
        apart = _placed(reference.take(members[start : start + _AT_ONCE], axis=0), metric)
        apart -= query
        rough[start : start + _AT_ONCE] = np.einsum("ij,ij->i", apart, apart)
    near = members[rough <= np.partition(rough, k - 1)[k - 1] * 1.001]
    squared = squared_distances(reference, near, query, np.zeros(len(near), np.int64), metric)
    order = np.argsort(squared, kind="stable")[:k]
    return near[order], squared[order]


def _within_reach(
    lists: IvfIndex,
    reference: NDArray[np.float32],
    query: NDArray[np.float32],
    *,
    k: int,
    metric: str,
    banned: NDArray[np.int64],
) -> NDArray[np.int64] | None:
    """Return sorted rows of members that may be among the ``k`` nearest; None if fewer than ``k`` are allowed.

    A member whose lower bound exceeds the full distance of ``k`` others cannot be among them.
    """
    own = Axes(lists.centre, lists.axes).lowered(query) if len(lists.lowered) else None
    numbers = probed(lists, query)[0] if own is None else _probed_alone(lists, query, own)
    places = [slice(*lists.starts[number : number + 2]) for number in numbers]
    members = np.concatenate([lists.rows[place] for place in places])
    allowed = ~np.isin(members, banned) if len(banned) else np.ones(len(members), bool)
    if np.count_nonzero(allowed) < k:
        return None
    if own is None:
        return np.sort(members[allowed])
    apart = [lists.lowered[place] - own for place in places]
    low = np.concatenate([np.einsum("ij,ij->i", each, each) for each in apart])
    low[~allowed] = np.inf
    first = members[np.argpartition(low, k - 1)[:k]]
    limit = squared_distances(reference, first, query, np.zeros(k, np.int64), metric).max()
    slack = rounding(squared_lengths(own), lists.longest_lowered)[0]
    return np.sort(members[low <= limit + slack])


def _placed(values: NDArray[np.float32], metric: str) -> NDArray[np.float32]:
    """Return coordinates whose squared distances give the metric: unchanged, or scaled to unit length."""
    return unit(values) if metric == "cosine" else values
