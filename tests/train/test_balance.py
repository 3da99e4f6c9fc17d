"""Weights and copies concern training rows only, and a page with its copies counts once."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.utils.class_weight import compute_class_weight

from cardiograph.errors import CohortError
from cardiograph.train.balance import class_weights, loss_weights, plan_copies


@given(st.integers(1, 50), st.integers(1, 50), st.integers(0, 9))
def test_class_weights_are_those_of_scikit_learn(zeros, ones, unlabelled):
    labels = np.array([0] * zeros + [1] * ones)
    expected = compute_class_weight("balanced", classes=np.array([0, 1]), y=labels)
    with_unlabelled = np.concatenate([labels, np.full(unlabelled, -1)])
    np.testing.assert_allclose(class_weights(with_unlabelled), expected, rtol=1e-15)


@given(st.lists(st.sampled_from([-1, 0, 1]), min_size=4, max_size=80), st.integers(0, 99))
def test_copies_make_the_classes_equal_and_come_from_all_members_in_turn(labels, seed):
    labels = np.array([0, 1, *labels], np.int64)
    rng = np.random.default_rng(seed)
    rows = np.unique(np.concatenate([[0, 1], rng.choice(len(labels), len(labels) // 2)]))
    plan = plan_copies(labels, rows, rng)
    counts = np.bincount(labels[rows][labels[rows] >= 0], minlength=2)
    assert len(plan) == abs(counts[0] - counts[1])
    assert set(plan.source) <= set(rows)
    if len(plan):
        minority = int(np.argmin(counts))
        assert set(labels[plan.source]) == {minority}
        times = Counter(plan.source.tolist())
        all_times = [times[row] for row in rows[labels[rows] == minority]]
        assert max(all_times) - min(all_times) <= 1


def test_equal_classes_need_no_copies():
    assert len(plan_copies(np.array([0, 1, 0, 1]), np.arange(4), np.random.default_rng(0))) == 0


def test_copies_are_drawn_from_the_generator():
    labels = np.array([0] * 50 + [1] * 20)
    plans = [plan_copies(labels, np.arange(70), np.random.default_rng(seed)).source.tolist() for seed in (0, 0, 1)]
    assert plans[0] == plans[1] != plans[2]


def test_a_source_and_its_copies_share_one_unit_of_weight():
    weights = loss_weights(4, np.array([1, 1, 3]))
    np.testing.assert_allclose(weights, [1, 1 / 3, 1, 1 / 2, 1 / 3, 1 / 3, 1 / 2])
    assert weights.sum() == pytest.approx(4)
    np.testing.assert_array_equal(loss_weights(3, np.empty(0, np.int64)), np.ones(3))


def test_balancing_needs_both_classes():
    with pytest.raises(CohortError, match="no record of label 1"):
        class_weights(np.array([0, 0, -1]))
    with pytest.raises(CohortError, match="no record of label 0"):
        plan_copies(np.array([1, 1, 0]), np.array([0, 1]), np.random.default_rng(0))


def test_records_without_a_page_are_not_copied_but_count():
    labels, rows = np.array([0] * 6 + [1] * 3), np.arange(9)
    paged = np.ones(9, bool)
    paged[[0, 7]] = False
    plan = plan_copies(labels, rows, np.random.default_rng(0), paged=paged)
    assert len(plan) == 3
    assert set(plan.source.tolist()) == {6, 8}
    with pytest.raises(CohortError, match="no training record of label 1 has a page"):
        plan_copies(labels, rows, np.random.default_rng(0), paged=labels == 0)
    assert not len(plan_copies(labels[3:], rows[:6], np.random.default_rng(0), paged=np.zeros(6, bool)))
