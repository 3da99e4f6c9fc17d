"""One patient against many reference records: search and network, and the thesis' way, which builds the graph again.

usage: python benchmarks/one_patient.py [--records 100000] [--million] [--queries 1000] [--no-rebuild]

A bundle is made of synthetic node features (see graph_scale.py) and a graph convolution with fresh weights, saved, and
loaded from the disk. Each query is scored alone by ``Predictor.score``: scaling, search, network. Prints one JSON object:
p50 and p99 in milliseconds, recall of the five neighbours, and how many times longer it takes to link all records and the
patient by scikit-learn and to run the network over all of them. Two threads on both sides. Between the queries, a loop that
always does the same work is timed: its p99 over its p50 shows how unevenly the machine itself works.
"""

from __future__ import annotations

import argparse
import json
import resource
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from cardiograph.artifacts.bundle import BundleFacts, ModelBundle
from cardiograph.artifacts.reference import Reference
from cardiograph.config import GraphConfig, ModelConfig
from cardiograph.config_reading import PagesConfig
from cardiograph.containers import NodeFeatures
from cardiograph.features.fusion import Fusion
from cardiograph.features.scaler import ClinicalScaler
from cardiograph.graph.attach import build_graph
from cardiograph.graph.exact import nearest
from cardiograph.graph.search_space import SearchSpace
from cardiograph.inference import Predictor, Queries
from cardiograph.models.build import build
from cardiograph.models.neighbour_table import NeighbourTable
from cardiograph.threads import set_threads
from graph_scale import K, mixture, timed

WIDTH = 512


def bundle_of(values: np.ndarray) -> ModelBundle:
    """A model whose reference are these records, all of other patients; pages stand for themselves, unscaled."""
    count = len(values)
    labels = (values[:, 0] > 0).astype(np.int64)
    fusion = Fusion(
        np.ones(WIDTH, bool),
        np.zeros(WIDTH),
        np.ones(WIDTH),
        {"image": 1.0},
        {"clinical": (), "measurements": ()},
        {"image": 1.0},
    )
    names, blocks = fusion.layout
    features = NodeFeatures(values, names, blocks, np.ones((count, 1), bool))
    config, model = GraphConfig(k=K), ModelConfig(name="gcn")
    space = SearchSpace(np.arange(WIDTH), np.ones((1, WIDTH)), ((0, WIDTH),), (1.0,), np.array([True]))
    graph = build_graph(space.transform(features), np.arange(count), np.arange(count), config)
    neighbour_table = NeighbourTable.of(graph.neighbours)
    network = build("gcn", WIDTH, model).eval()
    with torch.inference_mode():
        _, states = network(torch.from_numpy(values), neighbour_table)
    reference = Reference(
        features=values,
        present=features.present,
        places=None,
        states=tuple(state.numpy() for state in states),
        degree=neighbour_table.degree.numpy(),
        labels=labels,
        clinical=np.zeros((count, 0)),
        groups=np.arange(count),
        record_ids=tuple(f"r{row}" for row in range(count)),
        patient_ids=tuple(f"p{row}" for row in range(count)),
        pixel_hashes=("",) * count,
        perceptual_hashes=np.zeros((count, 0), np.uint8),
        lists=graph.lists,
    )
    served = BundleFacts(model, config, PagesConfig(), "x", "synthetic", (), 0.5, None)
    scaler: ClinicalScaler | None = None
    return ModelBundle(served, network, fusion, scaler, space, reference)


def measure(records: int, queries: int, *, rebuild: bool) -> dict[str, Any]:
    """All figures against one number of reference records."""
    with tempfile.TemporaryDirectory() as folder:
        bundle_of(mixture(records, WIDTH, 0)).save(Path(folder), None)
        predictor, loading = timed(lambda: Predictor(ModelBundle.load(Path(folder))))
        query_values = mixture(queries, WIDTH, 7)
        milliseconds, fixed, found = [], [], []
        for row in range(-20, queries):  # the first ones bring the reference into memory
            one = Queries(query_values[row % queries][None], np.zeros((1, 0)), [None], [None], [None])
            start = time.perf_counter()
            scores = predictor.score(one)
            if row >= 0:
                milliseconds.append((time.perf_counter() - start) * 1e3)
                fixed.append(fixed_work_ms())
                found.append(scores.neighbours.index[0])
        reference = predictor.bundle.reference
        true = nearest(reference.features, query_values, k=K).index
        lists = reference.lists
        p50, p99 = np.percentile(milliseconds, [50, 99]).round(2).tolist()
        result: dict[str, Any] = {
            "records": records,
            "search": "exact" if lists is None else lists.sentence,
            "load": loading,
            "p50_ms": p50,
            "p99_ms": p99,
            "p99_over_p50": round(p99 / p50, 2),
            "fixed_work": dict(
                zip(("p50_ms", "p99_ms"), np.percentile(fixed, [50, 99]).round(2).tolist(), strict=True)
            ),
            "recall": float((true[:, :, None] == np.array(found)[:, None]).any(2).mean()),
            "peak_memory_gb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6, 2),
        }
        if rebuild:
            _, result["rebuild"] = timed(lambda: rebuilt(predictor, query_values[:1]))
            result["times_faster"] = round(result["rebuild"]["wall_s"] * 1e3 / p50)
    return result


def fixed_work_ms() -> float:
    """Milliseconds of a loop that always does the same, about as long as an answer."""
    start, total = time.perf_counter(), 0
    for number in range(20_000):
        total += number * number
    return (time.perf_counter() - start) * 1e3


def rebuilt(predictor: Predictor, patient: np.ndarray) -> torch.Tensor:
    """The patient's logits as the thesis makes them: the graph of all records again, the network over all of it."""
    from sklearn.neighbors import kneighbors_graph
    from torch_geometric.nn import GCNConv

    values = np.vstack([predictor.bundle.reference.features, patient])
    links = kneighbors_graph(values, K, n_jobs=2).tocoo()
    edges = torch.from_numpy(np.stack([links.row, links.col]).astype(np.int64))
    first, second = GCNConv(WIDTH, 128).eval(), GCNConv(128, 2).eval()
    with torch.inference_mode():
        logits: torch.Tensor = second(first(torch.from_numpy(values), edges).relu(), edges)[-1]
    return logits


def main() -> None:
    """Measure, and print JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--records", type=int, default=100_000)
    parser.add_argument("--million", action="store_true", help="against 1,000,000 records, too, without the rebuild")
    parser.add_argument("--queries", type=int, default=1000)
    parser.add_argument("--no-rebuild", action="store_true")
    options = parser.parse_args()
    set_threads(2)
    result = [measure(options.records, options.queries, rebuild=not options.no_rebuild)]
    if options.million:
        result.append(measure(1_000_000, options.queries, rebuild=False))
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
