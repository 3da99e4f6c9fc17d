import json
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar
from scipy.special import expit, logit
from sklearn.calibration import _SigmoidCalibration
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from cardiograph.uncertainty.calibrators import (
    KINDS,
    MAX_TEMPERATURE,
    MIN_TEMPERATURE,
    Calibrator,
    fit_kind,
    smoothed_targets,
)
from cardiograph.uncertainty.venn_abers import VennAbers

FINITE = st.floats(allow_nan=False, allow_infinity=False)
ROWS = st.lists(st.tuples(st.one_of(st.integers(-3, 3), FINITE), st.integers(0, 1)), min_size=1, max_size=30)


def drawn(n, seed=0, sharpness=1.0, shift=0.0):
    """Scores ``sharpness`` times as extreme as the true logits, plus ``shift``, and labels."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(-0.3, 1.5, n)
    return sharpness * logits + shift, (rng.random(n) < 1 / (1 + np.exp(-logits))).astype(np.int64)


def arrays(**parameters):
    return {name: np.asarray(values, dtype=np.float64) for name, values in parameters.items()}


def test_without_calibration_the_score_is_the_logit():
    found = Calibrator("none", {}).apply(np.array([-1.0, 0.0, 3.0]))
    np.testing.assert_allclose(found, 1 / (1 + np.exp([1.0, 0.0, -3.0])), rtol=1e-15)


def test_a_temperature_divides_and_platt_is_a_line():
    scores = np.array([-2.0, 4.0])
    half = Calibrator("temperature", arrays(temperature=[2.0])).apply(scores)
    np.testing.assert_allclose(half, 1 / (1 + np.exp([1.0, -2.0])))
    line = Calibrator("platt", arrays(slope=[0.5], intercept=[1.0])).apply(scores)
    np.testing.assert_allclose(line, 1 / (1 + np.exp([0.0, -3.0])))


def test_isotonic_goes_straight_between_blocks_and_on_a_little_beyond():
    found = Calibrator("isotonic", arrays(scores=[0.0, 2.0], logits=[-1.0, 1.0]))
    logits = np.array([-1.01, -1 - 0.01 / 2, -1.0, -0.5, 1.0, 1 + 0.01 * 2 / 3])
    np.testing.assert_allclose(
        found.apply(np.array([-1e6, -1.0, 0.0, 0.5, 2.0, 4.0])), 1 / (1 + np.exp(-logits)), rtol=1e-7
    )


def test_venn_abers_is_the_merged_interval():
    scores, labels = drawn(100)
    np.testing.assert_array_equal(
        fit_kind(scores, labels, "venn_abers").apply(scores), VennAbers.fit(scores, labels).probability(scores)
    )


@settings(max_examples=60, deadline=None)
@given(ROWS, st.lists(FINITE, min_size=1, max_size=30), st.sampled_from(KINDS))
def test_probabilities_are_inside_0_and_1_and_never_fall(case, queries, kind):
    scores, labels = np.array([score for score, _ in case], dtype=float), np.array([label for _, label in case])
    queries = np.sort(np.concatenate([queries, scores, np.linspace(-8, 8, 65)]))
    with np.errstate(all="raise", under="ignore"):
        found = fit_kind(scores, labels, kind).apply(queries)
    assert ((found > 0) & (found < 1)).all()
    assert (np.diff(found) >= -1e-15).all()


@settings(max_examples=40, deadline=None)
@given(ROWS, st.sampled_from(KINDS))
def test_a_map_comes_back_from_json_as_it_was(case, kind):
    scores, labels = np.array([score for score, _ in case], dtype=float), np.array([label for _, label in case])
    found = fit_kind(scores, labels, kind)
    again = Calibrator.from_dict(json.loads(json.dumps(found.to_dict())))
    assert again.to_dict() == found.to_dict()
    np.testing.assert_array_equal(again.apply(scores), found.apply(scores))


@pytest.mark.parametrize("kind", KINDS)
def test_a_record_gets_the_answer_it_gets_alone(kind):
    scores, labels = drawn(300)
    found = fit_kind(scores, labels, kind)
    alone = [found.apply(scores[i : i + 1])[0] for i in range(50)]
    np.testing.assert_allclose(found.apply(scores)[:50], alone, rtol=1e-15)


@pytest.mark.parametrize("kind", ["none", "temperature", "platt", "isotonic"])
def test_all_but_venn_abers_keep_the_auroc(kind):
    scores, labels = drawn(500)
    found = fit_kind(scores, labels, kind).apply(scores)
    assert roc_auc_score(labels, found) == pytest.approx(roc_auc_score(labels, scores), abs=1e-12)


def test_no_record_makes_no_probability():
    assert Calibrator("none", {}).apply(np.array([])).shape == (0,)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_score_that_is_not_finite_is_refused(bad):
    with pytest.raises(ValueError, match=rf"scores\[1\] is {bad}, allowed are finite numbers"):
        Calibrator("none", {}).apply(np.array([0.0, bad]))


@pytest.mark.parametrize(
    ("kind", "parameters", "words"),
    [
        ("beta", {}, "kind is 'beta', allowed are none, temperature"),
        ("temperature", {}, r"parameters of temperature are \[\], allowed are \['temperature'\]"),
        ("temperature", {"temperature": [0.0]}, "temperature is 0.0, allowed is a number above 0"),
        ("temperature", {"temperature": [np.nan]}, "finite"),
        ("temperature", {"temperature": [1.0, 2.0]}, "one number each"),
        ("platt", {"slope": [-0.1], "intercept": [0.0]}, "slope is -0.1, allowed is 0 or more"),
        ("isotonic", {"scores": [0.0, 0.0], "logits": [0.0, 1.0]}, "strictly ascending"),
        ("isotonic", {"scores": [], "logits": []}, "at least one"),
        ("venn_abers", {"low_from": [], "low": [1.0], "high_to": [], "high": [1.0]}, "low stays below 1"),
    ],
)
def test_parameters_that_make_no_map_are_refused(kind, parameters, words):
    with pytest.raises(ValueError, match=words):
        Calibrator.from_dict({"kind": kind, "parameters": parameters})


def test_a_record_of_no_calibrator_is_refused():
    with pytest.raises(ValueError, match=r"kind and parameters, this one has \['kind'\]"):
        Calibrator.from_dict({"kind": "none"})


def test_applying_what_was_fitted_needs_numpy_alone():
    program = """
