"""Builds the graph of the reference records and attaches queries to it; edges start at reference records only."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from functools import partial

import numpy as np
from numpy.typing import NDArray

from cardiograph.config import GraphConfig
from cardiograph.containers import NearestNeighbours, PatientGraph, SearchPoints, ShardedIndex
from cardiograph.graph.points import rank_points
from cardiograph.graph.shards import (
    MapShards,
    in_turn,
    index_of,
    is_approximate,
    joint_index,
    on_workers,
    rank_in_shards,
    shards_of,
    split,
)
from cardiograph.workers import current_workers


def nearest_points(
    reference: SearchPoints,
    queries: SearchPoints,
    *,
    k: int,
    metric: str = "euclidean",
    forbidden: Sequence[NDArray[np.int64]] | None = None,
) -> NearestNeighbours:
    """Find the ``k`` nearest reference records of each query, even if blocks are absent.

    If every reference record has all blocks, distances are those of :func:`nearest` over the blocks of the query.
    Otherwise the distance of two records is the mean of their distances in the blocks that both have, each divided by the
    scale of the block; records without a common block are never neighbours. The search is exact, except for queries with all
    blocks if the reference has an index: an IVF index, or one for each of its shards.

    Args:
        reference: Search points of the reference records.
        queries: Search points of the queries.
        k: Number of neighbours.
        metric: ``euclidean`` or ``cosine``.
        forbidden: For each query, the reference rows that cannot be neighbours.
    """
    if isinstance(reference.lists, ShardedIndex):
        shards = in_turn(shards_of(reference))
        return rank_in_shards(shards, queries, k=k, metric=metric, forbidden=forbidden).neighbours()
    complete = reference.complete
    return rank_points(reference, queries, k=k, metric=metric, forbidden=forbidden, complete=complete).neighbours()


def build_graph(
    places: SearchPoints,
    rows: NDArray[np.int64],
    groups: NDArray[np.int64],
    config: GraphConfig,
    *,
    map_shards: MapShards | None = None,
) -> PatientGraph:
    """Link each reference record to its nearest reference records of other groups.

    Above ``config.exact_up_to`` reference records (all complete), neighbours are found by an IVF index, which the graph
    keeps for its queries. With ``config.shards`` above 1, each shard of the reference has its own index, if it is
    larger than that.

    Args:
        places: Search points of all records.
        rows: [reference] rows of the reference records.
        groups: [records] group of each record.
        config: ``k``, metric, number of shards, and the number of records up to which the search is exact.
        map_shards: Searches shards that other processes hold: the reference in the order of ``rows``, with their indexes.
            None searches in this process or, if there are several shards, by the workers of
            :func:`cardiograph.workers.work_on`.
    """
    reference = places.of(rows)
    forbidden = group_members(groups[rows], groups[rows])
    if map_shards is None:
        shards = split(reference, config.shards)
        workers = current_workers() if len(shards) > 1 else None
        hold = in_turn if workers is None else partial(on_workers, workers)
        held = hold(shards)
        if is_approximate(len(rows), config, complete=reference.complete):
            indexes = held(partial(index_of, forbidden=forbidden, config=config))
            held = hold([shard.with_index(lists) for shard, lists in zip(shards, indexes, strict=True)])
        lists, map_shards = joint_index(held, len(rows)), None if workers is None else held
    else:
        lists = joint_index(map_shards, len(rows))
    reference = dataclasses.replace(reference, lists=lists)
    return PatientGraph(rows, attach(reference, reference, config, forbidden, map_shards=map_shards), lists)


def attach(
    reference: SearchPoints,
    queries: SearchPoints,
    config: GraphConfig,
    forbidden: Sequence[NDArray[np.int64]],
    *,
    map_shards: MapShards | None = None,
) -> NearestNeighbours:
    """Find the reference records that are the neighbours of each query.

    Args:
        reference: Search points of the reference records, with the index of the graph if it has one.
        queries: Search points of the queries.
        config: ``k`` and metric.
        forbidden: For each query, the reference rows of its own group.
        map_shards: Searches shards of the reference that other processes hold, in place of ``reference``.
    """
    if map_shards is not None:
        return rank_in_shards(map_shards, queries, k=config.k, metric=config.metric, forbidden=forbidden).neighbours()
    return nearest_points(reference, queries, k=config.k, metric=config.metric, forbidden=forbidden)


def group_members(groups: NDArray[np.int64], reference_groups: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    """Return, for each of ``groups``, its reference rows (an empty array if there are none)."""
    order = np.argsort(reference_groups, kind="stable").astype(np.int64)
    ordered = reference_groups[order]
    first = np.searchsorted(ordered, groups, side="left")
    last = np.searchsorted(ordered, groups, side="right")
    return [order[start:stop] for start, stop in zip(first, last, strict=True)]


Prior = float | NDArray[np.float64]
"""Share of label 1 of a binary outcome, strictly between 0 and 1; or [classes] the share of each of several classes."""


def neighbour_votes(neighbours: NearestNeighbours, labels: NDArray[np.int64], *, prior: Prior) -> NDArray[np.float32]:
    """Compute the log odds of the outcome among the neighbours, with one pseudo-record of the training mix added.

    ``log((positive + prior) / (negative + 1 - prior))``, so that a record whose neighbours have no label gets the
    log odds of ``prior``. With several classes it is the log of the share of each class,
    ``log((members + prior) / (labelled + 1))``. A record's own label is never counted, because no record is a neighbour of
    its own group.

    Args:
        neighbours: [records, k] neighbours.
        labels: [reference] labels from 0, or -1.
        prior: Result of :func:`label_prior` for the labelled reference records.

    Returns:
        [records] float32, or [records, classes] with several classes.
    """
    neighbour_labels = np.where(neighbours.index >= 0, labels[neighbours.index.clip(min=0)], -1)
    if isinstance(prior, float):
        positive, negative = (neighbour_labels == 1).sum(1), (neighbour_labels == 0).sum(1)
        votes: NDArray[np.float32] = np.log((positive + prior) / (negative + 1 - prior)).astype(np.float32)
        return votes
    members = np.stack([(neighbour_labels == label).sum(1) for label in range(len(prior))], axis=1)
    shares: NDArray[np.float32] = np.log((members + prior) / (members.sum(1, keepdims=True) + 1)).astype(np.float32)
    return shares


def label_prior(labels: NDArray[np.int64], classes: int = 2) -> Prior:
    """Share of label 1 among labelled records, with one pseudo-record of each label so that it is never 0 or 1.

    Args:
        labels: [records] labels from 0, or -1.
        classes: Number of different labels; with more than two, the share of each is returned.
    """
    if classes == 2:
        return float(((labels == 1).sum() + 1) / ((labels >= 0).sum() + 2))
    return np.asarray((np.bincount(labels[labels >= 0], minlength=classes) + 1) / ((labels >= 0).sum() + classes))
