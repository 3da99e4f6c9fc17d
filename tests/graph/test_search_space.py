"""The space of the neighbour search: blocks, learnt coordinates without the own fold, distances where blocks are absent."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedGroupKFold

from cardiograph.config import GraphConfig
from cardiograph.containers import NearestNeighbours, NodeFeatures, SearchPoints
from cardiograph.errors import ConfigError
from cardiograph.graph.attach import build_graph, label_prior, nearest_points, neighbour_votes
from cardiograph.graph.search_space import SearchSpace


def features_of(records=60, seed=0, signal=2.0):
    rng = np.random.default_rng(seed)
    labels = np.arange(records) % 2
    values = rng.normal(size=(records, 5)).astype(np.float32)
    values[:, 0] += signal * labels
    blocks = {"image": (0, 3), "clinical": (3, 5)}
    return NodeFeatures(values, tuple("abcde"), blocks, np.ones((records, 2), bool)), labels.astype(np.int64)


def fitted(space, records=60, groups=None, **changes):
    features, labels = features_of(records, **changes)
    rows, groups = np.arange(40), np.arange(records) if groups is None else groups
    found, fold = SearchSpace.fit(features, labels, rows, groups, GraphConfig(space=space))
    return features, labels, found, fold


@pytest.mark.parametrize(("space", "columns"), [("fused", [0, 1, 2, 3, 4]), ("image", [0, 1, 2]), ("clinical", [3, 4])])
def test_a_block_is_its_columns(space, columns):
    features, _, found, fold = fitted(space)
    np.testing.assert_array_equal(found.transform(features, fold).values, features.values[:, columns])
    assert (fold == -1).all()


def test_a_learnt_place_uses_no_label_of_its_own_fold():
    features, labels, found, fold = fitted("learnt")
    places = found.transform(features, fold)
    x, y = features.values[:40].astype(np.float64), labels[:40]
    for number, (learn, judge) in enumerate(StratifiedGroupKFold(5).split(x, y, np.arange(40))):
        assert set(fold[judge]) == {number}
        errors = []
        for c in (1e-3, 1e-2, 1e-1):
            coefficients = LogisticRegression(C=c, max_iter=1000).fit(x[learn], y[learn]).coef_[0]
            errors.append(np.abs(places.values[judge] - x[judge] * coefficients).max())
        assert min(errors) < 1e-3
    flipped = labels.copy()
    flipped[fold == 2] ^= 1
    again, _ = SearchSpace.fit(features, flipped, np.arange(40), np.arange(60), GraphConfig(space="learnt"))
    if np.array_equal(_, fold):
        np.testing.assert_array_equal(again.weights[2], found.weights[2])


def test_queries_are_placed_by_the_mean_of_all_folds_and_training_labels_alone_count():
    features, labels, found, fold = fitted("learnt")
    np.testing.assert_allclose(found.weights[-1], found.weights[:-1].mean(0))
    assert (fold[40:] == -1).all()
    turned = labels.copy()
    turned[40:] ^= 1
    again, _ = SearchSpace.fit(features, turned, np.arange(40), np.arange(60), GraphConfig(space="learnt"))
    np.testing.assert_array_equal(again.weights, found.weights)


def test_training_records_lie_no_nearer_to_their_own_label_than_queries_do():
    """On noise, agreement of neighbours with the own label is chance for both: without cross-fitting it is not."""
    agreement = {"train": [], "query": []}
    for seed in range(20):
        features, labels = features_of(300, seed, signal=0.0)
        rows, groups, config = np.arange(200), np.arange(300), GraphConfig(space="learnt", k=5)
        space, fold = SearchSpace.fit(features, labels, rows, groups, config)
        places = space.transform(features, fold)
        neighbours = build_graph(places, rows, groups, config).neighbours
        agreement["train"].append((labels[:200][neighbours.index] == labels[:200, None]).mean())
        query = nearest_points(places.of(rows), places.of(np.arange(200, 300)), k=5)
        agreement["query"].append((labels[:200][query.index] == labels[200:, None]).mean())
    for found in agreement.values():
        assert abs(np.mean(found) - 0.5) < 3 * np.std(found, ddof=1) / np.sqrt(20) + 0.01


def test_a_kept_space_places_queries_alike():
    features, _, found, _ = fitted("learnt")
    again = SearchSpace.restore(found.arrays())
    np.testing.assert_array_equal(again.transform(features).values, found.transform(features).values)
    assert again.scales == found.scales
    assert again.blocks == found.blocks


def test_a_block_that_is_not_there_is_named():
    features, labels = features_of()
    only = NodeFeatures(features.values, features.names, {"image": (0, 5)}, np.ones((60, 1), bool))
    with pytest.raises(ConfigError, match=r"graph.space = 'clinical'.*image"):
        SearchSpace.fit(only, labels, np.arange(40), np.arange(60), GraphConfig(space="clinical"))


def test_too_few_groups_to_learn_from_are_reported():
    features, labels = features_of()
    with pytest.raises(ConfigError, match="two groups of each label"):
        SearchSpace.fit(features, labels, np.arange(40), labels, GraphConfig(space="learnt"))


def test_scales_are_median_distances_of_training_records():
    features, _, found, _ = fitted("fused")
    for (start, stop), scale in zip(((0, 3), (3, 5)), found.scales, strict=True):
        block = features.values[:40, start:stop].astype(float)
        apart = np.linalg.norm(block[:, None] - block[None], axis=-1)[np.triu_indices(40, 1)]
        assert scale == pytest.approx(np.median(apart), rel=1e-5)


SIX = np.array([[0, 0, 0], [1, 0, 0], [0, 2, 0], [3, 0, 10], [0, 0, 4], [5, 5, 0]], np.float32)


def places(present, values=SIX):
    present = np.array(present, bool)
    values = values * np.repeat(present, [2, 1], axis=1)
    return SearchPoints(values.astype(np.float32), present, ((0, 2), (2, 3)), (2.0, 4.0))


def test_distance_is_the_mean_of_the_blocks_that_both_have():
    """On paper: blocks (x, y) scaled by 2 and z by 4; record 3 lacks z, record 4 lacks (x, y)."""
    reference = places([[1, 1], [1, 1], [1, 1], [1, 0], [0, 1], [1, 1]])
    query = SearchPoints(np.zeros((1, 3), np.float32), np.ones((1, 2), bool), reference.blocks, reference.scales)
    found = nearest_points(reference, query, k=6)
    expected = {0: 0.0, 1: 0.25, 2: 0.5, 3: 1.5, 4: 1.0, 5: np.sqrt(50) / 4}
    assert found.index[0].tolist() == sorted(expected, key=expected.__getitem__)
    np.testing.assert_allclose(found.distance[0], sorted(expected.values()), rtol=1e-6)


def test_records_without_a_common_block_are_no_neighbours():
    reference = places([[1, 0]] * 3 + [[0, 1]] * 3)
    query = SearchPoints(np.zeros((1, 3), np.float32), np.array([[False, True]]), reference.blocks, reference.scales)
    found = nearest_points(reference, query, k=6)
    assert set(found.index[0]) == {3, 4, 5, -1}
    assert np.isinf(found.distance[0, 3:]).all()


def test_a_query_without_a_block_hears_by_the_other_where_the_reference_is_complete():
    reference = places([[1, 1]] * 6)
    query = SearchPoints(
        np.array([[0, 0, 9]], np.float32), np.array([[False, True]]), reference.blocks, reference.scales
    )
    found = nearest_points(reference, query, k=2)
    assert found.index[0].tolist() == [3, 4]
    np.testing.assert_allclose(found.distance[0], [1, 5])


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10_000), complete=st.booleans(), metric=st.sampled_from(["euclidean", "cosine"]))
def test_a_query_finds_the_same_neighbours_alone_and_among_others(seed, complete, metric):
    rng = np.random.default_rng(seed)

    def drawn(count, whole):
        present = rng.random((count, 2)) < 0.7
        present[~present.any(1), 0] = True
        return places(present | whole, rng.normal(size=(count, 3)).astype(np.float32))

    reference, queries = drawn(30, complete), drawn(9, False)
    forbidden = [rng.permutation(30)[:3] for _ in range(9)]
    together = nearest_points(reference, queries, k=4, metric=metric, forbidden=forbidden)
    for row in range(9):
        alone = nearest_points(reference, queries.of(np.array([row])), k=4, metric=metric, forbidden=[forbidden[row]])
        np.testing.assert_array_equal(alone.index[0], together.index[row])
        np.testing.assert_array_equal(alone.distance[0], together.distance[row])
        assert not set(forbidden[row]) & set(alone.index[0])


def test_votes_are_log_odds_with_one_record_of_the_prior():
    neighbours = NearestNeighbours(
        np.array([[0, 1, 2], [2, 3, -1], [4, -1, -1], [-1, -1, -1]]), np.zeros((4, 3), np.float32)
    )
    votes = neighbour_votes(neighbours, np.array([1, 1, 0, 0, -1]), prior=0.25)
    np.testing.assert_allclose(votes, np.log([2.25 / 1.75, 0.25 / 2.75, 0.25 / 0.75, 0.25 / 0.75]), rtol=1e-6)


def test_the_prior_is_the_share_of_labelled_records():
    assert label_prior(np.array([1, 0, 0, -1, -1])) == pytest.approx(2 / 5)
    assert 0 < label_prior(np.array([1, 1])) < 1
