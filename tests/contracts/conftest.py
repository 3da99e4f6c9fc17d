"""Small problems with every kind of row, for contracts that hold for every model."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

from cardiograph import registry
from cardiograph.config import load_config
from cardiograph.containers import ClinicalTable, Cohort, Groups
from cardiograph.inference import Predictor
from cardiograph.ingest.augmentation import AugmentedCopies
from cardiograph.ingest.groups import split_records
from cardiograph.schema import DEFAULT_VARIABLES
from cardiograph.train.data import Dataset, TrainingInputs
from cardiograph.train.fit import fit_network, make_bundle, prepare

MODELS = tuple(registry.MODELS)
"""Every network there is: one that is added is held to the contracts by itself."""

CONFIG = load_config(None, {"model": {"epochs": 12, "patience": 12, "width": 16}, "seed": 3})


def make_problem(seed=0, groups=40, copies=2, signal=1.0, labels_of_groups=None, same_values=False, absent=0.0):
    """Records in groups of equal pages with their own clinical values: a cohort, split and ready to be learnt from.

    ``absent`` is the share of records that lack their page, and of others that lack every clinical value.
    """
    rng = np.random.default_rng(seed)
    group = np.repeat(np.arange(groups), copies)
    of_group = np.arange(groups) % 2 if labels_of_groups is None else labels_of_groups
    labels = of_group[group].astype(np.int64)
    pages = rng.normal(size=(groups, 24)).astype(np.float32)
    for label in range(1, of_group.max() + 1):
        pages[:, label - 1] += signal * (of_group == label)
    clinical = np.column_stack(
        [
            rng.uniform(0.2, 0.7, len(group)),
            rng.lognormal(5, 0.5, len(group)),
            rng.integers(1, 5, len(group)),
            rng.normal(120, 15, len(group)),
            rng.normal(60, 10, len(group)),
        ]
    )
    clinical[rng.random(clinical.shape) < 0.1] = np.nan
    clinical[:, 2] = np.nan_to_num(clinical[:, 2], nan=2)
    if same_values:
        clinical = clinical[np.arange(groups)][group]
    table = pd.DataFrame(
        {
            "record_id": [f"r{row}" for row in range(len(group))],
            "patient_id": [f"p{number}" for number in group],
            "label": labels,
            "class_name": labels.astype(str),
            "ecg": None,
            "split": None,
        }
    )
    for column, variable in enumerate(DEFAULT_VARIABLES):
        table[variable.name] = clinical[:, column]
    several = tuple("abcdefgh"[: labels.max() + 1]) if labels.max() > 1 else ()
    cohort = Cohort(table, DEFAULT_VARIABLES, classes=several)
    split = split_records(cohort, Groups(group.astype(np.int64)), CONFIG)
    table_of_values = ClinicalTable(clinical, DEFAULT_VARIABLES, ("measured",) * 5)
    image = pages[group]
    lacking = np.random.default_rng([seed, 1]).random(len(group))
    image[lacking < absent] = np.nan
    clinical[lacking > 1 - absent] = np.nan
    inputs = TrainingInputs(image, table_of_values, labels, split, classes=cohort.class_count)
    return Dataset(cohort, None, split, inputs)


def with_copies(dataset, count=10):
    """The same, with augmented copies of training records."""
    train = dataset.rows("train")
    source = np.sort(train[~np.isnan(dataset.inputs.image[train]).any(1)][:count])
    noise = np.random.default_rng(9).normal(0, 0.05, (len(source), dataset.inputs.image.shape[1]))
    image = (dataset.inputs.image[source] + noise).astype(np.float32)
    return with_material(dataset, copies=AugmentedCopies(source, image))


def with_material(dataset, **changes):
    return dataclasses.replace(dataset, inputs=dataclasses.replace(dataset.inputs, **changes))


def learn(dataset, name="gcn", config=CONFIG):
    """Features, graph and examples; a network; and the predictor that serves it."""
    prepared = prepare(dataset.inputs, config)
    network, _ = fit_network(name, prepared, config)
    return prepared, network, Predictor(make_bundle(name, network, dataset, prepared, config))


@pytest.fixture
def problem():
    return make_problem


@pytest.fixture(scope="session")
def dataset():
    return make_problem()


@pytest.fixture(scope="session", params=MODELS)
def model(request):
    return request.param


@pytest.fixture(scope="session")
def fitted(dataset, model):
    """A model on the small problem: prepared, network, predictor."""
    return learn(dataset, model)
