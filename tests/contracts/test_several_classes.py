"""The contracts hold for an outcome with several classes, for every model."""

import numpy as np
import pytest
import torch
from tests.contracts.conftest import MODELS, learn, make_problem
from tests.contracts.test_nothing_leaks import poisoned

from cardiograph.config import load_config
from cardiograph.evaluate.metrics import score
from cardiograph.train.calibrate import calibrate_bundle
from cardiograph.train.steps import DEFAULT_STEPS
from cardiograph.train.trial import fit_and_score

SHORT = load_config(None, {"model": {"epochs": 4, "width": 16, "votes": True}, "seed": 3})


@pytest.fixture(scope="module")
def three():
    """Three classes in 45 groups of two records."""
    return make_problem(groups=45, labels_of_groups=np.arange(45) % 3, signal=3.0)


@pytest.fixture(scope="module", params=[name for name in MODELS if name != "boosting"])
def several(request, three):
    return learn(three, request.param, SHORT), request.param


def test_poisoned_test_rows_move_no_network_and_no_score(three, several):
    (_, network, predictor), name = several
    dirty = poisoned(three, "test")
    _, again, served = learn(dirty, name, SHORT)
    for key, weight in network.state_dict().items():
        assert torch.equal(weight, again.state_dict()[key]), key
    rows = three.rows("val")
    np.testing.assert_array_equal(
        predictor.score(three.queries(rows)).by_class, served.score(dirty.queries(rows)).by_class
    )


def test_one_record_of_many_gets_the_probabilities_it_gets_alone(three, several):
    predictor, rows = several[0][2], three.rows("test")[:5]
    together = predictor.score(three.queries(rows)).by_class
    alone = np.vstack([predictor.score(three.queries(rows[[place]])).by_class for place in range(len(rows))])
    assert together.shape == (len(rows), 3)
    np.testing.assert_allclose(together, alone, atol=1e-9)
    np.testing.assert_allclose(together.sum(1), 1)


@pytest.mark.parametrize("name", ["sign", "knn_vote", "boosting"])  # trees take the time of all other models
def test_three_classes_are_told_apart(three, name):
    found = fit_and_score(three, SHORT, name=name).test
    labels = three.cohort.labels[three.rows("test")]
    assert score(labels, found.probabilities, np.nan)["auroc"] > 0.75


def test_meaningless_labels_score_chance():
    """The mean over cohorts whose labels have nothing to do with their values."""
    scores = []
    for seed in range(4):
        whole = make_problem(seed, groups=45, copies=1, signal=0.0, labels_of_groups=np.arange(45) % 3)
        found = fit_and_score(whole, SHORT, name="logistic").test.probabilities
        scores.append(score(whole.cohort.labels[whole.rows("test")], found, np.nan)["auroc"])
    assert 0.3 < np.mean(scores) < 0.7


def test_calibrated_on_validation_records_the_bundle_has_no_threshold(three):
    prepared, _, predictor = learn(three, "logistic", SHORT)
    bundle = calibrate_bundle(predictor.bundle, three, prepared, SHORT, DEFAULT_STEPS)
    assert bundle.served.threshold is None
    assert not bundle.served.void
    assert bundle.uncertainty.calibrator.classes == 3
    assert bundle.served.classes == ("a", "b", "c")
