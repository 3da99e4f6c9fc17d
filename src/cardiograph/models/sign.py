"""SIGN: own features and means of neighbours, gated into an ensemble that starts as a logistic regression.

The means depend on no weight. So a query is scored from stored means of the reference records, training uses minibatches,
and the ensemble costs one matrix product.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn.functional import dropout

from cardiograph.config import ModelConfig
from cardiograph.models.neighbour_table import NeighbourTable

if TYPE_CHECKING:
    from cardiograph.models.ranks import MeansOfRanks

CHUNK_ROWS = 65_536
"""Number of records scored at once."""


class Sign(nn.Module):
    """``z = [x m_1 m_2] L + mean over members of relu(x W_0 + g_1 m_1 W_1 + g_2 m_2 W_2 + b) V + c``.

    ``x`` are the record's own features, ``m_1`` the mean of its neighbours' features, ``m_2`` the mean of their ``m_1``.
    With the gates ``g`` at their initial value 0 it is an MLP plus a linear path; with ``V`` at its initial value 0, a
    logistic regression whose coefficients ``L`` and ``c`` are fitted first (:mod:`cardiograph.models.sign_init`). So
    neighbours gain influence only as far as they lower the loss.

    Source: Frasca, Rossi, Eynard, Chamberlain, Bronstein and Monti, SIGN: Scalable Inception Graph Neural Networks, ICML
    workshop on graph representation learning, 2020 (the means); the gates and the linear path are additions.
    """

    def __init__(self, name: str, width_in: int, config: ModelConfig, *, classes: int = 2) -> None:
        super().__init__()
        width, members = config.width // config.members, config.members
        self.members, self.rate, self.votes = members, config.dropout, config.votes
        scale = width_in**-0.5
        self.hops = nn.ParameterList(
            nn.Parameter(torch.randn(width_in, members * width) * scale) for _ in range(config.depth + 1)
        )
        self.gates = nn.Parameter(torch.zeros(config.depth, members))
        self.bias = nn.Parameter(torch.zeros(members, width))
        self.out = nn.Parameter(torch.zeros(members, width, classes))
        self.vote = nn.Parameter(torch.zeros(classes))
        self.linear = nn.Linear(width_in * (config.depth + 1), classes)
        nn.init.zeros_(self.linear.weight)
        nn.init.zeros_(self.linear.bias)

    def aggregate(
        self, own: Tensor, neighbour_table: NeighbourTable | MeansOfRanks, sources: Sequence[Tensor] | None = None
    ) -> list[Tensor]:
        """Average the features of the neighbours over each hop: [records, features] per hop.

        Args:
            own: [records, features] features of the records.
            neighbour_table: Neighbours of each record.
            sources: Features of the reference records, then their means of all hops but the last; the records' own
                features if None (the reference graph).
        """
        means: list[Tensor] = []
        for hop in range(len(self.hops) - 1):
            before = ([own, *means])[hop] if sources is None else sources[hop]
            means.append(neighbour_table.mean(before))
        return means

    def scored(self, own: Tensor, means: Sequence[Tensor], votes: Tensor, kept: Tensor | None = None) -> Tensor:
        """Return [records, members, classes] logits from own features, means of each hop, and votes.

        Args:
            own: [records, features] features of the records.
            means: [records, features] means of each hop.
            votes: [records] or [records, classes] votes of the neighbours.
            kept: [records, members, width] factors of dropout, see :meth:`drawn_dropout`; drawn here if None.
        """
        members, width = self.bias.shape
        hidden = (own @ self.hops[0]).view(-1, members, width) + self.bias
        for gate, weight, mean in zip(self.gates, list(self.hops)[1:], means, strict=True):
            hidden = hidden + gate[:, None] * (mean @ weight).view(-1, members, width)
        hidden = dropout(hidden.relu(), self.rate, self.training) if kept is None else hidden.relu() * kept
        logits: Tensor = torch.einsum("nmw,mwc->nmc", hidden, self.out)
        logits = logits + self.linear(torch.cat([own, *means], dim=1))[:, None]
        return logits + votes.view(len(votes), 1, -1) * self.vote if self.votes else logits

    def drawn_dropout(self, records: int, part: slice) -> Tensor | None:
        """Draw the dropout of a batch as :meth:`scored` does in training, and return the factors of a part of it.

        Args:
            records: Number of records of the batch.
            part: Records whose factors are returned: 0, or the inverse of the share that is kept.
        """
        if self.rate == 0:
            return None
        kept = torch.empty(records, *self.bias.shape).bernoulli_(1 - self.rate).div_(1 - self.rate)
        return kept[part].to(self.bias.device)

    def forward(
        self,
        own: Tensor,
        neighbour_table: NeighbourTable,
        sources: Sequence[Tensor] | None = None,
        aggregated: Sequence[Tensor] | None = None,
    ) -> tuple[Tensor, list[Tensor]]:
        """Score records; see :meth:`cardiograph.models.gnn.Network.forward`."""
        means = self.aggregate(own, neighbour_table, sources) if aggregated is None else aggregated
        parts = [slice(start, start + CHUNK_ROWS) for start in range(0, max(len(own), 1), CHUNK_ROWS)]
        logits = [
            self.scored(own[part], [mean[part] for mean in means], neighbour_table.votes[part].to(own.device))
            for part in parts
        ]
        return torch.cat(logits).mean(1), [own, *means[:-1]]
