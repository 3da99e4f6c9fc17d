"""The fault ladder of the shared pages: all its figures, and how long the full and the quick one take.

usage: python benchmarks/fault_ladder.py [--shared ../shared] [--out ladders/pages] [--seeds 10] [--quick-only]

Random encoder weights: no download. Each ladder is a process of its own. The quick one starts from an empty cache, the full
one finds what the quick one has embedded (less the augmented copies, of which it makes more). Prints one JSON object.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

CLASSES = "abnormal_heartbeat,history_of_mi,myocardial_infarction"


def climbed(manifest: Path, out: Path, cache: Path, options: list[str]) -> tuple[dict[str, float], dict[str, Any]]:
    """Make a ladder; wall and CPU seconds, and its content."""
    command = [sys.executable, "-m", "cardiograph", "ladder", str(manifest), "--out", str(out), "--weights", "random"]
    command += ["--map", "ecg=image", "--map", "label=class", "--positive", CLASSES, "--json", *options]
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    environment = os.environ | {"CARDIOGRAPH_CACHE": str(cache)}
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, env=environment, text=True)
    wall, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {"wall_s": round(wall, 1), "cpu_s": round(cpu, 1)}, json.loads(done.stdout)


def figures(result: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """Of each row: score, change and intervals of AUROC, means of the other metrics."""
    blocks = {f"ladder: {block['title']}": block for block in result["ladders"]}
    blocks |= {f"alone: {block['title']}": block for block in result["alone"]} | {"controls": result["controls"]}
    return {title: [_row(row) for row in block["rows"]] for title, block in blocks.items()}


def _row(row: dict[str, Any]) -> dict[str, Any]:
    if row["not_run"]:
        return {"step": row["name"], "not_run": row["not_run"]}
    others = {name: round(found["value"], 3) for name, found in row["scores"].items() if name != "auroc"}
    change = row["changes"].get("auroc")
    return {
        "step": row["name"],
        "auroc": _rounded(row["scores"]["auroc"]),
        "change": None if change is None else _rounded(change),
        **others,
    }


def _rounded(found: dict[str, float]) -> list[float]:
    return [round(found[name], 3) for name in ("value", "low", "high")]


def main() -> None:
    """Measure, and print JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shared", type=Path, default=Path(os.environ.get("CARDIOGRAPH_SHARED", "../shared")))
    parser.add_argument("--out", type=Path, help="keep the full ladder in this folder")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--quick-only", action="store_true")
    options = parser.parse_args()
    manifest = options.shared / "data" / "ecg-pages" / "manifest.csv"
    result: dict[str, Any] = {
        "machine": {"processor": platform.processor() or platform.machine(), "cores": os.cpu_count()},
        "load_before": os.getloadavg()[0],
    }
    with tempfile.TemporaryDirectory() as folder:
        here = Path(folder)
        seconds, output = climbed(manifest, here / "quick", here / "cache", ["--quick"])
        result["quick"] = {**seconds, "seeds": output["seeds"]}
        if not options.quick_only:
            out = options.out or here / "full"
            seconds, output = climbed(manifest, out, here / "cache", ["--seeds", str(options.seeds)])
            result["full"] = {**seconds, "seeds": output["seeds"], **figures(output)}
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
