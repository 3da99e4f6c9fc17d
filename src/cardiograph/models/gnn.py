"""GCN, GAT, GraphSAGE and MLP on fixed neighbour tables: one forward pass for training, test scores and the service.

A record hears its own ``k`` reference neighbours and itself; nobody hears a query. On such a table the layers below are
PyTorch Geometric's GCNConv, GATv2Conv and SAGEConv (a test holds them to 1e-5),
without an edge list and without the library.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import linear

from cardiograph.config import ModelConfig
from cardiograph.models.neighbour_table import NeighbourTable

CHUNK_ROWS = 65_536
"""Records whose neighbours GAT unfolds at once where no gradient is wanted."""


class GCNLayer(nn.Module):
    """Graph convolution ``sum_j x_j W / sqrt(d_i d_j) + b`` over neighbours and self.

    Source: Kipf and Welling, Semi-Supervised Classification with Graph Convolutional Networks, ICLR 2017, equation 2.
    """

    hears, sums_first = True, True

    def __init__(self, width_in: int, width_out: int, heads: int) -> None:
        super().__init__()
        self.linear = nn.Linear(width_in, width_out, bias=False)
        self.bias = nn.Parameter(torch.zeros(width_out))
        nn.init.xavier_uniform_(self.linear.weight)

    def heard(self, own: Tensor, source: Tensor, neighbour_table: NeighbourTable) -> Tensor:
        """[records, in] own states and [sources, in] states -> [records, in] their sum, before any weight."""
        return neighbour_table.convolved(own, source)

    def forward(self, own: Tensor, heard: Tensor, neighbour_table: NeighbourTable) -> Tensor:
        """What :meth:`heard` gave -> [records, out]."""
        return linear(heard, self.linear.weight, self.bias)


class GATLayer(nn.Module):
    """Graph attention, second form: attention over neighbours and self, heads concatenated.

    Source: Brody, Alon and Yahav, How Attentive are Graph Attention Networks?, ICLR 2022, equation 7.
    """

    hears, sums_first = True, False

    def __init__(self, width_in: int, width_out: int, heads: int) -> None:
        super().__init__()
        self.heads, self.width = heads, width_out // heads
        self.left = nn.Linear(width_in, width_out)
        self.right = nn.Linear(width_in, width_out)
        self.attention = nn.Parameter(torch.empty(heads, self.width))
        self.bias = nn.Parameter(torch.zeros(width_out))
        for weight in (self.left.weight, self.right.weight, self.attention):
            nn.init.xavier_uniform_(weight)

    def heard(self, own: Tensor, source: Tensor, neighbour_table: NeighbourTable) -> Tensor:
        """[sources, in] states as they are: who is listened to depends on the weights."""
        return source

    def forward(self, own: Tensor, heard: Tensor, neighbour_table: NeighbourTable) -> Tensor:
        """[records, in] own states and [sources, in] states -> [records, out]."""
        known = self.left(heard)
        if torch.is_grad_enabled() or len(own) <= CHUNK_ROWS:
            return self._attended(own, known, neighbour_table)
        parts = [slice(start, start + CHUNK_ROWS) for start in range(0, len(own), CHUNK_ROWS)]
        return torch.cat([self._attended(own[part], known, neighbour_table.of_rows(part)) for part in parts])

    def _attended(self, own: Tensor, known: Tensor, neighbour_table: NeighbourTable) -> Tensor:
        records = len(own)
        values = torch.cat([known[neighbour_table.index], self.left(own)[:, None]], dim=1)
        values = values.view(records, -1, self.heads, self.width)
        asking = self.right(own).view(records, 1, self.heads, self.width)
        score = (nn.functional.leaky_relu(values + asking, 0.2) * self.attention).sum(-1)
        valid = torch.cat([neighbour_table.valid, torch.ones(records, 1, dtype=torch.bool)], dim=1)
        alpha = score.masked_fill(~valid[:, :, None], float("-inf")).softmax(1)
        mixed: Tensor = (alpha[..., None] * values).sum(1).flatten(1) + self.bias
        return mixed


class SAGELayer(nn.Module):
    """GraphSAGE with the mean as aggregator: ``W x_i + V mean_j x_j + b``.

    Source: Hamilton, Ying and Leskovec, Inductive Representation Learning on Large Graphs, NeurIPS 2017, algorithm 1.
    """

    hears, sums_first = True, True

    def __init__(self, width_in: int, width_out: int, heads: int) -> None:
        super().__init__()
        self.own = nn.Linear(width_in, width_out)
        self.neighbours = nn.Linear(width_in, width_out, bias=False)
        nn.init.xavier_uniform_(self.own.weight)
        nn.init.zeros_(self.own.bias)
        nn.init.xavier_uniform_(self.neighbours.weight)

    def heard(self, own: Tensor, source: Tensor, neighbour_table: NeighbourTable) -> Tensor:
        """[sources, in] states -> [records, in] mean over the neighbours."""
        return neighbour_table.mean(source)

    def forward(self, own: Tensor, heard: Tensor, neighbour_table: NeighbourTable) -> Tensor:
        """[records, in] own states and means of the neighbours -> [records, out]."""
        mixed: Tensor = self.own(own) + self.neighbours(heard)
        return mixed


class SelfLayer(nn.Module):
    """A linear layer that hears nobody: the same network without the graph."""

    hears, sums_first = False, True

    def __init__(self, width_in: int, width_out: int, heads: int) -> None:
        super().__init__()
        self.linear = nn.Linear(width_in, width_out)
        nn.init.xavier_uniform_(self.linear.weight)
        nn.init.zeros_(self.linear.bias)

    def heard(self, own: Tensor, source: Tensor, neighbour_table: NeighbourTable) -> Tensor:
        """[records, in] own states: nobody is heard."""
        return own

    def forward(self, own: Tensor, heard: Tensor, neighbour_table: NeighbourTable) -> Tensor:
        """[records, in] own states -> [records, out]."""
        mixed: Tensor = self.linear(own)
        return mixed


LAYERS: dict[str, type[GCNLayer | GATLayer | SAGELayer | SelfLayer]] = {
    "gcn": GCNLayer,
    "gat": GATLayer,
    "sage": SAGELayer,
    "mlp": SelfLayer,
}


MANY = 2_000_000
"""Values from which on :class:`Dropout` draws four of them at once."""


class Dropout(nn.Dropout):
    """Dropout; of very many values 16 bits of a draw decide each, which takes a tenth of the time (rate within 1/65536)."""

    def forward(self, states: Tensor) -> Tensor:
        """[records, width] -> the same, a share at 0 and the rest scaled up, in training."""
        if not self.training or states.numel() < MANY or not 0 < self.p < 1:
            return super().forward(states)
        draws = torch.empty(-(-states.numel() // 4), dtype=torch.int64).random_(-(2**63), None)
        kept = draws.view(torch.int16)[: states.numel()] >= round(self.p * 65536) - 32768
        return states * kept.view_as(states).to(states.dtype).div_(1 - self.p)


class Network(nn.Module):
    """Convolution - ReLU - dropout, ..., convolution - ReLU - linear: a logit per record and class, two as it is served.

    With ``config.votes`` the last layer sees the votes of the record's own neighbours, too. They never enter a state: what a
    neighbour heard may hold this record's label.
    """

    def __init__(self, name: str, width_in: int, config: ModelConfig, *, classes: int = 2) -> None:
        super().__init__()
        widths = [width_in] + [config.width] * config.depth
        self.layers = nn.ModuleList(
            LAYERS[name](before, after, config.heads) for before, after in itertools.pairwise(widths)
        )
        self.dropout = Dropout(config.dropout)
        self.votes = config.votes and name != "mlp"
        self.head = nn.Linear(config.width + int(self.votes), classes)

    def heard(
        self, own: Tensor, neighbour_table: NeighbourTable, sources: Sequence[Tensor] | None = None
    ) -> list[Tensor]:
        """What enters the first layer: no weight decides it, so that training computes it once."""
        return [self.layers[0].heard(own, own if sources is None else sources[0], neighbour_table)]  # type: ignore[operator]

    def forward(
        self,
        own: Tensor,
        neighbour_table: NeighbourTable,
        sources: Sequence[Tensor] | None = None,
        heard: Sequence[Tensor] | None = None,
    ) -> tuple[Tensor, list[Tensor]]:
        """Score records.

        Args:
            own: [records, features] float32.
            neighbour_table: Whom each record hears.
            sources: For each layer the [sources, width] states that are heard; the records' own states where None (the
                reference graph, whose records hear one another).
            heard: What :meth:`heard` gave for these records; computed where None.

        Returns:
            [records, classes] logits, and each layer's input states: those of the reference are the ``sources`` of a query.
        """
        states: list[Tensor] = []
        (entering,) = self.heard(own, neighbour_table, sources) if heard is None else heard
        for depth, layer in enumerate(self.layers):
            states.append(own)
            if depth > 0:
                source = own if sources is None else sources[depth]
                entering = layer.heard(own, source, neighbour_table)  # type: ignore[operator]
            own = layer(own, entering, neighbour_table).relu_()
            if depth < len(self.layers) - 1:
                own = self.dropout(own)
        return self._headed(own, neighbour_table.votes), states

    def scored(
        self,
        rows: Tensor,
        own: Tensor,
        neighbour_table: NeighbourTable,
        heard: Sequence[Tensor] | None = None,
        hide: Callable[[Tensor], Tensor] | None = None,
    ) -> Tensor:
        """[rows, classes] logits of some records of the reference graph, from those that they hear over all layers alone.

        The same numbers as :meth:`forward` gives, with no more work than these records need: no neighbour is left out.

        Args:
            rows: [rows] of the records.
            own: [records, features] of all records.
            neighbour_table: Whom each record hears.
            heard: What :meth:`heard` gave for all records.
            hide: Takes from the features of records what is not to be seen; ``heard`` is then not used.
        """
        needed = [rows]  # records whose output a layer has to give, the first layer's first
        for layer in list(self.layers)[1:]:
            needed.insert(0, neighbour_table.reached(needed[0]) if layer.hears else needed[0])
        state: Tensor = self.layers[0](*self._inputs(needed[0], own, neighbour_table, heard, hide)).relu()
        for layer, sources, records in zip(list(self.layers)[1:], needed, needed[1:], strict=False):
            state, local = self.dropout(state), neighbour_table.among(records, sources)
            mine = state if records is sources else state[torch.searchsorted(sources, records)]
            state = layer(mine, layer.heard(mine, state, local), local).relu()  # type: ignore[operator]
        return self._headed(state, neighbour_table.votes[rows])

    def _inputs(
        self,
        records: Tensor,
        own: Tensor,
        neighbour_table: NeighbourTable,
        heard: Sequence[Tensor] | None,
        hide: Callable[[Tensor], Tensor] | None,
    ) -> tuple[Tensor, Tensor, NeighbourTable]:
        """What the first layer takes for some records."""
        layer = self.layers[0]
        if heard is not None and hide is None and layer.sums_first:
            return own[records], heard[0][records], neighbour_table.of_rows(records)
        sources = neighbour_table.reached(records)
        known = own[sources] if hide is None else hide(own[sources])
        mine, local = known[torch.searchsorted(sources, records)], neighbour_table.among(records, sources)
        return mine, layer.heard(mine, known, local), local  # type: ignore[operator]

    def _headed(self, states: Tensor, votes: Tensor) -> Tensor:
        logits: Tensor = self.head(torch.cat([states, votes[:, None]], dim=1) if self.votes else states)
        return logits
