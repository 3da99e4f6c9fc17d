"""How near the default comes to what can be known, by number of synthetic patients and by what it reads.

usage: python benchmarks/synthetic_scale.py [--cohort FOLDER] [--patients 5000] [--sizes 600 2000 5000]
                                            [--encoder ecg --files signals]

One cohort of 5,000 patients (seed 7; drawn again unless --cohort names a folder of `cardiograph synth`), the first ones for
the smaller sizes. Five folds of whole groups for each size. Beside the default on clinical values,
pages and both stand logistic regression on the true latents that the clinical values carry, on the same folds, and the exact
posterior of the same test records. Prints one JSON object.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import platform
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from cardiograph.artifacts.cache import PageCache, cache_folder
from cardiograph.config import RunConfig, load_config
from cardiograph.containers import TEST, TRAIN, VAL, ClinicalTable, Groups
from cardiograph.evaluate.bootstrap import resampled_interval
from cardiograph.studies.compare.folds import fold_split
from cardiograph.studies.faults.records import AugmentationPool
from cardiograph.studies.faults.switches import Faults
from cardiograph.studies.shared_cohort import SharedCohort
from cardiograph.synthesis.cohort import write_cohort
from cardiograph.synthesis.density import CLINICAL
from cardiograph.synthesis.truth import latent_matrix
from cardiograph.threads import set_threads
from cardiograph.train.data import Dataset
from cardiograph.train.trial import fit_and_score, nameless

FOLDS = 5
READS = ("clinical", "image", "both")


def first_records(dataset: Dataset, rows: np.ndarray) -> Dataset:
    """Some records of a cohort, as a cohort."""
    inputs, cohort = dataset.inputs, dataset.cohort
    table = cohort.table.iloc[rows].reset_index(drop=True)
    _, index = np.unique(dataset.split.groups.index[rows], return_inverse=True)
    split = dataclasses.replace(dataset.split, part=dataset.split.part[rows], groups=Groups(index.astype(np.int64)))
    clinical = inputs.clinical
    if clinical is not None:
        clinical = ClinicalTable(clinical.values[rows], clinical.variables, clinical.provenance)
    image = None if inputs.image is None else inputs.image[rows]
    kept = dataclasses.replace(inputs, image=image, clinical=clinical, labels=inputs.labels[rows], split=split)
    return dataclasses.replace(dataset, cohort=dataclasses.replace(cohort, table=table), inputs=kept, split=split)


def of_fold(dataset: Dataset, config: RunConfig, truth: pd.DataFrame, fold: int) -> dict[str, float]:
    """AUROC of everything on one fold."""
    labels = dataset.cohort.labels
    split = fold_split(labels, dataset.split.groups, FOLDS, (0, fold), seed=config.seed)
    inputs = dataclasses.replace(dataset.inputs, split=split)
    blocks = {
        "clinical": dataclasses.replace(inputs, image=None),
        "image": dataclasses.replace(inputs, clinical=None),
        "both": inputs,
    }
    test = split.rows(TEST)
    found = {}
    for name in READS:
        each = dataclasses.replace(dataset, split=split, inputs=blocks[name])
        found[name] = float(roc_auc_score(labels[test], fit_and_score(each, config).test.probabilities))
    rows = truth.set_index("record_id").loc[list(dataset.cohort.record_ids)].reset_index()
    latents = latent_matrix(rows, variables=CLINICAL)
    fitted = np.concatenate([split.rows(TRAIN), split.rows(VAL)])
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=5000)).fit(latents[fitted], labels[fitted])
    found["true clinical latents"] = float(roc_auc_score(labels[test], model.predict_proba(latents[test])[:, 1]))
    for name, column in (("clinical", "clinical"), ("image", "ecg"), ("both", "recorded")):
        found[f"posterior, {name}"] = float(roc_auc_score(labels[test], rows[f"bayes_{column}"].to_numpy()[test]))
    return found


def rounded_summary(values: np.ndarray) -> list[float]:
    """Mean over folds, and the corrected resampled t interval."""
    found = resampled_interval(values, train=0.64, test=0.2)
    return [round(each, 4) for each in (found.value, found.low, found.high)]


def main() -> None:
    """Measure, and print JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cohort", type=Path, help="folder of `cardiograph synth`; drawn again by default")
    parser.add_argument("--patients", type=int, default=5000)
    parser.add_argument("--sizes", type=int, nargs="+", default=[600, 2000, 5000])
    parser.add_argument("--encoder", default="resnet18-ecg", help="resnet18-ecg, ecg or resnet18")
    parser.add_argument("--files", default="pages", help="pages, or signals: recordings of the same hearts, for ecg")
    parser.add_argument("--weights", default="shipped", help="weights of the encoder; for resnet18: random")
    options = parser.parse_args()
    set_threads()
    config = load_config(None, {"encoder": {"name": options.encoder, "weights": options.weights}})
    result: dict[str, Any] = {"machine": {"processor": platform.processor() or platform.machine()}, "sizes": {}}
    with tempfile.TemporaryDirectory() as folder, PageCache(cache_folder()) as cache:
        source = options.cohort or Path(folder) / "cohort"
        if options.cohort is None:
            write_cohort(source, patients=options.patients, seed=7, files=options.files)
        shared_cohort = SharedCohort(source / "cohort.csv", config, cache, pool=AugmentationPool(0))
        whole = nameless(shared_cohort.build_dataset(shared_cohort.settings(config, Faults(), "both", config.seed))[0])
        truth = pd.read_parquet(source / "truth.parquet")
        number = truth.set_index("record_id").loc[list(whole.cohort.record_ids), "patient_id"].str[1:].astype(int)
        for size in options.sizes:
            dataset = first_records(whole, np.flatnonzero(number.to_numpy() < size))
            folds = [of_fold(dataset, config, truth, fold) for fold in range(FOLDS)]
            values = {name: np.array([each[name] for each in folds]) for name in folds[0]}
            gains = {
                "both - clinical": values["both"] - values["clinical"],
                "clinical - true clinical latents": values["clinical"] - values["true clinical latents"],
                **{f"{name} - its ceiling": values[name] - values[f"posterior, {name}"] for name in READS},
            }
            result["sizes"][size] = {name: rounded_summary(each) for name, each in (values | gains).items()}
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
