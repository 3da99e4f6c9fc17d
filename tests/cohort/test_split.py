"""Whole groups, both classes in each part, shares as asked; a given split is checked, not trusted."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from cardiograph.cohort.manifest import read_cohort
from cardiograph.cohort.split import draw_split, given_split
from cardiograph.config import CohortConfig, SplitConfig
from cardiograph.containers import PARTS, Groups
from cardiograph.errors import CohortError

SHARES = {"train": 0.64, "val": 0.16, "test": 0.20}


def grouped(keys):
    _, first, inverse = np.unique(keys, return_index=True, return_inverse=True)
    return Groups(np.argsort(np.argsort(first))[inverse].astype(np.int64))


def draw(labels, groups, seed=0, **shares):
    return draw_split(np.asarray(labels, np.int64), groups, SplitConfig(**shares), np.random.default_rng(seed))


@st.composite
def cohorts(draw_from, largest=12):
    """Labels (also unlabelled ones) and groups of any size and mixture."""
    n = draw_from(st.integers(6, 150))
    keys = draw_from(st.lists(st.integers(0, n), min_size=n, max_size=n))
    labels = draw_from(st.lists(st.sampled_from([-1, 0, 0, 1]), min_size=n, max_size=n))
    groups, labels = grouped(keys), np.array(labels, np.int64)
    assume(all(len(np.unique(groups.index[labels == label])) >= 3 for label in (0, 1)))
    return labels, groups


@given(cohorts(), st.integers(0, 5))
@settings(deadline=None, max_examples=150)
def test_whatever_the_cohort_groups_stay_whole_and_every_part_has_both_classes(cohort, seed):
    labels, groups = cohort
    split = draw(labels, groups, seed)
    for group in range(len(groups)):
        assert len(set(split.part[groups.index == group]) - {"excluded"}) <= 1
    for part in PARTS:
        assert set(labels[split.part == part]) >= {0, 1}
    assert (labels[split.part == "excluded"] == -1).all()
    assert not (labels[(split.part == "val") | (split.part == "test")] == -1).any()


@given(cohorts(), st.integers(0, 5))
@settings(deadline=None, max_examples=150)
def test_no_part_misses_its_share_by_more_than_the_largest_groups(cohort, seed):
    labels, groups = cohort
    split = draw(labels, groups, seed)
    for label in (0, 1):
        total = (labels == label).sum()
        largest = np.bincount(groups.index[labels >= 0]).max()
        for part, share in SHARES.items():
            realised = ((labels == label) & (split.part == part)).sum()
            assert abs(realised - share * total) <= 2 * largest + 1


@pytest.mark.parametrize("prevalence", [0.05, 0.3, 0.5])
def test_single_records_fill_the_shares_exactly(prevalence):
    labels = (np.arange(1000) < 1000 * prevalence).astype(np.int64)
    split = draw(labels, grouped(np.arange(1000)))
    for label in (0, 1):
        counts = Counter(split.part[labels == label])
        assert counts == {part: round(share * (labels == label).sum()) for part, share in SHARES.items()}


def test_other_shares_are_kept_too():
    split = draw([0, 1] * 500, grouped(np.arange(1000)), train=0.7, val=0.15, test=0.15)
    assert Counter(split.part) == {"train": 700, "val": 150, "test": 150}


def test_unlabelled_records_learn_or_stay_out():
    labels = [0, 1] * 30 + [-1] * 20
    keys = list(range(60)) + list(range(10)) + [100 + row for row in range(10)]
    split = draw(labels, grouped(keys))
    with_a_group, alone = split.part[60:70], split.part[70:]
    expected = ["train" if part == "train" else "excluded" for part in split.part[:10]]
    assert with_a_group.tolist() == expected
    assert set(with_a_group) == {"train", "excluded"}
    assert set(alone) == {"train"}


def test_the_same_seed_gives_the_same_split_and_another_seed_another():
    labels, groups = [0, 0, 1] * 40, grouped(np.arange(120) // 2)
    assert (draw(labels, groups, 1).part == draw(labels, groups, 1).part).all()
    assert (draw(labels, groups, 1).part != draw(labels, groups, 2).part).any()


def test_the_shares_do_not_depend_on_the_order_of_the_records():
    rng = np.random.default_rng(0)
    keys, labels = rng.integers(0, 200, 400), rng.integers(0, 2, 400)
    counts = []
    for order in (np.arange(400), np.arange(400)[::-1], rng.permutation(400)):
        split = draw(labels[order], grouped(keys[order]))
        counts.append(Counter(zip(split.part.tolist(), labels[order].tolist(), strict=True)))
    assert all(abs(counts[0][key] - other[key]) <= 2 for other in counts for key in counts[0])


def test_every_group_has_its_share_of_chances():
    labels, groups = [0, 1] * 50, grouped(np.arange(100))
    parts = np.array([draw(labels, groups, seed).part for seed in range(400)])
    for part, share in SHARES.items():
        frequency = (parts == part).mean(axis=0)
        assert abs(frequency - share).max() < 5 * np.sqrt(share * (1 - share) / 400)


def test_large_groups_go_to_every_part_in_their_turn():
    keys = np.concatenate([np.repeat(np.arange(30), 8), np.arange(30, 300)])
    labels = np.where(keys < 30, 1, keys % 2)
    tested = [(draw(labels, grouped(keys), seed).part[:240] == "test").mean() for seed in range(40)]
    assert 0.15 < np.mean(tested) < 0.25


def test_large_groups_leave_the_shares_exact_since_small_ones_come_after_them():
    keys = np.concatenate([np.repeat(np.arange(12), 16), np.arange(12, 212)])
    labels = np.concatenate([np.ones(192, int), np.arange(200) % 2])
    for seed in range(30):
        counts = Counter(draw(labels, grouped(keys), seed).part[labels == 1])
        assert counts == {"train": 187, "val": 47, "test": 58}


@pytest.mark.parametrize(("labels", "told"), [([0] * 10 + [1, 1], "label 0 is in 10 group(s) and label 1 in 2")])
def test_too_few_groups_of_a_class_are_counted(labels, told):
    with pytest.raises(CohortError) as caught:
        draw(labels, grouped(np.arange(len(labels))))
    assert told in str(caught.value)
    assert "at least 3 groups of each" in str(caught.value)


def test_three_groups_of_each_class_are_enough():
    labels, keys = [1] * 12 + [0] * 3, [0] * 10 + [1, 2] + [3, 4, 5]
    for seed in range(20):
        split = draw(labels, grouped(keys), seed)
        assert all(set(np.array(labels)[split.rows(part)]) == {0, 1} for part in PARTS)


def test_the_copies_of_the_shared_pages_do_not_wreck_the_shares(shared):
    positive = ("abnormal_heartbeat", "history_of_mi", "myocardial_infarction")
    config = CohortConfig(map={"ecg": "image", "label": "class"}, positive=positive)
    cohort = read_cohort(shared / "ecg-pages/manifest.csv", config, outcome="x")
    groups = grouped(cohort.table["ecg"].to_numpy(str))
    assert len(groups) == 367
    for seed in range(20):
        split = draw(cohort.labels, groups, seed)
        for label in (0, 1):
            for part, share in SHARES.items():
                assert abs((split.part[cohort.labels == label] == part).mean() - share) < 0.005


def test_a_given_split_is_taken_as_it_is():
    parts = ["train", "train", "val", "val", "test", "test", "test"]
    labels = np.array([0, 1, 0, 1, 0, 1, -1])
    split = given_split(parts, labels, grouped(np.arange(7)))
    assert split.part.tolist() == [*parts[:6], "excluded"]
    assert split.source == "given"


def test_a_given_split_without_a_class_in_a_part_is_refused():
    with pytest.raises(CohortError, match="no labelled record of class 1 in 'val'"):
        given_split(["train", "train", "val", "test", "test"], np.array([0, 1, 0, 0, 1]), grouped(np.arange(5)))
