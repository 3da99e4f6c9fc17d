"""Baselines without a neural network: logistic regression and the votes of the neighbours."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from cardiograph.config import ModelConfig
from cardiograph.models.neighbour_table import NeighbourTable


class NoAggregation(nn.Module):
    """Base of the models that aggregate no features of the neighbours."""

    def aggregate(
        self, own: Tensor, neighbour_table: NeighbourTable, sources: Sequence[Tensor] | None = None
    ) -> list[Tensor]:
        """Return nothing: the model aggregates no neighbours."""
        return []


class Logistic(NoAggregation):
    """Logistic regression: a linear layer on the record's own features: ``log P(class) ~ x W + b``."""

    def __init__(self, name: str, width_in: int, config: ModelConfig, *, classes: int = 2) -> None:
        super().__init__()
        self.linear = nn.Linear(width_in, classes)

    def forward(
        self,
        own: Tensor,
        neighbour_table: NeighbourTable,
        sources: Sequence[Tensor] | None = None,
        aggregated: Sequence[Tensor] | None = None,
    ) -> tuple[Tensor, list[Tensor]]:
        """Score records; see :meth:`cardiograph.models.gnn.Network.forward`."""
        return self.linear(own), []


class KnnVote(NoAggregation):
    """Log odds of the neighbours' labels, or log shares of several classes: k-nearest-neighbour classification."""

    def __init__(self, name: str, width_in: int, config: ModelConfig, *, classes: int = 2) -> None:
        super().__init__()
        self.classes = classes
        self.scale = nn.Parameter(torch.ones(()), requires_grad=False)

    def forward(
        self,
        own: Tensor,
        neighbour_table: NeighbourTable,
        sources: Sequence[Tensor] | None = None,
        aggregated: Sequence[Tensor] | None = None,
    ) -> tuple[Tensor, list[Tensor]]:
        """Score records; see :meth:`cardiograph.models.gnn.Network.forward`."""
        votes = neighbour_table.votes * self.scale
        return (votes if self.classes > 2 else torch.stack([torch.zeros_like(votes), votes], dim=1)), []
