import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cardiograph.evaluation.decision import youden_threshold
from cardiograph.evaluation.metrics import confusion

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
