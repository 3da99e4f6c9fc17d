"""Builds the graph of the reference records and attaches queries to it; edges start at reference records only."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from cardiograph.config import GraphConfig
from cardiograph.containers import NearestNeighbours, PatientGraph, SearchPoints
from cardiograph.graph.exact import nearest, unit
from cardiograph.graph.ivf import fit_ivf, nearest_by_ivf


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
    scale of the block; records without a common block are never neighbours. Both searches are exact. Queries with all
    blocks use the IVF index of the reference if it has one.

    Args:
        reference: Search points of the reference records.
        queries: Search points of the queries.
        k: Number of neighbours.
        metric: ``euclidean`` or ``cosine``.
        forbidden: For each query, the reference rows that cannot be neighbours.
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
            known, query_values = reference.values[:, columns], queries.values[rows][:, columns]
            found = nearest(known, query_values, k=k, metric=metric, forbidden=banned)
        elif reference.lists is None:
            known, query_values = reference.values, queries.values[rows]
            found = nearest(known, query_values, k=k, metric=metric, forbidden=banned, longest=reference.longest)
        else:
            found = nearest_by_ivf(
                reference.lists, reference.values, queries.values[rows], k=k, metric=metric, forbidden=banned
            )
        index[rows], distance[rows] = found.index, found.distance
    return NearestNeighbours(index, distance)


def _nearest_by_block(
    reference: SearchPoints,
    queries: SearchPoints,
    *,
    k: int,
    metric: str,
    forbidden: Sequence[NDArray[np.int64]] | None,
) -> NearestNeighbours:
    """Search one query at a time in float64, so that the result does not depend on the other queries."""
    index = np.full((len(queries), k), -1, np.int64)
    distance = np.full((len(queries), k), np.inf, np.float32)
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
        index[row, : len(order)], distance[row, : len(order)] = order, mean[order]
    return NearestNeighbours(index, distance)


def build_graph(
    places: SearchPoints, rows: NDArray[np.int64], groups: NDArray[np.int64], config: GraphConfig
) -> PatientGraph:
    """Link each reference record to its nearest reference records of other groups.

    Above ``config.exact_up_to`` reference records (all complete), neighbours are found by an IVF index, which the graph
    keeps for its queries.

    Args:
        places: Search points of all records.
        rows: [reference] rows of the reference records.
        groups: [records] group of each record.
        config: ``k``, metric, and the number of records up to which the search is exact.
    """
    reference = places.of(rows)
    forbidden = group_members(groups[rows], groups[rows])
    if len(rows) > config.exact_up_to and reference.complete:
        lists = fit_ivf(reference.values, forbidden, k=config.k, metric=config.metric)
        reference = dataclasses.replace(reference, lists=lists)
    return PatientGraph(rows, attach(reference, reference, config, forbidden), reference.lists)


def attach(
    reference: SearchPoints, queries: SearchPoints, config: GraphConfig, forbidden: Sequence[NDArray[np.int64]]
) -> NearestNeighbours:
    """Find the reference records that are the neighbours of each query.

    Args:
        reference: Search points of the reference records, with the IVF index of the graph if it has one.
        queries: Search points of the queries.
        config: ``k`` and metric.
        forbidden: For each query, the reference rows of its own group.
    """
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