import sys
import numpy as np
from cardiograph.uncertainty import calibrator_choice, conformal, novelty
from cardiograph.uncertainty.calibrators import Calibrator
from cardiograph.uncertainty.venn_abers import VennAbers
steps = VennAbers.fit(np.arange(6.0), np.array([0, 0, 1, 0, 1, 1])).parameters()
platt = {"slope": [1.0], "intercept": [0.5]}
isotonic = {"scores": [0.0, 1.0], "logits": [0.0, 1.0]}
for kind, parameters in (("none", {}), ("platt", platt), ("isotonic", isotonic), ("venn_abers", steps)):
    Calibrator.from_dict({"kind": kind, "parameters": parameters}).apply(np.arange(3.0))
sets = conformal.ConformalSets.fit(np.arange(6.0), np.array([0, 0, 1, 0, 1, 1]))
sets.sets(np.arange(2.0), np.array([0.5, conformal.tie_break("p1")]))
novelty.NoveltyGate.fit(np.arange(5.0)).novel(np.arange(2.0))
heavy = {"scipy", "sklearn", "pandas", "torch", "matplotlib"}
sys.exit(", ".join(sorted(heavy & set(sys.modules))) or None)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


SCORES = np.array([-3.0, -2.0, -1.0, 1.0, 2.0, 3.0])
APART = np.array([0, 0, 0, 1, 1, 1])


def parameters(scores, labels, kind):
    return {name: values.tolist() for name, values in fit_kind(scores, labels, kind).parameters.items()}


def soft(scores, labels, **options):
    """Logistic regression on the smoothed targets, each record once as positive and once as negative."""
    targets = smoothed_targets(labels)
    model = LogisticRegression(C=np.inf, tol=1e-12, max_iter=5000, solver="newton-cholesky", **options)
    return model.fit(
        np.tile(scores, 2)[:, None],
        np.repeat([1, 0], len(scores)),
        sample_weight=np.concatenate([targets, 1 - targets]),
    )


def test_targets_on_paper():
    np.testing.assert_allclose(smoothed_targets(np.array([1, 0, 1, 0, 0])), [3 / 4, 1 / 5, 3 / 4, 1 / 5, 1 / 5])


@pytest.mark.parametrize("labelled", ["overlapping", "apart"])
def test_platt_is_that_of_scikit_learn(labelled):
    scores, labels = drawn(300, shift=4.0) if labelled == "overlapping" else (SCORES, APART)
    found = parameters(scores, labels, "platt")
    model = soft(scores, labels)
    assert found["slope"][0] == pytest.approx(float(model.coef_[0, 0]), rel=1e-6)
    assert found["intercept"][0] == pytest.approx(float(model.intercept_[0]), rel=1e-6)
    sigmoid = _SigmoidCalibration().fit(scores, labels)
    np.testing.assert_allclose(fit_kind(scores, labels, "platt").apply(scores), sigmoid.predict(scores), atol=1e-4)


def test_the_temperature_is_the_slope_of_scikit_learn_without_an_intercept():
    scores, labels = drawn(300, sharpness=3.0)
    (found,) = parameters(scores, labels, "temperature")["temperature"]
    assert found == pytest.approx(1 / float(soft(scores, labels, fit_intercept=False).coef_[0, 0]), rel=1e-6)


@pytest.mark.parametrize("sharpness", [0.5, 1.0, 3.0])
def test_the_temperature_undoes_what_made_scores_too_extreme(sharpness):
    (found,) = parameters(*drawn(40_000, sharpness=sharpness), "temperature")["temperature"]
    assert found == pytest.approx(sharpness, rel=0.05)


def test_platt_undoes_a_shift_too():
    found = parameters(*drawn(40_000, sharpness=2.0, shift=1.0), "platt")
    assert found["slope"][0] == pytest.approx(0.5, abs=0.03)
    assert found["intercept"][0] == pytest.approx(-0.5, abs=0.05)


