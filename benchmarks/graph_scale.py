"""The neighbour graph against scikit-learn's brute force: time and recall.

usage: python benchmarks/graph_scale.py [--records 20000 100000] [--width 517] [--exact-up-to 50000] [--no-peer]

Records are a mixture of Gaussians with 30 inner dimensions, embedded in 517 with a little noise. Two threads on both sides.
Prints one JSON object: for each size wall and CPU seconds of both, their ratios, and the recall of five neighbours on 1,000
records against an exact search. --no-peer leaves scikit-learn out, which needs minutes above 100,000 records.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from cardiograph.config import GraphConfig
from cardiograph.containers import SearchPoints
from cardiograph.graph.attach import build_graph
from cardiograph.graph.exact import nearest
from cardiograph.threads import set_threads

INNER, PARTS, NOISE, K = 30, 50, 0.05, 5


def mixture(records: int, width: int, seed: int) -> np.ndarray:
    """[records, width] float32; another seed draws other records of the same mixture."""
    fixed, rng = np.random.default_rng(0), np.random.default_rng([seed, 1])
    axes = fixed.normal(size=(INNER, width)).astype(np.float32) / np.float32(np.sqrt(INNER))
    centres = fixed.normal(size=(PARTS, INNER)).astype(np.float32) * 2
    values = np.empty((records, width), np.float32)
    for start in range(0, records, 50_000):
        count = min(50_000, records - start)
        inner = centres[rng.integers(PARTS, size=count)] + rng.standard_normal((count, INNER), dtype=np.float32)
        values[start : start + count] = inner @ axes
        values[start : start + count] += NOISE * rng.standard_normal((count, width), dtype=np.float32)
    return values


class Watch:
    """The most memory that this process has taken since, on top of what it had; sampled a hundred times a second."""

    def __init__(self) -> None:
        self._before = self._most = self._now()
        self._ended = threading.Event()
        threading.Thread(target=self._look, daemon=True).start()

    def most_mb(self) -> int:
        """Stop sampling and return the maximum."""
        self._ended.set()
        return round((self._most - self._before) / 1e6)

    def _look(self) -> None:
        while not self._ended.wait(0.01):
            self._most = max(self._most, self._now())

    @staticmethod
    def _now() -> int:
        return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def timed(work: Callable[[], Any]) -> tuple[Any, dict[str, float]]:
    """What ``work`` gives, and its wall and CPU seconds."""
    before, start = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter()
    found = work()
    wall, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_SELF)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return found, {"wall_s": round(wall, 2), "cpu_s": round(cpu, 2)}


def measure(records: int, width: int, config: GraphConfig, *, peer: bool) -> dict[str, Any]:
    """Both ways on one set of records."""
    from sklearn.neighbors import NearestNeighbors

    values = mixture(records, width, 0)
    places = SearchPoints(values, np.ones((records, 1), bool), ((0, width),), (1.0,))
    graph, ours = timed(lambda: build_graph(places, np.arange(records), np.arange(records), config))
    sample = np.sort(np.random.default_rng(3).permutation(records)[:1000])
    true = nearest(values, values[sample], k=K, forbidden=[sample[i : i + 1] for i in range(len(sample))]).index
    found = graph.neighbours.index[sample]
    result: dict[str, Any] = {
        "records": records,
        "ours": ours,
        "search": "exact" if graph.lists is None else graph.lists.sentence,
        "recall": float((true[:, :, None] == found[:, None]).any(2).mean()),
        "peak_memory_gb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6, 2),
    }
    if peer:
        brute = NearestNeighbors(n_neighbors=K + 1, algorithm="brute", n_jobs=2).fit(values)
        theirs, result["scikit-learn"] = timed(lambda: brute.kneighbors(values, return_distance=False))
        result["equal"] = float((theirs[:, 1:] == graph.neighbours.index).mean())
        result["ratio"] = {name: round(result["scikit-learn"][name] / ours[name], 2) for name in ours}
    return result


def main() -> None:
    """Measure, and print JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--records", type=int, nargs="+", default=[20_000, 100_000])
    parser.add_argument("--width", type=int, default=517)
    parser.add_argument("--exact-up-to", type=int, default=50_000)
    parser.add_argument("--no-peer", action="store_true")
    options = parser.parse_args()
    set_threads(2)
    config = GraphConfig(k=K, exact_up_to=options.exact_up_to)
    sizes = [measure(records, options.width, config, peer=not options.no_peer) for records in options.records]
    print(json.dumps({"load_before": os.getloadavg()[0], "sizes": sizes}, indent=2))


if __name__ == "__main__":
    main()
