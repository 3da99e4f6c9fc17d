"""Groups stay whole, each part has both classes, shares match the configuration, and a given split is checked."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from cardiograph.cohort.manifest import read_cohort
from cardiograph.cohort.split import draw_split, given_split
from cardiograph.config import SplitConfig, load_config
from cardiograph.config_reading import CohortConfig
from cardiograph.containers import PARTS, Groups
from cardiograph.errors import CohortError
from cardiograph.ingest.groups import draw_groups

SHARES = {"train": 0.64, "val": 0.16, "test": 0.20}


def grouped(keys):
    _, first, inverse = np.unique(keys, return_index=True, return_inverse=True)
    return Groups(np.argsort(np.argsort(first))[inverse].astype(np.int64))


def draw(labels, groups, seed=0, strata=(), **shares):
    rng = np.random.default_rng(seed)
    return draw_split(np.asarray(labels, np.int64), groups, SplitConfig(**shares), rng, strata=strata)


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


@pytest.mark.parametrize(("labels", "message"), [([0] * 10 + [1, 1], "label 0 is in 10 group(s) and label 1 in 2")])
def test_too_few_groups_of_a_class_are_counted(labels, message):
    with pytest.raises(CohortError) as caught:
        draw(labels, grouped(np.arange(len(labels))))
    assert message in str(caught.value)
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


@st.composite
def classes_of_groups(draw_from):
    """Groups of any size, each of one class; every class belongs to a label."""
    of_group = draw_from(st.lists(st.integers(0, 5), min_size=6, max_size=50))
    sizes = draw_from(st.lists(st.integers(1, 30), min_size=len(of_group), max_size=len(of_group)))
    positive = draw_from(st.sets(st.integers(0, 5), min_size=1, max_size=5))
    keys = np.repeat(np.arange(len(of_group)), sizes)
    names = np.array(of_group)[keys]
    labels = np.isin(names, list(positive)).astype(np.int64)
    assume(all(len(np.unique(keys[labels == label])) >= 3 for label in (0, 1)))
    return labels, grouped(keys), names


def check_shares(split, names, groups, largest):
    for name in set(names.tolist()) - {None}:
        own = names == name
        if len(np.unique(groups.index[own])) >= 3:
            for part, share in SHARES.items():
                realised = (own & (split.part == part)).sum()
                assert realised > 0 and abs(realised - share * own.sum()) <= largest, (name, part, realised)


@given(classes_of_groups(), st.integers(0, 5))
@settings(deadline=None, max_examples=200)
def test_each_class_of_three_groups_is_in_each_part_and_near_its_share(cohort, seed):
    labels, groups, names = cohort
    split = draw(labels, groups, seed, strata=[names.astype(str)])
    check_shares(split, names, groups, np.bincount(groups.index).max())
    assert all(set(labels[split.part == part]) == {0, 1} for part in PARTS)


def test_a_label_whose_copies_overfill_validation_leaves_room_for_the_other():
    """Five large positive groups fill more than the positive share of validation; negative ones still come in."""
    keys = np.concatenate([np.repeat(np.arange(5), 20), np.arange(5, 305)])
    labels = (keys < 5).astype(np.int64)
    for seed in range(20):
        parts = Counter(draw(labels, grouped(keys), seed).part[labels == 0])
        assert all(abs(parts[part] / 300 - share) <= 0.02 for part, share in SHARES.items())


def test_sites_and_classes_are_shared_out_together():
    rng = np.random.default_rng(0)
    names, sites = rng.choice(list("abcd"), 600), rng.choice(["north", "south", "east"], 600, p=[0.1, 0.3, 0.6])
    keys = np.arange(600) // 2
    names, sites = names[keys * 2], sites[keys * 2]
    labels, groups = np.isin(names, ["c", "d"]).astype(np.int64), grouped(keys)
    for seed in range(10):
        split = draw(labels, groups, seed, strata=[names, sites])
        for each in (names, sites):
            check_shares(split, each, groups, 8)


def test_unnamed_and_rare_strata_are_left_to_chance():
    labels, names = np.array([0, 1] * 30), np.array([None, "", float("nan"), "once", *["usual"] * 56], dtype=object)
    split = draw(labels, grouped(np.arange(60)), strata=[names])
    plain = draw(labels, grouped(np.arange(60)))
    assert Counter(split.part) == Counter(plain.part)


def test_strata_that_say_what_the_label_says_change_nothing():
    labels = np.array([0, 0, 1] * 40)
    plain = draw(labels, grouped(np.arange(120) // 2))
    assert (draw(labels, grouped(np.arange(120) // 2), strata=[labels.astype(str)]).part == plain.part).all()


@pytest.mark.parametrize("positive", [("myocardial_infarction",), ("abnormal_heartbeat",), ("history_of_mi",)])
def test_every_class_of_the_shared_pages_is_in_every_part(shared, positive):
    """Validation had 82 abnormal and 31 infarction records, and none that is normal or has a history."""
    config = CohortConfig(map={"ecg": "image", "label": "class"}, positive=positive)
    cohort = read_cohort(shared / "ecg-pages/manifest.csv", config, outcome="x")
    groups, names = grouped(cohort.table["ecg"].to_numpy(str)), cohort.table["class_name"].to_numpy(str)
    for seed in range(6):
        split = draw_groups(cohort, groups, load_config(None, {"seed": seed}))
        check_shares(split, names, groups, np.bincount(groups.index).max())
        for part, share in SHARES.items():
            for label in (0, 1):
                assert abs((split.part[cohort.labels == label] == part).mean() - share) < 0.02
