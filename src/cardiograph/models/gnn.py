"""GCN, GAT, GraphSAGE and MLP on fixed neighbour tables: one forward pass for training, test scores and the service.

A record aggregates its ``k`` reference neighbours and itself; a query is never a neighbour. On such a table the layers
below compute what PyTorch Geometric's GCNConv, GATv2Conv and SAGEConv compute (a test compares them to 1e-5), without an
edge list and without the library.
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
"""Records whose neighbours GAT unfolds at once when no gradient is needed."""


class GCNLayer(nn.Module):
    """Graph convolution ``sum_j x_j W / sqrt(d_i d_j) + b`` over neighbours and self.

    Source: Kipf and Welling, Semi-Supervised Classification with Graph Convolutional Networks, ICLR 2017, equation 2.
    """

    uses_neighbours, aggregates_first = True, True

    def __init__(self, width_in: int, width_out: int, heads: int) -> None:
        super().__init__()
        self.linear = nn.Linear(width_in, width_out, bias=False)
        self.bias = nn.Parameter(torch.zeros(width_out))
        nn.init.xavier_uniform_(self.linear.weight)

    def aggregate(self, own: Tensor, source: Tensor, neighbour_table: NeighbourTable) -> Tensor:
        """Sum neighbours before any weight: [records, in] own states, [sources, in] states -> [records, in]."""
        return neighbour_table.convolved(own, source)

    def forward(self, own: Tensor, aggregated: Tensor, neighbour_table: NeighbourTable) -> Tensor:
        """Apply the weights to the result of :meth:`aggregate`: [records, in] -> [records, out]."""
        return linear(aggregated, self.linear.weight, self.bias)


class GATLayer(nn.Module):
    """Graph attention (GATv2): attention over neighbours and self, heads concatenated.

    Source: Brody, Alon and Yahav, How Attentive are Graph Attention Networks?, ICLR 2022, equation 7.
    """

    uses_neighbours, aggregates_first = True, False

    def __init__(self, width_in: int, width_out: int, heads: int) -> None:
        super().__init__()
        self.heads, self.width = heads, width_out // heads
        self.left = nn.Linear(width_in, width_out)
        self.right = nn.Linear(width_in, width_out)
        self.attention = nn.Parameter(torch.empty(heads, self.width))
        self.bias = nn.Parameter(torch.zeros(width_out))
        for weight in (self.left.weight, self.right.weight, self.attention):
            nn.init.xavier_uniform_(weight)

    def aggregate(self, own: Tensor, source: Tensor, neighbour_table: NeighbourTable) -> Tensor:
        """Return the [sources, in] states unchanged: attention depends on the weights."""
        return source

    def forward(self, own: Tensor, aggregated: Tensor, neighbour_table: NeighbourTable) -> Tensor:
        """Attend to neighbours: [records, in] own states, [sources, in] states -> [records, out]."""
        known = self.left(aggregated)
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

    uses_neighbours, aggregates_first = True, True

    def __init__(self, width_in: int, width_out: int, heads: int) -> None:
        super().__init__()
        self.own = nn.Linear(width_in, width_out)
        self.neighbours = nn.Linear(width_in, width_out, bias=False)
        nn.init.xavier_uniform_(self.own.weight)
        nn.init.zeros_(self.own.bias)
        nn.init.xavier_uniform_(self.neighbours.weight)

    def aggregate(self, own: Tensor, source: Tensor, neighbour_table: NeighbourTable) -> Tensor:
        """Average the neighbours: [sources, in] states -> [records, in]."""
        return neighbour_table.mean(source)

    def forward(self, own: Tensor, aggregated: Tensor, neighbour_table: NeighbourTable) -> Tensor:
        """Combine [records, in] own states with the means of the neighbours -> [records, out]."""
        mixed: Tensor = self.own(own) + self.neighbours(aggregated)
        return mixed


class SelfLayer(nn.Module):
    """Linear layer without neighbours: the same network without the graph."""

    uses_neighbours, aggregates_first = False, True

    def __init__(self, width_in: int, width_out: int, heads: int) -> None:
        super().__init__()
        self.linear = nn.Linear(width_in, width_out)
        nn.init.xavier_uniform_(self.linear.weight)
        nn.init.zeros_(self.linear.bias)

    def aggregate(self, own: Tensor, source: Tensor, neighbour_table: NeighbourTable) -> Tensor:
        """Return the [records, in] own states: nothing is aggregated."""
        return own

    def forward(self, own: Tensor, aggregated: Tensor, neighbour_table: NeighbourTable) -> Tensor:
        """Apply the layer: [records, in] own states -> [records, out]."""
        mixed: Tensor = self.linear(own)
        return mixed


LAYERS: dict[str, type[GCNLayer | GATLayer | SAGELayer | SelfLayer]] = {
    "gcn": GCNLayer,
    "gat": GATLayer,
    "sage": SAGELayer,
    "mlp": SelfLayer,
}
"""Name -> layer.

