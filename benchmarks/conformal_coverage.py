"""Coverage of the conformal sets, class by class, on fresh synthetic cohorts.

usage: python benchmarks/conformal_coverage.py [--patients 3000] [--seeds 50] [--model sign]

Each seed draws a cohort (clinical values with gaps, the first record of each patient; no page is drawn), splits it as a
run does, learns the model, fits the sets on validation records and counts how often the true class of a test record is in
its set. Prints one JSON object: mean coverage and its standard error for each class, and the decisions of the sets.
"""

from __future__ import annotations

import argparse
import json
import platform
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from cardiograph.cohort.manifest import read_cohort
from cardiograph.config import load_config
from cardiograph.containers import TEST
from cardiograph.features.clinical import clinical_table
from cardiograph.ingest.groups import group_records, split_records
from cardiograph.synthesis.patients import patient_records
from cardiograph.synthesis.truth import cohort_table
from cardiograph.threads import set_threads
from cardiograph.train.data import Dataset, TrainingInputs
from cardiograph.train.trial import fit_and_score

CONFIDENCE = 0.90


def drawn(patients: int, seed: int, folder: Path) -> Dataset:
    """A cohort of one record a patient, clinical values alone, split by the seed."""
    table = cohort_table(patient_records(seed, number)[0] for number in range(patients))
    path = folder / f"cohort_{seed}.csv"
    table.drop(columns="ecg").to_csv(path, index=False)
    config = load_config(None, {"seed": seed})
    cohort = read_cohort(path, config.cohort, outcome="synthetic")
    split = split_records(cohort, group_records(cohort, None, config), config)
    return Dataset(cohort, None, split, TrainingInputs(None, clinical_table(cohort), cohort.labels, split))


def covered(dataset: Dataset, seed: int, model: str) -> tuple[list[float], Counter[str]]:
    """Share of test records of class 0 and of class 1 whose class is in their set, and the decisions of the sets."""
    found = fit_and_score(dataset, load_config(None, {"seed": seed}), name=model).test.scores
    labels = dataset.cohort.labels[dataset.rows(TEST)]
    if found is None or found.uncertainty is None:
        message = "the model returned nothing but probabilities"
        raise ValueError(message)
    inside = found.uncertainty.p_values > 1 - CONFIDENCE
    return [float(inside[labels == label, label].mean()) for label in (0, 1)], Counter(found.uncertainty.decisions)


def main() -> None:
    """Measure, and print JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--patients", type=int, default=3000)
    parser.add_argument("--seeds", type=int, default=50)
    parser.add_argument("--first", type=int, default=5000, help="first seed; none was used to choose anything")
    parser.add_argument("--model", default="sign")
    options = parser.parse_args()
    set_threads()
    shares, decisions = [], Counter[str]()
    with tempfile.TemporaryDirectory() as folder:
        for seed in range(options.first, options.first + options.seeds):
            share, counts = covered(drawn(options.patients, seed, Path(folder)), seed, options.model)
            shares.append(share)
            decisions += counts
    found = np.array(shares)
    result: dict[str, Any] = {"machine": {"processor": platform.processor() or platform.machine()}, **vars(options)}
    for label in (0, 1):
        mean, error = found[:, label].mean(), found[:, label].std(ddof=1) / np.sqrt(len(found))
        result[f"class {label}"] = {"mean": round(float(mean), 4), "standard_error": round(float(error), 4)}
    result["decisions"] = {name: round(count / decisions.total(), 4) for name, count in decisions.most_common()}
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
