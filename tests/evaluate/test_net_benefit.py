import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cardiograph.evaluate.metrics import confusion
from cardiograph.evaluate.net_benefit import CURVE_AT, decision_curve, net_benefit, standardised, treat_all

cases = st.lists(st.tuples(st.integers(0, 1), st.floats(0.001, 1)), min_size=1, max_size=40)
at = st.floats(0.01, 0.99)


def arrays(case):
    return np.array([y for y, _ in case]), np.array([p for _, p in case])


def two_by_two(tp, fp, fn, tn):
    """Records with these counts at any threshold up to 0.9 and above 0.1."""
    labels = np.repeat([1, 0, 1, 0], [tp, fp, fn, tn])
    return labels, np.repeat([0.9, 0.9, 0.1, 0.1], [tp, fp, fn, tn])


def curve(labels, probabilities, groups, **changed):
    known = {"resamples": 300, "confidence": 0.95, "rng": np.random.default_rng(0)}
    return decision_curve(labels, {"m": probabilities}, groups, **(known | changed))


def test_a_two_by_two_table_on_paper():
    labels, probabilities = two_by_two(tp=12, fp=20, fn=3, tn=65)
    # at 0.2 a false alarm costs a quarter: 12/100 - 20/100 / 4; treat all: 15/100 - 85/100 / 4
    assert net_benefit(labels, probabilities, np.array([0.2])) == pytest.approx([0.07])
    assert treat_all(labels, np.array([0.2])) == pytest.approx([0.15 - 0.85 / 4])
    # at 0.5 each costs the same: (12 - 20) / 100, worse than acting on nobody
    assert net_benefit(labels, probabilities, np.array([0.5])) == pytest.approx([-0.08])
    assert standardised(np.array([0.07]), 0.15) == pytest.approx([0.07 / 0.15])
    assert np.isnan(standardised(np.array([0.0]), 0.0)).all()


def test_ten_missed_or_found_in_a_thousand():
    # a model that calls 200 of 1000, 80 of the 100 positives among them, where one in ten is worth acting on
    labels, probabilities = two_by_two(tp=80, fp=120, fn=20, tn=780)
    found = net_benefit(labels, probabilities, np.array([0.11]))[0]
    assert found == pytest.approx(0.08 - 0.12 * 0.11 / 0.89)
    assert found > max(0, treat_all(labels, np.array([0.11]))[0])


@given(cases)
def test_near_zero_it_is_the_share_of_positives(case):
    labels, probabilities = arrays(case)
    assert net_benefit(labels, probabilities, np.array([1e-9])) == pytest.approx([labels.mean()], abs=1e-6)


@given(cases, at)
def test_it_is_what_the_confusion_matrix_says_and_at_most_the_prevalence(case, threshold):
    labels, probabilities = arrays(case)
    (_, fp), (_, tp) = confusion(labels, probabilities, threshold)
    expected = tp / len(labels) - fp / len(labels) * threshold / (1 - threshold)
    found = net_benefit(labels, probabilities, np.array([threshold]))[0]
    assert found == pytest.approx(expected)
    assert found <= labels.mean() + 1e-12
    assert treat_all(labels, np.array([threshold]))[0] <= labels.mean() + 1e-12


def test_treat_all_is_worth_nothing_where_the_threshold_is_the_prevalence():
    labels = np.repeat([1, 0], [30, 70])
    assert treat_all(labels, np.array([0.3])) == pytest.approx([0])


def test_perfect_probabilities_are_worth_the_prevalence_everywhere():
    labels = np.repeat([1, 0], [30, 70])
    found = curve(labels, labels.astype(float), np.arange(100))
    assert found.models["m"].value == pytest.approx([0.3] * len(CURVE_AT))
    assert found.prevalence == pytest.approx(0.3)


def test_the_band_holds_the_curve_and_is_as_wide_as_theory_says():
    rng = np.random.default_rng(0)
    labels = (rng.random(400) < 0.4).astype(np.int64)
    probabilities = np.clip(0.3 + 0.3 * labels + rng.normal(0, 0.2, 400), 0, 1)
    found = curve(labels, probabilities, np.arange(400), resamples=2000)
    model = {key: np.array(values) for key, values in found.models["m"]}
    assert (model["low"] <= model["value"]).all() and (model["value"] <= model["high"]).all()
    place = found.thresholds.index(0.5)
    # strata are fixed in size, so the variance is that of the two rates alone
    sensitivity, alarm = (probabilities[labels == y] >= 0.5 for y in (1, 0))
    share = labels.mean()
    rates = ((share, sensitivity), (1 - share, alarm))
    variance = sum(weight**2 * hit.mean() * (1 - hit.mean()) / len(hit) for weight, hit in rates)
    assert model["high"][place] - model["low"][place] == pytest.approx(2 * 1.96 * np.sqrt(variance), rel=0.12)


def test_copies_in_one_group_do_not_narrow_the_band():
    rng = np.random.default_rng(1)
    labels = np.tile([0, 1], 30)
    probabilities = np.clip(0.3 + 0.3 * labels + rng.normal(0, 0.2, 60), 0, 1)
    one = curve(labels, probabilities, np.arange(60))
    copied = curve(np.repeat(labels, 4), np.repeat(probabilities, 4), np.repeat(np.arange(60), 4))
    assert copied.models["m"].low == pytest.approx(one.models["m"].low)


def test_too_few_groups_have_a_curve_and_no_band():
    found = curve(np.array([1, 0, 1, 0]), np.array([0.9, 0.2, 0.6, 0.4]), np.arange(4)).models["m"]
    assert None not in found.value
    assert set(found.low) == set(found.high) == {None}


@pytest.mark.parametrize("threshold", [0.0, 1.0, -0.1, float("nan")])
def test_a_threshold_probability_that_is_none_is_refused(threshold):
    with pytest.raises(ValueError, match="above 0 and below 1"):
        net_benefit(np.array([0, 1]), np.array([0.2, 0.8]), np.array([threshold]))
