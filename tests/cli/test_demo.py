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
from cardiograph.run.pipeline import run
from cardiograph.synthesis.cohort import cohort_table
from cardiograph.synthesis.patients import patient_records
from cardiograph.uncertainty.conformal import MIN_CLASS_RECORDS


def test_its_validation_records_are_enough_for_a_yes_or_a_no():
    default = {name: each.default for name, each in inspect.signature(demo).parameters.items()}
    records = [each for number in range(default["patients"]) for each in patient_records(default["seed"], number)]
    table = cohort_table(records).assign(split=None)
    cohort = SimpleNamespace(table=table, labels=table["label"].to_numpy(), label_names=("0", "1"))
    groups = Groups(np.unique(table["patient_id"], return_inverse=True)[1].astype(np.int64))
    part = split_records(cohort, groups, load_config(None, DEMO)).part
    assert np.bincount(cohort.labels[part == VAL]).min() >= MIN_CLASS_RECORDS


def test_its_values_alone_are_enough_for_a_yes_and_a_no(tmp_path):
    """The pages of 600 patients take minutes to draw and to embed; their values are scored with the same settings."""
    default = {name: each.default for name, each in inspect.signature(demo).parameters.items()}
    records = [each for number in range(default["patients"]) for each in patient_records(default["seed"], number)]
    cohort_table(records).drop(columns="ecg").to_csv(tmp_path / "cohort.csv", index=False)
    made = run(tmp_path / "cohort.csv", tmp_path / "run", load_config(None, DEMO)).path
    output = pd.read_parquet(made / "predictions.parquet")
    assert {"positive", "negative"} <= set(output["decision"])
    shown = output["probability_sign"]
    assert ((output["low"] <= shown) & (shown <= output["high"])).all()


@pytest.mark.slow
def test_a_small_demo_goes_from_drawing_to_the_report(tmp_path, capsys):
    with pytest.raises(SystemExit) as ended:
        main(["demo", "--patients", "40", "--out", str(tmp_path / "demo"), "--set", "evaluation.bootstrap=100"])
    assert not ended.value.code
    report = tmp_path / "demo" / "run" / "report.html"
    assert report.exists() and str(report.name) in capsys.readouterr().out
