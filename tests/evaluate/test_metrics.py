import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as oracle

from cardiograph.evaluate.metrics import METRICS, Resamples, confusion, score

LABELS = np.array([0, 0, 0, 1, 1, 0, 1, 1])
PROBABILITIES = np.array([0.1, 0.4, 0.35, 0.8, 0.4, 0.7, 0.9, 0.55])
cases = st.lists(
    st.tuples(st.integers(0, 1), st.integers(0, 10).map(lambda tenth: tenth / 10)), min_size=1, max_size=40
)


def test_scores_of_eight_records_by_hand():
    found = score(LABELS, PROBABILITIES, 0.5)
    # 16 pairs: .8, .9 win 4 each; .55 wins 3; .4 wins 2 and ties 1
    assert found["auroc"] == pytest.approx((4 + 4 + 3 + 2.5) / 16)
    assert confusion(LABELS, PROBABILITIES, 0.5).tolist() == [[3, 1], [1, 3]]
    for name in ("sensitivity", "specificity", "ppv", "npv", "f1", "accuracy", "balanced_accuracy"):
        assert found[name] == pytest.approx(0.75), name
    assert found["brier"] == pytest.approx(np.mean((PROBABILITIES - LABELS) ** 2))


def test_a_probability_at_the_threshold_is_positive():
    assert score(np.array([0, 1]), np.array([0.2, 0.5]), 0.5)["sensitivity"] == 1


@given(cases)
@settings(max_examples=40, deadline=None)
def test_scores_agree_with_scikit_learn(case):
    labels, probabilities = np.array([y for y, _ in case]), np.array([p for _, p in case])
    decided = (probabilities >= 0.5).astype(int)
    found = score(labels, probabilities, 0.5)
    assert found["accuracy"] == pytest.approx(oracle.accuracy_score(labels, decided))
    assert found["brier"] == pytest.approx(np.mean((probabilities - labels) ** 2))
    undefined = {"zero_division": np.nan}
    assert found["ppv"] == pytest.approx(oracle.precision_score(labels, decided, **undefined), nan_ok=True)
    assert found["sensitivity"] == pytest.approx(oracle.recall_score(labels, decided, **undefined), nan_ok=True)
    assert found["npv"] == pytest.approx(oracle.precision_score(1 - labels, 1 - decided, **undefined), nan_ok=True)
    if 0 < labels.sum() < len(labels):
        assert found["balanced_accuracy"] == pytest.approx(oracle.balanced_accuracy_score(labels, decided))
        if decided.any():
            assert found["f1"] == pytest.approx(oracle.f1_score(labels, decided))


@given(cases)
@settings(max_examples=40, deadline=None)
def test_every_metric_stays_in_its_range_or_is_undefined(case):
    labels, probabilities = np.array([y for y, _ in case]), np.array([p for _, p in case])
    for name, value in score(labels, probabilities, 0.5).items():
        low, high = METRICS[name].range
        assert math.isnan(value) or low <= value <= high, name


@pytest.mark.parametrize("label", [0, 1])
def test_one_class_is_undefined_and_never_zero(label):
    found = score(np.full(5, label), np.linspace(0.1, 0.9, 5), 0.5)
    for name in ("auroc", "auprc", "balanced_accuracy", "calibration_slope", "calibration_intercept"):
        assert math.isnan(found[name]), name
    assert math.isfinite(found["brier"])
    assert math.isfinite(found["log_loss"])


def test_nobody_called_positive_leaves_precision_undefined():
    found = score(LABELS, PROBABILITIES, 1.0)
    assert math.isnan(found["ppv"])
    assert math.isnan(found["f1"])
    assert found["sensitivity"] == 0
    assert found["specificity"] == 1


def test_no_record_is_all_undefined():
    found = score(np.empty(0, np.int64), np.empty(0), 0.5)
    assert all(math.isnan(value) for value in found.values())


@pytest.mark.parametrize(
    ("labels", "probabilities", "words"),
    [
        ([0, 1], [0.5], "one value per record"),
        ([0, -1], [0.5, 0.5], "unlabelled"),
        ([0, 1], [0.5, np.nan], "within 0..1"),
        ([0, 1], [0.5, 1.2], "within 0..1"),
    ],
)
def test_arrays_that_are_not_labels_and_probabilities_are_refused(labels, probabilities, words):
    with pytest.raises(ValueError, match=words):
        score(np.array(labels), np.array(probabilities), 0.5)


def test_a_metric_without_a_vectorised_form_is_evaluated_on_each_resample():
    weights = np.random.default_rng(0).integers(0, 3, (20, len(LABELS))).astype(np.float64)
    resamples = Resamples(LABELS, PROBABILITIES, weights, 0.5)
    slow = replace(METRICS["brier"], vectorised=None)
    assert slow.resampled(resamples) == pytest.approx(METRICS["brier"].resampled(resamples))
    with pytest.raises(ValueError, match="brier has no vectorised form"):
        slow.resampled(replace(resamples, weights=weights / 2))
