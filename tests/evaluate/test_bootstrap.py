import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from cardiograph.evaluate.bootstrap import (
    Interval,
    PooledRecords,
    bootstrap_scores,
    drawn_groups,
    first_of_each,
    group_weights,
    numbered,
    paired_difference,
    percentile_interval,
    resampled_interval,
)
from cardiograph.evaluate.metrics import METRICS, score, weighted_scores


def records(n=90, seed=0, ties=1):
    rng = np.random.default_rng(seed)
    groups = rng.integers(0, n // 2, n)
    labels = (rng.random(n) < 0.35).astype(np.int64)
    probabilities = np.round(1 / (1 + np.exp(-(1.4 * labels - 0.7 + rng.normal(size=n)))), ties)
    return labels, probabilities, groups


@given(st.integers(0, 10_000), st.integers(1, 3))
@settings(max_examples=40, deadline=None)
def test_a_weighted_metric_is_the_metric_of_the_repeated_records(seed, ties):
    labels, probabilities, _ = records(30, seed, ties)
    counts = np.random.default_rng(seed).integers(0, 3, 30)
    found = weighted_scores(labels, probabilities, counts[None].astype(float), threshold=0.45)
    expected = score(np.repeat(labels, counts), np.repeat(probabilities, counts), 0.45)
    for name in METRICS:
        assert found[name][0] == pytest.approx(expected[name], abs=1e-5, nan_ok=True), name


def test_resamples_draw_whole_groups_and_keep_both_strata():
    labels, _, groups = records()
    sick = {group for group in groups if labels[groups == group].any()}
    for weights in group_weights(labels, groups, resamples=50, rng=np.random.default_rng(0)):
        for group in np.unique(groups):
            assert (np.ptp(weights[:, groups == group], axis=1) == 0).all()
        first = np.unique(groups, return_index=True)[1]
        drawn_sick = weights[:, [row for row in first if groups[row] in sick]].sum(axis=1)
        assert (drawn_sick == len(sick)).all()
        assert (weights[:, first].sum(axis=1) == len(first)).all()


def test_chunks_of_resamples_add_up(monkeypatch):
    monkeypatch.setattr("cardiograph.evaluate.bootstrap.CHUNK_CELLS", 700)
    labels, _, groups = records()
    chunks = list(group_weights(labels, groups, resamples=50, rng=np.random.default_rng(0)))
    assert len(chunks) > 1
    assert sum(len(chunk) for chunk in chunks) == 50


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("ties", [1, 9])
def test_records_that_are_counted_as_one_give_the_scores_of_all_records(classes, ties):
    rng = np.random.default_rng(3)
    labels, groups = rng.integers(0, classes, 200), rng.integers(0, 90, 200)
    drawn = rng.dirichlet(np.ones(classes), 200).round(ties) + 1e-9
    values = drawn[:, 1] if classes == 2 else drawn / drawn.sum(axis=1, keepdims=True)
    pool = PooledRecords(labels, values, numbered(groups))
    assert (len(pool.labels) < 200) == (ties == 1)
    assert pool.records.sum() == 200
    whole, pooled = (
        each(labels, groups, resamples=40, rng=np.random.default_rng(1)) for each in (group_weights, drawn_groups)
    )
    for weights, counts in zip(whole, pooled, strict=True):
        expected = weighted_scores(labels, values, weights, threshold=0.4)
        found = weighted_scores(pool.labels, pool.values, pool.weights(counts), threshold=0.4)
        assert found.keys() == expected.keys()
        for name in expected:
            np.testing.assert_allclose(found[name], expected[name], atol=1e-9, err_msg=name)


def test_many_groups_are_drawn_one_by_one_from_the_same_distribution(monkeypatch):
    monkeypatch.setattr("cardiograph.evaluate.bootstrap.MIN_GROUPS_DRAWN_SINGLY", 300)
    labels, groups = np.repeat([0, 1], [500, 200]), np.arange(700)
    counts = np.concatenate(list(drawn_groups(labels, groups, resamples=2000, rng=np.random.default_rng(0))))
    assert (counts[:, :500].sum(axis=1) == 500).all()
    assert (counts[:, 500:].sum(axis=1) == 200).all()
    share = np.bincount(counts[:, :500].astype(int).ravel(), minlength=6)[:6] / (2000 * 500)
    np.testing.assert_allclose(share, stats.binom(500, 1 / 500).pmf(np.arange(6)), atol=2e-3)


def test_models_share_their_resamples_and_the_seed_decides():
    labels, probabilities, groups = records(ties=3)
    models = {"a": probabilities, "b": probabilities.copy()}
    runs = [
        bootstrap_scores(
            labels,
            models,
            groups,
            {"a": 0.5, "b": 0.5},
            resamples=200,
            confidence=0.95,
            rng=np.random.default_rng(seed),
        )
        for seed in (1, 1, 2)
    ]
    assert runs[0]["a"] == runs[0]["b"]
    assert runs[0] == runs[1]
    assert runs[0]["a"]["auroc"] != runs[2]["a"]["auroc"]
    for interval in runs[0]["a"].values():
        assert interval.low <= interval.value <= interval.high


def test_interval_of_the_auroc_has_the_width_that_theory_gives():
    labels, probabilities, _ = records(400, ties=6)
    found = bootstrap_scores(
        labels,
        {"m": probabilities},
        np.arange(400),
        {"m": 0.5},
        resamples=2000,
        confidence=0.95,
        rng=np.random.default_rng(0),
    )["m"]["auroc"]
    a, positives, negatives = found.value, labels.sum(), (1 - labels).sum()
    q1, q2 = a / (2 - a), 2 * a**2 / (1 + a)  # Hanley and McNeil, Radiology 143:29, 1982
    variance = (a * (1 - a) + (positives - 1) * (q1 - a**2) + (negatives - 1) * (q2 - a**2)) / (positives * negatives)
    assert found.high - found.low == pytest.approx(2 * 1.96 * math.sqrt(variance), rel=0.15)


def test_copies_in_one_group_do_not_narrow_the_interval():
    labels, probabilities, _ = records(80, ties=6)
    copies = [np.repeat(array, 5) for array in (labels, probabilities, np.arange(80))]
    widths = []
    for y, p, g in ((labels, probabilities, np.arange(80)), copies, [copies[0], copies[1], np.arange(400)]):
        found = bootstrap_scores(
            y, {"m": p}, g, {"m": 0.5}, resamples=500, confidence=0.95, rng=np.random.default_rng(0)
        )
        widths.append(found["m"]["auroc"].high - found["m"]["auroc"].low)
    assert widths[1] == pytest.approx(widths[0])
    assert widths[2] < 0.6 * widths[1]


def test_paired_difference_of_a_model_with_itself_is_zero():
    labels, probabilities, groups = records()
    found = paired_difference(
        labels, (probabilities, probabilities), groups, resamples=100, confidence=0.95, rng=np.random.default_rng(0)
    )
    assert (found.value, found.low, found.high) == (0, 0, 0)


def test_paired_difference_is_narrower_than_two_intervals():
    labels, probabilities, groups = records(200, ties=6)
    other = np.clip(probabilities + np.random.default_rng(5).normal(0, 0.03, 200), 0, 1)
    chance = {"resamples": 500, "confidence": 0.95}
    difference = paired_difference(labels, (probabilities, other), groups, rng=np.random.default_rng(0), **chance)
    alone = bootstrap_scores(labels, {"m": other}, groups, {"m": 0.5}, rng=np.random.default_rng(0), **chance)["m"][
        "auroc"
    ]
    assert difference.high - difference.low < 0.5 * (alone.high - alone.low)


def test_one_class_gives_no_interval_and_no_error():
    labels = np.zeros(20, np.int64)
    found = bootstrap_scores(
        labels, {"m": np.linspace(0, 1, 20)}, np.arange(20), {"m": 0.5}, resamples=100, confidence=0.95,
        rng=np.random.default_rng(0),
    )["m"]  # fmt: skip
    assert found["auroc"].as_dict() == {"value": None, "low": None, "high": None}
    assert math.isfinite(found["specificity"].low)


def test_a_metric_undefined_in_many_resamples_gets_no_interval():
    drawn = np.r_[np.full(20, np.nan), np.linspace(0, 1, 80)]
    found = percentile_interval(0.5, drawn, 0.95)
    assert found.value == 0.5
    assert math.isnan(found.low)
    assert percentile_interval(0.5, np.linspace(0, 1, 101), 0.9) == Interval(
        0.5, pytest.approx(0.05), pytest.approx(0.95)
    )


def test_first_record_of_each_group():
    assert first_of_each(np.array([7, 3, 7, 3, 9])).tolist() == [0, 1, 4]


def test_a_thousand_resamples_of_four_models_take_seconds():
    import time

    labels, probabilities, groups = records(2000, ties=6)
    models = dict.fromkeys("abcd", probabilities)
    start = time.process_time()
    bootstrap_scores(
        labels, models, groups, dict.fromkeys("abcd", 0.5), resamples=250, confidence=0.95, rng=np.random.default_rng(0)
    )
    assert time.process_time() - start < 10


def test_few_groups_give_no_interval():
    labels, scores = np.array([1, 0]), np.array([0.9, 0.1])
    found = bootstrap_scores(
        labels, {"m": scores}, np.arange(2), {"m": 0.5}, resamples=100, confidence=0.95, rng=np.random.default_rng(0)
    )["m"]["auroc"]
    assert found.value == 1
    assert np.isnan(found.low) and np.isnan(found.high)


def test_the_resampled_t_interval_by_hand():
    values = np.array([0.70, 0.74, 0.78, 0.72, 0.76])
    found = resampled_interval(values, train=0.64, test=0.20)
    reach = 2.7764451 * values.std(ddof=1) * math.sqrt(1 / 5 + 0.20 / 0.64)  # t(0.975, 4) from a table
    assert found.value == pytest.approx(0.74)
    assert (found.low, found.high) == pytest.approx((0.74 - reach, 0.74 + reach))


def test_the_resampled_t_interval_without_a_test_share_is_the_plain_one():
    values = np.random.default_rng(0).normal(size=12)
    found = resampled_interval(values, train=1, test=0, confidence=0.9)
    low, high = stats.t.interval(0.9, 11, values.mean(), stats.sem(values))
    assert (found.low, found.high) == pytest.approx((low, high))


def test_the_resampled_t_interval_covers_the_truth_where_splits_share_records():
    """Accuracy of a fixed guess over random halves of 60 records; the truth is that of the population."""
    rng = np.random.default_rng(1)
    corrected = plain = 0
    for _ in range(300):
        right = rng.random(60) < 0.7
        means = np.array([right[rng.permutation(60)[:20]].mean() for _ in range(10)])
        found = resampled_interval(means, train=40, test=20)
        corrected += found.low <= 0.7 <= found.high
        bare = resampled_interval(means, train=1, test=0)
        plain += bare.low <= 0.7 <= bare.high
    assert corrected / 300 > 0.85
    assert plain / 300 < corrected / 300 - 0.05


def test_the_resampled_t_interval_needs_two_finite_values():
    assert math.isnan(resampled_interval(np.array([0.7]), train=0.8, test=0.2).low)
    for values in ([], [0.5, math.nan]):
        with pytest.raises(ValueError, match="finite"):
            resampled_interval(np.array(values), train=0.8, test=0.2)
