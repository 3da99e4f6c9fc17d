import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import kstest
from sklearn.base import BaseEstimator, ClassifierMixin

from cardiograph.uncertainty.conformal import ConformalSets, answer, tie_break

SCORES = np.array([-2.0, -1.0, 0.0, 0.0, 1.0, -0.5, 0.0, 1.5, 2.0])
LABELS = np.array([0, 0, 0, 0, 0, 1, 1, 1, 1])
ROWS = st.lists(st.tuples(st.integers(-4, 4), st.integers(0, 1)), min_size=0, max_size=30)
CHANCE = st.floats(0, 1, exclude_max=True)


def rows(case):
    return np.array([score for score, _ in case], dtype=np.float64), np.array([label for _, label in case], dtype=int)


def by_definition(scores, labels, score, u):
    """P-values counted one by one."""
    values = []
    for label, sign in ((0, 1), (1, -1)):
        unlike = [sign * s for s, y in zip(scores, labels, strict=True) if y == label]
        more, equal = sum(a > sign * score for a in unlike), sum(a == sign * score for a in unlike)
        values.append((more + u * (equal + 1)) / (len(unlike) + 1))
    return values


def test_nine_rows_on_paper():
    """Score 0 with u = 0.5: of 5 negatives 1 is more unlike, 2 are equal; of 4 positives 1 is more unlike, 1 is equal."""
    found = ConformalSets.fit(SCORES, LABELS, 0.5).p_values(np.array([0.0, 9.0, -9.0]), np.array([0.5, 0.5, 0.5]))
    np.testing.assert_allclose(found, [[2.5 / 6, 2 / 5], [0.5 / 6, 4.5 / 5], [5.5 / 6, 0.5 / 5]])


@given(ROWS, st.lists(st.tuples(st.integers(-5, 5), CHANCE), min_size=1, max_size=10))
def test_p_values_are_those_of_the_definition_and_monotone_in_the_score(case, queries):
    scores, labels = rows(case)
    queries = sorted(queries)
    at, u = np.array([s for s, _ in queries], dtype=np.float64), np.array([chance for _, chance in queries])
    found = ConformalSets.fit(scores, labels)
    p = found.p_values(at, u)
    expected = [by_definition(scores, labels, s, chance) for s, chance in queries]
    np.testing.assert_allclose(p, expected, atol=1e-12)
    assert ((p >= 0) & (p <= 1)).all()
    level = found.p_values(at, np.full(len(at), 0.3))
    assert (np.diff(level[:, 0]) <= 0).all()
    assert (np.diff(level[:, 1]) >= 0).all()


def simulated(rng, draws, calibration=60, ties=False):
    """One query of each class and its calibration records, all exchangeable: p-values of the true class, [draws, 2]."""
    p = np.empty((draws, 2))
    for draw in range(draws):
        scores = rng.normal(size=(2, calibration + 1)) + np.array([[-0.7], [0.7]])
        scores = np.round(2 * scores) / 2 if ties else scores
        labels = np.repeat([0, 1], calibration)
        sets = ConformalSets.fit(scores[:, 1:].ravel(), labels)
        p[draw] = np.diagonal(sets.p_values(scores[:, 0], rng.random(2)))
    return p


@pytest.mark.parametrize("ties", [False, True], ids=["no ties", "ties"])
def test_p_values_of_the_true_class_are_uniform_and_cover_as_promised(ties):
    draws = 4000
    p = simulated(np.random.default_rng(7), draws, ties=ties)
    error = math.sqrt(0.9 * 0.1 / draws)
    for label in (0, 1):
        assert abs((p[:, label] > 0.1).mean() - 0.9) < 3 * error
        assert kstest(p[:, label], "uniform").pvalue > 0.01


def test_each_class_is_covered_however_rare_it_is():
    rng = np.random.default_rng(3)
    covered, seen = np.zeros(2), np.zeros(2)
    for _ in range(400):
        labels = (rng.random(600) < 0.1).astype(np.int64)
        scores = rng.normal(size=600) + 0.8 * labels
        included, _ = ConformalSets.fit(scores[:400], labels[:400], 0.9).sets(scores[400:], rng.random(200))
        for label in (0, 1):
            covered[label] += included[labels[400:] == label, label].sum()
            seen[label] += (labels[400:] == label).sum()
    np.testing.assert_allclose(covered / seen, 0.9, atol=0.012)


class GivenProbabilities(ClassifierMixin, BaseEstimator):
    """A classifier whose features are its probabilities."""

    def fit(self, x, y):
        self.classes_ = np.unique(y)
        return self

    def predict_proba(self, x):
        return np.column_stack([1 - x[:, 0], x[:, 0]])

    def predict(self, x):
        return (x[:, 0] >= 0.5).astype(int)

    def __sklearn_is_fitted__(self):
        return True


@pytest.mark.filterwarnings("ignore:WARNING. your conformalization:UserWarning")
@pytest.mark.parametrize("confidence", [0.8, 0.9])
def test_sets_without_chance_are_those_of_mapie_class_by_class(confidence):
    """MAPIE has no chance in its sets, which is u as good as 1, and one class at a time makes it Mondrian."""
    from mapie.classification import SplitConformalClassifier

    rng = np.random.default_rng(11)
    labels = rng.integers(0, 2, 153)
    probabilities = 1 / (1 + np.exp(-rng.normal(1.5 * labels - 0.75, 1)))
    queries = rng.random(200)
    included, _ = ConformalSets.fit(probabilities, labels, confidence).sets(queries, np.full(200, np.nextafter(1, 0)))
    model = GivenProbabilities().fit(probabilities[:, None], labels)
    for label in (0, 1):
        own = labels == label
        oracle = SplitConformalClassifier(model, confidence_level=confidence, conformity_score="lac", prefit=True)
        oracle.conformalize(probabilities[own, None], labels[own])
        _, sets = oracle.predict_set(queries[:, None])
        np.testing.assert_array_equal(included[:, label], sets[:, label, 0])


