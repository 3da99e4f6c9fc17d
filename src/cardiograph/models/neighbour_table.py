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
    """Whom records hear, as tensors.

    Args:
        index: [records, k] int64 rows of the sources; 0 where not valid.
        valid: [records, k] bool, False for padding.
        degree: [records] float32, neighbours heard + 1 for the record itself.
        source_degree: [records, k] float32, the degree of each neighbour.
        votes: [records] float32 log odds of the neighbours' labels, see
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
        hood: NearestNeighbours,
        reference_degree: Tensor | None = None,
        votes: NDArray[np.float32] | None = None,
    ) -> Self:
        """From a neighbourhood.

        Args:
            hood: Whom each record hears.
            reference_degree: [reference] degree of the sources; their own where None (the reference graph).
            votes: [records] of their neighbours.
        """
        index = torch.from_numpy(hood.index)
        valid = index >= 0
        degree = valid.sum(1).float() + 1
        index = index.clamp(min=0)
        heard = torch.zeros(len(index)) if votes is None else torch.from_numpy(votes)
        return cls(index, valid, degree, (degree if reference_degree is None else reference_degree)[index], heard)

    def mean(self, source: Tensor) -> Tensor:
        """[sources, width] states -> [records, width] mean over the neighbours; 0 where there is none."""
        total = self.weighted_sum(source, self.valid.to(source.dtype))
        return total / (self.degree - 1).clamp(min=1)[:, None]

    def convolved(self, own: Tensor, source: Tensor) -> Tensor:
        """[records, width] and [sources, width] states -> [records, width] ``sum_j x_j / sqrt(d_i d_j)`` with self."""
        return self.weighted_sum(source, self._convolution.to(source.dtype)) + own / self.degree[:, None]

    def of_rows(self, rows: Tensor | slice) -> NeighbourTable:
        """Whom some of the records hear."""
        return NeighbourTable(
            *(each[rows] for each in (self.index, self.valid, self.degree, self.source_degree, self.votes))
        )

    def reached(self, rows: Tensor) -> Tensor:
        """[sources] rows of some records and of whom they hear, ascending, each once."""
        reached: Tensor = torch.unique(torch.cat([rows, self.index[rows][self.valid[rows]]]))
        return reached

    def among(self, rows: Tensor, sources: Tensor) -> NeighbourTable:
        """Whom some records hear, as places among ``sources`` (ascending; all that they hear are there)."""
        some = self.of_rows(rows)
        return replace(some, index=torch.searchsorted(sources, some.index).clamp(max=len(sources) - 1))

    def weighted_sum(self, source: Tensor, weight: Tensor) -> Tensor:
        """[sources, width] states, [records, k] weights -> [records, width] sum over the neighbours.

        Nothing of the size records x k x width is made, neither here nor for the gradient.
        """
        total: Tensor = _WeightedSum.apply(source, weight, self)  # type: ignore[no-untyped-call]
        return total

    @cached_property
    def _convolution(self) -> Tensor:
        weight: Tensor = self.valid / (self.degree[:, None] * self.source_degree).sqrt()
        return weight

    @cached_property
    def _by_source(self) -> Tensor:
        """[records * k] places of the flattened table, sorted by whom they hear."""
        return torch.argsort(self.index.flatten(), stable=True)


class _WeightedSum(torch.autograd.Function):
    """Sum over fixed neighbours; its gradient is the same sum over the listeners of each source."""

    @staticmethod
    def forward(ctx: Any, source: Tensor, weight: Tensor, neighbour_table: NeighbourTable) -> Tensor:  # noqa: ANN401 - torch's
        ctx.weight, ctx.neighbour_table, ctx.sources = weight, neighbour_table, len(source)
        records, k = neighbour_table.index.shape
        return _bags(source, neighbour_table.index.flatten(), torch.arange(records) * k, weight.flatten())

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:  # noqa: ANN401 - torch's
        neighbour_table, (gradient,) = ctx.neighbour_table, gradients
        order, k = neighbour_table._by_source, neighbour_table.index.shape[1]
        counts = torch.bincount(neighbour_table.index.flatten(), minlength=ctx.sources)
        weight = ctx.weight.flatten()[order]
        return _bags(gradient.contiguous(), order // max(k, 1), counts.cumsum(0) - counts, weight), None, None


def _bags(table: Tensor, rows: Tensor, starts: Tensor, weight: Tensor) -> Tensor:
    """Weighted sums of rows of a table, one sum from each start to the next."""
    return embedding_bag(rows, table, starts, mode="sum", per_sample_weights=weight)
