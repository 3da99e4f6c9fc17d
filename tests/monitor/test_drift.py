"""Comparisons detect what changed, ignore what is too small, and are corrected for their number."""

import numpy as np
import pytest
from scipy import stats

from cardiograph.monitor.drift import compare_categories, compare_numbers, holm, judged


def test_numbers_are_compared_as_by_scipy_without_missing_values():
    rng = np.random.default_rng(0)
    before, now = rng.normal(0, 1, 200), rng.normal(0.5, 1, 100)
    found = compare_numbers("sbp", "all", np.append(before, np.nan), np.append(now, [np.nan, np.nan]))
    expected = stats.ks_2samp(before, now, method="asymp")
    assert (found.effect, found.p) == pytest.approx((expected.statistic, expected.pvalue))
    assert found.recent == pytest.approx(now.mean())


def test_the_effect_of_categories_is_the_total_variation():
    before, now = np.repeat([1.0, 2, 3], [50, 30, 20]), np.repeat([1.0, 2, 4], [20, 30, 50])
    found = compare_categories("nyha", "all", before, now)
    assert found.effect == pytest.approx(0.5)  # 0.3 from class 1, 0.2 from class 3; all moved to class 4
    assert found.p < 1e-6


def test_a_value_that_never_varies_is_no_change():
    assert compare_categories("nyha", "all", np.ones(30), np.ones(30)).p == 1


@pytest.mark.parametrize("compare", [compare_numbers, compare_categories])
def test_too_few_known_values_are_not_compared(compare):
    assert compare("ef", "all", np.zeros(50), np.append(np.zeros(19), [np.nan] * 40)) is None
    assert compare("ef", "all", np.zeros(50), np.zeros(20)) is not None


def test_holm_by_hand():
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.9, 0.9]) == [1, 1]
    assert holm([]) == []


def test_a_large_sample_raises_no_alert_about_a_small_change():
    rng = np.random.default_rng(1)
    small = compare_numbers("age", "all", rng.normal(0, 1, 20_000), rng.normal(0.1, 1, 20_000))
    large = compare_numbers("bnp", "all", rng.normal(0, 1, 200), rng.normal(1, 1, 200))
    first, second = judged([small, large], alpha=0.05, effect=0.15)
    assert (first.what, first.alert) == ("bnp", True)
    assert second.adjusted_p < 0.001
    assert not second.alert
