"""Bounds in few dimensions are below the distances, and the search by them is exact."""

import numpy as np
import pytest

from cardiograph.graph import exact
from cardiograph.graph.bounds import principal_axes
from cardiograph.graph.exact import nearest


def records(count, seed=0, noise=0.05):
    rng = np.random.default_rng(seed)
    axes = np.random.default_rng(9).normal(size=(4, 60))
    return (rng.normal(size=(count, 4)) @ axes + noise * rng.normal(size=(count, 60)) + 3).astype(np.float32)


def test_lowered_records_are_never_farther_apart():
    values = records(700)
    axes = principal_axes(values)
    low = axes.lowered(values).astype(np.float64)
    assert low.shape[1] < 10
    apart = np.linalg.norm(values[:, None].astype(np.float64) - values[None], axis=2)
    bound = np.linalg.norm(low[:, None] - low[None], axis=2)
    assert (bound <= apart + 1e-4).all()
    assert np.median(bound[apart > 0] / apart[apart > 0]) > 0.95


def test_records_that_fill_all_dimensions_have_no_few_axes():
    assert principal_axes(np.random.default_rng(0).normal(size=(3000, 60)).astype(np.float32)) is None
    assert principal_axes(np.ones((50, 60), np.float32)) is None


@pytest.mark.parametrize("noise", [0.0, 0.05, 0.3])
@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
def test_the_search_by_bounds_is_exact(monkeypatch, noise, metric):
    values = records(900, noise=noise)
    values[50:60] = values[40:50]
    forbidden = [np.array([row, (row + 1) % 900]) for row in range(900)]
    found = nearest(values, values, k=5, metric=metric, forbidden=forbidden)
    monkeypatch.setattr(exact, "_MANY", 10**9)
    true = nearest(values, values, k=5, metric=metric, forbidden=forbidden)
    np.testing.assert_array_equal(found.index, true.index)
    np.testing.assert_array_equal(found.distance, true.distance)
