import numpy as np
import pytest
from sklearn.metrics import roc_curve
from statsmodels.nonparametric.smoothers_lowess import lowess

from cardiograph.evaluate.curves import SPAN, loess, part_curves
from cardiograph.evaluate.predictions import PartPredictions


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


def test_equal_records_are_smoothed_as_one_row_with_their_number():
    x, y = records(300)
    x, at = x.round(1), np.linspace(0.1, 0.8, 9)
    rows, count = np.unique(np.column_stack([x, y]), axis=0, return_counts=True)
    assert len(rows) < 25
    found = loess(*rows.T, at, records=count.astype(float))
    np.testing.assert_allclose(found, loess(x, y, at), atol=1e-12)


def test_many_different_probabilities_are_rounded_before_a_curve_is_drawn(monkeypatch):
    x, y = records(400)
    exact = part_curves(part(y.astype(np.int64), x), "gcn", confidence=0.95)
    monkeypatch.setattr("cardiograph.evaluate.curves.MAX_DRAWN", 100)
    monkeypatch.setattr("cardiograph.evaluate.curves.DRAWN_DECIMALS", 3)
    drawn = part_curves(part(y.astype(np.int64), x), "gcn", confidence=0.95)
    np.testing.assert_allclose(drawn.smooth.observed, exact.smooth.observed, atol=2e-3)
    np.testing.assert_allclose(drawn.smooth.band.low, exact.smooth.band.low, atol=2e-3)
    np.testing.assert_allclose(drawn.roc_band.low, exact.roc_band.low, atol=0.05)
    assert not np.array_equal(drawn.smooth.observed, exact.smooth.observed)


def part(labels, probabilities):
    return PartPredictions(labels, np.arange(len(labels)), {"gcn": probabilities})


def test_bands_contain_the_curves_of_all_records():
    x, y = records(150)
    labels = y.astype(np.int64)
    found = part_curves(part(labels, x), "gcn", confidence=0.95)
    false, true, _ = roc_curve(labels, x, drop_intermediate=False)
    sensitivity = np.interp(found.roc_band.at, false, true)
    inside = (found.roc_band.low <= sensitivity) & (sensitivity <= found.roc_band.high)
    assert inside.mean() > 0.95
    band = found.smooth.band
    assert ((band.low <= found.smooth.observed) & (found.smooth.observed <= band.high)).all()
    assert found.smooth.observed == pytest.approx(loess(x, y, found.smooth.at)[0].clip(0, 1))


def test_one_class_few_records_or_equal_probabilities_have_no_curve():
    x, y = records(150)
    labels = y.astype(np.int64)
    one_class = part_curves(part(np.zeros_like(labels), x), "gcn", confidence=0.95)
    assert one_class.roc_band is None and one_class.smooth is None
    assert one_class.reliability.count.sum() == 150
    few = part_curves(part(labels[:40], x[:40]), "gcn", confidence=0.95)
    assert few.roc_band is not None and few.smooth is None
    equal = part_curves(part(labels, np.full(150, 0.3)), "gcn", confidence=0.95)
    assert equal.smooth is None
