"""A probe finds signal, finds none in noise, and never scores a group that it was fitted on."""

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from cardiograph.audit.probes import cross_validated_auroc, cross_validated_scores, rank_probe, sample_groups


def probe(features, labels, groups=None, seed=0, **options):
    groups = np.arange(len(labels)) if groups is None else groups
    return cross_validated_auroc(features, labels, groups, seed=seed, name="probe", shortcut=True, **options)


@pytest.mark.parametrize("interactions", [False, True])
def test_what_is_there_is_found(rng, interactions):
    labels = rng.integers(0, 2, 200)
    found = probe(rng.normal(labels[:, None] * 1.0, 1, (200, 2)), labels, interactions=interactions)
    assert found.low < found.auroc < found.high
    assert found.low > 0.65


def test_only_a_forest_sees_what_is_not_monotonous(rng):
    values = rng.normal(size=(300, 1))
    labels = (np.abs(values[:, 0]) > 0.7).astype(int)
    assert probe(values, labels, interactions=True).auroc > 0.9
    assert probe(values, labels).auroc < 0.65


@pytest.mark.parametrize(("columns", "interactions"), [(5, False), (30, False), (5, True)])
def test_permuted_labels_give_a_half(columns, interactions):
    """Groups of three equal rows: the mean over permutations of labels by group is within 3 standard errors of 0.5."""
    rng = np.random.default_rng(columns)
    features = np.repeat(rng.normal(size=(60, columns)), 3, axis=0)
    groups = np.repeat(np.arange(60), 3)
    found, count = [], 8 if interactions else 20
    for seed in range(count):
        labels = np.repeat(rng.permutation(np.arange(60) % 2), 3)
        found.append(probe(features, labels, groups, seed=seed, interactions=interactions).auroc)
    assert abs(np.mean(found) - 0.5) < 3 * np.std(found, ddof=1) / np.sqrt(count)
    if not interactions:  # the same rows split one by one: copies on both sides look like knowledge
        labels = np.repeat(rng.permutation(np.arange(60) % 2), 3)
        assert probe(features, labels, np.arange(180)).auroc > 0.6


def test_a_group_is_scored_by_models_that_do_not_know_it(rng):
    """A column that names the group, and labels by group, would be perfect if groups were separated."""
    groups = np.repeat(np.arange(20), 8)
    labels = (groups % 2).astype(int)
    whole, separated = (
        cross_validated_scores(np.eye(20)[groups], labels, by, seed=0) for by in (groups, np.arange(160))
    )
    assert roc_auc_score(labels, whole) < 0.75
    assert roc_auc_score(labels, separated) > 0.95


def test_scores_of_folds_are_shares_of_their_own_fold(rng):
    scores = cross_validated_scores(rng.normal(size=(50, 3)), np.arange(50) % 2, np.arange(50), seed=1)
    assert np.sort(scores)[::5] == pytest.approx((np.arange(10) + 0.5) / 10)


def test_nothing_to_go_by_is_no_probe(rng):
    labels = np.arange(40) % 2
    assert probe(np.ones((40, 3)), labels) is None
    assert probe(rng.normal(size=(40, 3)), np.zeros(40, int)) is None
    assert probe(rng.normal(size=(8, 3)), np.arange(8) % 2) is None  # fewer groups of a class than folds


def test_the_auroc_is_scikit_learn_s_and_the_interval_goes_by_group(rng):
    labels = np.arange(90) % 2
    scores = rng.normal(labels, 1.5)
    alone = rank_probe(scores, labels, np.arange(90), seed=0, name="a", shortcut=False, how="")
    assert alone.auroc == pytest.approx(roc_auc_score(labels, scores))
    thrice = rank_probe(
        np.tile(scores, 3), np.tile(labels, 3), np.tile(np.arange(90), 3), seed=0, name="a", shortcut=False, how=""
    )
    assert thrice.high - thrice.low == pytest.approx(alone.high - alone.low, rel=0.05)


def test_few_groups_have_no_interval(rng):
    found = rank_probe(np.arange(8.0), np.arange(8) % 2, np.arange(8), seed=0, name="a", shortcut=False, how="")
    assert (found.low, found.high) == (None, None)


def test_a_sample_has_whole_groups_and_as_many_of_the_rare_label_as_there_are(rng):
    groups = np.repeat(np.arange(6000), 2)
    labels = np.where(groups < 100, 1, 0)
    rows = sample_groups(labels, groups, 1000, np.random.default_rng(0))
    assert len(rows) == 1000
    assert (np.bincount(groups[rows])[np.unique(groups[rows])] == 2).all()
    assert labels[rows].sum() == 200
    half = sample_groups(groups % 2, groups, 1000, np.random.default_rng(0))
    assert (groups % 2)[half].sum() == 500


def test_groups_too_large_for_the_sample_leave_one_of_each_label():
    groups = np.repeat(np.arange(6), 500)
    rows = sample_groups(groups % 2, groups, 300, np.random.default_rng(0))
    assert sorted(np.unique(groups[rows]) % 2) == [0, 1]
