"""Metrics of several classes against scikit-learn, and their intervals."""

import numpy as np
import pytest
from sklearn import metrics as oracle

from cardiograph.config import EvaluationConfig
from cardiograph.evaluate.bootstrap import bootstrap_scores, group_weights, paired_difference, too_few_groups
from cardiograph.evaluate.class_metrics import CLASS_METRICS, class_confusion
from cardiograph.evaluate.metrics import METRICS, check, score, weighted_scores
from cardiograph.evaluate.predictions import ModelRoles, PartPredictions
from cardiograph.evaluate.summary import summarise


@pytest.fixture(scope="module")
def found():
    """[200] labels of four classes and [200, 4] probabilities that know something of them."""
    rng = np.random.default_rng(0)
    labels = rng.choice(4, 200, p=[0.4, 0.3, 0.2, 0.1])
    logits = rng.normal(size=(200, 4)) + 1.5 * np.eye(4)[labels]
    return labels, np.exp(logits) / np.exp(logits).sum(1, keepdims=True)


def test_each_metric_is_that_of_scikit_learn(found):
    labels, p = found
    truth, likely = np.eye(4)[labels], p.argmax(1)
    expected = {
        "auroc": oracle.roc_auc_score(labels, p, multi_class="ovr", average="macro"),
        "auprc": oracle.average_precision_score(truth, p, average="macro"),
        "brier": np.mean(((p - truth) ** 2).sum(1)),
        "log_loss": oracle.log_loss(labels, p),
        "balanced_accuracy": oracle.balanced_accuracy_score(labels, likely),
        "accuracy": oracle.accuracy_score(labels, likely),
        "f1": oracle.f1_score(labels, likely, average="macro"),
        "ece": np.mean([METRICS["ece"].value(truth[:, each].astype(int), p[:, each], 0.5) for each in range(4)]),
    }
    values = score(labels, p, np.nan)
    assert values.keys() == expected.keys() == CLASS_METRICS.keys()
    for name, value in expected.items():
        assert values[name] == pytest.approx(value, abs=1e-9), name
    np.testing.assert_array_equal(class_confusion(labels, p), oracle.confusion_matrix(labels, likely))


def test_weights_count_records_as_often_as_repeated_rows(found):
    labels, p = found
    weights = np.random.default_rng(1).integers(0, 3, len(labels)).astype(float)
    rows = np.repeat(np.arange(len(labels)), weights.astype(int))
    weighted = weighted_scores(labels, p, weights[None], threshold=np.nan)
    for name, value in score(labels[rows], p[rows], np.nan).items():
        if name != "ece":  # its bins are of equal weight, and ties between repeated rows fall into one bin
            assert weighted[name][0] == pytest.approx(value, abs=1e-9), name


def test_an_absent_class_leaves_the_macro_scores_undefined(found):
    labels, p = found
    values = score(np.where(labels == 3, 0, labels), p, np.nan)
    assert np.isnan(values["auroc"])
    assert np.isnan(values["balanced_accuracy"])
    assert np.isfinite(values["log_loss"])


def test_labels_outside_the_classes_are_refused(found):
    labels, p = found
    with pytest.raises(ValueError, match="labels are 0 to 3"):
        check(np.where(labels == 3, 4, labels), p)


def test_every_resample_keeps_the_groups_of_each_class():
    labels = np.array([0, 0, 1, 2, 2, 2])
    groups = np.array([0, 1, 2, 3, 4, 4])
    for weights in group_weights(labels, groups, resamples=50, rng=np.random.default_rng(0)):
        assert (weights[:, labels == 1] == 1).all()
        assert (weights[:, [0, 1]].sum(1) == 2).all()
        assert (weights[:, 4] == weights[:, 5]).all()
    assert too_few_groups(labels, groups)
    assert not too_few_groups(np.repeat([0, 1, 2], 5), np.arange(15))


def test_a_paired_difference_compares_macro_auroc(found):
    labels, p = found
    rng = np.random.default_rng(2)
    worse = 0.5 * p + 0.5 * rng.dirichlet(np.ones(4), len(p))
    found = paired_difference(labels, (p, worse), np.arange(200), resamples=100, confidence=0.95, rng=rng)
    expected = score(labels, p, np.nan)["auroc"] - score(labels, worse, np.nan)["auroc"]
    assert found.value == pytest.approx(expected)
    assert found.low < found.value < found.high
    same = bootstrap_scores(labels, {"a": p}, np.arange(200), {}, resamples=100, confidence=0.9, rng=rng)["a"]["auroc"]
    assert same.low < same.value < same.high


def test_the_summary_has_each_class_and_nothing_of_two_classes(found):
    labels, p = found
    names = ("a", "b", "c", "d")
    part = PartPredictions(labels, np.arange(200), {"sign": p, "mlp": p[:, [1, 0, 2, 3]]}, names)
    roles = ModelRoles("sign", "sign", "mlp", {"sign": "SIGN", "mlp": "MLP"}, {})
    settings = EvaluationConfig(bootstrap=100)
    metrics = summarise(part, part, roles, provenance="measured", settings=settings, seed=0)
    assert (metrics.delong, metrics.net_benefit, metrics.brier_parts, metrics.thresholds) == (None, None, {}, {})
    assert "macro AUROC" in metrics.graph_verdict.sentence
    assert metrics.counts.test.classes == {name: int((labels == label).sum()) for label, name in enumerate(names)}
    assert metrics.counts.test.positive is None
    of_class = [metrics.by_class[name]["auroc"].value for name in names]
    assert np.mean(of_class) == pytest.approx(metrics.test["auroc"].value)
    assert np.array(metrics.confusion).sum() == 200
