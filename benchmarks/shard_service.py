"""One patient at a time: the reference records in this process, and in shards that other processes hold.

usage: python benchmarks/shard_service.py [RUN] [--records 100000] [--shards 2] [--patients 300]

Without RUN, a run of synthetic patients with clinical values is made first, whose search has an index in so many shards.
The run is cut by `cardiograph shards cut`, each shard is a process of `cardiograph shards serve` on this machine, and
patients of another seed are scored in turn at both places. Prints one JSON object: whether all answers are equal,
milliseconds by the clock, and the memory of each process.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from cardiograph.inference import Predictor, Query
from cardiograph.inference.cut_shards import SERVICE, cut_shards
from cardiograph.inference.shard_access import ShardAccess
from table_scale import cohort

KEY = "a key of this benchmark"


def small_run(folder: Path, records: int, shards: int) -> Path:
    """Make a run whose search has an index in so many shards."""
    out = folder / f"run-{records}-{shards}"
    if not (out / "report.html").exists():
        table, exact = cohort(folder, records).with_suffix(".parquet"), min(20_000, records // (2 * shards))
        settings = ("--set", f"graph.shards={shards}", "--set", f"graph.exact_up_to={exact}")
        command = [sys.executable, "-m", "cardiograph", "run", str(table), "--out", str(out), *settings]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return out


@contextmanager
def served(folder: Path) -> Iterator[tuple[str, int]]:
    """Serve a shard, and yield its address and process."""
    command = [sys.executable, "-m", "cardiograph", "shards", "serve", str(folder), "--port", "0"]
    environment = {**os.environ, "CARDIOGRAPH_SHARD_KEY": KEY, "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            found = re.search(r"http://\S+", process.stdout.readline())
            assert found is not None
            yield found[0], process.pid
        finally:
            process.terminate()


def memory_mb(process: int | str) -> int:
    """Memory of a process now, in MB."""
    status = Path(f"/proc/{process}/status").read_text()
    return round(int(re.search(r"VmRSS:\s+(\d+)", status)[1]) / 1000)  # type: ignore[index]


def milliseconds(seconds: list[float]) -> dict[str, float]:
    """Median and 99 % quantile."""
    return {
        "p50": round(1000 * float(np.median(seconds)), 1),
        "p99": round(1000 * float(np.quantile(seconds, 0.99)), 1),
    }


def main() -> None:
    """Measure, and print JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, nargs="?", help="folder of a finished run")
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()) / "shard-service")
    parser.add_argument("--records", type=int, default=100_000, help="records of the run that is made")
    parser.add_argument("--shards", type=int, default=2)
    parser.add_argument("--patients", type=int, default=300)
    options = parser.parse_args()
    run = options.run or small_run(options.folder, options.records, options.shards)
    with tempfile.TemporaryDirectory() as out:
        folders = cut_shards(run, Path(out) / "cut", options.shards)
        print(json.dumps(measure(run, folders, options), indent=1))


def measure(run: Path, folders: list[Path], options: argparse.Namespace) -> dict[str, Any]:
    """Score the same patients at both places."""
    table = pd.read_parquet(cohort(options.folder, 2_000, seed=11).with_suffix(".parquet"))
    facts: dict[str, Any] = {"cores": os.cpu_count(), "load": os.getloadavg()[0], "shards": len(folders)}
    before = memory_mb("self")
    with ExitStack() as stack:
        there = [stack.enter_context(served(folder)) for folder in folders]
        service = folders[0].parent / SERVICE
        apart = Predictor.load(service, shards=ShardAccess([address for address, _ in there], KEY))
        facts["service_mb"] = memory_mb("self") - before
        before = memory_mb("self")
        whole = Predictor.load(run)
        facts |= {"whole_mb": memory_mb("self") - before, "reference_records": len(whole.records)}
        seconds: dict[str, list[float]] = {"whole": [], "shards": []}
        equal = True
        for row in table.head(options.patients).to_dict("records"):
            values = {name: row[name] for name in whole.reads if row[name] == row[name]}
            answers = []
            for name, predictor in (("whole", whole), ("shards", apart)):
                start = time.perf_counter()
                (answer,) = predictor.predict_many([Query(None, values, patient_id=str(row["patient_id"]))])
                seconds[name].append(time.perf_counter() - start)
                answers.append(answer)
            equal = equal and answers[0] == answers[1]
        facts["shard_mb"] = [memory_mb(process) for _, process in there]
    return facts | {"equal": equal, **{f"{name}_ms": milliseconds(found[10:]) for name, found in seconds.items()}}


if __name__ == "__main__":
    main()
