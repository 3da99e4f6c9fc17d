import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from cardiograph.evaluate.bootstrap import paired_difference
from cardiograph.evaluate.delong import delong_covariance, delong_test


def scores(n, seed=0, ties=6):
    rng = np.random.default_rng(seed)
    labels = (rng.random(n) < 0.4).astype(np.int64)
    labels[:4] = [0, 1, 0, 1]
    shared = labels + rng.normal(0, 1, n)
    pair = tuple(np.round(1 / (1 + np.exp(-(shared + rng.normal(0, s, n)))), ties) for s in (0.5, 1.2))
    return labels, pair


def by_definition(labels, pair):
    """Covariance by comparing every pair of records, as DeLong and others wrote it in 1988."""
    above, below = [], []
    for values in pair:
        x, y = values[labels == 1][:, None], values[labels == 0][None]
        wins = (x > y) + 0.5 * (x == y)
        above.append(wins.mean(axis=1))
        below.append(wins.mean(axis=0))
    return np.cov(above) / len(above[0]) + np.cov(below) / len(below[0])


def test_variance_on_paper():
    # positives 0.8, 0.4 and negatives 0.6, 0.2: three of four pairs right
    labels, probabilities = np.array([1, 1, 0, 0]), np.array([[0.8, 0.4, 0.6, 0.2]])
    auroc, covariance = delong_covariance(labels, probabilities)
    assert auroc == pytest.approx([0.75])
    # shares (1, 1/2) of each class, variance 1/8 each, two records each: 1/16 + 1/16
    assert covariance == pytest.approx(np.array([[0.125]]))


@given(st.integers(0, 10_000), st.integers(1, 3))
@settings(max_examples=40, deadline=None)
def test_midranks_give_what_the_definition_gives_and_the_auroc_of_scikit_learn(seed, ties):
    labels, pair = scores(40, seed, ties)
    auroc, covariance = delong_covariance(labels, np.vstack(pair))
    assert auroc == pytest.approx([roc_auc_score(labels, values) for values in pair])
    assert covariance == pytest.approx(by_definition(labels, pair), abs=1e-12)


def test_the_interval_is_near_that_of_the_bootstrap():
    labels, pair = scores(400)
    found = delong_test(labels, pair, np.arange(400))
    drawn = paired_difference(
        labels, pair, np.arange(400), resamples=3000, confidence=0.95, rng=np.random.default_rng(0)
    )
    assert found.difference == pytest.approx(drawn.value)
    assert (found.low, found.high) == (pytest.approx(drawn.low, abs=0.006), pytest.approx(drawn.high, abs=0.006))
    assert (found.p < 0.05) == (found.low > 0 or found.high < 0)


def test_no_difference_is_rejected_as_often_as_it_should_be():
    rejected = 0
    for seed in range(400):
        rng = np.random.default_rng(seed)
        labels = np.tile([0, 1], 40)
        pair = tuple(1 / (1 + np.exp(-(labels + rng.normal(0, 1.5, 80)))) for _ in range(2))
        rejected += delong_test(labels, pair, np.arange(80)).p < 0.05
    assert 0.02 < rejected / 400 < 0.085


def test_two_records_of_a_group_are_refused():
    labels, pair = scores(40)
    with pytest.raises(ValueError, match="40 records in 39 groups"):
        delong_test(labels, pair, np.r_[0, np.arange(39)])


def test_the_same_model_twice_does_not_differ_and_one_class_is_undefined():
    labels, (first, _) = scores(40)
    same = delong_test(labels, (first, first), np.arange(40))
    assert (same.difference, same.z, same.p) == (0, 0, 1)
    alone = delong_test(np.ones(40, dtype=np.int64), (first, first), np.arange(40))
    assert math.isnan(alone.p) and math.isnan(alone.difference)
