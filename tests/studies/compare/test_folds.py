"""Folds keep groups whole and classes even, and no part learns of another."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cardiograph.containers import Groups
from cardiograph.errors import ConfigError
from cardiograph.studies.compare.folds import deal_groups, fold_split

PARTS = ("train", "val", "test")


def cohort(seed, count=80, unlabelled=0.1):
    rng = np.random.default_rng(seed)
    patient = rng.integers(0, count // 2, count)
    _, groups = np.unique(patient, return_inverse=True)
    labels = (rng.random(groups.max() + 1) < 0.4).astype(np.int64)[groups]
    labels[rng.random(count) < unlabelled] = -1
    return labels, Groups(groups.astype(np.int64))


@given(st.integers(0, 10_000), st.integers(2, 4))
@settings(max_examples=40, deadline=None)
def test_no_group_is_in_two_parts_and_every_labelled_record_is_tested_once(seed, folds):
    labels, groups = cohort(seed, count=120)
    tested = np.zeros(len(labels), int)
    for number in range(folds):
        split = fold_split(labels, groups, folds, (0, number), seed=seed)
        held = [set(groups.index[split.part == name]) for name in PARTS]
        assert not held[0] & held[1]
        assert not held[0] & held[2]
        assert not held[1] & held[2]
        tested[split.part == "test"] += 1
    assert (tested[labels >= 0] == 1).all()
    assert (tested[labels < 0] == 0).all()


def test_classes_are_even_in_folds_of_single_records():
    labels = np.repeat([0, 1], [70, 30]).astype(np.int64)
    dealt = deal_groups(labels, np.arange(100), 5, np.random.default_rng(0))
    for number in range(5):
        assert np.bincount(labels[dealt == number]).tolist() == [14, 6]


def test_a_fifth_of_the_rest_validates():
    labels = np.repeat([0, 1], [100, 100]).astype(np.int64)
    split = fold_split(labels, Groups(np.arange(200)), 5, (0, 0), seed=1)
    assert [len(split.rows(name)) for name in PARTS] == [128, 32, 40]


def test_large_groups_do_not_crowd_a_fold():
    labels, groups = np.repeat([1, 0], [40, 80]).astype(np.int64), np.repeat(np.arange(30), 4)
    dealt = deal_groups(labels, groups, 5, np.random.default_rng(3))
    assert {int(labels[dealt == number].sum()) for number in range(5)} == {8}


def test_repeats_differ_and_a_seed_gives_the_same_folds_again():
    labels, groups = cohort(5)
    first, again, other = (fold_split(labels, groups, 3, place, seed=9).part for place in ((0, 1), (0, 1), (1, 1)))
    assert (first == again).all()
    assert (first != other).any()


def test_unlabelled_records_teach_unless_their_group_is_held_out():
    labels = np.array([0, 1] * 20 + [-1, -1], np.int64)
    groups = Groups(np.array([*range(40), 0, 40], np.int64))
    split = fold_split(labels, groups, 4, (0, 0), seed=0)
    assert split.part[41] == "train"
    assert split.part[40] == ("train" if split.part[0] == "train" else "excluded")


def test_too_few_groups_of_a_class_are_refused_with_a_remedy():
    labels = np.array([1, 1, *[0] * 30], np.int64)
    with pytest.raises(ConfigError, match=r"--folds 5.*label 1 in 2.*fewer folds"):
        for number in range(5):
            fold_split(labels, Groups(np.arange(32)), 5, (0, number), seed=0)


@given(st.integers(0, 10_000))
@settings(max_examples=30, deadline=None)
def test_every_class_and_site_is_tested_and_validated_in_each_fold(seed):
    rng = np.random.default_rng(seed)
    names, sites = np.array(list("abbccccccc"))[rng.integers(0, 10, 300)], rng.choice(["x", "y", "z"], 300)
    groups = Groups(np.arange(300))
    labels = np.isin(names, ["a", "c"]).astype(np.int64)
    for number in range(3):
        split = fold_split(labels, groups, 3, (0, number), seed=seed, strata=[names, sites])
        for part, share in zip(PARTS, (8 / 15, 2 / 15, 1 / 3), strict=True):
            for each in (names, sites):
                for name in set(each.tolist()):
                    assert abs(((each == name) & (split.part == part)).sum() - share * (each == name).sum()) <= 6


def test_strata_that_say_what_the_label_says_change_no_fold():
    labels, groups = cohort(5, unlabelled=0)
    plain, named = (
        fold_split(labels, groups, 3, (0, 1), seed=9, strata=strata).part for strata in ((), [labels.astype(str)])
    )
    assert (plain == named).all()
