import json

import numpy as np
import pytest

from cardiograph.config import EvaluationConfig
from cardiograph.evaluation.bootstrap import Interval
from cardiograph.evaluation.layout import graph_layout
from cardiograph.evaluation.metrics import METRICS
from cardiograph.evaluation.predictions import ModelRoles, PartPredictions
from cardiograph.evaluation.summary import ONE_EACH, headline_provenance, summarise
from cardiograph.evaluation.verdict import Contender, graph_verdict

GCN, MLP = Contender("gcn", "GCN", 0.812), Contender("mlp", "MLP", 0.843)


@pytest.mark.parametrize(
    ("low", "high", "helps"),
    [
        (0.01, 0.05, "yes"),
        (-0.08, 0.01, "no"),
        (-0.08, -0.02, "no"),
        (-0.03, 0.04, "undecided"),
        (0.0, 0.05, "undecided"),
    ],
)
def test_verdict_follows_the_interval(low, high, helps):
    assert graph_verdict(Interval((low + high) / 2, low, high), GCN, MLP, records=137)["helps"] == helps


def test_verdict_sentence_says_it_all():
    found = graph_verdict(Interval(-0.031, -0.08, 0.01), GCN, MLP, records=137)
    assert found["sentence"] == (
        "On these 137 test records the graph (GCN) did not help: AUROC 0.812 against 0.843 of the same features without "
        "it (MLP; difference -0.031, 95 % interval -0.080 to +0.010)."
    )


def test_verdict_without_a_difference_is_undecided():
    found = graph_verdict(Interval(np.nan, np.nan, np.nan), GCN, MLP, records=5)
    assert found["helps"] == "undecided"
    assert "only one class" in found["sentence"]
    assert found["difference"] == {"value": None, "low": None, "high": None}


@pytest.mark.parametrize(
    ("columns", "synthetic", "expected"),
    [
        ((), False, "measured"),
        (("measured", "simulated from the label"), False, "simulated from the label"),
        (("simulated from the label",), True, "simulated from the label"),
        (("measured",), True, "synthetic patient"),
        (("measured", "simulated blind to the label"), False, "simulated blind to the label"),
    ],
)
def test_the_weakest_column_names_the_headline(columns, synthetic, expected):
    assert headline_provenance(columns, synthetic=synthetic) == expected


def test_metrics_hold_every_score_of_every_model(content):
    metrics = content.metrics
    json.dumps(metrics, allow_nan=False)
    assert set(metrics["test"]) == set(metrics["validation"]) == {*METRICS, ONE_EACH}
    assert set(metrics["baselines"]) == {"gat", "mlp", "logistic"}
    difference = metrics["test"]["auroc"]["value"] - metrics["baselines"]["mlp"]["auroc"]["value"]
    assert metrics["graph_verdict"]["difference"]["value"] == pytest.approx(difference)
    assert metrics["counts"]["test"] == {
        "records": len(content.test),
        "positive": int(content.test.labels.sum()),
        "groups": len(set(content.test.groups.tolist())),
    }


def test_metrics_hold_the_decision_curve_and_the_parts_of_the_brier_score(content):
    metrics = content.metrics
    models = {metrics["primary"], *metrics["baselines"]}
    assert set(metrics["net_benefit"]["models"]) == set(metrics["brier_parts"]) == models
    for name, parts in metrics["brier_parts"].items():
        scores = metrics["test"] if name == metrics["primary"] else metrics["baselines"][name]
        assert parts["brier"] == pytest.approx(scores["brier"]["value"])
        assert 0 < parts["ece_by_chance"] < 0.2
    assert "are not independent" in metrics["delong"]["refused"]


def test_delong_is_made_where_each_record_is_a_group():
    rng = np.random.default_rng(0)
    labels = np.tile([0, 1], 40)
    part = PartPredictions(labels, np.arange(80), {"gcn": rng.random(80), "mlp": rng.random(80)})
    models = ModelRoles("gcn", "gcn", "mlp", {"gcn": "GCN", "mlp": "MLP"}, {"gcn": 0.5, "mlp": 0.5})
    found = summarise(part, part, models, provenance="measured", settings=EvaluationConfig(bootstrap=100), seed=0)
    assert found["delong"]["refused"] is None
    assert found["delong"]["difference"] == pytest.approx(found["graph_verdict"]["difference"]["value"])
    assert found["delong"]["low"] < found["delong"]["difference"] < found["delong"]["high"]


def test_one_record_per_patient_equals_all_where_each_has_one():
    rng = np.random.default_rng(0)
    labels = np.tile([0, 1], 20)
    part = PartPredictions(labels, np.arange(40), {"gcn": rng.random(40), "mlp": rng.random(40)})
    models = ModelRoles("gcn", "gcn", "mlp", {"gcn": "GCN", "mlp": "MLP"}, {"gcn": 0.5, "mlp": 0.5})
    found = summarise(part, part, models, provenance="measured", settings=EvaluationConfig(bootstrap=100), seed=0)
    assert found["test"][ONE_EACH] == found["test"]["auroc"]


def test_layout_is_the_same_each_time_and_keeps_clusters_together():
    rng = np.random.default_rng(0)
    features = rng.normal(size=(60, 12)).astype(np.float32)
    features[:30] += 6
    first, second = graph_layout(features, 3), graph_layout(features, 3)
    assert np.array_equal(first, second)
    assert np.abs(first).max() == pytest.approx(1)
    gap = np.linalg.norm(first[:30].mean(axis=0) - first[30:].mean(axis=0))
    assert gap > 2 * first[:30].std()


@pytest.mark.parametrize("shape", [(0, 4), (1, 4), (2, 4), (3, 4), (12, 3), (12, 1)])
def test_layout_of_few_records(shape):
    features = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    assert graph_layout(features, 0).shape == (shape[0], 2)
