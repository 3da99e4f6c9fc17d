"""How soon an answer is there: importing, the command line, one patient cold and warm, a run whose pages are known.

usage: python benchmarks/start_up.py [--shared ../shared] [--repeats 5] [--warm 40] [--skip-run]

Each repeat is a process of its own with two threads; medians of wall and CPU seconds. The run is `cardiograph run` on the
690 shared pages (random weights), audit, baselines and optimism of a split by rows included: the first fills the cache
and is not counted. The parts of a warm prediction are measured separately: decoding, grid and hashes, the check whether
it is an ECG, the encoder and its input, and all that remains (near-copies, neighbours, network, calibration). Prints one
JSON object.
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
from typing import Any

CLASSES = "abnormal_heartbeat,history_of_mi,myocardial_infarction"
THREADS = {"OMP_NUM_THREADS": "2", "OPENBLAS_NUM_THREADS": "2", "MKL_NUM_THREADS": "2"}
ASKED = {"import": 0.2, "help": 0.5, "predict_cold": 4.0, "run_known_pages": 30.0, "warm_p50_ms": 80, "warm_rest_ms": 5}


def process(arguments: list[str], cache: Path) -> tuple[dict[str, float], str]:
    """Wall and CPU seconds of a fresh Python process, and what it printed."""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    environment = os.environ | THREADS | {"CARDIOGRAPH_CACHE": str(cache)}
    done = subprocess.run([sys.executable, *arguments], check=True, capture_output=True, env=environment, text=True)
    wall, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {"wall_s": round(wall, 3), "cpu_s": round(cpu, 3)}, done.stdout


def medians(found: list[dict[str, float]]) -> dict[str, float]:
    """The median of each value."""
    return {name: round(statistics.median(each[name] for each in found), 3) for name in found[0]}


def repeated(arguments: list[str], cache: Path, repeats: int) -> dict[str, float]:
    """Medians over fresh processes."""
    return medians([process(arguments, cache)[0] for _ in range(repeats)])


def warm(run: Path, pages: list[Path], count: int) -> dict[str, float]:
    """Milliseconds of ``Predictor.predict`` and of its parts, in this process; p50, and p95 of the whole."""
    import numpy as np

    from cardiograph.imaging.ecg_check import ecg_evidence, not_an_ecg
    from cardiograph.imaging.prepare import prepare_page
    from cardiograph.imaging.reading import read_page
    from cardiograph.inference import Predictor
    from cardiograph.threads import set_threads

    set_threads(2)
    predictor = Predictor.load(run)
    config, engine = predictor.bundle.served.pages, predictor.engine
    assert engine is not None
    predictor.predict(pages[0])
    parts: dict[str, list[float]] = {name: [] for name in ("whole", "decode", "prepare", "gate", "input", "encoder")}
    for page in (pages * -(-count // len(pages)))[:count]:
        clock = [time.perf_counter()]
        predictor.predict(page)
        clock.append(time.perf_counter())
        read_page(page, name="")
        clock.append(time.perf_counter())
        prepared = prepare_page(page, name="", config=config)
        clock.append(time.perf_counter())
        not_an_ecg(ecg_evidence(prepared.view))
        clock.append(time.perf_counter())
        ready = prepared.input
        clock.append(time.perf_counter())
        next(iter(engine.run([ready])))
        clock.append(time.perf_counter())
        for name, seconds in zip(parts, np.diff(clock), strict=True):
            parts[name].append(1e3 * float(seconds))
    whole, decode, both, gate, ready_ms, encoder = (np.array(each) for each in parts.values())
    result = {
        "whole": whole,
        "decode": decode,
        "grid_and_hashes": both - decode,
        "gate": gate,
        "input": ready_ms,
        "encoder": encoder,
        "rest": whole - both - gate - ready_ms - encoder,
    }
    p50 = {f"{name}_p50_ms": round(float(np.median(each)), 2) for name, each in result.items()}
    return p50 | {"whole_p95_ms": round(float(np.percentile(whole, 95)), 2)}


def timed_runs(command: list[str], here: Path, repeats: int) -> dict[str, Any]:
    """Runs on pages that the cache knows: medians of wall, CPU, and of each stage's seconds."""
    totals, stages = [], []
    for number in range(repeats):
        seconds, result = process([*command, "--json", "--out", str(here / f"known{number}")], here / "cache")
        totals.append(seconds)
        stages.append(json.loads(result)["seconds"])
    return {**medians(totals), "stages": medians(stages)}


def main() -> None:
    """Measure, and print JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shared", type=Path, default=Path(os.environ.get("CARDIOGRAPH_SHARED", "../shared")))
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--warm", type=int, default=40)
    parser.add_argument("--skip-run", action="store_true", help="leave out the repeated runs")
    options = parser.parse_args()
    data = options.shared / "data" / "ecg-pages"
    result: dict[str, Any] = {
        "machine": {"processor": platform.processor() or platform.machine(), "cores": os.cpu_count()},
        "load_before": os.getloadavg()[0],
        "asked_for": ASKED,
    }
    with tempfile.TemporaryDirectory() as folder:
        here = Path(folder)
        cache = here / "cache"
        result["python"] = repeated(["-c", "pass"], cache, options.repeats)
        result["import"] = repeated(["-c", "import cardiograph"], cache, options.repeats)
        result["help"] = repeated(["-m", "cardiograph", "--help"], cache, options.repeats)
        command = ["-m", "cardiograph", "run", str(data / "manifest.csv"), "--map", "ecg=image", "--map", "label=class"]
        command += ["--positive", CLASSES, "--weights", "random"]
        process([*command, "--json", "--out", str(here / "first")], cache)
        if not options.skip_run:
            result["run_known_pages"] = timed_runs(command, here, options.repeats)
        pages = sorted((data / "images").glob("*.jpg"))[::20]
        cold = ["-m", "cardiograph", "predict", str(here / "first"), "--ecg", str(pages[1]), "--json"]
        result["predict_cold"] = repeated(cold, cache, options.repeats)
        result["predict_warm"] = warm(here / "first", pages, options.warm)
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
