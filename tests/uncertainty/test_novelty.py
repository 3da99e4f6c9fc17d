import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cardiograph.uncertainty.novelty import NoveltyGate

DISTANCES = st.lists(st.floats(0, 1e300), min_size=1, max_size=40)


def test_the_limit_on_paper():
    """Of 199 distances the limit is the 198th, of 99 the 99th and last, of 98 there is none."""
    for records, rank in ((199, 198), (99, 99)):
        assert NoveltyGate.fit(np.arange(1.0, records + 1)[::-1]).limit == rank
    assert NoveltyGate.fit(np.arange(1.0, 10.0), 0.5).limit == 5


def test_too_few_records_have_no_limit_and_say_so():
    few = NoveltyGate.fit(np.arange(98.0))
    assert (few.enough, few.limit) == (False, math.inf)
    assert few.novel(np.array([1e9])).tolist() == [False]
    assert NoveltyGate.fit(np.arange(99.0)).enough


def test_beyond_the_limit_is_novel_and_on_it_is_not():
    gate = NoveltyGate.fit(np.arange(1.0, 200.0))
    assert gate.novel(np.array([0.0, 198.0, 198.001, 1e9])).tolist() == [False, False, True, True]


@pytest.mark.parametrize("records", [99, 199, 250])
def test_a_record_like_those_of_training_is_novel_once_in_a_hundred_at_most(records):
    rng = np.random.default_rng(records)
    drawn = rng.lognormal(size=(6000, records + 1))
    novel = [NoveltyGate.fit(row[1:]).novel(row[:1])[0] for row in drawn]
    expected = 1 - math.ceil(0.99 * (records + 1) - 1e-9) / (records + 1)
    assert expected <= 0.01 + 1e-12
    assert abs(np.mean(novel) - expected) < 3 * math.sqrt(0.01 * 0.99 / 6000)


def test_the_percentile_counts_those_no_farther_out():
    gate = NoveltyGate.fit(np.array([1.0, 2.0, 2.0, 5.0]))
    found = gate.percentile(np.array([0.5, 1.0, 2.0, 4.0, 5.0, math.inf]))
    assert found.tolist() == [0, 25, 75, 75, 100, 100]


def test_a_distance_that_is_no_number_is_novel_and_has_no_percentile():
    for gate in (NoveltyGate.fit(np.arange(200.0)), NoveltyGate.fit(np.arange(5.0))):
        assert gate.novel(np.array([math.nan, math.inf, 1.0])).tolist() == [True, True, False]
        assert math.isnan(gate.percentile(np.array([math.nan]))[0])


@given(DISTANCES, st.lists(st.floats(0, 1e300), min_size=1, max_size=20), st.floats(1e-12, 0.999))
def test_farther_out_is_never_less_novel(training, queries, quantile):
    gate, queries = NoveltyGate.fit(np.array(training), quantile), np.sort(queries)
    percentile, novel = gate.percentile(queries), gate.novel(queries).astype(int)
    assert ((percentile >= 0) & (percentile <= 100)).all()
    assert (np.diff(percentile) >= 0).all()
    assert (np.diff(novel) >= 0).all()
    assert gate.limit in (*training, math.inf)


@given(DISTANCES, st.floats(0.01, 0.99))
def test_it_comes_back_from_json_as_it_was(training, quantile):
    gate = NoveltyGate.fit(np.array(training), quantile)
    again = NoveltyGate.from_dict(json.loads(json.dumps(gate.to_dict())))
    assert again.to_dict() == gate.to_dict()
    assert again.limit == gate.limit


def test_distances_that_cannot_be_used_are_refused():
    with pytest.raises(ValueError, match=r"distances\[1\] is nan, allowed are finite numbers; 2 of 3 are not"):
        NoveltyGate.fit(np.array([1.0, math.nan, math.inf]))
    with pytest.raises(ValueError, match=r"the smallest of the distances is -1.0, allowed is 0 or more"):
        NoveltyGate.fit(np.array([1.0, -1.0]))
    with pytest.raises(ValueError, match="distances has 0 rows"):
        NoveltyGate.fit(np.array([]))
    with pytest.raises(ValueError, match="quantile is 99, allowed is a number between 0 and 1"):
        NoveltyGate.fit(np.array([1.0]), 99)
    with pytest.raises(ValueError, match="ascending"):
        NoveltyGate.from_dict({"distances": [2.0, 1.0], "quantile": 0.9})
    with pytest.raises(ValueError, match=r"lacks \['quantile'\]"):
        NoveltyGate.from_dict({"distances": [2.0]})
