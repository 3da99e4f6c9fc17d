"""The graph of the reference records, and queries attached to it: edges run from reference records only."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from cardiograph.config import GraphConfig
from cardiograph.containers import Neighbourhood, NodeFeatures, PatientGraph
from cardiograph.graph.knn import nearest


def build_graph(
    features: NodeFeatures, rows: NDArray[np.int64], groups: NDArray[np.int64], config: GraphConfig
) -> PatientGraph:
    """Link each reference record to its nearest reference records of other groups.

    Args:
        features: Of all records.
        rows: [reference] rows of the reference records.
        groups: [records] group of each record.
        config: ``k`` and metric.
    """
    reference = features.values[rows]
    hood = nearest(
        reference, reference, k=config.k, metric=config.metric, forbidden=group_members(groups[rows], groups[rows])
    )
    return PatientGraph(rows, hood)


def attach(
    reference: NDArray[np.float32],
    queries: NDArray[np.float32],
    config: GraphConfig,
    forbidden: Sequence[NDArray[np.int64]],
) -> Neighbourhood:
    """The reference records that each query hears.

    Args:
        reference: [reference, features] float32.
        queries: [queries, features] float32.
        config: ``k`` and metric.
        forbidden: For each query, the reference rows of its own group.
    """
    return nearest(reference, queries, k=config.k, metric=config.metric, forbidden=forbidden)


def group_members(groups: NDArray[np.int64], reference_groups: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    """For each of ``groups``, the reference rows that belong to it (an empty array where none does)."""
    order = np.argsort(reference_groups, kind="stable").astype(np.int64)
    ordered = reference_groups[order]
    first = np.searchsorted(ordered, groups, side="left")
    last = np.searchsorted(ordered, groups, side="right")
    return [order[start:stop] for start, stop in zip(first, last, strict=True)]
