"""Places of records on the map."""

import numpy as np
import pytest

from cardiograph.patient_map import layout as module
from cardiograph.patient_map.layout import graph_layout, map_layout


def test_the_layout_is_the_same_each_time_and_keeps_clusters_together():
    rng = np.random.default_rng(0)
    features = rng.normal(size=(60, 12)).astype(np.float32)
    features[:30] += 6
    first, second = graph_layout(features, 3), graph_layout(features, 3)
    assert np.array_equal(first, second)
    assert np.abs(first).max() == pytest.approx(1)
    gap = np.linalg.norm(first[:30].mean(axis=0) - first[30:].mean(axis=0))
    assert gap > 2 * first[:30].std()


@pytest.mark.parametrize("shape", [(0, 4), (1, 4), (2, 4), (3, 4), (12, 3), (12, 1)])
def test_layout_of_few_records(shape):
    features = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    assert graph_layout(features, 0).shape == (shape[0], 2)


def test_records_beyond_the_landmarks_are_placed_among_those_like_them(monkeypatch):
    rng = np.random.default_rng(0)
    features = rng.normal(size=(90, 12)).astype(np.float32)
    features[:45] += 8
    monkeypatch.setattr(module, "LANDMARKS", 60)
    found = map_layout(features, 3)
    assert found.shape == (90, 2)
    assert np.isfinite(found).all()
    first, second = found[:45], found[45:]
    assert np.linalg.norm(first.mean(0) - second.mean(0)) > 2 * first.std()
    assert np.array_equal(found, map_layout(features, 3))
