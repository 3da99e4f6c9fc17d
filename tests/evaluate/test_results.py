import json

import pytest

from cardiograph.artifacts.run import METRICS_FILE, RunDirectory
from cardiograph.errors import RunError
from cardiograph.evaluate.results import Counts, RunMetrics

SCORE = {"value": 0.8, "low": None, "high": None}
CONTENT = {
    "primary": "sign",
    "provenance": "measured",
    "test": {"auroc": SCORE},
    "thresholds": {"sign": 0.4},
    "counts": {"test": {"records": 20, "positive": 8, "groups": 18}},
    "bootstrap": {"resamples": 100, "confidence": 0.95, "unit": "group"},
    "certainty": None,
    "inflation": {"sentence": "nothing to inflate."},
}


def test_what_is_written_is_what_was_read(tmp_path):
    """Absent keys stay absent, and null stays null."""
    directory = RunDirectory(tmp_path)
    directory.write_json(METRICS_FILE, CONTENT)
    before = (tmp_path / METRICS_FILE).read_bytes()
    metrics = directory.read_metrics()
    assert (metrics.test["auroc"].value, metrics.test["auroc"].low, metrics.graph_verdict) == (0.8, None, None)
    directory.write_metrics(metrics)
    assert (tmp_path / METRICS_FILE).read_bytes() == before


def test_a_run_without_validation_hands_on_its_test_scores():
    metrics = RunMetrics.model_validate(CONTENT)
    own = metrics.test_scores
    assert (own.test, own.counts) == (metrics.test, Counts(test=metrics.counts.test))
    assert list(own.as_dict()) == ["provenance", "test", "counts"]


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"test": None}, "test: Input should be"),
        ({"test": {"auroc": SCORE | {"value": "high"}}}, r"test\.auroc\.value: Input should be a valid number"),
        ({"provenance": "guessed"}, "provenance: Input should be 'measured'"),
        ({"other": 1}, "other: Extra inputs are not permitted"),
        ({"counts": {"test": {"records": 1}}}, r"counts\.test\.positive: Field required"),
    ],
)
def test_a_foreign_file_is_refused_by_the_key_that_is_wrong(tmp_path, change, fault):
    (tmp_path / METRICS_FILE).write_text(json.dumps(CONTENT | change))
    with pytest.raises(RunError, match=fault + ".*make the run again"):
        RunDirectory(tmp_path).read_metrics()