def test_the_temperature_has_the_least_log_loss():
    scores, labels = drawn(80, seed=3, sharpness=2.5)
    targets = smoothed_targets(labels)
    least = minimize_scalar(
        lambda t: float(np.sum(np.logaddexp(0, scores / t) - targets * scores / t)),
        bounds=(MIN_TEMPERATURE, MAX_TEMPERATURE),
        method="bounded",
        options={"xatol": 1e-10},
    )
    assert parameters(scores, labels, "temperature")["temperature"][0] == pytest.approx(float(least.x), abs=1e-5)


def test_scores_against_the_labels_are_taken_for_nothing_and_not_turned_round():
    scores, labels = drawn(300)
    assert parameters(-scores, labels, "temperature")["temperature"] == pytest.approx([MAX_TEMPERATURE])
    found = parameters(-scores, labels, "platt")
    assert found["slope"] == [0.0]
    assert found["intercept"][0] == pytest.approx(float(logit(smoothed_targets(labels).mean())))
    assert len(parameters(-scores, labels, "isotonic")["logits"]) < 5


def test_one_score_for_all_is_the_share_of_positives():
    scores, labels = np.full(8, 2.0), np.array([1, 0, 0, 0, 1, 0, 0, 0])
    assert parameters(scores, labels, "platt")["slope"] == [0.0]
    np.testing.assert_allclose(fit_kind(scores, labels, "platt").apply(scores), smoothed_targets(labels).mean())
    np.testing.assert_allclose(fit_kind(scores, labels, "isotonic").apply(scores), 3 / 10)
    np.testing.assert_allclose(fit_kind(np.zeros(8), labels, "temperature").apply(np.zeros(8)), 0.5)


def test_isotonic_on_paper():
    """Blocks {1, 2}, {3, 4}, {5, 6}: one positive more at the bottom, one negative more at the top."""
    scores, labels = np.arange(1.0, 7.0), np.array([0, 0, 1, 0, 1, 1])
    found = parameters(scores, labels, "isotonic")
    assert found["scores"] == pytest.approx([1.5, 3.5, 5.5])
    np.testing.assert_allclose(expit(found["logits"]), [1 / 3, 1 / 2, 2 / 3])


def test_isotonic_blocks_are_those_of_scikit_learn():
    scores, labels = drawn(400, seed=5)
    scores = np.round(scores, 1)
    found = parameters(scores, labels, "isotonic")
    padded = np.concatenate([scores, [scores.min(), scores.max()]]), np.concatenate([labels, [1, 0]])
    values = IsotonicRegression().fit(*padded).predict(scores)
    np.testing.assert_allclose(expit(found["logits"]), np.unique(np.round(values, 12)), atol=1e-9)
    means = [scores[np.isclose(values, level)].mean() for level in np.unique(np.round(values, 12))]
    np.testing.assert_allclose(found["scores"], means)


def test_isotonic_finds_a_curve_that_is_no_line():
    rng = np.random.default_rng(2)
    scores = rng.uniform(-3, 3, 20_000)
    truth = np.where(scores < 0, 0.2, 0.2 + 0.2 * scores)
    labels = (rng.random(20_000) < truth).astype(np.int64)
    found = fit_kind(scores, labels, "isotonic").apply(scores)
    assert np.abs(found - truth).mean() < 0.015
    assert np.abs(fit_kind(scores, labels, "platt").apply(scores) - truth).mean() > 0.03


@pytest.mark.parametrize("kind", KINDS)
def test_classes_that_lie_apart_and_one_class_alone_stay_finite(kind):
    for labels in (APART, np.ones(6, dtype=np.int64), np.zeros(6, dtype=np.int64)):
        found = fit_kind(SCORES, labels, kind).apply(SCORES)
        assert ((found > 0.02) & (found < 0.98)).all()


def test_rows_that_cannot_be_used_are_refused():
    with pytest.raises(ValueError, match=r"labels have shape \(2,\), allowed is one label per score: \(3,\)"):
        fit_kind(np.zeros(3), np.array([0, 1]), "platt")
    with pytest.raises(ValueError, match=r"labels\[2\] is 2, allowed are 0 and 1"):
        fit_kind(np.zeros(3), np.array([0, 1, 2]), "platt")
    with pytest.raises(ValueError, match=r"scores\[0\] is nan, allowed are finite numbers; 2 of 3 are not"):
        fit_kind(np.array([np.nan, 1.0, np.inf]), np.array([0, 1, 1]), "platt")
    with pytest.raises(ValueError, match=r"scores have shape \(1, 3\), allowed is one value per record"):
        fit_kind(np.zeros((1, 3)), np.array([0, 1, 1]), "platt")
    with pytest.raises(ValueError, match="scores has 0 rows"):
        fit_kind(np.array([]), np.array([]), "platt")
    with pytest.raises(ValueError, match="kind is 'beta', allowed are none"):
        fit_kind(np.zeros(2), np.array([0, 1]), "beta")
