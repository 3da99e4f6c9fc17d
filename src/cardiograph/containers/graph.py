"""The neighbour graph: points in the search space, the index of reference records, and nearest neighbours."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cardiograph.containers.records import require

if TYPE_CHECKING:
    import networkx


_CHUNK_ROWS = 4096


@dataclass(frozen=True)
class Axes:
    """Orthonormal axes through a centre.

    Args:
        centre: [coordinates] float64.
        axes: [coordinates, axes] float64.
    """

    centre: NDArray[np.float64]
    axes: NDArray[np.float64]

    def lowered(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        """Project records on the axes: [records, axes + 1], the last column is the distance from their span.

        The distance of two projections is a lower bound of the distance of the records (Pythagoras and the triangle
        inequality).
        """
        found = np.empty((len(values), self.axes.shape[1] + 1), np.float32)
        for start in range(0, len(values), _CHUNK_ROWS):
            centred = values[start : start + _CHUNK_ROWS] - self.centre
            on_axes = centred @ self.axes
            rest = np.einsum("ij,ij->i", centred, centred) - np.einsum("ij,ij->i", on_axes, on_axes)
            found[start : start + _CHUNK_ROWS, :-1] = on_axes
            found[start : start + _CHUNK_ROWS, -1] = np.sqrt(np.maximum(rest, 0))
        return found


@dataclass(frozen=True)
class IvfIndex:
    """Inverted-file (IVF) index: reference records in the list of their nearest centroid; a query searches a few lists.

    Args:
        centroids: [lists, coordinates] float32 centroid of each list.
        rows: [reference] int64 rows of the reference, grouped by list and ascending within each list.
        starts: [lists + 1] int64 position in ``rows`` at which each list begins.
        probes: Number of lists that a query searches.
        recall: Share of the true neighbours that the search found, on a sample of reference records.
        sampled: Number of records in that sample.
        raised: Whether ``probes`` was raised to reach the required recall.
        centre: [coordinates] float64 origin of the axes.
        axes: [coordinates, axes] float64 orthonormal axes; no columns if a projection does not speed up the search.
        lowered: [reference, axes + 1] float32 projection of the records onto the axes, in the order of ``rows``; it
            gives lower bounds of distances.
    """

    centroids: NDArray[np.float32]
    rows: NDArray[np.int64]
    starts: NDArray[np.int64]
    probes: int
    recall: float
    sampled: int
    raised: bool
    centre: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))
    axes: NDArray[np.float64] = field(default_factory=lambda: np.zeros((0, 0)))
    lowered: NDArray[np.float32] = field(default_factory=lambda: np.zeros((0, 0), np.float32))

    def __post_init__(self) -> None:
        require(len(self.lowered) in (0, len(self.rows)), "all reference records are projected, or none is")
        require(len(self.starts) == len(self.centroids) + 1, "each list has a centroid and a start")
        require(int(self.starts[-1]) == len(self.rows), "each reference record is in a list")
        require(1 <= self.probes <= len(self.centroids), "a query searches at least one list and at most all lists")

    def members(self, number: int) -> NDArray[np.int64]:
        """Return the rows of the reference records in a list."""
        return self.rows[self.starts[number] : self.starts[number + 1]]

    @cached_property
    def lengths(self) -> NDArray[np.float64]:
        """[lists] squared norm of each centroid."""
        lengths: NDArray[np.float64] = (self.centroids.astype(np.float64) ** 2).sum(1)
        return lengths

    @cached_property
    def lowered_centroids(self) -> NDArray[np.float32]:
        """[lists, axes + 1] projection of the centroids, a sixteenth of their size with 30 axes of 512 coordinates."""
        return Axes(self.centre, self.axes).lowered(self.centroids)

    @cached_property
    def longest_lowered(self) -> float:
        """Largest squared norm of a projected record."""
        chunks = (self.lowered[start : start + 65536] for start in range(0, len(self.lowered), 65536))
        return max((float(np.einsum("ij,ij->i", chunk, chunk).max()) for chunk in chunks), default=0.0)

    @cached_property
    def longest_lowered_centroid(self) -> float:
        """Largest squared norm of a projected centroid."""
        return float(np.einsum("ij,ij->i", self.lowered_centroids, self.lowered_centroids).max())

    @property
    def sentence(self) -> str:
        """Description of the search, for the report."""
        effort = " (raised to reach the required recall)" if self.raised else ""
        return (
            f"neighbours were found by inverted lists, {self.probes:,} of {len(self.centroids):,} searched{effort}; "
            f"recall {self.recall:.4f} on {self.sampled:,} sampled records"
        )


@dataclass(frozen=True)
class ShardedIndex:
    """IVF indexes of shards: each covers consecutive reference records, and a query searches all of them.

    Args:
        parts: Index of each shard, whose rows count from the first record of the shard, in the order of the reference.
    """

    parts: tuple[IvfIndex, ...]

    def __post_init__(self) -> None:
        require(len(self.parts) > 1, "an index of shards has two or more shards")

    @property
    def bounds(self) -> list[int]:
        """Row of the reference at which each shard begins, and the number of reference records at the end."""
        return [0, *itertools.accumulate(len(part.rows) for part in self.parts)]

    @property
    def sentence(self) -> str:
        """Description of the search, for the report."""
        recall = min(part.recall for part in self.parts)
        return (
            f"neighbours were found by inverted lists in {len(self.parts)} shards of the reference records; recall at "
            f"least {recall:.4f} in each shard, on {self.parts[0].sampled:,} sampled records"
        )


NeighbourIndex = IvfIndex | ShardedIndex
"""Index of the reference records for an approximate search."""


@dataclass(frozen=True)
class SearchPoints:
    """Records as points in the search space.

    Args:
        values: [records, coordinates] float32 finite coordinates; 0 in a block that the record lacks.
        present: [records, blocks] whether the record has each block.
        blocks: Column range of each block.
        scales: Median distance between training records in each block, which makes blocks comparable if one is absent.
        lists: Index of the reference records for an approximate search; None for an exact search.
    """

    values: NDArray[np.float32]
    present: NDArray[np.bool_]
    blocks: tuple[tuple[int, int], ...]
    scales: tuple[float, ...]
    lists: NeighbourIndex | None = None

    def __post_init__(self) -> None:
        require(self.present.shape == (len(self.values), len(self.blocks)), "presence is [records, blocks]")
        require(len(self.scales) == len(self.blocks), "a scale for each block")

    def __len__(self) -> int:
        return len(self.values)

    @cached_property
    def complete(self) -> bool:
        """Whether every record has every block."""
        return bool(self.present.all())

    @cached_property
    def longest(self) -> float:
        """Largest squared norm of a record."""
        chunks = (self.values[start : start + 8192].astype(np.float64) for start in range(0, len(self), 8192))
        return max((float(np.einsum("ij,ij->i", chunk, chunk).max()) for chunk in chunks), default=0.0)

    def of(self, rows: NDArray[np.int64] | NDArray[np.bool_]) -> SearchPoints:
        """Return the points of the given rows, without the index."""
        return SearchPoints(self.values[rows], self.present[rows], self.blocks, self.scales)


@dataclass(frozen=True)
class NearestNeighbours:
    """The nearest reference records of each record (edges neighbour -> record).

    Args:
        index: [records, k] int64 rows of the reference, nearest first; padded with -1 if fewer exist.
        distance: [records, k] float32 ascending distances; infinity where ``index`` is -1.
    """

    index: NDArray[np.int64]
    distance: NDArray[np.float32]

    def __post_init__(self) -> None:
        require(
            self.index.shape == self.distance.shape and self.index.ndim == 2, "indices and distances are [records, k]"
        )

    def __len__(self) -> int:
        return len(self.index)

    def of(self, rows: slice) -> NearestNeighbours:
        """Return the neighbours of some records."""
        return NearestNeighbours(self.index[rows], self.distance[rows])

    @classmethod
    def stacked(cls, parts: Sequence[NearestNeighbours]) -> NearestNeighbours:
        """Concatenate the rows of several tables, padded to the widest."""
        width = max(part.index.shape[1] for part in parts)
        pads = [((0, 0), (0, width - part.index.shape[1])) for part in parts]
        index = [np.pad(part.index, pad, constant_values=-1) for part, pad in zip(parts, pads, strict=True)]
        distance = [np.pad(part.distance, pad, constant_values=np.inf) for part, pad in zip(parts, pads, strict=True)]
        return cls(np.vstack(index), np.vstack(distance))


@dataclass(frozen=True)
class PatientGraph:
    """Graph of the reference records.

    Args:
        rows: [reference] row of each reference record in the cohort.
        neighbours: Nearest neighbours of each reference record among the reference records of other groups.
        lists: Index with which the neighbours of reference records and queries are found; None for an exact search.
    """

    rows: NDArray[np.int64]
    neighbours: NearestNeighbours
    lists: NeighbourIndex | None = None

    def __post_init__(self) -> None:
        require(len(self.rows) == len(self.neighbours), "neighbours are given for each reference record")
        require(bool((self.neighbours.index < len(self.rows)).all()), "neighbours are reference records")

    @property
    def edges(self) -> NDArray[np.int64]:
        """[2, edges] edges neighbour -> record, as positions in ``rows``."""
        record, _ = np.nonzero(self.neighbours.index >= 0)
        return np.stack([self.neighbours.index[self.neighbours.index >= 0], record])

    def to_networkx(self, attributes: Mapping[str, Sequence[Any]] | None = None) -> networkx.DiGraph[int]:
        """Export to NetworkX: one node per reference record, one edge from each neighbour with its ``distance``.

        Args:
            attributes: Name -> [reference] values of additional node attributes, in the order of ``rows``; every node
                has ``row``.

        Raises:
            ValueError: If an attribute has not one value for each reference record.
        """
        import networkx

        graph: networkx.DiGraph[int] = networkx.DiGraph()
        columns = {
            "row": self.rows.tolist(),
            **{name: np.asarray(each).tolist() for name, each in (attributes or {}).items()},
        }
        for name, values in columns.items():
            if len(values) != len(self.rows):
                message = (
                    f"attribute {name!r} has {len(values)} values for {len(self.rows)} reference records; of values of the "
                    "whole cohort give values[graph.rows]"
                )
                raise ValueError(message)
        for node in range(len(self.rows)):
            graph.add_node(node, **{name: values[node] for name, values in columns.items() if values[node] is not None})
        distances = self.neighbours.distance[self.neighbours.index >= 0].tolist()
        for source, target, distance in zip(*self.edges.tolist(), distances, strict=True):
            graph.add_edge(source, target, distance=distance)
        return graph

    def to_graphml(self, path: str | Path, attributes: Mapping[str, Sequence[Any]] | None = None) -> None:
        """Write the graph of :meth:`to_networkx` as GraphML, for Gephi, yEd and Cytoscape."""
        import networkx

        networkx.write_graphml(self.to_networkx(attributes), str(path))

    def to_pyg(self, features: NDArray[np.float32] | None = None, labels: NDArray[np.int64] | None = None) -> Any:  # noqa: ANN401
        """Export to PyTorch Geometric: a ``Data`` with ``edge_index``, ``edge_attr`` (distances), ``x`` and ``y``.

        Args:
            features: [records, width] node features of the whole cohort.
            labels: [records] labels of the whole cohort.

        Raises:
            ImportError: If PyTorch Geometric is not installed.
        """
        import torch

        try:
            from torch_geometric.data import Data
        except ImportError as error:
            message = "to_pyg needs PyTorch Geometric: pip install torch_geometric"
            raise ImportError(message) from error
        distances = self.neighbours.distance[self.neighbours.index >= 0][:, None]
        return Data(
            x=None if features is None else torch.from_numpy(features[self.rows]),
            y=None if labels is None else torch.from_numpy(labels[self.rows]),
            edge_index=torch.from_numpy(self.edges),
            edge_attr=torch.from_numpy(distances),
        )
