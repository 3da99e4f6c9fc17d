"""The shared pages, image only: the default against logistic regression on the same features and folds, over weight seeds.

usage: python benchmarks/page_scores.py [--shared ../shared] [--weights 5] [--repeats 3] [--readout texture]

The different pages (367), normal against the rest; seeded random weights; repeats of five folds of whole groups
(near-copies stay together), a fifth of what is not tested validates. Balanced accuracy at the threshold of the validation
records. Prints one JSON object: means over weight seeds of the means over folds, the spread between weight seeds, and paired
differences with the corrected resampled t interval.
"""

from __future__ import annotations

import argparse
import csv
import dataclasses
import json
import os
import platform
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from cardiograph.artifacts.cache import PageCache, cache_folder
from cardiograph.config import load_config
from cardiograph.containers import TEST, VAL
from cardiograph.evaluate.bootstrap import resampled_interval
from cardiograph.evaluate.decision import youden_threshold
from cardiograph.evaluate.metrics import score
from cardiograph.studies.compare.folds import fold_split
from cardiograph.studies.faults.records import AugmentationPool
from cardiograph.studies.faults.switches import Faults
from cardiograph.studies.shared_cohort import SharedCohort
from cardiograph.threads import set_threads
from cardiograph.train.trial import fit_and_score

CLASSES = ["abnormal_heartbeat", "history_of_mi", "myocardial_infarction"]
FOLDS = 5
SHOWN = ("auroc", "balanced_accuracy", "brier")


def different_pages(shared: Path, folder: Path) -> Path:
    """A table with a row for each different page."""
    pages = shared / "data" / "ecg-pages"
    with (pages / "manifest.csv").open(newline="") as handle:
        classes = {row["image"]: row["class"] for row in csv.DictReader(handle)}
    table = folder / "pages.csv"
    with table.open("w", newline="") as handle:
        writer = csv.writer(handle)
        writer.writerow(["ecg", "label"])
        writer.writerows((str((pages / name).resolve()), label) for name, label in classes.items())
    return table


def scores_of_seed(table: Path, seed: int, repeats: int, readout: str) -> dict[str, list[dict[str, float]]]:
    """Model -> scores of each fold, with the encoder weights of a seed."""
    settings = {
        "cohort": {"positive": CLASSES},
        "encoder": {"weights": "random", "seed": seed, "readout": readout},
    }
    config = load_config(None, settings)
    found: dict[str, list[dict[str, float]]] = {"sign": [], "logistic": []}
    with PageCache(cache_folder()) as cache:
        shared_cohort = SharedCohort(table, config, cache, pool=AugmentationPool(0))
        dataset, _ = shared_cohort.build_dataset(shared_cohort.settings(config, Faults(), "image", config.seed))
        labels = dataset.cohort.labels
        for repeat in range(repeats):
            for fold in range(FOLDS):
                split = fold_split(labels, dataset.split.groups, FOLDS, (repeat, fold), seed=config.seed)
                inputs = dataclasses.replace(dataset.inputs, split=split)
                on_fold = dataclasses.replace(dataset, split=split, inputs=inputs)
                for name, each in found.items():
                    trial = fit_and_score(on_fold, config.model_copy(update={"seed": config.seed + repeat}), name=name)
                    threshold = youden_threshold(labels[on_fold.rows(VAL)], trial.validation.probabilities)
                    each.append(score(labels[on_fold.rows(TEST)], trial.test.probabilities, threshold))
    return found


def main() -> None:
    """Measure, and print JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shared", type=Path, default=Path(os.environ.get("CARDIOGRAPH_SHARED", "../shared")))
    parser.add_argument("--weights", type=int, default=5, help="seeds of encoder weights, from 0")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--readout", default="texture", choices=["texture", "final"])
    options = parser.parse_args()
    set_threads()
    result: dict[str, Any] = {"machine": {"processor": platform.processor() or platform.machine()}, **vars(options)}
    result["shared"] = ""
    with tempfile.TemporaryDirectory() as folder:
        table = different_pages(options.shared, Path(folder))
        seeds = [scores_of_seed(table, seed, options.repeats, options.readout) for seed in range(options.weights)]
    for metric in SHOWN:
        table_of = {name: np.array([[each[metric] for each in seed[name]] for seed in seeds]) for name in seeds[0]}
        gain = (table_of["sign"] - table_of["logistic"]).mean(axis=0)
        interval = resampled_interval(gain, train=0.64, test=0.2)
        result[metric] = {
            name: {"mean": round(float(values.mean()), 4), "by_weights": np.round(values.mean(axis=1), 4).tolist()}
            for name, values in table_of.items()
        }
        result[metric]["difference"] = [round(each, 4) for each in (interval.value, interval.low, interval.high)]
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
