import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cardiograph.evaluate.bootstrap import bootstrap_scores
from cardiograph.evaluate.brier import bin_of_each, brier_parts, calibration_error, calibration_errors, error_by_chance

cases = st.lists(
    st.tuples(st.integers(0, 1), st.one_of(st.floats(0, 1), st.sampled_from([0.0, 0.2, 0.5, 1.0]))), max_size=60
)


def arrays(case):
    return np.array([y for y, _ in case], dtype=np.int64), np.array([p for _, p in case], dtype=np.float64)


def true_ones(n, seed=0):
    rng = np.random.default_rng(seed)
    probabilities = rng.beta(2, 3, n)
    return (rng.random(n) < probabilities).astype(np.int64), probabilities


@given(cases)
def test_the_parts_add_up_to_the_brier_score(case):
    parts = brier_parts(*arrays(case))
    if case:
        summed = parts.reliability - parts.resolution + parts.uncertainty + parts.within_bins
        assert summed == pytest.approx(parts.brier, abs=1e-12)
        assert parts.reliability >= 0 and parts.resolution >= 0 and 0 <= parts.uncertainty <= 0.25
    else:
        assert set(parts.summary(math.nan).as_dict().values()) == {None, 0}


def test_parts_on_paper():
    # two bins of one probability each: 0.2 (1 of 10 positive) and 0.7 (6 of 10); share 0.35
    labels = np.array([1] + [0] * 9 + [1] * 6 + [0] * 4)
    parts = brier_parts(labels, np.repeat([0.2, 0.7], 10))
    assert parts.bins == 2
    assert parts.reliability == pytest.approx((0.1**2 + 0.1**2) / 2)
    assert parts.resolution == pytest.approx(0.25**2)
    assert parts.uncertainty == pytest.approx(0.35 * 0.65)
    assert parts.within_bins == pytest.approx(0, abs=1e-15)
    assert parts.brier == pytest.approx((0.64 + 9 * 0.04 + 6 * 0.09 + 4 * 0.49) / 20)


def test_what_bins_hide_is_reported():
    # one bin of eight records, in which the probabilities separate the classes
    labels, probabilities = np.array([0, 0, 0, 0, 1, 1, 1, 1]), np.repeat([0.2, 0.8], 4)
    parts = brier_parts(labels, probabilities)
    assert (parts.bins, parts.reliability, parts.resolution) == (1, pytest.approx(0, abs=1e-15), 0)
    assert parts.within_bins == pytest.approx(0.04 - 0.25)


def test_calibration_error_on_paper():
    labels = np.array([1] + [0] * 9 + [1] * 9 + [0])
    assert calibration_error(labels, np.repeat([0.2, 0.7], 10)) == pytest.approx((0.1 + 0.2) / 2)
    assert math.isnan(calibration_error(np.empty(0, dtype=np.int64), np.empty(0)))


def test_bins_of_different_probabilities_have_equal_mass():
    place = bin_of_each(np.random.default_rng(0).permutation(np.linspace(0, 1, 200)))
    assert np.bincount(place).tolist() == [20] * 10
    assert np.bincount(bin_of_each(np.linspace(0, 1, 35))).size == 3


@given(cases, st.integers(0, 1000))
@settings(max_examples=50)
def test_a_weight_is_a_repeated_record_and_order_does_not_matter(case, seed):
    labels, probabilities = arrays(case)
    rng = np.random.default_rng(seed)
    counts, shuffled = rng.integers(0, 3, len(labels)), rng.permutation(len(labels))
    weighted = calibration_errors(labels, probabilities, counts[None].astype(float))[0]
    repeated = calibration_error(np.repeat(labels, counts), np.repeat(probabilities, counts))
    assert weighted == pytest.approx(repeated, nan_ok=True)
    assert calibration_error(labels[shuffled], probabilities[shuffled]) == pytest.approx(
        calibration_error(labels, probabilities), nan_ok=True
    )


def test_true_probabilities_show_an_error_by_chance_that_shrinks_with_records():
    few, many = true_ones(100), true_ones(10_000)
    rng = np.random.default_rng(1)
    assert error_by_chance(few[1], rng) > 3 * error_by_chance(many[1], rng, draws=50)
    assert calibration_error(*many) == pytest.approx(error_by_chance(many[1], rng, draws=50), abs=0.005)


def test_the_interval_of_the_calibration_error_holds_its_value():
    labels, probabilities = true_ones(150)
    found = bootstrap_scores(
        labels,
        {"m": probabilities},
        np.arange(150),
        {"m": 0.5},
        resamples=300,
        confidence=0.95,
        rng=np.random.default_rng(0),
        names=("ece",),
    )["m"]["ece"]
    assert 0 <= found.low < found.value < found.high
