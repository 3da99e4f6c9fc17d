"""Recordings a second through indexing and the ECG encoder, on one core with an empty cache, and what each stage costs.

usage: python benchmarks/embed_signals.py [--shared ../shared] [--records 300] [--rounds 3]

`index` and `embed` are what a run does with files of signals: reading, hashes, and the encoder's input; then the network.
The parts are measured alone: `read` decodes a file, `hash` makes the hashes of file and leads, `input` prepares the
leads, `network` embeds them, and `draw` is the page that a run no longer draws. Processor time is given as the fastest
round of each, because other programs on the machine slow down the rest. Prints one JSON object.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import platform
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from cardiograph.artifacts.cache import PageCache
from cardiograph.config import RunConfig
from cardiograph.ecg.ecg import Ecg
from cardiograph.ecg.pages import draw_ecg, file_sha256, shown_on_page
from cardiograph.ecg.read_any import read_any
from cardiograph.ecg.signal_hash import signal_hash
from cardiograph.encoders.leads_input import leads_input
from cardiograph.ingest.context import MAX_INPUT_BYTES, InputStore, RunContext
from cardiograph.ingest.embed import embed_pages
from cardiograph.ingest.encoder_choice import Encoder, choose_encoder
from cardiograph.ingest.page_index import index_pages
from cardiograph.progress import NoProgress
from cardiograph.threads import set_threads
from decode_embed import cohort_of


def milliseconds(work: Callable[[], Any], records: int) -> tuple[dict[str, float], Any]:
    """Milliseconds a recording, of the processor and by the clock, and the result."""
    wall, cpu = time.perf_counter(), time.process_time()
    result = work()
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    return {"cpu_ms": 1e3 * cpu / records, "wall_ms": 1e3 * wall / records}, result


def hashes(ecg: Ecg) -> tuple[str, np.ndarray]:
    """The hash of the leads, and the one by which copies are found."""
    return ecg.content_hash(), signal_hash(shown_on_page(ecg))


def one_round(files: list[Path], encoder: Encoder) -> dict[str, dict[str, float]]:
    """Time of the two stages with an empty cache, and of their parts."""
    count, found = len(files), {}
    with tempfile.TemporaryDirectory() as folder, PageCache(Path(folder)) as cache:
        context = RunContext(RunConfig(), cache, NoProgress(), inputs=InputStore(MAX_INPUT_BYTES))
        found["index"], (_, indexed) = milliseconds(lambda: index_pages(cohort_of(files), context), count)
        found["embed"], _ = milliseconds(lambda: embed_pages(indexed, encoder.engine, encoder.facts, context), count)
    found["both"] = {clock: found["index"][clock] + found["embed"][clock] for clock in found["index"]}
    found["read"], ecgs = milliseconds(lambda: [read_any(file) for file in files], count)
    found["hash"], _ = milliseconds(lambda: [*map(file_sha256, files), *map(hashes, ecgs)], count)
    found["input"], inputs = milliseconds(lambda: [leads_input(ecg) for ecg in ecgs], count)
    found["network"], _ = milliseconds(lambda: list(encoder.engine.run(inputs)), count)
    found["draw"], _ = milliseconds(lambda: [draw_ecg(ecg) for ecg in ecgs[::10]], -(-count // 10))
    return found


def main() -> None:
    """Measure, and print JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shared", type=Path, default=Path(os.environ.get("CARDIOGRAPH_SHARED", "../shared")))
    parser.add_argument("--records", type=int, default=300)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    set_threads(1)
    folder = options.shared / "data" / "ptb-xl"
    with (folder / "records.csv").open(newline="") as handle:
        files = [folder / row["record"] for row in csv.DictReader(handle)][: options.records]
    with tempfile.TemporaryDirectory() as kept, PageCache(Path(kept)) as cache:
        context = RunContext(RunConfig(), cache, NoProgress())
        encoder = choose_encoder(index_pages(cohort_of(files[:8]), context)[1], context)
    one_round(files[:8], encoder)
    rounds = [one_round(files, encoder) for _ in range(options.rounds)]
    best = {
        name: {clock: round(min(each[name][clock] for each in rounds), 2) for clock in rounds[0][name]}
        for name in rounds[0]
    }
    result = {
        "machine": {"processor": platform.processor() or platform.machine(), "cores": os.cpu_count()},
        "load": os.getloadavg()[0],
        "records": len(files),
        "milliseconds_a_record": best,
        "records_per_cpu_second": round(1e3 / best["both"]["cpu_ms"], 1),
        "records_per_second": round(1e3 / best["both"]["wall_ms"], 1),
    }
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
