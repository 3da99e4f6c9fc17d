"""The corrected resampled t interval: by hand, and wide enough where plain ones are not."""

import math

import numpy as np
import pytest
from scipy import stats

from cardiograph.evaluate.bootstrap import resampled_interval


def test_the_interval_by_hand():
    values = np.array([0.70, 0.74, 0.78, 0.72, 0.76])
    found = resampled_interval(values, train=0.64, test=0.20)
    reach = 2.7764451 * values.std(ddof=1) * math.sqrt(1 / 5 + 0.20 / 0.64)  # t(0.975, 4) from a table
    assert found.value == pytest.approx(0.74)
    assert (found.low, found.high) == pytest.approx((0.74 - reach, 0.74 + reach))


def test_without_a_test_share_it_is_the_plain_t_interval():
    values = np.random.default_rng(0).normal(size=12)
    found = resampled_interval(values, train=1, test=0, confidence=0.9)
    low, high = stats.t.interval(0.9, 11, values.mean(), stats.sem(values))
    assert (found.low, found.high) == pytest.approx((low, high))


def test_it_holds_the_truth_where_splits_share_records():
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


def test_one_value_has_no_interval_and_nan_is_refused():
    assert math.isnan(resampled_interval(np.array([0.7]), train=0.8, test=0.2).low)
    for values in ([], [0.5, math.nan]):
        with pytest.raises(ValueError, match="finite"):
            resampled_interval(np.array(values), train=0.8, test=0.2)
