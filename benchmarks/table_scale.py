"""A million patients by the command line: the audit and a whole run of tables of clinical values.

usage: python benchmarks/table_scale.py [FOLDER] [--audit 100000 1000000] [--run 1000000] [--use 100000 1000000]
                                        [--set SECTION.KEY=VALUE ...]

FOLDER keeps the tables between calls; they are made by `cardiograph synth --files none`, as CSV and as Parquet. Each
command is a process of its own with an empty cache. Prints one JSON object: seconds by the clock and of the processor,
and the most memory, of each command; of a run also the seconds of each stage and the AUROC of its models. --use gives
tables of other patients to `predict --table`, `evaluate` and `extend` with the last run.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import pandas as pd

PATIENTS_A_RECORD = 1 / 1.12
"""One patient in eight has two records."""


def cohort(folder: Path, records: int, seed: int = 0) -> Path:
    """The CSV table of about so many records, and beside it the same as Parquet with numbers as numbers.

    Patients of another seed than 0 have ids of their own.
    """
    out = folder / (f"cohort-{records}" if seed == 0 else f"cohort-{records}-seed-{seed}")
    if not (out / "cohort.parquet").is_file():
        shutil.rmtree(out, ignore_errors=True)
        patients = str(round(records * PATIENTS_A_RECORD))
        subprocess.run(
            _command("synth", out, "--patients", patients, "--files", "none", "--seed", seed),
            check=True,
            stdout=subprocess.DEVNULL,
        )
        table = pd.read_csv(out / "cohort.csv")
        if seed:
            table = table.assign(**{name: f"{seed}-" + table[name].astype(str) for name in ("record_id", "patient_id")})
            table.to_csv(out / "cohort.csv", index=False)
        table.to_parquet(out / "cohort.parquet")
    return out / "cohort.csv"


def measured(*arguments: object) -> dict[str, Any]:
    """Seconds and memory of one command."""
    with tempfile.TemporaryDirectory() as cache:
        environment = {**os.environ, "CARDIOGRAPH_CACHE": cache}
        wall, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
        done = subprocess.run(_command(*arguments), env=environment, stdout=subprocess.DEVNULL)
        wall, after = time.perf_counter() - wall, resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode > (arguments[0] == "audit"):  # 1: the audit found that a random split of rows would be wrong
        raise subprocess.CalledProcessError(done.returncode, list(map(str, arguments)))
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {"wall_s": round(wall, 1), "cpu_s": round(cpu, 1), "most_gb_so_far": round(after.ru_maxrss / 1e6, 2)}


def _command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "cardiograph", *map(str, arguments)]


def run_facts(run: Path) -> dict[str, Any]:
    """Seconds of each stage, and AUROC of each model."""
    metrics = json.loads((run / "metrics.json").read_text())
    return {"stages": json.loads((run / "run.json").read_text()).get("seconds"), "test": metrics["test"]["auroc"]}


def main() -> None:
    """Measure, and print JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, nargs="?", default=Path(tempfile.gettempdir()) / "table-scale")
    parser.add_argument("--audit", type=int, nargs="*", default=[100_000, 1_000_000], help="records of each table")
    parser.add_argument("--run", type=int, nargs="*", default=[1_000_000], help="records of each table")
    parser.add_argument("--use", type=int, nargs="*", default=[], help="records of each table of other patients")
    parser.add_argument("--set", nargs="*", default=[], metavar="SECTION.KEY=VALUE", help="settings of the runs")
    options = parser.parse_args()
    found: dict[str, Any] = {
        "machine": {"processor": platform.processor() or platform.machine(), "cores": os.cpu_count()},
        "load": os.getloadavg()[0],
    }
    for records in options.audit:
        table = cohort(options.folder, records)
        for path in (table, table.with_suffix(".parquet")):
            out = options.folder / "audit"
            found[f"audit of {records} records, {path.suffix[1:]}"] = measured("audit", path, "--out", out)
    for records in options.run:
        table, out = cohort(options.folder, records).with_suffix(".parquet"), options.folder / f"run-{records}"
        shutil.rmtree(out, ignore_errors=True)
        settings = [each for change in options.set for each in ("--set", change)]
        found[f"run of {records} records"] = measured("run", table, "--out", out, *settings) | run_facts(out)
        print(json.dumps(found), file=sys.stderr)
    runs = sorted(options.folder.glob("run-*"), key=lambda each: each.stat().st_mtime)
    for records in options.use:
        table, out = cohort(options.folder, records, seed=11).with_suffix(".parquet"), options.folder / f"use-{records}"
        shutil.rmtree(out, ignore_errors=True)
        out.mkdir()
        run = runs[-1]
        for name, *arguments in (
            ("predict", run, "--table", table, "--out", out / "answers.csv"),
            ("evaluate", run, table, "--out", out / "evaluation"),
            ("extend", run, table, "--out", out / "extended"),
        ):
            found[f"{name}, {records} records, {run.name}"] = measured(name, *arguments)
            print(json.dumps(found), file=sys.stderr)
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
