"""Neighbour table: fixed neighbours of each record as tensors, with weighted sums over them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import embedding_bag

from cardiograph.containers import NearestNeighbours


@dataclass(frozen=True)
class NeighbourTable:
    """Neighbour table as tensors.

    Args:
        index: [records, k] int64 rows of the sources; 0 where not valid.
        valid: [records, k] bool, False for padding.
        degree: [records] float32, number of neighbours + 1 for the record itself.
        source_degree: [records, k] float32, the degree of each neighbour.
        votes: [records] float32 log odds of the neighbours' labels, or [records, classes] log shares, see
            :func:`cardiograph.graph.attach.neighbour_votes`; 0 where no labels were given.
    """

    index: Tensor
    valid: Tensor
    degree: Tensor
    source_degree: Tensor
    votes: Tensor

    @classmethod
    def of(
        cls,
        neighbours: NearestNeighbours,
        reference_degree: Tensor | None = None,
        votes: NDArray[np.float32] | None = None,
    ) -> Self:
        """Build the table from nearest neighbours.

        Args:
            neighbours: Neighbours of each record.
            reference_degree: [reference] degree of the sources; their own if None (the reference graph).
            votes: [records] or [records, classes] votes of the neighbours.
        """
        index = torch.from_numpy(neighbours.index)
        valid = index >= 0
        degree = valid.sum(1).float() + 1
        index = index.clamp(min=0)
        given = torch.zeros(len(index)) if votes is None else torch.from_numpy(votes)
        return cls(index, valid, degree, (degree if reference_degree is None else reference_degree)[index], given)

    def mean(self, source: Tensor) -> Tensor:
        """Average over the neighbours: [sources, width] -> [records, width]; 0 for a record without neighbours."""
        total = self.weighted_sum(source, self.valid.to(source.dtype))
        return total / (self.degree - 1).clamp(min=1)[:, None]

    def convolved(self, own: Tensor, source: Tensor) -> Tensor:
        """Compute ``sum_j x_j / sqrt(d_i d_j)`` over neighbours and self: -> [records, width]."""
        return self.weighted_sum(source, self._convolution.to(source.dtype)) + own / self.degree[:, None]

    def of_rows(self, rows: Tensor | slice) -> NeighbourTable:
        """Return the table of some of the records."""
        return NeighbourTable(
            *(each[rows] for each in (self.index, self.valid, self.degree, self.source_degree, self.votes))
        )

    def reached(self, rows: Tensor) -> Tensor:
        """Return the sorted unique rows of some records and their neighbours."""
        reached: Tensor = torch.unique(torch.cat([rows, self.index[rows][self.valid[rows]]]))
        return reached

    def among(self, rows: Tensor, sources: Tensor) -> NeighbourTable:
        """Return the table of some records with neighbours as positions in ``sources`` (sorted; contains all of them)."""
        some = self.of_rows(rows)
        return replace(some, index=torch.searchsorted(sources, some.index).clamp(max=len(sources) - 1))

    def weighted_sum(self, source: Tensor, weight: Tensor) -> Tensor:
        """Sum over the neighbours: [sources, width] states, [records, k] weights -> [records, width].

        No array of records x k x width is allocated, here or for the gradient.
        """
        if not (source.requires_grad and torch.is_grad_enabled()):
            return self._summed(source, weight)
        total: Tensor = _WeightedSum.apply(source, weight, self)  # type: ignore[no-untyped-call]
        return total

    def _summed(self, source: Tensor, weight: Tensor) -> Tensor:
        """Return the sums of :meth:`weighted_sum`, without a gradient."""
        records, k = self.index.shape
        return _bags(source, self.index.flatten(), torch.arange(records) * k, weight.flatten())

    @cached_property
    def _convolution(self) -> Tensor:
        weight: Tensor = self.valid / (self.degree[:, None] * self.source_degree).sqrt()
        return weight

    @cached_property
    def _by_source(self) -> Tensor:
        """[records * k] positions in the flattened table, sorted by neighbour."""
        return torch.argsort(self.index.flatten(), stable=True)


class _WeightedSum(torch.autograd.Function):
    """Sum over fixed neighbours; its gradient is the same sum over the records that have the source as neighbour."""

    @staticmethod
    def forward(ctx: Any, source: Tensor, weight: Tensor, neighbour_table: NeighbourTable) -> Tensor:  # noqa: ANN401 - torch's
        ctx.weight, ctx.neighbour_table, ctx.sources = weight, neighbour_table, len(source)
        return neighbour_table._summed(source, weight)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:  # noqa: ANN401 - torch's
        neighbour_table, (gradient,) = ctx.neighbour_table, gradients
        order, k = neighbour_table._by_source, neighbour_table.index.shape[1]
        counts = torch.bincount(neighbour_table.index.flatten(), minlength=ctx.sources)
        weight = ctx.weight.flatten()[order]
        return _bags(gradient.contiguous(), order // max(k, 1), counts.cumsum(0) - counts, weight), None, None


def _bags(table: Tensor, rows: Tensor, starts: Tensor, weight: Tensor) -> Tensor:
    """Return weighted sums of rows of a table, one sum from each start to the next."""
    return embedding_bag(rows, table, starts, mode="sum", per_sample_weights=weight)
