"""An epoch of GCN training on a large graph, against PyTorch Geometric's GCNConv on the edge list.

usage: python benchmarks/gcn_training.py [--records 100000] [--epochs 5]

Features (517) are a mixture with 30 inner dimensions, five neighbours each, directed, with self-loops: the same graph,
width, weights and optimiser on both sides, two threads. First the logits of both are held against each other (1e-5 of
their scale); then each side trains in a process of its own, which reports wall and CPU seconds of an epoch (forward,
backward, Adam; the median) and the most memory that training took beside the data. "kept" is ours with freed memory kept,
as in a run of more than `model.full_batch_up_to` records. Prints one JSON object.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from cardiograph.config import ModelConfig
from cardiograph.containers import NearestNeighbours
from cardiograph.models.gnn import GCNLayer, Network
from cardiograph.models.neighbour_table import NeighbourTable
from cardiograph.threads import keep_freed_memory, set_threads
from graph_scale import K, Watch, mixture

WIDTH = 517


class PyGNetwork(nn.Module):
    """The same two convolutions on an edge list."""

    def __init__(self, like: Network) -> None:
        from torch_geometric.nn import GCNConv

        super().__init__()
        layers = [layer for layer in like.layers if isinstance(layer, GCNLayer)]
        self.convolutions = nn.ModuleList()
        for layer in layers:
            width_out, width_in = layer.linear.weight.shape
            convolution = GCNConv(width_in, width_out)
            convolution.lin.weight.data = layer.linear.weight.data.clone()
            convolution.bias.data = layer.bias.data.clone()
            self.convolutions.append(convolution)
        classes, width = like.head.weight.shape
        self.dropout, self.head = nn.Dropout(like.dropout.p), nn.Linear(width, classes)
        self.head.load_state_dict(like.head.state_dict())

    def forward(self, x: Tensor, edges: Tensor) -> Tensor:
        """[records, classes] logits."""
        first, second = self.convolutions
        logits: Tensor = self.head(second(self.dropout(first(x, edges).relu()), edges).relu())
        return logits


def drawn(records: int) -> tuple[Tensor, NearestNeighbours, Tensor]:
    """Features, a neighbour table (drawn at random: how it was found does not change the work) and labels."""
    rng = np.random.default_rng(0)
    index = (np.arange(records)[:, None] + rng.integers(1, records - 1, (records, K))) % records
    neighbours = NearestNeighbours(np.sort(index, axis=1), np.ones(index.shape, np.float32))
    values = mixture(records, WIDTH, 0)
    return torch.from_numpy(values), neighbours, torch.from_numpy((values[:, 0] > 0).astype(np.int64))


def network() -> Network:
    """Ours, with fresh weights."""
    torch.manual_seed(0)
    return Network("gcn", WIDTH, ModelConfig(name="gcn"))


def edges_of(neighbours: NearestNeighbours) -> Tensor:
    """[2, edges] neighbour, record."""
    records, k = neighbours.index.shape
    return torch.stack([torch.from_numpy(neighbours.index.ravel()), torch.arange(records).repeat_interleave(k)])


def trained(side: str, records: int, epochs: int) -> dict[str, float]:
    """Seconds of an epoch and memory of one side."""
    if side == "kept":
        keep_freed_memory()
    x, neighbours, labels = drawn(records)
    ours = network()
    model: nn.Module = PyGNetwork(ours) if side == "pyg" else ours
    graph = edges_of(neighbours) if side == "pyg" else NeighbourTable.of(neighbours)
    memory = Watch()
    start = time.perf_counter()
    aggregated = ours.aggregate(x, graph) if isinstance(graph, NeighbourTable) else []
    once = time.perf_counter() - start

    def logits() -> Tensor:
        found: Tensor = (
            ours(x, graph, aggregated=aggregated)[0] if isinstance(graph, NeighbourTable) else model(x, graph)
        )
        return found

    optimiser = torch.optim.Adam(model.parameters(), lr=1e-3)
    model.train()
    spent = [_epoch(optimiser, logits, labels) for _ in range(epochs + 1)][1:]
    return {
        "wall_s": round(statistics.median(wall for wall, _ in spent), 3),
        "cpu_s": round(statistics.median(cpu for _, cpu in spent), 3),
        "once_wall_s": round(once, 3),
        "memory_beside_data_mb": memory.most_mb(),
    }


def _epoch(optimiser: torch.optim.Optimizer, logits: Callable[[], Tensor], labels: Tensor) -> tuple[float, float]:
    usage, start = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter()
    optimiser.zero_grad()
    torch.autograd.backward(cross_entropy(logits(), labels))
    optimiser.step()
    wall, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_SELF)
    return wall, after.ru_utime + after.ru_stime - usage.ru_utime - usage.ru_stime


def apart(records: int) -> float:
    """Largest difference of the logits of both sides, of their scale."""
    x, neighbours, _ = drawn(records)
    ours = network().eval()
    theirs = PyGNetwork(ours).eval()
    with torch.inference_mode():
        one, other = ours(x, NeighbourTable.of(neighbours))[0], theirs(x, edges_of(neighbours))
    return float((one - other).abs().max() / one.abs().max())


def main() -> None:
    """Measure, and print JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--records", type=int, default=100_000)
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--side", choices=("ours", "kept", "pyg"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    set_threads(2)
    if options.side:
        print(json.dumps(trained(options.side, options.records, options.epochs)))
        return
    result: dict[str, Any] = {"load_before": os.getloadavg()[0], "records": options.records}
    result["logits_apart"] = apart(options.records)
    assert result["logits_apart"] < 1e-5, "the two sides are not the same network"
    for side in ("pyg", "ours", "kept"):
        command = [sys.executable, __file__, "--side", side]
        command += ["--records", str(options.records), "--epochs", str(options.epochs)]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
        result[side] = json.loads(done.stdout)
    result["ratio"] = {name: round(result["pyg"][name] / result["ours"][name], 2) for name in ("wall_s", "cpu_s")}
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
