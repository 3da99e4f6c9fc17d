"""Settings that depend on other settings."""

import pytest

from cardiograph.config import EvaluationConfig, RunConfig, load_config
from cardiograph.wording import class_names


@pytest.mark.parametrize(
    ("settings", "outcome"),
    [
        ({}, "positive class"),
        ({"cohort": {"positive": ["HF"]}}, "HF"),
        ({"cohort": {"positive": ["myocardial_infarction", "HF"]}}, "myocardial_infarction or HF"),
        ({"cohort": {"positive": ["HF"]}, "outcome": "heart failure"}, "heart failure"),
    ],
)
def test_label_1_is_called_by_its_classes_unless_it_is_named(settings, outcome):
    assert load_config(None, settings).outcome.name == outcome


def test_the_name_is_written_and_read_back(tmp_path):
    """The file of a run names the outcome, whatever classes a later command takes."""
    path = tmp_path / "config.toml"
    path.write_text(load_config(None, {"cohort": {"positive": ["HF"]}}).to_toml())
    assert load_config(path, {"cohort": {"positive": ["MI"]}}).outcome.name == "HF"
    assert class_names("HF") == ("not HF", "HF")


@pytest.mark.parametrize(("records", "resamples"), [(0, 1000), (20_000, 1000), (40_000, 500), (1_000_000, 200)])
def test_large_cohorts_are_resampled_less_often(records, resamples):
    assert RunConfig().evaluation.for_records(records).bootstrap == resamples
    assert EvaluationConfig(bootstrap=100).for_records(records).bootstrap == 100
