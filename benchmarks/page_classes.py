"""The four classes of the shared pages with the default encoder: every model, over seeds and folds.

usage: python benchmarks/page_classes.py [--shared ../shared] [--seeds 5] [--models sign gcn mlp logistic knn_vote]

The different pages (367), one of four classes: seeds of five folds of whole groups (near-copies stay together); a fifth of
what is not tested validates. Prints one JSON object: macro AUROC, balanced accuracy of the most likely class and log loss,
as means over folds with the corrected resampled t interval, by seed, and paired with logistic regression; the AUROC of each
class; and a control in which whole groups exchange their labels. The first embedding takes about six minutes of one core;
it is cached.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import platform
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

import cardiograph as cg
from cardiograph.config import RunConfig, load_config
from cardiograph.containers import TEST, Cohort, Groups
from cardiograph.evaluate.bootstrap import resampled_interval
from cardiograph.evaluate.metrics import METRICS, score
from cardiograph.studies.compare.folds import fold_split
from cardiograph.studies.controls import exchange_labels
from cardiograph.threads import set_threads
from cardiograph.train.data import Dataset
from cardiograph.train.trial import fit_and_score
from page_scores import different_pages

FOLDS = 5
SHOWN = ("auroc", "balanced_accuracy", "log_loss")


def scores_of_fold(dataset: Dataset, cohort: Cohort, config: RunConfig, fold: int, name: str) -> dict[str, float]:
    """Return the scores of a model on the test part of a fold, and the AUROC of each class against the rest."""
    split = fold_split(cohort.labels, dataset.split.groups, FOLDS, (config.seed, fold), seed=0)
    inputs = dataclasses.replace(dataset.inputs, split=split, labels=cohort.labels)
    on_fold = dataclasses.replace(dataset, cohort=cohort, split=split, inputs=inputs)
    labels = cohort.labels[on_fold.rows(TEST)]
    found = fit_and_score(on_fold, config, name=name).test.probabilities
    each = {
        name: METRICS["auroc"].value((labels == label).astype(np.int64), found[:, label], 0.5)
        for label, name in enumerate(cohort.classes)
    }
    return {**score(labels, found, np.nan), **each}


def summary(values: np.ndarray) -> dict[str, Any]:
    """Summarise [seeds, folds] values."""
    interval = resampled_interval(values.ravel(), train=0.64, test=0.2)
    shown = [round(each, 4) for each in (interval.value, interval.low, interval.high)]
    return {"mean": shown, "by_seed": np.round(values.mean(axis=1), 4).tolist()}


def measure(dataset: Dataset, seeds: int, models: list[str]) -> dict[str, Any]:
    """Score every model on every fold of every seed."""
    cohort, groups = dataset.cohort, Groups(dataset.split.groups.index)
    result: dict[str, Any] = {"records": len(cohort), "groups": len(groups), "classes": list(cohort.classes)}
    found: dict[str, list[list[dict[str, float]]]] = {}
    for name in models:
        configs = [load_config(None, {"seed": seed}) for seed in range(seeds)]
        found[name] = [
            [scores_of_fold(dataset, cohort, config, fold, name) for fold in range(FOLDS)] for config in configs
        ]
    for name, scores in found.items():
        table = {key: np.array([[fold[key] for fold in seed] for seed in scores]) for key in scores[0][0]}
        result[name] = {key: summary(table[key]) for key in (*SHOWN, *cohort.classes)}
        if name != "logistic" and "logistic" in found:
            other = np.array([[fold["auroc"] for fold in seed] for seed in found["logistic"]])
            result[name]["auroc_less_logistic"] = summary(table["auroc"] - other)["mean"]
    config = load_config(None, {"seed": 0})
    shuffled = exchange_labels(cohort, groups, 0)
    control = [scores_of_fold(dataset, shuffled, config, fold, models[0])["auroc"] for fold in range(FOLDS)]
    result["exchanged_labels"] = round(float(np.mean(control)), 4)
    return result


def main() -> None:
    """Measure, and print JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shared", type=Path, default=Path(os.environ.get("CARDIOGRAPH_SHARED", "../shared")))
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--models", nargs="+", default=["sign", "gcn", "mlp", "logistic", "knn_vote"])
    options = parser.parse_args()
    set_threads()
    with tempfile.TemporaryDirectory() as folder:
        config = RunConfig()
        cohort = cg.read_cohort(different_pages(options.shared, Path(folder)), config)
        dataset = cg.embed(cohort, cg.split_cohort(cohort, config), None, config)
        result = {"machine": platform.processor() or platform.machine(), "seeds": options.seeds}
        result |= measure(dataset, options.seeds, options.models)
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
