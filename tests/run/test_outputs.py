"""Outputs of a run: the roles of the models, and uncertainty figures that agree with the predictions."""

import json
from statistics import median
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from cardiograph.config import EvaluationConfig, load_config
from cardiograph.evaluate.predictions import PartPredictions
from cardiograph.run.outputs import choose_roles, summarise_uncertainty
from cardiograph.train.calibrate import fit_uncertainty
from cardiograph.uncertainty.calibrators import Calibrator
from cardiograph.uncertainty.conformal import ConformalSets
from cardiograph.uncertainty.novelty import NoveltyGate
from cardiograph.uncertainty.uncertainty import Uncertainty, UncertaintyOutput

HOLDS = {"negative": {0}, "positive": {1}, "can't tell": {0, 1}, "unlike both": set(), "too few": set()}
"""Decision -> the labels that it leaves possible."""


def figures(uncertainty, result, labels, **evaluation):
    predictor = SimpleNamespace(bundle=SimpleNamespace(uncertainty=uncertainty, served=SimpleNamespace(classes=())))
    found = SimpleNamespace(uncertainty=result)
    return summarise_uncertainty(predictor, found, np.asarray(labels), EvaluationConfig(**evaluation))


def learned(count, *, seed=0, confidence=0.9):
    """Uncertainty from ``count`` validation records of each class whose scores overlap, with a novelty gate."""
    rng = np.random.default_rng(seed)
    labels = np.tile([0, 1], count)
    scores = rng.normal(labels * 1.5, 1)
    config = EvaluationConfig(conformal=confidence)
    found = fit_uncertainty(scores, labels, np.arange(len(labels)), config, seed=seed)
    gate = NoveltyGate.fit(rng.random(200), quantile=0.95)
    return Uncertainty(found.calibrator, found.reason, found.compared, conformal=found.conformal, novelty=gate)


def answered(uncertainty, count, seed=1):
    """The outputs for new records of the same kind, and their labels; every third one has no distance."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 2, count)
    distances = rng.random(count) * 1.2
    distances[::3] = np.nan
    return uncertainty.predict(rng.normal(labels * 1.5, 1), rng.random(count), distances), labels


def test_coverage_is_the_share_of_decisions_that_hold_the_label():
    uncertainty = learned(80)
    result, labels = answered(uncertainty, 400)
    coverage = figures(uncertainty, result, labels).conformal.coverage
    for label in (0, 1):
        held = [label in HOLDS[each] for each, true in zip(result.decisions, labels, strict=True) if true == label]
        assert coverage[str(label)] == pytest.approx(sum(held) / len(held))
        assert 0.82 < coverage[str(label)] < 0.97, "close to the requested 0.9"


@given(st.sampled_from([0.8, 0.9, 0.95, 0.99]), st.lists(st.integers(0, 100), min_size=1, max_size=20))
@example(0.9, [10, 11])
@settings(max_examples=30, deadline=None)
def test_a_p_value_on_the_limit_counts_as_the_set_counts_it(confidence, hundredths):
    """1 - 0.9 is below 0.1 in floating point; a p-value of 0.1 is outside the set, and outside its coverage."""
    sets = ConformalSets(np.zeros(50), np.ones(50), confidence)
    p_values = np.column_stack([np.array(hundredths) / 100] * 2)
    count = len(p_values)
    nothing = np.full(count, np.nan)
    result = UncertaintyOutput(
        np.full(count, 0.5), nothing, nothing, ("x",) * count, p_values, nothing, np.zeros(count, bool)
    )
    uncertainty = Uncertainty(Calibrator("none", {}), conformal=sets)
    coverage = figures(uncertainty, result, np.ones(count, int)).conformal.coverage
    above = sum(each > round(100 * (1 - confidence)) for each in hundredths)
    assert coverage == {"0": None, "1": pytest.approx(above / count)}


def test_decisions_novelty_and_width_are_counted_from_the_answers():
    uncertainty = learned(80)
    result, labels = answered(uncertainty, 90)
    found = figures(uncertainty, result, labels, novelty=0.95, conformal=0.9)
    assert sum(found.conformal.decisions.values()) == 90
    for decision, count in found.conformal.decisions.items():
        assert count == result.decisions.count(decision) > 0
    limit = sorted(uncertainty.novelty.distances)[189]  # the 190th of 200 is the 95 % quantile
    rng = np.random.default_rng(1)
    rng.integers(0, 2, 90)
    distances = rng.random(90) * 1.2
    beyond = sum(distance > limit for place, distance in enumerate(distances) if place % 3)
    assert found.novelty.model_dump() == {"quantile": 0.95, "judged": 60, "novel": beyond, "not_judged": 30}
    assert beyond > 0
    assert found.width == pytest.approx(median((result.high - result.low).tolist()))
    assert found.calibration.kind == uncertainty.calibrator.kind
    assert found.calibration.reason == uncertainty.reason
    content = found.model_dump()
    assert json.loads(json.dumps(content, allow_nan=False)) == content


def test_too_few_calibration_records_give_no_coverage_and_say_so():
    uncertainty = learned(20)
    found = figures(uncertainty, *answered(uncertainty, 30))
    assert found.conformal.coverage == {"0": None, "1": None}
    assert found.conformal.decisions == {"too few": 30}
    assert found.conformal.records.startswith("too few: 20 positive and 20 negative")


def test_validation_records_of_one_class_give_neither_sets_nor_width():
    uncertainty = Uncertainty(Calibrator("none", {}))
    result = uncertainty.predict(np.array([0.3, 1.0]), np.array([0.1, 0.9]), np.full(2, np.nan))
    found = figures(uncertainty, result, [0, 1])
    assert found.conformal.records == "one class only"
    assert found.conformal.coverage == {"0": None, "1": None}
    assert found.novelty.judged == found.novelty.novel == 0
    assert found.width is None
    json.dumps(found.model_dump(), allow_nan=False)


def test_a_class_without_test_records_has_no_coverage():
    uncertainty = learned(60)
    result, _ = answered(uncertainty, 12)
    coverage = figures(uncertainty, result, np.ones(12, int)).conformal.coverage
    assert coverage["0"] is None
    assert 0 <= coverage["1"] <= 1


def test_nothing_is_said_where_nothing_was_fitted():
    uncertainty = learned(20)
    result, labels = answered(uncertainty, 5)
    assert figures(None, result, labels) is None
    assert figures(uncertainty, None, labels) is None
    predictor = SimpleNamespace(bundle=SimpleNamespace(uncertainty=uncertainty, served=SimpleNamespace(classes=())))
    assert summarise_uncertainty(predictor, None, labels, EvaluationConfig()) is None


def test_the_verdict_meets_every_model_without_a_graph():
    """The baseline named first has the lowest validation log loss; the other one is not forgotten."""
    labels = np.array([0, 1] * 20)
    sure = {"sign": 0.6, "mlp": 0.7, "logistic": 0.8}
    scores = {name: np.where(labels == 1, each, 1 - each) for name, each in sure.items()}
    roles = choose_roles(PartPredictions(labels, np.arange(40), scores), load_config(None, {"model": {"name": "sign"}}))
    assert (roles.graph, roles.baseline, list(roles.other_baselines)) == ("sign", "logistic", ["mlp"])
