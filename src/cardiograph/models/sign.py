"""SIGN: own features and means of neighbours, gated into an ensemble that begins as a logistic regression.

What is heard does not depend on any weight. So a query is scored from stored means of the reference records, training
goes in minibatches, and the ensemble costs one matrix product.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import dropout

from cardiograph.config import ModelConfig
from cardiograph.models.neighbour_table import NeighbourTable

CHUNK_ROWS = 65_536
"""Records that are scored at once."""


class Sign(nn.Module):
    """``z = [x m_1 m_2] L + mean over members of relu(x W_0 + g_1 m_1 W_1 + g_2 m_2 W_2 + b) V + c``.

    ``x`` are the record's own features, ``m_1`` the mean of its neighbours' features, ``m_2`` the mean of their ``m_1``.
    With the gates ``g`` at 0, where they begin, it is an MLP beside a linear path; with ``V`` at 0, where it begins, a
    logistic regression, whose coefficients ``L`` and ``c`` are taken over from one
    (:mod:`cardiograph.models.sign_init`). So neighbours are listened to only as far as they lower the loss.

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

    def heard(
        self, own: Tensor, neighbour_table: NeighbourTable, sources: Sequence[Tensor] | None = None
    ) -> list[Tensor]:
        """What records hear: [records, features] mean over the neighbours of each hop.

        Args:
            own: [records, features] of the records.
            neighbour_table: Whom each hears.
            sources: Features of the reference records, then their own means of all hops but the last; the records' own where
                None (the reference graph).
        """
        means: list[Tensor] = []
        for hop in range(len(self.hops) - 1):
            before = ([own, *means])[hop] if sources is None else sources[hop]
            means.append(neighbour_table.mean(before))
        return means

    def scored(self, own: Tensor, means: Sequence[Tensor], votes: Tensor) -> Tensor:
        """[records, members, classes] logits from [records, features] own features, means of each hop, [records] votes."""
        members, width = self.bias.shape
        hidden = (own @ self.hops[0]).view(-1, members, width) + self.bias
        for gate, weight, mean in zip(self.gates, list(self.hops)[1:], means, strict=True):
            hidden = hidden + gate[:, None] * (mean @ weight).view(-1, members, width)
        hidden = dropout(hidden.relu(), self.rate, self.training)
        logits: Tensor = torch.einsum("nmw,mwc->nmc", hidden, self.out)
        logits = logits + self.linear(torch.cat([own, *means], dim=1))[:, None]
        return logits + votes[:, None, None] * self.vote if self.votes else logits

    def forward(
        self,
        own: Tensor,
        neighbour_table: NeighbourTable,
        sources: Sequence[Tensor] | None = None,
        heard: Sequence[Tensor] | None = None,
    ) -> tuple[Tensor, list[Tensor]]:
        """Score records; see :meth:`cardiograph.models.gnn.Network.forward`."""
        means = self.heard(own, neighbour_table, sources) if heard is None else heard
        parts = [slice(start, start + CHUNK_ROWS) for start in range(0, max(len(own), 1), CHUNK_ROWS)]
        logits = [self.scored(own[part], [mean[part] for mean in means], neighbour_table.votes[part]) for part in parts]
        return torch.cat(logits).mean(1), [own, *means[:-1]]