def test_more_confidence_never_makes_a_set_smaller():
    rng = np.random.default_rng(0)
    u, queries = rng.random(50), rng.normal(size=50)
    sizes = [ConformalSets.fit(SCORES, LABELS, level).sets(queries, u)[0] for level in (0.5, 0.8, 0.95)]
    assert (sizes[0] <= sizes[1]).all()
    assert (sizes[1] <= sizes[2]).all()


def test_a_p_value_of_exactly_the_error_rate_rules_the_class_out():
    found, p = ConformalSets.fit(np.arange(9.0), np.ones(9, int), 0.9).sets(np.array([0.5, 1.5]), np.array([0.0, 0.0]))
    np.testing.assert_allclose(p[:, 1], [0.1, 0.2])
    assert found[:, 1].tolist() == [False, True]


def test_too_few_rows_are_reported():
    few = ConformalSets.fit(SCORES, LABELS)
    assert (few.counts, few.enough) == ((5, 4), False)
    assert few.statement == "too few: 4 positive and 5 negative calibration records, 50 of each are needed"
    many = ConformalSets.fit(np.tile(SCORES, 13), np.tile(LABELS, 13))
    assert (many.counts, many.enough) == ((65, 52), True)
    assert many.statement == "52 positive and 65 negative calibration records"


def test_without_any_row_of_a_class_chance_alone_decides():
    p = ConformalSets.fit(np.array([]), np.array([], dtype=int)).p_values(np.array([0.0]), np.array([0.25]))
    np.testing.assert_allclose(p, [[0.25, 0.25]])


@pytest.mark.parametrize(
    ("included", "words"),
    [
        ([False, True], "positive"),
        ([True, False], "negative"),
        ([True, True], "can't tell"),
        ([False, False], "unlike both"),
    ],
)
def test_sets_in_words(included, words):
    assert answer(np.array(included)) == words


def test_a_tie_break_is_the_hash_of_its_key():
    """SHA-256 of "abc" begins ba7816bf8f01cfea (FIPS 180-4, appendix)."""
    assert tie_break("abc") == (0xBA7816BF8F01CFEA >> 11) / 2**53
    assert tie_break("abc") == tie_break("abc") != tie_break("abd")


def test_tie_breaks_of_many_keys_are_uniform():
    drawn = np.array([tie_break(f"ecg_{i:05d}") for i in range(5000)])
    assert kstest(drawn, "uniform").pvalue > 0.01
    assert abs(np.corrcoef(drawn[:-1], drawn[1:])[0, 1]) < 0.05


@given(st.text())
def test_a_tie_break_lies_in_range(key):
    assert 0 <= tie_break(key) < 1


@settings(max_examples=40)
@given(ROWS, st.floats(0.01, 0.99))
def test_they_come_back_from_json_as_they_were(case, confidence):
    found = ConformalSets.fit(*rows(case), confidence)
    again = ConformalSets.from_dict(json.loads(json.dumps(found.to_dict())))
    assert again.to_dict() == found.to_dict()
    queries, u = np.linspace(-5, 5, 11), np.linspace(0, 0.9, 11)
    np.testing.assert_array_equal(again.p_values(queries, u), found.p_values(queries, u))


def test_rows_that_cannot_be_used_are_refused():
    with pytest.raises(ValueError, match=r"labels have shape \(8,\)"):
        ConformalSets.fit(SCORES, LABELS[1:])
    with pytest.raises(ValueError, match=r"labels\[0\] is 2, allowed are 0 and 1"):
        ConformalSets.fit(SCORES, LABELS + 2)
    with pytest.raises(ValueError, match=r"scores\[0\] is inf"):
        ConformalSets.fit(np.full(9, np.inf), LABELS)
    for confidence in (0.0, 1.0, 90, math.nan):
        with pytest.raises(ValueError, match=f"confidence is {confidence}, allowed is a number between 0 and 1"):
            ConformalSets.fit(SCORES, LABELS, confidence)
    found = ConformalSets.fit(SCORES, LABELS)
    for u in ([1.0], [-0.1], [0.5, 0.5]):
        with pytest.raises(ValueError, match=r"one number in \[0, 1\) per score"):
            found.sets(np.array([0.0]), np.array(u))
    with pytest.raises(ValueError, match=r"u\[0\] is nan"):
        found.sets(np.array([0.0]), np.array([np.nan]))


def test_a_damaged_record_of_them_is_refused():
    content = ConformalSets.fit(SCORES, LABELS).to_dict()
    with pytest.raises(ValueError, match="ascending"):
        ConformalSets.from_dict({**content, "positive": [1.0, 0.0]})
    with pytest.raises(ValueError, match=r"negative\[1\] is nan"):
        ConformalSets.from_dict({**content, "negative": [1.0, math.nan]})
    del content["confidence"]
    with pytest.raises(ValueError, match=r"lack \['confidence'\]"):
        ConformalSets.from_dict(content)
