"""Synthetic cohort for comparisons: image and clinical blocks depend on the label, some records are unlabelled."""

import dataclasses

import numpy as np
import pandas as pd

from cardiograph.config import load_config
from cardiograph.containers import ClinicalTable, Cohort, Groups, Split
from cardiograph.schema import DEFAULT_VARIABLES
from cardiograph.studies.compare.fold_data import FoldData
from cardiograph.studies.compare.trial import FitResult
from cardiograph.train.data import Dataset, TrainingInputs

FAST = {"width": 16, "epochs": 6, "patience": 6}


def made_settings(**sections):
    return load_config(None, {"model": FAST, "encoder": {"weights": "random"}, **sections})


def made_dataset(*, patients=60, unlabelled=6, seed=0):
    """Half of the patients have two records; variables are ef and age."""
    rng = np.random.default_rng(seed)
    patient = np.concatenate([np.arange(patients), np.arange(patients // 2)])
    truth = patient % 3 == 0
    labels = truth.astype(np.int64)
    labels[rng.permutation(len(labels))[:unlabelled]] = -1
    variables = tuple(each for each in DEFAULT_VARIABLES if each.name in {"ef", "age"})
    by_name = {
        "ef": np.clip(rng.normal(0.6 - 0.15 * truth, 0.06), 0.1, 0.8),
        "age": np.clip(rng.normal(60 + 5 * truth, 8), 30, 95).round(),
    }
    values = np.stack([by_name[each.name] for each in variables], axis=1)
    image = rng.normal(size=(len(labels), 24)).astype(np.float32)
    image[:, 0] += truth
    table = pd.DataFrame(
        {
            "record_id": [f"r{row}" for row in range(len(labels))],
            "patient_id": [f"p{number}" for number in patient],
            "label": labels,
            "class_name": labels.astype(str),
            "ecg": None,
            "split": None,
            **{each.name: values[:, place] for place, each in enumerate(variables)},
        }
    )
    split = Split(np.full(len(labels), "train"), Groups(patient.astype(np.int64)), "drawn")
    clinical = ClinicalTable(values, variables, ("measured",) * len(variables))
    return Dataset(Cohort(table, variables), None, split, TrainingInputs(image, clinical, labels, split))


def made_fold_data(*, folds=3, given=None, modalities=("both",), config=None, **cohort):
    dataset = made_dataset(**cohort)
    blocks = {
        "both": {},
        "image": {"clinical": None},
        "clinical": {"image": None},
    }
    datasets = {
        name: dataclasses.replace(dataset, inputs=dataclasses.replace(dataset.inputs, **blocks[name]))
        for name in modalities
    }
    return FoldData(config or made_settings(), datasets, folds, given)


def fit_result(probabilities, log_loss=0.5, seconds=1.0, setting=None):
    return FitResult(tuple(map(float, probabilities)), log_loss, setting or {}, seconds, seconds, 100.0)
