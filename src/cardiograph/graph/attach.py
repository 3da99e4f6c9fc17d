"""The graph of the reference records, and queries attached to it: edges run from reference records only."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from cardiograph.config import GraphConfig
from cardiograph.containers import Neighbourhood, PatientGraph, Places
from cardiograph.graph.knn import nearest_places
from cardiograph.graph.lists import fit_lists


def build_graph(
    places: Places, rows: NDArray[np.int64], groups: NDArray[np.int64], config: GraphConfig
) -> PatientGraph:
    """Link each reference record to its nearest reference records of other groups.

    Above ``config.exact_up_to`` reference records, all of them complete, neighbours are found by inverted lists, which the
    graph keeps for its queries.

    Args:
        places: Of all records.
        rows: [reference] rows of the reference records.
        groups: [records] group of each record.
        config: ``k``, metric, and up to how many records the search is exact.
    """
    reference = places.of(rows)
    forbidden = group_members(groups[rows], groups[rows])
    if len(rows) > config.exact_up_to and reference.complete:
        lists = fit_lists(reference.values, forbidden, k=config.k, metric=config.metric)
        reference = dataclasses.replace(reference, lists=lists)
    return PatientGraph(rows, attach(reference, reference, config, forbidden), reference.lists)


def attach(
    reference: Places, queries: Places, config: GraphConfig, forbidden: Sequence[NDArray[np.int64]]
) -> Neighbourhood:
    """The reference records that each query hears.

    Args:
        reference: Of the reference records, with their lists where the graph has some.
        queries: Of the queries.
        config: ``k`` and metric.
        forbidden: For each query, the reference rows of its own group.
    """
    return nearest_places(reference, queries, k=config.k, metric=config.metric, forbidden=forbidden)


def group_members(groups: NDArray[np.int64], reference_groups: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    """For each of ``groups``, the reference rows that belong to it (an empty array where none does)."""
    order = np.argsort(reference_groups, kind="stable").astype(np.int64)
    ordered = reference_groups[order]
    first = np.searchsorted(ordered, groups, side="left")
    last = np.searchsorted(ordered, groups, side="right")
    return [order[start:stop] for start, stop in zip(first, last, strict=True)]


def heard_votes(hood: Neighbourhood, labels: NDArray[np.int64], *, prior: float) -> NDArray[np.float32]:
    """What the labels of the neighbours say: log odds of the outcome among them, one record of the training mix added.

    ``log((positive + prior) / (negative + 1 - prior))``, so that a record whose neighbours have no label gets the
    log odds of ``prior``. A record's own label is never in it, since nobody is a neighbour of itself or of its own group.

    Args:
        hood: [records, k] neighbours.
        labels: [reference] 0, 1 or -1.
        prior: Share of label 1 among labelled reference records, 0..1 without the ends.

    Returns:
        [records] float32.
    """
    labels_heard = np.where(hood.index >= 0, labels[hood.index.clip(min=0)], -1)
    positive, negative = (labels_heard == 1).sum(1), (labels_heard == 0).sum(1)
    votes: NDArray[np.float32] = np.log((positive + prior) / (negative + 1 - prior)).astype(np.float32)
    return votes


def label_prior(labels: NDArray[np.int64]) -> float:
    """Share of label 1 among labelled records, kept from 0 and 1 by one record of either label."""
    return float(((labels == 1).sum() + 1) / ((labels >= 0).sum() + 2))
