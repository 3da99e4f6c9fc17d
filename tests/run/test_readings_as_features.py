"""Readings of the ECG encoder as node features: named, scored alone as in the run, and explained."""

import numpy as np
import pandas as pd
import pytest
from tests.run.recordings_cohort import write_recordings

from cardiograph.config import load_config
from cardiograph.errors import ConfigError
from cardiograph.explain.explanation import explain
from cardiograph.inference import Predictor, Query
from cardiograph.run.pipeline import run


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    return write_recordings(tmp_path_factory.mktemp("readings"))


def configured(settings, **encoder):
    extra = {
        "encoder": encoder,
        "fusion": {"image": 0.0, "readings": 1.0},
        "model": {"epochs": 20, "patience": 5, "baselines": ["logistic"]},
    }
    return load_config(None, {**settings, **extra})


@pytest.fixture(scope="module")
def readings_run(table, settings):
    """Run whose image block holds readings alone."""
    return run(table, table.parent / "run", configured(settings, name="ecg")).path


@pytest.fixture(scope="module")
def predictor(readings_run):
    return Predictor.load(readings_run)


def test_a_record_scores_alone_as_it_does_in_its_run(readings_run, predictor):
    scored = pd.read_parquet(readings_run / "predictions.parquet").set_index("record_id")["probability_sign"]
    assert len(scored) >= 4
    for record, probability in scored.items():
        alone = predictor.predict(readings_run.parent / f"{record}.dcm")
        assert alone.probability == pytest.approx(probability, abs=1e-6)


def test_features_are_the_readings_of_the_table(readings_run, predictor):
    reference, (names, blocks) = predictor.bundle.reference, predictor.bundle.fusion.layout
    assert blocks == {"image": (0, len(names))}
    assert all(name.startswith("reading: ") for name in names)
    features = reference.features[:, names.index("reading: left bundle branch block")]
    table = pd.read_parquet(readings_run / "readings.parquet").set_index("record_id")
    chances = table.loc[list(reference.record_ids), "left bundle branch block"].to_numpy()
    assert np.corrcoef(np.log(chances / (1 - chances)), features)[0, 1] == pytest.approx(1, abs=1e-6)
    assert predictor.bundle.fusion.shares == {"readings": 1.0}


def test_the_effect_of_the_ecg_is_that_of_its_readings(readings_run, predictor):
    explanation = explain(predictor, Query(readings_run.parent / "p1.dcm"))
    assert explanation.blocks["clinical"] == 0
    assert explanation.base + explanation.blocks["image"] == pytest.approx(explanation.probability)


@pytest.mark.parametrize("encoder", [{"weights": "random"}, {"name": "ecg", "finetune": True}])
def test_encoders_without_readings_are_refused(settings, encoder):
    with pytest.raises(ConfigError, match=r"fusion\.readings is 1, but only the encoder ecg with its shipped weights"):
        configured(settings, **encoder)
