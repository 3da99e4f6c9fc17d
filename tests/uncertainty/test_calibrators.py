import json
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from cardiograph.uncertainty.calibrators import KINDS, Calibrator, fit_kind
from cardiograph.uncertainty.venn_abers import VennAbers

FINITE = st.floats(allow_nan=False, allow_infinity=False)
ROWS = st.lists(st.tuples(st.one_of(st.integers(-3, 3), FINITE), st.integers(0, 1)), min_size=1, max_size=30)


def drawn(n, seed=0, sharpness=1.0):
    """Scores ``sharpness`` times as extreme as the true logits."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(-0.3, 1.5, n)
    return sharpness * logits, (rng.random(n) < 1 / (1 + np.exp(-logits))).astype(np.int64)


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
steps = VennAbers.fit(np.arange(6.0), np.array([0, 0, 1, 0, 1, 1])).to_dict()
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
