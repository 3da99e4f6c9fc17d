"""The optimism of a split by rows is what copies on both sides of it add, and nothing where there are none."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

from cardiograph.config import load_config
from cardiograph.containers import Cohort, Groups
from cardiograph.ingest.groups import split_records
from cardiograph.progress import NoProgress
from cardiograph.train import naive_split
from cardiograph.train.data import Dataset, TrainingInputs
from cardiograph.train.naive_split import SEEDS, measure_optimism

CONFIG = load_config(
    None, {"model": {"epochs": 40, "patience": 10, "width": 16}, "cohort": {}, "encoder": {"weights": "random"}}
)


@pytest.fixture(autouse=True)
def all_pairs(monkeypatch):
    """Compare as many pairs of splits as users do."""
    monkeypatch.setattr(naive_split, "SEEDS", SEEDS)


def noise(copies, patients=60, balance="none"):
    """Records of pure noise, each patient's page there several times."""
    rng = np.random.default_rng(0)
    source = np.repeat(np.arange(patients), copies)
    labels = (np.arange(patients) % 2)[source]
    table = pd.DataFrame(
        {
            "record_id": [f"r{row}" for row in range(len(source))],
            "patient_id": [f"p{patient}" for patient in source],
            "label": labels,
            "class_name": labels.astype(str),
            "ecg": None,
            "split": None,
        }
    )
    image = rng.normal(size=(patients, 512)).astype(np.float32)[source]
    config = CONFIG.model_copy(update={"balance": CONFIG.balance.model_copy(update={"mode": balance})})
    cohort, groups = Cohort(table, ()), Groups(source.astype(np.int64))
    split = split_records(cohort, groups, config)
    return Dataset(cohort, None, split, TrainingInputs(image, None, labels, split)), config


@pytest.mark.parametrize("balance", ["none", "weights"])
def test_noise_with_copies_is_inflated(balance):
    result = measure_optimism(*noise(4, balance=balance), NoProgress())
    assert result.by_row > 0.75
    assert abs(result.by_group - 0.5) < 0.2
    assert result.difference.value == pytest.approx(result.by_row - result.by_group)
    assert result.difference.low > 0
    assert f"means of {SEEDS} paired splits" in result.sentence


def test_of_a_large_cohort_whole_groups_are_drawn(monkeypatch):
    monkeypatch.setattr(naive_split, "MAX_RECORDS", 60)
    monkeypatch.setattr(naive_split, "SEEDS", 1)
    dataset, config = noise(4, balance="none")
    groups = dataset.split.groups.index
    used = naive_split._sample(groups, np.random.default_rng(0))
    assert 50 < used.sum() <= 60
    assert not set(groups[used]) & set(groups[~used])
    result = measure_optimism(dataset, config, NoProgress())
    assert f", {used.sum()} of {len(groups)} records)" in result.sentence


def test_without_copies_there_is_nothing_to_inflate():
    assert measure_optimism(*noise(1), NoProgress()).as_dict() == {
        "sentence": "No group of more than one record: nothing to inflate."
    }


def test_unlabelled_copies_do_not_count():
    dataset, config = noise(2)
    labels = np.where(np.arange(120) % 2 == 0, dataset.cohort.labels, -1)
    cohort = dataclasses.replace(dataset.cohort, table=dataset.cohort.table.assign(label=labels))
    result = measure_optimism(dataclasses.replace(dataset, cohort=cohort), config, NoProgress())
    assert "nothing to inflate" in result.sentence


def test_the_meter_does_not_touch_the_run(finished_run):
    """The report's own numbers are those of a run without a meter: it comes last and has its own generators."""
    import json

    metrics = json.loads((finished_run / "metrics.json").read_text())
    assert metrics["inflation"]["seeds"] == SEEDS
    assert set(metrics["inflation"]["difference"]) == {"value", "low", "high"}
