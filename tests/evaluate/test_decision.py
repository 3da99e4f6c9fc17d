import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cardiograph.evaluate.decision import choose_threshold, rule_in_words, sensitivity_threshold, youden_threshold
from cardiograph.evaluate.metrics import confusion

cases = st.lists(st.tuples(st.integers(0, 1), st.floats(0, 1)), min_size=2, max_size=40)


def youden(labels, probabilities, threshold):
    counts = confusion(labels, probabilities, threshold)
    return (np.diag(counts) / counts.sum(axis=1)).sum() - 1


def test_threshold_lies_midway_between_the_scores_it_parts():
    assert youden_threshold(np.array([0, 0, 1, 1]), np.array([0.1, 0.3, 0.7, 0.9])) == pytest.approx(0.5)


def test_among_equals_the_most_sensitive_is_taken():
    labels, probabilities = np.array([0, 1, 0, 1]), np.array([0.1, 0.3, 0.6, 0.8])
    assert youden_threshold(labels, probabilities) == pytest.approx(0.2)


@given(cases)
def test_no_other_threshold_between_scores_is_better(case):
    labels, probabilities = np.array([y for y, _ in case]), np.array([p for _, p in case])
    threshold = youden_threshold(labels, probabilities)
    if 0 < labels.sum() < len(labels) and len(np.unique(probabilities)) > 1:
        best = max(youden(labels, probabilities, cut) for cut in np.unique(probabilities)[1:])
        assert youden(labels, probabilities, threshold) == pytest.approx(best)


@pytest.mark.parametrize(
    ("labels", "probabilities"), [([1, 1], [0.2, 0.4]), ([0, 0], [0.2, 0.4]), ([0, 1], [0.3, 0.3]), ([], [])]
)
def test_half_where_nothing_can_be_chosen(labels, probabilities):
    assert youden_threshold(np.array(labels, np.int64), np.array(probabilities, float)) == 0.5


def test_neighbouring_floats_are_still_parted():
    low = 0.3
    high = float(np.nextafter(low, 1))
    threshold = youden_threshold(np.array([0, 1]), np.array([low, high]))
    assert low < threshold <= high


@pytest.mark.parametrize(("sensitivity", "threshold"), [(1.0, 0.35), (0.75, 0.45), (0.5, 0.65), (0.51, 0.45)])
def test_the_highest_threshold_that_finds_the_requested_share(sensitivity, threshold):
    labels, probabilities = np.array([1, 1, 1, 1, 0, 0, 0]), np.array([0.9, 0.7, 0.5, 0.4, 0.6, 0.3, 0.1])
    assert sensitivity_threshold(labels, probabilities, sensitivity=sensitivity) == pytest.approx(threshold)


@given(cases, st.floats(0.01, 1))
def test_no_higher_threshold_is_as_sensitive(case, sensitivity):
    labels, probabilities = np.array([y for y, _ in case]), np.array([p for _, p in case])
    threshold = sensitivity_threshold(labels, probabilities, sensitivity=sensitivity)
    positive = probabilities[labels == 1]
    if not len(positive):
        assert threshold == 0.5
        return
    assert (positive >= threshold).mean() >= sensitivity - 1e-9
    higher = np.unique(probabilities[probabilities >= threshold])[1:]
    assert all((positive >= cut).mean() < sensitivity for cut in higher)


def test_a_rule_has_a_name():
    labels, probabilities = np.array([0, 0, 1, 1]), np.array([0.1, 0.6, 0.5, 0.9])
    assert choose_threshold("youden", labels, probabilities) == youden_threshold(labels, probabilities)
    assert choose_threshold("sensitivity", labels, probabilities) == pytest.approx(0.3)
    assert choose_threshold("sensitivity", labels, probabilities, sensitivity=0.5) == pytest.approx(0.75)
    assert choose_threshold("net_benefit", labels, probabilities, net_benefit_at=0.12) == 0.12
    assert "0.12" in rule_in_words("net_benefit", net_benefit_at=0.12)
    assert "90 %" in rule_in_words("sensitivity")


@pytest.mark.parametrize(
    ("rule", "settings", "message"),
    [
        ("sensitivity", {"sensitivity": 90}, "sensitivity is 90"),
        ("net_benefit", {}, "give the probability"),
        ("net_benefit", {"net_benefit_at": 1.0}, "above 0 and below 1"),
        ("gut", {}, "youden, sensitivity, net_benefit"),
    ],
)
def test_a_rule_that_cannot_be_used_says_why(rule, settings, message):
    with pytest.raises(ValueError, match=message):
        choose_threshold(rule, np.array([0, 1]), np.array([0.2, 0.8]), **settings)
