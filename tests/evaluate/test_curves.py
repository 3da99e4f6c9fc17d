import numpy as np
import pytest
from statsmodels.nonparametric.smoothers_lowess import lowess

from cardiograph.evaluate.curves import SPAN, loess


def records(n=200, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.beta(2, 3, n)
    return x, (rng.random(n) < x**1.4).astype(np.float64)


def test_the_curve_is_that_of_statsmodels():
    x, y = records()
    at = np.linspace(0.05, 0.9, 30)
    expected = lowess(y, x, frac=SPAN, it=0, delta=0, xvals=at)
    assert loess(x, y, at)[0] == pytest.approx(expected, abs=2e-3)


def test_a_straight_line_stays_one():
    x, _ = records()
    at = np.linspace(0.1, 0.8, 9)
    assert loess(x, 0.2 + 0.5 * x, at)[0] == pytest.approx(0.2 + 0.5 * at)


def test_a_weight_of_one_is_no_weight_and_a_row_is_a_resample():
    x, y = records(80)
    at = np.linspace(0.1, 0.8, 9)
    weights = np.vstack([np.ones(80), np.random.default_rng(1).integers(0, 3, 80)]).astype(float)
    found = loess(x, y, at, weights=weights)
    assert found.shape == (2, 9)
    assert found[0] == pytest.approx(loess(x, y, at)[0])
    assert np.abs(found[1] - found[0]).max() > 1e-3


def test_equal_probabilities_give_their_mean():
    assert loess(np.full(30, 0.4), np.tile([0.0, 0.0, 1.0], 10), np.array([0.4]))[0] == pytest.approx([1 / 3])
