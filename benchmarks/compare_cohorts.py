"""Whether the graph earns its place on four cohorts: the default against the best baseline of each fold.

usage: python benchmarks/compare_cohorts.py [--shared ../shared] [--out compares/benchmark] [--cohort NAME ...]
       [--repeats 20] [--jobs 2] [--richest-only]

full       600 synthetic patients, seed 7, all five clinical values
screening  the same pages with NYHA, SBP and age alone: what is known before blood is drawn
pages      the shared pages alone, normal against the rest
uci        UCI heart failure, clinical values alone, without the follow-up time, which ends with the death to be predicted

Repeats of five folds of whole groups. Models: the default as it is, its random-edge control, and logistic regression, MLP,
votes of the neighbours and boosted trees, whose principal components (none or 64) are chosen inside each fold. Random
encoder weights: no download. With --out the same command goes on where it was, and --cohort makes a part at a time. Prints
one JSON object.
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

from cardiograph.config import RunConfig, load_config
from cardiograph.studies.compare.compare import compare
from cardiograph.studies.compare.options import QUICK_MODELS, CompareOptions
from cardiograph.synthesis.cohort import write_cohort

PATIENTS, SEED = 600, 7
DROPPED = ("ef", "bnp")
CLASSES = ("abnormal_heartbeat", "history_of_mi", "myocardial_infarction")
REPOSITORY = Path(__file__).resolve().parent.parent
RANDOM: dict[str, Any] = {"encoder": {"weights": "random"}}

Made = tuple[Path, RunConfig]


def full(here: Path, _shared: Path) -> Made:
    """Synthetic patients with all variables."""
    folder = here / "cohort"
    if not (folder / "synthetic.json").exists():
        write_cohort(folder, patients=PATIENTS, seed=SEED)
    return folder / "cohort.csv", load_config(None, RANDOM)


def screening(here: Path, shared: Path) -> Made:
    """The same patients without what needs a laboratory or an echocardiogram."""
    table, config = full(here, shared)
    with table.open(newline="") as handle:
        rows = list(csv.DictReader(handle))
    path = table.with_name("screening.csv")
    with path.open("w", newline="") as handle:
        writer = csv.DictWriter(handle, [name for name in rows[0] if name not in DROPPED], extrasaction="ignore")
        writer.writeheader()
        writer.writerows(rows)
    return path, config


def pages(_here: Path, shared: Path) -> Made:
    """Photographed pages, no clinical value."""
    overrides = RANDOM | {"cohort": {"map": {"ecg": "image", "label": "class"}, "positive": list(CLASSES)}}
    return shared / "data" / "ecg-pages" / "manifest.csv", load_config(None, overrides)


def uci(_here: Path, shared: Path) -> Made:
    """Clinical values, no page."""
    table = shared / "data" / "uci-heart-failure" / "heart_failure_clinical_records.csv"
    return table, load_config(REPOSITORY / "configs" / "uci.toml", {})


COHORTS: dict[str, Callable[[Path, Path], Made]] = {"full": full, "screening": screening, "pages": pages, "uci": uci}


def compared(name: str, here: Path, shared: Path, extent: CompareOptions) -> dict[str, Any]:
    """Compare on one cohort; its figures, and how long that took."""
    start = time.perf_counter()
    source, config = COHORTS[name](here, shared)
    found = compare(
        source, here / name, config, extent, command=f"python benchmarks/compare_cohorts.py --cohort {name}"
    )
    result = found.as_dict()
    seconds = sum(json.loads(line)["scores"]["all_seconds"] for line in (here / name / "fits.jsonl").open())
    return {
        "records": found.facts.records,
        "groups": found.facts.groups,
        "folds": found.facts.folds * found.facts.repeats,
        "seconds": round(time.perf_counter() - start, 1),
        "seconds_per_fold": round(seconds / (found.facts.folds * found.facts.repeats), 2),
        "verdicts": [{key: _rounded(value) for key, value in each.items()} for each in result["verdicts"]],
        "default_less_best_baseline": {
            each["modality"]: {metric: _rounded(change) for metric, change in each["changes"].items()}
            | {"best_baseline": each["baselines"]}
            for each in result["differences"]
        },
        "auroc": {f"{row['modality']} {row['model']}": _rounded(row["scores"]["auroc"]) for row in result["rows"]},
        "brier": {f"{row['modality']} {row['model']}": _rounded(row["scores"]["brier"]) for row in result["rows"]},
    }


def _rounded(found: Any) -> Any:  # noqa: ANN401 - an interval, or what else a verdict has
    if not isinstance(found, dict):
        return found
    return [None if found[name] is None else round(found[name], 4) for name in ("value", "low", "high")]


def main() -> None:
    """Measure, and print JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shared", type=Path, default=Path(os.environ.get("CARDIOGRAPH_SHARED", "../shared")))
    parser.add_argument("--out", type=Path, help="keep cohort and fits in this folder, and go on there")
    parser.add_argument("--cohort", choices=COHORTS, nargs="+", default=list(COHORTS))
    parser.add_argument("--repeats", type=int, default=20)
    parser.add_argument("--jobs", type=int, default=None)
    parser.add_argument("--richest-only", action="store_true", help="leave out image and clinical where there are both")
    options = parser.parse_args()
    extent = CompareOptions(
        models=QUICK_MODELS, repeats=options.repeats, workers=options.jobs, richest_only=options.richest_only
    )
    result: dict[str, Any] = {
        "machine": {"processor": platform.processor() or platform.machine(), "cores": os.cpu_count()},
        "load_before": os.getloadavg()[0],
        "cohorts": {},
    }
    with tempfile.TemporaryDirectory() as folder:
        here = options.out or Path(folder)
        here.mkdir(parents=True, exist_ok=True)
        for name in options.cohort:
            result["cohorts"][name] = compared(name, here, options.shared, extent)
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