``uses_neighbours`` says whether a record needs the states of its neighbours. ``aggregates_first`` says whether ``aggregate``
depends on no weight and returns one row per record, so that training computes it once for the first layer.
"""


MIN_PACKED_DROPOUT_VALUES = 2_000_000
"""Number of values from which :class:`Dropout` draws four at once."""

MIN_PACKED_IN_BATCHES = 100_000
"""The same where a large graph is trained batch by batch: there the drawing takes a quarter of an epoch."""


class Dropout(nn.Dropout):
    """Dropout that decides very many values by 16 random bits each: a tenth of the time, the rate exact to 1/65536."""

    def forward(self, states: Tensor, packed_from: int = MIN_PACKED_DROPOUT_VALUES) -> Tensor:
        """In training, set a share of [records, width] values to 0 and scale up the rest."""
        if not self.training or states.numel() < packed_from or not 0 < self.p < 1:
            return super().forward(states)
        draws = torch.empty(-(-states.numel() // 4), dtype=torch.int64).random_(-(2**63), None)
        kept = draws.view(torch.int16)[: states.numel()] >= round(self.p * 65536) - 32768
        return states * kept.view_as(states).to(states.dtype).div_(1 - self.p)


class Network(nn.Module):
    """Graph network: convolution, ReLU and dropout, repeated; then a linear layer with a logit per class.

    With ``config.votes`` the last layer also receives the votes of the record's own neighbours. Votes never enter a
    hidden state, because the state of a neighbour could then contain this record's label.
    """

    def __init__(self, name: str, width_in: int, config: ModelConfig, *, classes: int = 2) -> None:
        super().__init__()
        widths = [width_in] + [config.width] * config.depth
        self.layers = nn.ModuleList(
            LAYERS[name](before, after, config.heads) for before, after in itertools.pairwise(widths)
        )
        self.dropout = Dropout(config.dropout)
        self.votes = config.votes and name != "mlp"
        self.head = nn.Linear(config.width + int(self.votes) * (1 if classes == 2 else classes), classes)

    def aggregate(
        self, own: Tensor, neighbour_table: NeighbourTable, sources: Sequence[Tensor] | None = None
    ) -> list[Tensor]:
        """Aggregate what enters the first layer; it depends on no weight, so training computes it once."""
        return [self.layers[0].aggregate(own, own if sources is None else sources[0], neighbour_table)]  # type: ignore[operator]

    def forward(
        self,
        own: Tensor,
        neighbour_table: NeighbourTable,
        sources: Sequence[Tensor] | None = None,
        aggregated: Sequence[Tensor] | None = None,
    ) -> tuple[Tensor, list[Tensor]]:
        """Score records.

        Args:
            own: [records, features] float32.
            neighbour_table: Neighbours of each record.
            sources: For each layer the [sources, width] states to aggregate; the records' own states if None (the
                reference graph, whose records are each other's neighbours).
            aggregated: Result of :meth:`aggregate` for these records; computed if None.

        Returns:
            [records, classes] logits, and the input states of each layer; those of the reference are the ``sources`` of a
            query.
        """
        states: list[Tensor] = []
        (entering,) = self.aggregate(own, neighbour_table, sources) if aggregated is None else aggregated
        for depth, layer in enumerate(self.layers):
            states.append(own)
            if depth > 0:
                source = own if sources is None else sources[depth]
                entering = layer.aggregate(own, source, neighbour_table)  # type: ignore[operator]
            own = layer(own, entering, neighbour_table).relu_()
            if depth < len(self.layers) - 1:
                own = self.dropout(own)
        return self._headed(own, neighbour_table.votes), states

    def scored(
        self,
        rows: Tensor,
        own: Tensor,
        neighbour_table: NeighbourTable,
        aggregated: Sequence[Tensor] | None = None,
        hide: Callable[[Tensor], Tensor] | None = None,
    ) -> Tensor:
        """Score some records of the reference graph from their neighbourhood over all layers.

        The logits equal those of :meth:`forward`, because no neighbour is left out; only the work is less.

        Args:
            rows: [rows] positions of the records.
            own: [records, features] of all records.
            neighbour_table: Neighbours of each record.
            aggregated: Result of :meth:`aggregate` for all records.
            hide: Function that hides a part of the features; ``aggregated`` is then not used.

        Returns:
            [rows, classes] logits.
        """
        needed = [rows]  # records for which each layer computes its output, first layer first
        for layer in list(self.layers)[1:]:
            needed.insert(0, neighbour_table.reached(needed[0]) if layer.uses_neighbours else needed[0])
        state: Tensor = self.layers[0](*self._inputs(needed[0], own, neighbour_table, aggregated, hide)).relu()
        for layer, sources, records in zip(list(self.layers)[1:], needed, needed[1:], strict=False):
            state = self.dropout(state, MIN_PACKED_IN_BATCHES)
            local = neighbour_table.among(records, sources) if layer.uses_neighbours else neighbour_table
            mine = state if records is sources else state[torch.searchsorted(sources, records)]
            state = layer(mine, layer.aggregate(mine, state, local), local).relu()  # type: ignore[operator]
        return self._headed(state, neighbour_table.votes[rows])

    def _inputs(
        self,
        records: Tensor,
        own: Tensor,
        neighbour_table: NeighbourTable,
        aggregated: Sequence[Tensor] | None,
        hide: Callable[[Tensor], Tensor] | None,
    ) -> tuple[Tensor, Tensor, NeighbourTable]:
        """Return the inputs of the first layer for some records."""
        layer = self.layers[0]
        if not layer.uses_neighbours:
            mine = own[records] if hide is None else hide(own[records])
            return mine, mine, neighbour_table
        if aggregated is not None and hide is None and layer.aggregates_first:
            return own[records], aggregated[0][records], neighbour_table.of_rows(records)
        sources = neighbour_table.reached(records)
        known = own[sources] if hide is None else hide(own[sources])
        mine, local = known[torch.searchsorted(sources, records)], neighbour_table.among(records, sources)
        return mine, layer.aggregate(mine, known, local), local  # type: ignore[operator]

    def _headed(self, states: Tensor, votes: Tensor) -> Tensor:
        logits: Tensor = self.head(torch.cat([states, votes.view(len(votes), -1)], dim=1) if self.votes else states)
        return logits
