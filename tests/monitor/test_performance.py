"""Outcomes are compared with probabilities once there are enough of them."""

import numpy as np
import pytest

from cardiograph.config import EvaluationConfig
from cardiograph.monitor.performance import measure_performance


def measured(labels, probabilities, groups=None):
    groups = np.arange(len(labels)) if groups is None else groups
    return measure_performance(labels, probabilities, groups, settings=EvaluationConfig(bootstrap=200), seed=0)


@pytest.fixture
def drawn():
    rng = np.random.default_rng(0)
    probabilities = rng.beta(2, 3, 600)
    return (rng.random(600) < probabilities).astype(np.int64), probabilities


def test_calibrated_probabilities_raise_no_alert(drawn):
    found = measured(*drawn)
    assert found.ratio.value == pytest.approx(drawn[0].mean() / drawn[1].mean())
    assert found.ratio.low < 1 < found.ratio.high
    assert found.alerts(found.auroc.value) == []


def test_probabilities_that_are_too_low_and_useless_raise_both_alerts(drawn):
    labels, probabilities = drawn
    found = measured(labels, np.random.default_rng(1).permutation(probabilities) / 2)
    ratio, auroc = found.alerts(0.8)
    assert "observed over expected" in ratio
    assert "AUROC" in auroc


def test_unknown_outcomes_and_second_records_do_not_count(drawn):
    labels, probabilities = drawn
    more = np.concatenate([labels, 1 - labels, np.full(50, -1)])
    groups = np.concatenate([np.arange(600), np.arange(600), np.arange(600, 650)])
    found = measured(more, np.concatenate([probabilities, probabilities, np.full(50, 0.9)]), groups)
    assert found.as_dict() == measured(labels, probabilities).as_dict()


def test_too_few_outcomes_give_no_estimate():
    assert measured(np.repeat([0, 1], [100, 9]), np.full(109, 0.1)) is None
    assert measured(np.full(50, -1), np.full(50, 0.1)) is None
