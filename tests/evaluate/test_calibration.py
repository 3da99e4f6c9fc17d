import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import brentq
from sklearn.linear_model import LogisticRegression

from cardiograph.evaluate import calibration
from cardiograph.evaluate.calibration import recalibration, recalibrations, reliability_curve, wilson


def drawn(n, seed=0, slope=1.0, shift=0.0):
    rng = np.random.default_rng(seed)
    logits = rng.normal(-0.5, 1.5, n)
    labels = (rng.random(n) < 1 / (1 + np.exp(-(slope * logits + shift)))).astype(np.int64)
    return labels, 1 / (1 + np.exp(-logits)), logits


def test_slope_and_intercept_are_those_of_logistic_regression():
    labels, probabilities, logits = drawn(300, slope=0.6, shift=0.4)
    found = recalibration(labels, probabilities)
    oracle = LogisticRegression(C=np.inf, tol=1e-10, max_iter=1000).fit(logits[:, None], labels)
    assert found.slope == pytest.approx(float(oracle.coef_[0, 0]), abs=1e-5)
    expected = brentq(lambda a: (1 / (1 + np.exp(-(a + logits))) - labels).sum(), -10, 10)
    assert found.intercept == pytest.approx(expected, abs=1e-6)


def test_true_probabilities_have_slope_one_and_intercept_zero():
    labels, probabilities, _ = drawn(60_000)
    found = recalibration(labels, probabilities)
    assert found.slope == pytest.approx(1, abs=0.03)
    assert found.intercept == pytest.approx(0, abs=0.03)


def test_probabilities_too_extreme_have_a_slope_below_one():
    labels, _, logits = drawn(5000)
    assert recalibration(labels, 1 / (1 + np.exp(-2 * logits))).slope == pytest.approx(0.5, abs=0.05)


def test_weights_are_repeated_records():
    labels, probabilities, _ = drawn(60)
    counts = np.random.default_rng(1).integers(0, 4, 60)
    slope, intercept = recalibrations(labels, probabilities, counts[None].astype(float))
    repeated = recalibration(np.repeat(labels, counts), np.repeat(probabilities, counts))
    assert slope[0] == pytest.approx(repeated.slope, abs=1e-5)
    assert intercept[0] == pytest.approx(repeated.intercept, abs=1e-5)


def test_separated_classes_have_no_slope_but_an_intercept():
    found = recalibration(np.array([0, 0, 1, 1]), np.array([0.1, 0.2, 0.6, 0.9]))
    assert math.isnan(found.slope)
    assert math.isfinite(found.intercept)


def test_equal_probabilities_have_no_slope():
    found = recalibration(np.array([0, 1, 1, 1]), np.full(4, 0.5))
    assert math.isnan(found.slope)
    assert found.intercept == pytest.approx(math.log(3), abs=1e-6)


def test_certain_and_wrong_is_finite():
    found = recalibration(np.array([0, 1, 0, 1, 1]), np.array([1.0, 0.0, 0.2, 0.9, 1.0]))
    assert math.isfinite(found.slope)


@given(
    st.lists(st.tuples(st.integers(0, 1), st.sampled_from([0.0, 1e-4, 0.2, 0.5, 0.9, 1.0])), min_size=4, max_size=40)
)
def test_overlapping_classes_always_have_a_slope(case):
    labels, probabilities = np.array([y for y, _ in case]), np.array([p for _, p in case])
    negative, positive = probabilities[labels == 0], probabilities[labels == 1]
    overlap = len(negative) and len(positive)
    overlap = overlap and positive.min() < negative.max() and negative.min() < positive.max()
    assert math.isfinite(recalibration(labels, probabilities).slope) == bool(overlap)


def test_reliability_bins_keep_all_records_and_part_no_ties():
    probabilities = np.repeat([0.1, 0.3, 0.3, 0.8], 25)
    labels = np.tile([0, 0, 1, 0, 1], 20)
    curve = reliability_curve(labels, probabilities)
    assert curve.count.sum() == 100
    assert curve.predicted == pytest.approx([0.1, 0.3, 0.8])
    assert (curve.low <= curve.observed).all()
    assert (curve.observed <= curve.high).all()


def test_wilson_interval_of_a_known_case():
    low, high = wilson(np.array([2.0, 0.0]), np.array([10, 20]), confidence=0.95)
    assert low == pytest.approx([0.0567, 0.0], abs=1e-4)
    assert high == pytest.approx([0.5098, 0.1611], abs=1e-4)


def test_many_records_are_fitted_by_their_different_probabilities(monkeypatch):
    rng = np.random.default_rng(5)
    labels = rng.integers(0, 2, 3000)
    probabilities = np.round(1 / (1 + np.exp(-(labels - 0.5 + rng.normal(size=3000)))), 2)
    weights = rng.poisson(1, (6, 3000)).astype(np.float64)
    singly = recalibrations(labels, probabilities, weights)
    monkeypatch.setattr(calibration, "MAX_FITTED_SINGLY", 100)
    np.testing.assert_allclose(recalibrations(labels, probabilities, weights), singly, rtol=1e-9)
