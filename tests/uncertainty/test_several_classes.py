"""Calibration and conformal sets of several classes on simulated logits whose truth is known."""

import numpy as np
import pytest

from cardiograph.uncertainty.class_calibrator_choice import fit_class_calibrator
from cardiograph.uncertainty.several_classes import ClassCalibrator, ClassSets, fit_class_kind, log_softmax
from cardiograph.uncertainty.uncertainty import Uncertainty


def simulated(count, seed=0, scale=2.0):
    """Logits whose softmax is the true probability of each class, with labels drawn from it."""
    rng = np.random.default_rng(seed)
    logits = scale * rng.normal(size=(count, 3))
    labels = (np.exp(log_softmax(logits)).cumsum(1) < rng.random((count, 1))).sum(1)
    return logits, labels


def test_a_temperature_is_recovered():
    logits, labels = simulated(4000)
    found = fit_class_kind(3 * logits, labels, "temperature")
    np.testing.assert_allclose(found.scales, 1 / 3, rtol=0.1)
    np.testing.assert_array_equal(found.shifts, 0)
    np.testing.assert_allclose(found.apply(3 * logits).sum(1), 1)


def test_a_vector_corrects_each_class():
    logits, labels = simulated(4000)
    wrong = logits * [2, 1, 0.5] + [1, 0, -1]
    found = fit_class_kind(wrong, labels, "vector")
    np.testing.assert_allclose(found.apply(wrong), np.exp(log_softmax(logits)), atol=0.1)


def test_classes_that_the_logits_separate_give_finite_probabilities():
    labels = np.repeat([0, 1, 2], 10)
    found = fit_class_kind(100.0 * np.eye(3)[labels], labels, "vector")
    assert np.isfinite(found.apply(np.array([[1e5, 0, -1e5]]))).all()


def test_the_simplest_kind_that_is_not_worse_is_chosen():
    logits, labels = simulated(400)
    good = fit_class_calibrator(logits, labels, np.arange(400), rng=np.random.default_rng(0))
    assert good.calibrator.kind == "none"
    bad = fit_class_calibrator(4 * logits, labels, np.arange(400), kind="venn_abers", rng=np.random.default_rng(0))
    assert bad.calibrator.kind == "temperature"
    assert "venn-abers, the configured kind, is for two classes" in bad.reason
    assert bad.log_loss["temperature"] < bad.log_loss["none"]


def test_a_class_in_one_group_means_no_calibration():
    logits, labels = simulated(60)
    groups = np.where(labels == 2, 0, np.arange(60))
    found = fit_class_calibrator(4 * logits, labels, groups, rng=np.random.default_rng(0))
    assert found.calibrator.kind == "none"
    assert found.reason.startswith("not calibrated: 60 records")


@pytest.mark.parametrize("count", [600, 100], ids=["in each class", "pooled"])
def test_a_set_holds_the_true_class_as_often_as_configured(count):
    logits, labels = simulated(count, seed=1)
    sets = ClassSets.fit(logits, labels, 0.9)
    assert sets.pooled == (count == 100)
    fresh, truth = simulated(20_000, seed=2)
    inside, p = sets.sets(fresh, np.random.default_rng(3).random(20_000))
    held = inside[np.arange(20_000), truth]
    assert held.mean() == pytest.approx(0.9, abs=0.06)
    if not sets.pooled:
        for label in range(3):
            assert held[truth == label].mean() == pytest.approx(0.9, abs=0.06)
    assert ((p > 0) & (p <= 1)).all()


def test_sets_are_named_by_their_size():
    assert ClassSets.answer(np.array([False, True, False])) == "one class"
    assert ClassSets.answer(np.array([True, True, False])) == "several classes"
    assert ClassSets.answer(np.zeros(3, bool)) == "unlike all"
    assert not ClassSets.fit(np.eye(3), np.arange(3)).enough


def test_a_written_uncertainty_is_read_back():
    logits, labels = simulated(120)
    kept = Uncertainty(fit_class_kind(logits, labels, "vector"), conformal=ClassSets.fit(logits, labels))
    again = Uncertainty.from_dict(kept.to_dict())
    first, second = (each.predict(logits, np.full(120, 0.5), np.full(120, np.nan)) for each in (kept, again))
    np.testing.assert_array_equal(first.probabilities, second.probabilities)
    np.testing.assert_array_equal(first.p_values, second.p_values)
    assert first.decisions == second.decisions


def test_a_scale_that_is_not_above_0_is_refused():
    with pytest.raises(ValueError, match="above 0"):
        ClassCalibrator("temperature", np.zeros(3), np.zeros(3))
