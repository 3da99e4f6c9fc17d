import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.isotonic import IsotonicRegression

from cardiograph.uncertainty.venn_abers import VennAbers, merged

ROWS = st.lists(st.tuples(st.integers(-6, 6), st.integers(0, 1)), min_size=1, max_size=30)


def rows(case):
    return np.array([score for score, _ in case], dtype=np.float64), np.array([label for _, label in case])


def refitted(scores, labels, query):
    """The definition: isotonic regression with the query among the rows, once under each label."""
    ends = []
    for label in (0, 1):
        model = IsotonicRegression().fit(np.append(scores, query), np.append(labels, label))
        ends.append(float(model.predict([query])[0]))
    return ends


def drawn(n, seed=0):
    rng = np.random.default_rng(seed)
    scores = rng.normal(size=n)
    return scores, (rng.random(n) < 1 / (1 + np.exp(-2 * scores))).astype(np.int64)


@settings(max_examples=40, deadline=None)
@given(ROWS)
def test_the_interval_is_that_of_refitting_with_the_record_at_every_place(case):
    scores, labels = rows(case)
    places = np.arange(-7, 7.5, 0.5)
    low, high = VennAbers.fit(scores, labels).interval(places)
    expected = np.array([refitted(scores, labels, place) for place in places])
    np.testing.assert_allclose(np.column_stack([low, high]), expected, atol=1e-9)


@pytest.mark.parametrize("decimals", [1, 12], ids=["ties", "no ties"])
def test_the_interval_and_its_merging_are_those_of_the_package_venn_abers(decimals):
    with np.errstate():  # the package changes numpy's for everyone
        from venn_abers import VennAbers as Oracle
    scores, labels = drawn(400)
    queries, _ = drawn(300, seed=1)
    scores, queries = np.round(scores, decimals), np.round(queries, decimals)
    oracle = Oracle()
    with np.errstate(divide="ignore", invalid="ignore"):
        oracle.fit(np.column_stack([-scores, scores]), labels)
        merged_by_oracle, interval = oracle.predict_proba(np.column_stack([-queries, queries]))
    found = VennAbers.fit(scores, labels)
    np.testing.assert_allclose(np.column_stack(found.interval(queries)), interval, atol=1e-12)
    np.testing.assert_allclose(found.probability(queries), merged_by_oracle[:, 1], atol=1e-12)


def test_four_rows_on_paper():
    found = VennAbers.fit(np.array([1.0, 2.0, 3.0, 4.0]), np.array([0, 1, 0, 1]))
    low, high = found.interval(np.array([0.0, 1.0, 2.0, 3.5, 4.0, 5.0]))
    np.testing.assert_allclose(low, [0, 0, 1 / 3, 1 / 3, 1 / 2, 1 / 2])
    np.testing.assert_allclose(high, [1 / 2, 1 / 2, 2 / 3, 1, 1, 1])


@given(ROWS)
def test_both_ends_rise_and_enclose_the_probability(case):
    found = VennAbers.fit(*rows(case))
    places = np.arange(-7, 7.5, 0.25)
    low, high = found.interval(places)
    probability = found.probability(places)
    assert (low < high).all()
    assert (low <= probability + 1e-12).all()
    assert (probability <= high + 1e-12).all()
    assert ((probability > 0) & (probability < 1)).all()
    for values in (low, high, probability):
        assert (np.diff(values) >= 0).all()


@given(ROWS)
def test_swapping_the_labels_mirrors_the_interval(case):
    scores, labels = rows(case)
    places = np.arange(-7, 7.5, 0.5)
    low, high = VennAbers.fit(scores, labels).interval(places)
    mirrored_low, mirrored_high = VennAbers.fit(-scores, 1 - labels).interval(-places)
    np.testing.assert_allclose(mirrored_low, 1 - high, atol=1e-12)
    np.testing.assert_allclose(mirrored_high, 1 - low, atol=1e-12)


def test_merging_has_the_same_regret_under_both_labels():
    low, high = np.array([0.1, 0.0, 0.4]), np.array([0.3, 0.2, 0.9])
    probability = merged(low, high)
    np.testing.assert_allclose(probability, [0.25, 1 / 6, 0.6])
    np.testing.assert_allclose(np.log(high / probability), np.log((1 - low) / (1 - probability)))


def test_more_rows_narrow_the_interval():
    widths = []
    for n in (50, 5000):
        low, high = VennAbers.fit(*drawn(n)).interval(np.linspace(-1, 1, 21))
        widths.append(float(np.mean(high - low)))
    assert widths[1] < widths[0] / 3


def test_thousands_of_rows_take_no_time_and_keep_few_steps():
    scores, labels = drawn(8000)
    started = time.perf_counter()
    found = VennAbers.fit(scores, labels)
    assert time.perf_counter() - started < 3
    assert len(found.low) + len(found.high) < 1000


def test_rows_that_cannot_be_used_are_refused():
    with pytest.raises(ValueError, match=r"labels have shape \(1,\).*one label per score"):
        VennAbers.fit(np.array([0.0, 1.0]), np.array([1]))
    with pytest.raises(ValueError, match=r"scores\[1\] is inf, allowed are finite"):
        VennAbers.fit(np.array([0.0, np.inf]), np.array([0, 1]))
    with pytest.raises(ValueError, match=r"labels\[0\] is -1, allowed are 0 and 1"):
        VennAbers.fit(np.array([0.0, 1.0]), np.array([-1, 1]))
    with pytest.raises(ValueError, match="0 rows"):
        VennAbers.fit(np.array([]), np.array([]))
    with pytest.raises(ValueError, match=r"scores\[0\] is nan"):
        VennAbers.fit(np.array([0.0]), np.array([1])).interval(np.array([np.nan]))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"low": [0.5, 0.2]}, "low is not an ascending step function"),
        ({"high": [0.5]}, "high is not an ascending step function"),
        ({"high": [0.5, 1.5]}, "outside 0..1"),
        ({"low": [0.0, 1.0]}, "low stays below 1"),
    ],
)
def test_arrays_that_are_not_step_functions_are_refused(change, words):
    content = {"low_from": [0.0], "low": [0.0, 0.5], "high_to": [0.0], "high": [0.5, 1.0], **change}
    with pytest.raises(ValueError, match=words):
        VennAbers(**{name: np.array(values) for name, values in content.items()})
