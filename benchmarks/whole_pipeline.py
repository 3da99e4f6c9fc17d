"""How long the whole way takes, and how much memory: the demo, a cohort of pages already embedded, and --help.

usage: python benchmarks/whole_pipeline.py [--patients 600] [--shared ../shared]

Each command is a process of its own with an empty cache (the second run on the shared pages finds them embedded). Prints
one JSON object: wall and CPU seconds and peak memory of each, and the machine.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HELP_REPEATS = 7
CLASSES = "abnormal_heartbeat,history_of_mi,myocardial_infarction"


def measured(arguments: list[str], cache: Path) -> dict[str, float]:
    """Run a command; wall and CPU seconds, and the largest process's memory in GiB (of all commands so far)."""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    environment = os.environ | {"CARDIOGRAPH_CACHE": str(cache)}
    subprocess.run(
        [sys.executable, "-m", "cardiograph", *arguments], check=True, capture_output=True, env=environment, text=True
    )
    wall, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {"wall_s": round(wall, 2), "cpu_s": round(cpu, 2), "peak_gib_so_far": round(after.ru_maxrss / 2**20, 2)}


def main() -> None:
    """Measure, and print JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--patients", type=int, default=600)
    parser.add_argument("--shared", type=Path, default=Path(os.environ.get("CARDIOGRAPH_SHARED", "../shared")))
    options = parser.parse_args()
    result: dict[str, object] = {
        "machine": {"processor": platform.processor() or platform.machine(), "cores": os.cpu_count()},
        "load_before": os.getloadavg()[0],
    }
    with tempfile.TemporaryDirectory() as folder:
        here = Path(folder)
        helps = [measured(["--help"], here)["wall_s"] for _ in range(HELP_REPEATS)]
        result["help_median_s"] = statistics.median(helps)
        manifest = options.shared / "data" / "ecg-pages" / "manifest.csv"
        if manifest.exists():
            common = ["run", str(manifest), "--map", "ecg=image", "--map", "label=class", "--positive", CLASSES]
            common += ["--weights", "random", "--json", "--out"]
            result["shared_first"] = measured([*common, str(here / "a")], here / "cache")
            result["shared_embedded"] = measured([*common, str(here / "b")], here / "cache")
            simulated = [*common, str(here / "c"), "--simulate", "label"]
            result["shared_embedded_simulated"] = measured(simulated, here / "cache")
        demo = ["demo", "--patients", str(options.patients), "--out", str(here / "demo"), "--json"]
        result[f"demo_{options.patients}"] = measured(demo, here / "fresh")
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
