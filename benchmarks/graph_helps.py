"""A setting in which neighbours know more than the record itself, and how much the graph is worth there.

usage: python benchmarks/graph_helps.py [--patients 1500] [--repeats 4]

Patients are of a hundred kinds, which their pages show (32 features: the kind's centre and a little noise) but whose risk no
line through these features tells. One clinical value measures the risk, with twice its spread as noise. So a patient's own
value says little, while the mean value of ten patients of the same kind says much, whether or not anyone knows their
outcomes. Neighbours are sought in the image block, k = 10, for every model that hears or counts them. Labels are kept for
100, 25 and 10 % of the training records; the rest stay in the graph. Baselines choose among the same settings as in
`cardiograph compare`, the best of each fold by its validation records. Controls: the same model with random edges, and
without noise to average away (the value measures the risk exactly), where the graph should be worth nothing. Prints one
JSON object.
"""

from __future__ import annotations

import argparse
import json
import platform
from typing import Any

import numpy as np
import pandas as pd

from cardiograph.config import load_config
from cardiograph.containers import TEST, ClinicalTable, Cohort, Groups, Split
from cardiograph.evaluate.bootstrap import resampled_interval
from cardiograph.registry import BASELINES
from cardiograph.schema import ClinicalVariable
from cardiograph.studies.compare.fold_data import FoldData
from cardiograph.studies.compare.options import DEFAULT
from cardiograph.studies.compare.trial import LABELS_KEPT, FitResult, Task, best_baseline, make_fit
from cardiograph.threads import set_threads
from cardiograph.train.data import Dataset, TrainingInputs

KINDS, WIDTH, FOLDS = 100, 32, 5
MARKER = ClinicalVariable("marker", "marker", "", -1000, 1000)


def patients_of(count: int, seed: int, noise: float) -> Dataset:
    """Patients whose kind decides their risk.

    Args:
        count: How many.
        seed: Seed of the kinds and of the patients.
        noise: Standard deviation of the measurement, in spreads of the risk.
    """
    rng = np.random.default_rng(seed)
    centres, risk = rng.normal(size=(KINDS, WIDTH)), rng.normal(size=KINDS)
    kind = rng.integers(0, KINDS, count)
    image = (centres[kind] + 0.3 * rng.normal(size=(count, WIDTH))).astype(np.float32)
    values = (risk[kind] + noise * rng.normal(size=count))[:, None]
    labels = (rng.random(count) < 1 / (1 + np.exp(-3 * risk[kind]))).astype(np.int64)
    table = pd.DataFrame(
        {
            "record_id": [f"r{row}" for row in range(count)],
            "patient_id": [f"p{row}" for row in range(count)],
            "label": labels,
            "class_name": labels.astype(str),
            "ecg": None,
            "split": None,
            MARKER.name: values[:, 0],
        }
    )
    split = Split(np.full(count, "train"), Groups(np.arange(count)), "drawn")
    clinical = ClinicalTable(values, (MARKER,), ("synthetic patient",))
    return Dataset(
        Cohort(table, (MARKER,), synthetic=True), None, split, TrainingInputs(image, clinical, labels, split)
    )


def auroc(fold_data: FoldData, task: Task, fit: FitResult) -> float:
    """Of the test records of a fit."""
    from sklearn.metrics import roc_auc_score

    labels = fold_data.any_dataset.cohort.labels
    return float(roc_auc_score(labels[fold_data.split(task.place).rows(TEST)], fit.probabilities))


def measured(dataset: Dataset, repeats: int, share: float) -> dict[str, Any]:
    """AUROC of default, best baseline and random edges at a share of labels; differences with intervals."""
    config = load_config(None, {"graph": {"space": "image", "k": 10}})
    fold_data = FoldData(config, {"both": dataset}, FOLDS)
    rows = []
    for place in ((repeat, fold) for repeat in range(repeats) for fold in range(FOLDS)):
        condition = (LABELS_KEPT, share)
        tasks = {name: Task("both", place, name, condition=condition) for name in (DEFAULT, *BASELINES)}
        tasks["random edges"] = Task("both", place, DEFAULT, condition=condition, rewired=True)
        fits = {name: make_fit(fold_data, task) for name, task in tasks.items()}
        scores = {name: auroc(fold_data, tasks[name], fit) for name, fit in fits.items()}
        best = best_baseline({name: fits[name] for name in BASELINES})
        rows.append({**scores, "best baseline": scores[best]})
    values = {name: np.array([row[name] for row in rows]) for name in rows[0]}
    found = {name: round(float(each.mean()), 4) for name, each in values.items()}
    for other in ("best baseline", "random edges"):
        gain = resampled_interval(values[DEFAULT] - values[other], train=0.64, test=0.2)
        found[f"default - {other}"] = [round(each, 4) for each in (gain.value, gain.low, gain.high)]
    return found


def main() -> None:
    """Measure, and print JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--patients", type=int, default=1500)
    parser.add_argument("--repeats", type=int, default=4)
    parser.add_argument("--seed", type=int, default=11)
    options = parser.parse_args()
    set_threads()
    result: dict[str, Any] = {"machine": {"processor": platform.processor() or platform.machine()}, **vars(options)}
    noisy, exact = (patients_of(options.patients, options.seed, noise) for noise in (2.0, 0.0))
    for share in (1.0, 0.25, 0.10):
        result[f"{share:.0%} of labels"] = measured(noisy, options.repeats, share)
    result["10% of labels, no noise to average away"] = measured(exact, options.repeats, 0.10)
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
