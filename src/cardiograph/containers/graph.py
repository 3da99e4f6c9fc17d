"""Where records lie, whom they hear, and how neighbours are found."""

from __future__ import annotations

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


@dataclass(frozen=True)
class IvfIndex:
    """Inverted lists: each reference record stands in the list of its nearest centroid, and a query looks into a few lists.

    Args:
        centroids: [lists, coordinates] float32.
        rows: [reference] int64 rows of the reference, list after list, ascending in each.
        starts: [lists + 1] int64, where each list begins in ``rows``.
        probes: Lists that a query looks into.
        recall: Share of the true neighbours that were found, on a sample of reference records.
        sampled: Records in that sample.
        raised: Whether more lists had to be looked into than at first, for the sake of recall.
        centre: [coordinates] float64 where the axes meet.
        axes: [coordinates, axes] float64, orthonormal; none where records have no few axes that tell them apart.
        lowered: [reference, axes + 1] float32 records on these axes, in the order of ``rows``: bounds below distances.
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
        require(len(self.lowered) in (0, len(self.rows)), "each reference record is lowered, or none is")
        require(len(self.starts) == len(self.centroids) + 1, "each list has a centroid and a start")
        require(int(self.starts[-1]) == len(self.rows), "each reference record stands in a list")
        require(1 <= self.probes <= len(self.centroids), "a query looks into at least one list, at most into all")

    def members(self, number: int) -> NDArray[np.int64]:
        """Rows of the reference records in a list."""
        return self.rows[self.starts[number] : self.starts[number + 1]]

    @cached_property
    def lengths(self) -> NDArray[np.float64]:
        """[lists] squared length of each centroid."""
        lengths: NDArray[np.float64] = (self.centroids.astype(np.float64) ** 2).sum(1)
        return lengths

    @cached_property
    def longest_lowered(self) -> float:
        """Largest squared length of a lowered record."""
        pieces = (self.lowered[start : start + 65536] for start in range(0, len(self.lowered), 65536))
        return max((float(np.einsum("ij,ij->i", piece, piece).max()) for piece in pieces), default=0.0)

    @property
    def sentence(self) -> str:
        """How neighbours were found, in words."""
        effort = " (raised until recall was high enough)" if self.raised else ""
        return (
            f"neighbours were found by inverted lists, {self.probes:,} of {len(self.centroids):,} looked into{effort}; "
            f"recall {self.recall:.4f} on {self.sampled:,} sampled records"
        )


@dataclass(frozen=True)
class SearchPoints:
    """Where records lie for the search of neighbours.

    Args:
        values: [records, coordinates] float32, finite; 0 in a block that a record lacks.
        present: [records, blocks] whether the record has a block.
        blocks: Column range of each block.
        scales: Median distance of training records in each block, which makes blocks comparable where one is absent.
        lists: Lists of reference records, for an approximate search; None where the search is exact.
    """

    values: NDArray[np.float32]
    present: NDArray[np.bool_]
    blocks: tuple[tuple[int, int], ...]
    scales: tuple[float, ...]
    lists: IvfIndex | None = None

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
        """Largest squared length of a record's coordinates."""
        pieces = (self.values[start : start + 8192].astype(np.float64) for start in range(0, len(self), 8192))
        return max((float(np.einsum("ij,ij->i", piece, piece).max()) for piece in pieces), default=0.0)

    def of(self, rows: NDArray[np.int64] | NDArray[np.bool_]) -> SearchPoints:
        """The places of some records, without lists."""
        return SearchPoints(self.values[rows], self.present[rows], self.blocks, self.scales)


@dataclass(frozen=True)
class NearestNeighbours:
    """The nearest reference records of some records (edges neighbour -> record).

    Args:
        index: [records, k] int64 rows of the reference, nearest first; -1 pads where fewer exist.
        distance: [records, k] float32, ascending; infinity where ``index`` is -1.
    """

    index: NDArray[np.int64]
    distance: NDArray[np.float32]

    def __post_init__(self) -> None:
        require(
            self.index.shape == self.distance.shape and self.index.ndim == 2, "indices and distances are [records, k]"
        )

    def __len__(self) -> int:
        return len(self.index)

    @classmethod
    def stacked(cls, hoods: Sequence[NearestNeighbours]) -> NearestNeighbours:
        """The rows of several, as wide as the widest."""
        width = max(hood.index.shape[1] for hood in hoods)
        pads = [((0, 0), (0, width - hood.index.shape[1])) for hood in hoods]
        index = [np.pad(hood.index, pad, constant_values=-1) for hood, pad in zip(hoods, pads, strict=True)]
        distance = [np.pad(hood.distance, pad, constant_values=np.inf) for hood, pad in zip(hoods, pads, strict=True)]
        return cls(np.vstack(index), np.vstack(distance))


@dataclass(frozen=True)
class PatientGraph:
    """Reference records and who hears whom among them.

    Args:
        rows: [reference] row of each reference record in the cohort.
        neighbours: Neighbours of each reference record, among the reference, outside its own group.
        lists: By which they were found, and queries find theirs; None where the search is exact.
    """

    rows: NDArray[np.int64]
    neighbours: NearestNeighbours
    lists: IvfIndex | None = None

    def __post_init__(self) -> None:
        require(len(self.rows) == len(self.neighbours), "a neighbourhood for each reference record")
        require(bool((self.neighbours.index < len(self.rows)).all()), "neighbours are reference records")

    @property
    def edges(self) -> NDArray[np.int64]:
        """[2, edges] neighbour -> record, as positions in ``rows``."""
        place, _ = np.nonzero(self.neighbours.index >= 0)
        return np.stack([self.neighbours.index[self.neighbours.index >= 0], place])

    def to_networkx(self, attributes: Mapping[str, Sequence[Any]] | None = None) -> networkx.DiGraph[int]:
        """Export to NetworkX: a node per reference record, an edge from each neighbour with its ``distance``.

        Args:
            attributes: Name -> [reference] values that become attributes of the nodes; ``row`` is always there.
        """
        import networkx

        graph: networkx.DiGraph[int] = networkx.DiGraph()
        columns = {
            "row": self.rows.tolist(),
            **{name: np.asarray(each).tolist() for name, each in (attributes or {}).items()},
        }
        for node in range(len(self.rows)):
            graph.add_node(node, **{name: values[node] for name, values in columns.items() if values[node] is not None})
        distances = self.neighbours.distance[self.neighbours.index >= 0].tolist()
        for source, target, distance in zip(*self.edges.tolist(), distances, strict=True):
            graph.add_edge(source, target, distance=distance)
        return graph

    def to_graphml(self, path: str | Path, attributes: Mapping[str, Sequence[Any]] | None = None) -> None:
        """Write the graph of :meth:`to_networkx` as GraphML, which Gephi, yEd and Cytoscape read."""
        import networkx

        networkx.write_graphml(self.to_networkx(attributes), str(path))

    def to_pyg(self, features: NDArray[np.float32] | None = None, labels: NDArray[np.int64] | None = None) -> Any:  # noqa: ANN401
        """Export to PyTorch Geometric: a ``Data`` with ``edge_index``, ``edge_attr`` (distances), ``x`` and ``y``.

        Args:
            features: [records, width] node features of the whole cohort.
            labels: [records] labels of the whole cohort.

        Raises:
            ImportError: PyTorch Geometric is not installed.
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
