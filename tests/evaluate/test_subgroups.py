import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from cardiograph.evaluate.metrics import score
from cardiograph.evaluate.results import SubgroupLevel
from cardiograph.evaluate.subgroups import MISSING, SCORES, group_by, groupings_of, subgroup_scores


def records(n=200, seed=0):
    rng = np.random.default_rng(seed)
    labels = (rng.random(n) < 0.4).astype(np.int64)
    return labels, np.clip(0.3 + 0.3 * labels + rng.normal(0, 0.2, n), 0, 1)


def scored(labels, probabilities, groupings, groups=None):
    return subgroup_scores(
        labels,
        probabilities,
        np.arange(len(labels)) if groups is None else groups,
        groupings,
        threshold=0.45,
        resamples=200,
        confidence=0.95,
        seed=0,
    )


def levels_of(name, values):
    grouping = group_by(name, values)
    return [grouping.levels[place] for place in grouping.level_of]


def test_age_has_fixed_bands():
    ages = [49.9, 50, 64, 65, 74, 75, 91, None]
    assert levels_of("age", ages) == [
        "below 50",
        *["50 to 64"] * 2,
        *["65 to 74"] * 2,
        *["75 and above"] * 2,
        MISSING,
    ]


def test_other_numbers_are_cut_into_thirds_that_say_what_they_hold():
    grouping = group_by("sbp", np.arange(100.0, 190.0))
    assert grouping.levels == ("100 to 129", "130 to 159", "160 to 189")
    assert np.bincount(grouping.level_of).tolist() == [30, 30, 30]
    assert grouping.cut == "thirds of the test records"


def test_few_numbers_are_levels_in_order_and_cells_as_written_are_numbers():
    assert group_by("nyha", ["4", "2", "10", "2", ""]).levels == ("2", "4", "10", MISSING)


def test_text_is_a_level_and_no_value_is_one_too():
    assert levels_of("sex", ["f", " m", None, float("nan"), "f"]) == ["f", "m", MISSING, MISSING, "f"]


@pytest.mark.parametrize(
    "values", [["f"] * 5, [None] * 5, [f"note {n}" for n in range(40)], np.full(9, 3.0), np.full(4, np.nan), []]
)
def test_a_column_that_parts_nobody_is_left_out(values):
    assert group_by("column", values) is None
    assert groupings_of({"column": values, "sex": ["f", "m"]})[0].name == "sex"


def test_large_numbers_that_print_alike_stay_apart():
    grouping = group_by("number", np.arange(100_000.0, 100_030.0))
    assert len(set(grouping.levels)) == 3


cells = st.lists(st.one_of(st.none(), st.floats(-1e6, 1e6), st.sampled_from(["f", "m", "", "1", "2"])), max_size=50)


@given(cells)
@settings(max_examples=150)
def test_levels_part_all_records(values):
    grouping = group_by("column", values)
    if grouping is not None:
        counts = np.bincount(grouping.level_of, minlength=len(grouping.levels))
        assert counts.sum() == len(values) and (counts > 0).all()
        assert len(set(grouping.levels)) == len(grouping.levels) >= 2
        absent = sum(value in (None, "") for value in values)
        assert absent == (counts[-1] if grouping.levels[-1] == MISSING else 0)


def test_scores_of_a_level_are_the_scores_of_its_records():
    labels, probabilities = records()
    sex = np.random.default_rng(1).choice(["f", "m"], 200)
    found = scored(labels, probabilities, groupings_of({"sex": sex}))
    json.dumps(found["sex"].as_dict(), allow_nan=False)
    levels = found["sex"].levels
    assert sum(level.records for level in levels) == 200
    assert sum(level.positive for level in levels) == labels.sum()
    for level in levels:
        rows = sex == level.level
        expected = score(labels[rows], probabilities[rows], 0.45)
        assert set(level.scores) == set(SCORES)
        assert level.scores["auroc"].value == pytest.approx(roc_auc_score(labels[rows], probabilities[rows]))
        for name, interval in level.scores.items():
            assert interval.value == pytest.approx(expected[name])
            assert interval.low <= interval.value <= interval.high


def test_few_groups_of_a_kind_have_counts_and_no_score():
    labels, probabilities = records()
    site = np.array(["large"] * 200, dtype=object)
    positive = np.flatnonzero(labels == 1)[:8]
    site[positive] = "small"
    site[np.flatnonzero(labels == 0)[:8]] = "small"
    groups = np.arange(200)
    assert not scored(labels, probabilities, groupings_of({"site": site}), groups)["site"].levels[1].too_few
    groups[positive] = groups[positive[0]]
    small = scored(labels, probabilities, groupings_of({"site": site}), groups)["site"].levels[1]
    assert small == SubgroupLevel(level="small", records=16, positive=8, groups=9, too_few=True, scores=None)
