"""A million patients on one machine: graph, training of SIGN and of a GCN in batches, and a thousand answers.

usage: python benchmarks/million.py [--records 100000 1000000] [--epochs 10] [--answers 1000]

Node features (517) are a mixture with 30 inner dimensions; the label is drawn from a logistic of three of these. A tenth
as many records validate, attached to the rest. Each size is a process of its own, two threads. Prints one JSON object: wall
and CPU seconds of each stage, the most memory, and how much longer the largest size takes than the smallest.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from typing import Any

import numpy as np
import torch

from cardiograph.config import GraphConfig, ModelConfig
from cardiograph.containers import SearchPoints
from cardiograph.graph.attach import attach, build_graph
from cardiograph.models.examples import Examples
from cardiograph.models.neighbour_table import NeighbourTable
from cardiograph.models.training import train
from cardiograph.threads import set_threads
from graph_scale import INNER, K, mixture, timed

WIDTH, QUERY_SEED = 517, 9


def labels_of(values: np.ndarray, seed: int) -> np.ndarray:
    """[records] 0 or 1, by three inner dimensions."""
    axes = np.random.default_rng(0).normal(size=(INNER, WIDTH)).astype(np.float32) / np.float32(np.sqrt(INNER))
    inner = values @ np.linalg.pinv(axes)[:, :3]
    risk = 1 / (1 + np.exp(-inner.sum(1)))
    return (np.random.default_rng(seed).random(len(values)) < risk).astype(np.int64)


def measure(records: int, epochs: int, answers: int) -> dict[str, Any]:
    """All stages at one size."""
    graph_config = GraphConfig(k=K)
    values, query_values = mixture(records, WIDTH, 0), mixture(records // 10, WIDTH, QUERY_SEED)
    labels, query_labels = labels_of(values, 1), labels_of(query_values, 2)
    places, queries = (
        SearchPoints(each, np.ones((len(each), 1), bool), ((0, WIDTH),), (1.0,)) for each in (values, query_values)
    )
    result: dict[str, Any] = {"records": records, "validation_records": len(query_values)}
    stages: dict[str, dict[str, float]] = {}
    graph, stages["graph"] = timed(lambda: build_graph(places, np.arange(records), np.arange(records), graph_config))
    result["search"] = "exact" if graph.lists is None else graph.lists.sentence
    reference = SearchPoints(places.values, places.present, places.blocks, places.scales, graph.lists)
    nobody = [np.zeros(0, np.int64)] * len(query_values)
    nearest_rows, stages["attach validation"] = timed(lambda: attach(reference, queries, graph_config, nobody))
    neighbour_table = NeighbourTable.of(graph.neighbours)
    train_set = Examples.of(values, neighbour_table, labels)
    val_set = Examples.of(query_values, NeighbourTable.of(nearest_rows, neighbour_table.degree), query_labels)
    for name in ("sign", "gcn"):
        config = ModelConfig(name=name, epochs=epochs, patience=epochs, full_batch_up_to=min(200_000, records - 1))
        (network, history), stages[f"train {name}"] = timed(
            lambda name=name, config=config: train(name, train_set, val_set, config=config, seed=0)
        )
        result[f"{name} validation loss"] = round(min(history.val_loss), 4)
        result[f"{name} epochs"] = len(history.val_loss)
        with torch.inference_mode():
            (_, states), stages[f"states of {name}"] = timed(
                lambda net=network: net(torch.from_numpy(values), neighbour_table)
            )
        seconds = []
        for row in range(answers):
            start = time.perf_counter()
            neighbours = attach(reference, queries.of(np.array([row])), graph_config, nobody[:1])
            with torch.inference_mode():
                network(
                    torch.from_numpy(query_values[row : row + 1]),
                    NeighbourTable.of(neighbours, neighbour_table.degree),
                    states,
                )
            seconds.append(time.perf_counter() - start)
        stages[f"{answers} answers of {name}"] = {"wall_s": round(sum(seconds), 2)}
        result[f"{name} p50 p99 ms"] = [round(1e3 * float(np.quantile(seconds, at)), 2) for at in (0.5, 0.99)]
        del states
    result["stages"] = stages
    result["wall_s"] = round(sum(stage["wall_s"] for stage in stages.values()), 1)
    result["peak_memory_gb"] = round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6, 2)
    return result


def main() -> None:
    """Measure, and print JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--records", type=int, nargs="+", default=[100_000, 1_000_000])
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--answers", type=int, default=1000)
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    set_threads(2)
    if options.here:
        print(json.dumps(measure(options.records[0], options.epochs, options.answers)))
        return
    result: dict[str, Any] = {"load_before": os.getloadavg()[0], "sizes": []}
    for records in options.records:
        command = [sys.executable, __file__, "--here", "--records", str(records)]
        command += ["--epochs", str(options.epochs), "--answers", str(options.answers)]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
        result["sizes"].append(json.loads(done.stdout))
    first, last = result["sizes"][0], result["sizes"][-1]
    result["times_longer"] = round(last["wall_s"] / first["wall_s"], 2)
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
