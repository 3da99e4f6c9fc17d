"""Neighbours are exact, outside the own group, and the same alone as in company."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.neighbors import NearestNeighbors

from cardiograph.graph.attach import group_members
from cardiograph.graph.exact import nearest


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
def test_equals_scikit_learn(metric):
    rng = np.random.default_rng(0)
    reference, queries = rng.normal(size=(300, 40)).astype(np.float32), rng.normal(size=(50, 40)).astype(np.float32)
    neighbours = nearest(reference, queries, k=5, metric=metric)
    oracle = NearestNeighbors(n_neighbors=5, metric=metric, algorithm="brute").fit(reference.astype(np.float64))
    distance, index = oracle.kneighbors(queries.astype(np.float64))
    np.testing.assert_array_equal(neighbours.index, index)
    np.testing.assert_allclose(neighbours.distance, distance, atol=1e-5)


def test_six_points_on_paper():
    points = np.array([[0, 0], [1, 0], [0, 2], [5, 5], [5, 6], [9, 9]], np.float32)
    neighbours = nearest(points, points[:1], k=3, forbidden=[np.array([0, 1])])
    np.testing.assert_array_equal(neighbours.index, [[2, 3, 4]])
    np.testing.assert_allclose(neighbours.distance, [[2, np.sqrt(50), np.sqrt(61)]], rtol=1e-6)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 40), st.integers(1, 8), st.integers(1, 6))
def test_never_in_the_own_group_and_padded_where_too_few(seed, records, k, group_count):
    rng = np.random.default_rng(seed)
    values = rng.integers(0, 3, size=(records, 2)).astype(np.float32)  # many ties
    groups = rng.integers(0, group_count, records)
    neighbours = nearest(values, values, k=k, forbidden=group_members(groups, groups))
    for row in range(records):
        allowed = np.flatnonzero(groups != groups[row])
        found = neighbours.index[row][neighbours.index[row] >= 0]
        assert len(found) == min(k, len(allowed))
        distances = np.linalg.norm(values[allowed] - values[row], axis=1)
        order = np.lexsort((allowed, distances))[:k]
        np.testing.assert_array_equal(found, allowed[order])
        alone = nearest(values, values[row : row + 1], k=k, forbidden=group_members(groups[row : row + 1], groups))
        np.testing.assert_array_equal(alone.index[0], neighbours.index[row])


def test_nearly_equal_pages_keep_their_neighbours_in_any_batch():
    rng = np.random.default_rng(1)
    values = (1000 + rng.normal(size=(400, 64)) * 1e-2).astype(np.float32)
    together = nearest(values, values, k=5)
    alone = np.vstack([nearest(values, values[i : i + 1], k=5).index for i in range(0, 400, 40)])
    np.testing.assert_array_equal(alone, together.index[::40])
