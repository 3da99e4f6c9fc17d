import json

import numpy as np
import pytest

from cardiograph.config import EvaluationConfig
from cardiograph.evaluate.bootstrap import Interval
from cardiograph.evaluate.metrics import METRICS
from cardiograph.evaluate.predictions import ModelRoles, PartPredictions
from cardiograph.evaluate.results import Score
from cardiograph.evaluate.summary import ONE_EACH, headline_provenance, summarise
from cardiograph.evaluate.verdict import Comparison, Contender, graph_verdict

GCN, MLP = Contender("gcn", "GCN", 0.812), Contender("mlp", "MLP (no graph)", 0.843)
LOGISTIC = Contender("logistic", "Logistic regression (no graph)", 0.954)


def verdict(*differences, records=137):
    """Of GCN against MLP, which validation chose, and then against logistic regression."""
    baselines = (MLP, LOGISTIC)
    compared = [Comparison(each, found) for each, found in zip(baselines, differences, strict=False)]
    return graph_verdict(GCN, compared[0], compared[1:], records=records, confidence=0.95)


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
    difference = Interval((low + high) / 2, low, high)
    assert verdict(difference).helps == helps
    assert verdict(Interval(0.2, 0.1, 0.3), difference).helps == helps
    assert verdict(difference, Interval(0.2, 0.1, 0.3)).helps == helps


@pytest.mark.parametrize(
    "other", [Interval(-0.1, -0.2, 0.005), Interval(0.02, -0.01, 0.05), Interval(0.1, np.nan, np.nan)]
)
def test_a_graph_that_beats_the_chosen_baseline_alone_did_not_help(other):
    assert verdict(Interval(0.151, 0.09, 0.21), other).helps != "yes"


def test_verdict_sentence_says_it_all():
    found = verdict(Interval(-0.031, -0.08, 0.01), Interval(-0.142, -0.2, -0.09))
    assert found.sentence == (
        "On these 137 test records the graph (GCN) did not help: AUROC 0.812 against the same features without it "
        "(MLP, which validation records chose: 0.843, difference -0.031, 95 % interval -0.080 to +0.010; Logistic "
        "regression: 0.954, difference -0.142, 95 % interval -0.200 to -0.090)."
    )
    assert [each.baseline for each in found.others] == ["logistic"]


def test_verdict_without_a_difference_is_undecided():
    found = verdict(Interval(np.nan, np.nan, np.nan), records=5)
    assert found.helps == "undecided"
    assert "only one class" in found.sentence
    assert found.difference == Score(value=None, low=None, high=None)


def test_no_verdict_is_refuted_by_its_own_table():
    """The table of issue 13: 0.976 with the graph, 0.825 by the baseline that validation chose, 0.954 by the other one."""
    rng = np.random.default_rng(4)
    labels = rng.integers(0, 2, 150)
    noise = {"sign": 0.50, "mlp": 1.1, "logistic": 0.55}
    scores = {
        name: 1 / (1 + np.exp(-(2 * labels - 1 + rng.normal(size=150) * 1.4 * each))) for name, each in noise.items()
    }
    part = PartPredictions(labels, np.arange(150), scores)
    roles = ModelRoles("sign", "sign", "mlp", {"sign": "SIGN"}, dict.fromkeys(scores, 0.5), ["logistic"])
    metrics = summarise(part, part, roles, provenance="measured", settings=EvaluationConfig(bootstrap=300), seed=1)
    found, table = metrics.graph_verdict, metrics.baselines
    assert found.difference.low > 0
    assert found.helps == "undecided"
    for name in ("mlp", "logistic"):
        assert f"{table[name]['auroc'].value:.3f}" in found.sentence


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


TITLES = {"gcn": "GCN", "gat": "GAT", "mlp": "MLP", "logistic": "logistic regression"}


def made_part(records, rng):
    """Overlapping classes, several records of some patients, four models."""
    groups = np.sort(rng.integers(0, int(records * 0.8), records))
    severity = rng.normal(size=records)
    labels = (severity + rng.normal(0, 0.4, records) > 0.5).astype(np.int64)
    noisy = {name: 1.5 * severity + rng.normal(0, 1.2, records) for name in TITLES}
    return PartPredictions(labels, groups, {name: 1 / (1 + np.exp(-logit)) for name, logit in noisy.items()})


@pytest.fixture(scope="module")
def scored_part():
    return made_part(120, np.random.default_rng(0))


@pytest.fixture(scope="module")
def metrics(scored_part):
    validation = made_part(90, np.random.default_rng(1))
    models = ModelRoles("gcn", "gcn", "mlp", TITLES, dict.fromkeys(TITLES, 0.42))
    settings = EvaluationConfig(bootstrap=100)
    return summarise(scored_part, validation, models, provenance="measured", settings=settings, seed=1)


def test_metrics_hold_every_score_of_every_model(metrics, scored_part):
    json.dumps(metrics.as_dict(), allow_nan=False)
    assert set(metrics.test) == set(metrics.validation) == {*METRICS, ONE_EACH}
    assert set(metrics.baselines) == {"gat", "mlp", "logistic"}
    difference = metrics.test["auroc"].value - metrics.baselines["mlp"]["auroc"].value
    assert metrics.graph_verdict.difference.value == pytest.approx(difference)
    assert metrics.counts.test.as_dict() == {
        "records": len(scored_part),
        "positive": int(scored_part.labels.sum()),
        "groups": len(set(scored_part.groups.tolist())),
    }


def test_metrics_hold_the_decision_curve_and_the_parts_of_the_brier_score(metrics):
    models = {metrics.primary, *metrics.baselines}
    assert set(metrics.net_benefit.models) == set(metrics.brier_parts) == models
    for name, parts in metrics.brier_parts.items():
        scores = metrics.test if name == metrics.primary else metrics.baselines[name]
        assert parts.brier == pytest.approx(scores["brier"].value)
        assert 0 < parts.ece_by_chance < 0.2
    assert "are not independent" in metrics.delong.refused


def test_delong_is_made_where_each_record_is_a_group():
    rng = np.random.default_rng(0)
    labels = np.tile([0, 1], 40)
    part = PartPredictions(labels, np.arange(80), {"gcn": rng.random(80), "mlp": rng.random(80)})
    models = ModelRoles("gcn", "gcn", "mlp", {"gcn": "GCN", "mlp": "MLP"}, {"gcn": 0.5, "mlp": 0.5})
    found = summarise(part, part, models, provenance="measured", settings=EvaluationConfig(bootstrap=100), seed=0)
    assert found.delong.refused is None
    assert found.delong.difference == pytest.approx(found.graph_verdict.difference.value)
    assert found.delong.low < found.delong.difference < found.delong.high


def test_one_record_per_patient_equals_all_where_each_has_one():
    rng = np.random.default_rng(0)
    labels = np.tile([0, 1], 20)
    part = PartPredictions(labels, np.arange(40), {"gcn": rng.random(40), "mlp": rng.random(40)})
    models = ModelRoles("gcn", "gcn", "mlp", {"gcn": "GCN", "mlp": "MLP"}, {"gcn": 0.5, "mlp": 0.5})
    found = summarise(part, part, models, provenance="measured", settings=EvaluationConfig(bootstrap=100), seed=0)
    assert found.test[ONE_EACH] == found.test["auroc"]
