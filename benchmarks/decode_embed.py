"""Decode and embed the shared pages: the package against the thesis' way, and against what decoding and encoder allow.

usage: python benchmarks/decode_embed.py [--shared ../shared] [--pages 367] [--rounds 5]

Both use two threads and the same random weights, on the same files; rounds take turns, medians are reported. The thesis' way
opens, resizes and embeds one page after another (torch, float32; `benchmarks/peers/thesis_pipeline.py`). Ours with an empty
cache, in two ways. Without a store: `survey` reads each page, finds its grid and hashes it (the thesis has no such step),
`embed` reads it again, crops, scales and embeds; `twice` is both, and what happens to pages beyond the store. `embed` is
what the thesis' way is held against. With the store of a run: `survey_kept` leaves the encoder's inputs to `embed_kept`;
`whole` is both, and what a run does. bfloat16 is forced for the measurement: a run refuses it for random weights, since
they do not tell pages apart in it.
The bound is what two cores
cannot go below: half the CPU seconds of decoding alone and of the encoder alone. Prints one JSON object.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from cardiograph.artifacts.cache import PageCache
from cardiograph.config import RunConfig
from cardiograph.containers import Cohort
from cardiograph.encoders.engine import EncoderFacts, Engine, make_engine
from cardiograph.encoders.weights import load_weights
from cardiograph.imaging.prepare import to_input
from cardiograph.ingest.context import MAX_INPUT_BYTES, InputStore, RunContext
from cardiograph.ingest.embed import embed_pages
from cardiograph.ingest.page_facts import read_view
from cardiograph.ingest.page_index import index_pages
from cardiograph.progress import NoProgress
from cardiograph.threads import set_threads

sys.path.insert(0, str(Path(__file__).parent))
from peers import thesis_pipeline as thesis

THREADS = 2
Times = dict[str, float]


def timed(work: Callable[[], Any], pages: int) -> tuple[Times, Any]:
    """Milliseconds a page, wall and CPU, and the result."""
    wall, cpu = time.perf_counter(), time.process_time()
    result = work()
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    return {"wall_ms": 1e3 * wall / pages, "cpu_ms": 1e3 * cpu / pages}, result


def cohort_of(files: list[Path]) -> Cohort:
    """Records that are nothing but these pages."""
    labels = np.arange(len(files)) % 2
    names = {
        "record_id": [f"{row} {file.name}" for row, file in enumerate(files)],
        "patient_id": None,
        "class_name": labels.astype(str),
    }
    return Cohort(pd.DataFrame({**names, "label": labels, "ecg": [str(file) for file in files], "split": None}), ())


BENCHMARK = EncoderFacts("0" * 64, "benchmark", "openvino", "f32", "none")
"""The key of embeddings in a cache that each round empties."""


def ours(files: list[Path], engine: Engine, config: RunConfig) -> dict[str, Times]:
    """Survey and embedding with an empty cache: each page read twice, and once."""
    found: dict[str, Times] = {}
    for kind, limit, both in (("", 0, "twice"), ("_kept", MAX_INPUT_BYTES, "whole")):
        with tempfile.TemporaryDirectory() as folder, PageCache(Path(folder)) as cache:
            context = RunContext(config, cache, NoProgress(), inputs=InputStore(limit))
            surveyed, (_, page_index) = timed(lambda used=context: index_pages(cohort_of(files), used), len(files))
            embedded, _ = timed(
                lambda used=context, pages=page_index: embed_pages(pages, engine, BENCHMARK, used), len(files)
            )
        found |= {f"survey{kind}": surveyed, f"embed{kind}": embedded}
        found[both] = {clock: surveyed[clock] + embedded[clock] for clock in surveyed}
    return found


def alone(files: list[Path], engines: dict[str, Engine], config: RunConfig) -> dict[str, Times]:
    """Decoding alone on one thread, as ``embed`` does it, and each encoder alone on inputs that are ready."""
    with tempfile.TemporaryDirectory() as folder, PageCache(Path(folder)) as cache:
        _, page_index = index_pages(cohort_of(files), RunContext(config, cache, NoProgress()))
    pages = [page_index.page(row) for row in range(len(files))]
    decode, inputs = timed(lambda: [to_input(read_view(*page, config.pages)) for page in pages], len(files))
    found = {"decode": decode}
    for name, engine in engines.items():
        found[f"encoder_{name}"], _ = timed(lambda used=engine: list(used.run(iter(inputs))), len(files))
    return found


def measure(files: list[Path], rounds: int) -> dict[str, Any]:
    """Rounds of both ways in turns; medians in milliseconds a page, ratios, and shares of the bound."""
    config = RunConfig()
    with tempfile.TemporaryDirectory() as folder:
        weights = load_weights("random", seed=0, cache=Path(folder))
        engines = {
            kind: make_engine(weights, "openvino", kind, cache=Path(folder), readout="final")
            for kind in ("f32", "bf16")
        }
        network = thesis.load_network(weights.tensors)
        sample = files[:8]
        thesis.embed_pages(sample, network)
        for engine in engines.values():
            ours(sample, engine, config)
        seen: dict[str, list[Times]] = {}
        for _ in range(rounds):
            found = {"thesis": timed(lambda: thesis.embed_pages(files, network), len(files))[0]}
            for kind, engine in engines.items():
                found |= {f"{kind}_{part}": each for part, each in ours(files, engine, config).items()}
            found |= alone(files, engines, config)
            for name, each in found.items():
                seen.setdefault(name, []).append(each)
    result = {
        name: {clock: round(statistics.median(each[clock] for each in rows), 2) for clock in rows[0]}
        for name, rows in seen.items()
    }
    return {"milliseconds_a_page": result, "compared": {kind: compared(result, kind) for kind in engines}}


def compared(result: dict[str, Times], kind: str) -> dict[str, float]:
    """Ratios to the thesis' way by wall time, and the share of the bound that is reached."""
    thesis_wall, embed, whole = (result[name]["wall_ms"] for name in ("thesis", f"{kind}_embed", f"{kind}_whole"))
    twice = result[f"{kind}_twice"]
    bound = (result["decode"]["cpu_ms"] + result[f"encoder_{kind}"]["cpu_ms"]) / THREADS
    return {
        "images_per_s_embed": round(1e3 / embed, 1),
        "images_per_s_whole": round(1e3 / whole, 1),
        "bound_images_per_s": round(1e3 / bound, 1),
        "share_of_bound_wall": round(bound / embed, 3),
        "share_of_bound_cpu": round(bound * THREADS / result[f"{kind}_embed"]["cpu_ms"], 3),
        "times_thesis_wall_embed": round(thesis_wall / embed, 2),
        "times_thesis_wall_whole": round(thesis_wall / whole, 2),
        "times_thesis_cpu_embed": round(result["thesis"]["cpu_ms"] / result[f"{kind}_embed"]["cpu_ms"], 2),
        "whole_of_twice_wall": round(whole / twice["wall_ms"], 3),
        "whole_of_twice_cpu": round(result[f"{kind}_whole"]["cpu_ms"] / twice["cpu_ms"], 3),
        "times_thesis_cpu_whole": round(result["thesis"]["cpu_ms"] / result[f"{kind}_whole"]["cpu_ms"], 2),
    }


def main() -> None:
    """Measure, and print JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shared", type=Path, default=Path(os.environ.get("CARDIOGRAPH_SHARED", "../shared")))
    parser.add_argument("--pages", type=int, default=10_000, help="at most so many different files")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    manifest = options.shared / "data" / "ecg-pages" / "manifest.csv"
    with manifest.open(newline="") as lines:
        rows = [manifest.parent / row["image"] for row in csv.DictReader(lines)]
    different = list(dict.fromkeys(rows))
    files = different[:: max(1, len(different) // options.pages)][: options.pages]
    set_threads(THREADS)
    result: dict[str, Any] = {
        "machine": {"processor": platform.processor() or platform.machine(), "cores": os.cpu_count()},
        "load_before": os.getloadavg()[0],
        "torch_threads": torch.get_num_threads(),
        "files": len(files),
        "rows": len(rows),
        **measure(files, options.rounds),
        "load_after": os.getloadavg()[0],
    }
    copies = len(rows) / len(different)
    for each in result["compared"].values():  # the thesis embeds copies again
        each["times_thesis_wall_embed_with_copies"] = round(each["times_thesis_wall_embed"] * copies, 2)
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
