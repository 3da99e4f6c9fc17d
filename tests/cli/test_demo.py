"""The demo is of a size at which every part of an answer can be shown."""

import inspect
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from cardiograph.cli.app import main
from cardiograph.cli.demo import DEMO, demo
from cardiograph.config import load_config
from cardiograph.containers import VAL, Groups
from cardiograph.ingest.groups import split_records
from cardiograph.synthesis.cohort import cohort_table
from cardiograph.synthesis.patients import patient_records
from cardiograph.uncertainty.conformal import MIN_CLASS_RECORDS


def test_its_validation_records_are_enough_for_a_yes_or_a_no():
    default = {name: each.default for name, each in inspect.signature(demo).parameters.items()}
    records = [each for number in range(default["patients"]) for each in patient_records(default["seed"], number)]
    table = cohort_table(records).assign(split=None)
    cohort = SimpleNamespace(table=table, labels=table["label"].to_numpy())
    groups = Groups(np.unique(table["patient_id"], return_inverse=True)[1].astype(np.int64))
    part = split_records(cohort, groups, load_config(None, DEMO)).part
    assert np.bincount(cohort.labels[part == VAL]).min() >= MIN_CLASS_RECORDS


@pytest.mark.slow
def test_it_answers_yes_and_no(tmp_path):
    shorter = ["--set", "evaluation.bootstrap=100", "--set", "model.baselines=['logistic']"]
    main_ended(["demo", "--out", str(tmp_path / "demo"), *shorter])
    output = pd.read_parquet(tmp_path / "demo" / "run" / "predictions.parquet")
    assert {"positive", "negative"} <= set(output["decision"])
    shown = output["probability_sign"]
    assert ((output["low"] <= shown) & (shown <= output["high"])).all()


def main_ended(arguments):
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert not ended.value.code
