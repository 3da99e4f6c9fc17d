"""ECG files read and embedded in threads, in processes and on Ray: seconds, and whether the results are the same.

usage: python benchmarks/on_workers.py [FILES ...] [--records 400] [--places threads processes ray ray-1] [--lose-a-node]

Without FILES, recordings are drawn by `cardiograph synth --files signals`. Every place starts with an empty cache, and
its start-up counts. `ray-1` is a cluster of one node with one core, `ray` one of a node for each core; with
`--lose-a-node` one of its nodes is killed in the middle. Prints one JSON object.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from cardiograph.artifacts.cache import PageCache
from cardiograph.config import load_config
from cardiograph.ingest.context import MAX_INPUT_BYTES, InputStore, RunContext
from cardiograph.ingest.embed import embed_pages
from cardiograph.ingest.encoder_choice import choose_encoder, with_known_encoder
from cardiograph.ingest.page_index import index_pages
from cardiograph.progress import NoProgress
from cardiograph.threads import available_threads, set_threads
from cardiograph.workers import work_on
from decode_embed import cohort_of


def drawn(folder: Path, records: int) -> list[Path]:
    """Recordings of synthetic patients."""
    subprocess.run(
        [sys.executable, "-m", "cardiograph", "synth", str(folder), "--patients", str(records), "--files", "signals"],
        check=True,
        stdout=subprocess.DEVNULL,
    )
    return sorted(path for path in folder.rglob("*.hea"))[:records]


@contextlib.contextmanager
def cluster(nodes: int, *, lose_after: float | None = None) -> Iterator[None]:
    """A Ray cluster of nodes with one core each on this machine, one of which is killed after some seconds."""
    from ray.cluster_utils import Cluster

    os.environ["RAY_worker_niceness"] = "0"  # noqa: SIM112 - its name
    facts: dict[str, Any] = {"num_cpus": 1, "object_store_memory": 200_000_000}
    made = Cluster(initialize_head=True, head_node_args=facts | {"include_dashboard": False})
    others = [made.add_node(**facts) for _ in range(nodes - 1)]
    os.environ["RAY_ADDRESS"] = made.address
    killer = None
    if lose_after is not None and others:
        killer = threading.Timer(lose_after, made.remove_node, [others[0]], {"allow_graceful": False})
        killer.start()
    try:
        yield
    finally:
        if killer is not None:
            killer.cancel()
        del os.environ["RAY_ADDRESS"]
        made.shutdown()


def read_at(place: str, files: list[Path]) -> tuple[dict[str, float], Any]:
    """Seconds of this process and its children, and facts and embeddings."""
    config = load_config(overrides={"pages": {"skip_bad": True}})
    clock, before = time.perf_counter(), cpu_seconds()
    with tempfile.TemporaryDirectory() as folder, PageCache(Path(folder)) as cache, work_on(place):
        context = RunContext(config, cache, NoProgress(), inputs=InputStore(MAX_INPUT_BYTES))
        _, pages = index_pages(cohort_of(files), with_known_encoder(context))
        encoder = choose_encoder(pages, context)
        values = embed_pages(pages, encoder.engine, encoder.facts, context).values
    clock, used = time.perf_counter() - clock, cpu_seconds() - before
    found = {"wall_s": round(clock, 2), "cpu_s": round(used, 2), "files_a_second": round(len(files) / clock, 1)}
    return found, ([asdict(each) for each in pages.facts if each is not None], values)


def cpu_seconds() -> float:
    """Seconds of the processor of this process and of children that have ended."""
    own, children = (resource.getrusage(each) for each in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime


def main() -> None:
    """Measure, and print JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", type=Path, nargs="*", help="ECG files; drawn recordings if there are none")
    parser.add_argument("--records", type=int, default=400, help="drawn recordings")
    parser.add_argument("--places", nargs="*", default=["threads", "processes", "ray", "ray-1"])
    parser.add_argument("--lose-a-node", action="store_true")
    options = parser.parse_args()
    set_threads()
    found: dict[str, Any] = {"machine": {"processor": platform.processor(), "cores": available_threads()}}
    results: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        files = options.files or drawn(Path(folder) / "cohort", options.records)
        read_at("threads", files[:4])  # imports, and converts the encoder
        found["files"], usual = len(files), 10.0
        for place in options.places:
            nodes = {"ray": available_threads(), "ray-1": 1}.get(place, 0)
            lose_after = usual / 4 if options.lose_a_node else None
            with cluster(nodes, lose_after=lose_after) if nodes else contextlib.nullcontext():
                found[place], results[place] = read_at("ray" if nodes else place, files)
            usual = found[place]["wall_s"]
    first = options.places[0]
    for place in options.places[1:]:
        same = results[place][0] == results[first][0] and np.array_equal(
            *(results[each][1] for each in (place, first)), equal_nan=True
        )
        found[place][f"same as {first}"] = same
        found[place][f"speed against {first}"] = round(found[first]["wall_s"] / found[place]["wall_s"], 2)
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
