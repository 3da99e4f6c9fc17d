"""A search in shards finds what a search in the whole reference finds."""

import dataclasses
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cardiograph.config import GraphConfig
from cardiograph.containers import SearchPoints, ShardedIndex
from cardiograph.graph import shards as module
from cardiograph.graph.attach import attach, build_graph, group_members, nearest_points
from cardiograph.graph.ivf import lengthened
from cardiograph.graph.shards import in_turn, joint_index, rank_in_shards, shards_of, split


def points(values, present=None, scales=(1.0, 2.5)):
    values = np.asarray(values, np.float32)
    half = values.shape[1] // 2
    blocks = ((0, half), (half, values.shape[1]))
    present = np.ones((len(values), 2), bool) if present is None else present
    values = values.copy()
    for number, (start, stop) in enumerate(blocks):
        values[~present[:, number], start:stop] = 0
    return SearchPoints(values, present, blocks, scales)


def mixture(count, seed, width=40):
    rng = np.random.default_rng(seed)
    centres = np.random.default_rng(1).normal(size=(12, 6)) * 3
    inner = centres[rng.integers(12, size=count)] + rng.normal(size=(count, 6))
    return inner @ np.random.default_rng(2).normal(size=(6, width)) + rng.normal(size=(count, width)) * 0.05


def assert_equal(found, expected):
    np.testing.assert_array_equal(found.index, expected.index)
    np.testing.assert_array_equal(found.distance, expected.distance)


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    records=st.integers(0, 40),
    count=st.integers(1, 7),
    k=st.integers(1, 12),
    metric=st.sampled_from(["euclidean", "cosine"]),
    kind=st.sampled_from(["spread", "ties", "incomplete", "incomplete queries"]),
)
def test_the_result_does_not_depend_on_the_number_of_shards(seed, records, count, k, metric, kind):
    rng = np.random.default_rng(seed)
    values, asked = rng.normal(size=(records, 6)), rng.normal(size=(9, 6))
    if kind != "spread":
        values, asked = np.round(values), np.round(asked)
    has = rng.random((records, 2)) < 0.7 if kind == "incomplete" else None
    some = rng.random((9, 2)) < 0.7 if kind.startswith("incomplete") else None
    reference, queries = points(values, has), points(asked, some)
    forbidden = [rng.permutation(records)[: rng.integers(0, 5)] for _ in range(9)]
    expected = nearest_points(reference, queries, k=k, metric=metric, forbidden=forbidden)
    found = rank_in_shards(in_turn(split(reference, count)), queries, k=k, metric=metric, forbidden=forbidden)
    assert_equal(found.neighbours(), expected)
    without = rank_in_shards(in_turn(split(reference, count)), queries, k=k, metric=metric, forbidden=None)
    assert_equal(without.neighbours(), nearest_points(reference, queries, k=k, metric=metric))


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
def test_many_queries_are_sent_in_parts_and_found_by_lower_bounds_as_in_the_whole(metric, monkeypatch):
    monkeypatch.setattr(module, "QUERIES_AT_ONCE", 700)
    reference, groups = points(mixture(2100, 0)), np.arange(2100) // 3
    forbidden = group_members(groups, groups)
    found = rank_in_shards(in_turn(split(reference, 3)), reference, k=5, metric=metric, forbidden=forbidden)
    expected = nearest_points(reference, reference, k=5, metric=metric, forbidden=forbidden)
    assert_equal(found.neighbours(), expected)


def test_records_at_one_distance_are_ordered_by_row_across_shards():
    reference = points(np.ones((7, 2)))
    found = rank_in_shards(
        in_turn(split(reference, 3)), points(np.zeros((1, 2))), k=4, metric="euclidean", forbidden=[np.array([1, 5])]
    )
    np.testing.assert_array_equal(found.index, [[0, 2, 3, 4]])
    np.testing.assert_array_equal(found.value, [[2, 2, 2, 2]])


def test_distances_that_float32_cannot_tell_apart_are_ordered_as_in_the_whole():
    reference = points(np.array([[1, 2**-14], [1, 0], [1, 2**-13]]))
    queries = points(np.zeros((1, 2)))
    found = rank_in_shards(in_turn(split(reference, 3)), queries, k=3, metric="euclidean", forbidden=None)
    np.testing.assert_array_equal(found.index, [[1, 0, 2]])
    np.testing.assert_array_equal(found.neighbours().distance, [[1, 1, 1]])
    assert_equal(found.neighbours(), nearest_points(reference, queries, k=3))


CONFIG = GraphConfig(exact_up_to=300)


@pytest.fixture(scope="module")
def listed():
    """A reference of 3,000 records in pairs, and its graphs with one index and with one for each of three shards."""
    reference, groups = points(mixture(3000, 0)), np.arange(3000) // 2
    one = build_graph(reference, np.arange(3000), groups, CONFIG)
    sharded = build_graph(reference, np.arange(3000), groups, CONFIG.model_copy(update={"shards": 3}))
    return reference, groups, one, sharded


def recall(found, true):
    return float((true.index[:, :, None] == found.index[:, None]).any(2).mean())


def test_recall_of_indexes_of_shards_is_that_of_one_index(listed):
    reference, groups, one, sharded = listed
    true = nearest_points(reference, reference, k=5, forbidden=group_members(groups, groups))
    assert isinstance(sharded.lists, ShardedIndex) and len(sharded.lists.parts) == 3
    assert all(part.probes < len(part.centroids) for part in sharded.lists.parts)
    assert recall(sharded.neighbours, true) >= max(0.99, recall(one.neighbours, true) - 0.002)
    assert (groups[sharded.neighbours.index] != groups[:, None]).all()
    assert "3 shards" in sharded.lists.sentence


def test_queries_find_the_same_alone_and_together_by_indexes_of_shards(listed):
    reference, _, _, sharded = listed
    reference, queries = dataclasses.replace(reference, lists=sharded.lists), points(mixture(30, 5))
    forbidden = [np.array([row]) for row in range(30)]
    together = attach(reference, queries, CONFIG, forbidden)
    for row in range(30):
        alone = attach(reference, queries.of(np.array([row])), CONFIG, forbidden[row : row + 1])
        np.testing.assert_array_equal(alone.index[0], together.index[row])
        np.testing.assert_array_equal(alone.distance[0], together.distance[row])
    pooled = attach(reference, queries, CONFIG, forbidden, map_shards=in_turn(shards_of(reference)))
    assert_equal(pooled, together)


def test_added_records_belong_to_the_last_shard(listed):
    reference, _, _, sharded = listed
    added = reference.values[:1] + np.float32(1e-4)
    lists = lengthened(sharded.lists, added)
    assert lists.bounds == [0, 1000, 2000, 3001]
    grown = SearchPoints(
        np.vstack([reference.values, added]), np.ones((3001, 2), bool), reference.blocks, reference.scales, lists
    )
    assert nearest_points(grown, reference.of(np.array([0])), k=2).index.tolist() == [[0, 3000]]


def test_a_graph_up_to_the_limit_is_the_same_in_shards():
    values, groups = points(mixture(200, 3)), np.arange(200)
    one = build_graph(values, np.arange(200), groups, CONFIG)
    sharded = build_graph(values, np.arange(200), groups, CONFIG.model_copy(update={"shards": 4}))
    held = build_graph(values, np.arange(200), groups, CONFIG, map_shards=in_turn(split(values, 4)))
    for graph in (sharded, held):
        assert graph.lists is None
        assert_equal(graph.neighbours, one.neighbours)


def test_shards_of_another_reference_are_refused(listed):
    reference, groups, _, sharded = listed
    shards = shards_of(dataclasses.replace(reference, lists=sharded.lists))
    with pytest.raises(ValueError, match=r"rows 0-1000, 2000-3000; they must hold rows 0-3000 in order"):
        joint_index(in_turn([shards[0], shards[2]]), 3000)
    mixed = [*shards[:2], *split(reference, 3)[2:]]
    with pytest.raises(ValueError, match="2 of 3 shards have an IVF index"):
        build_graph(reference, np.arange(3000), groups, CONFIG, map_shards=in_turn(mixed))


def test_other_processes_answer_like_this_one(listed):
    reference, _, _, sharded = listed
    reference, queries = dataclasses.replace(reference, lists=sharded.lists), points(mixture(20, 6))
    shards = shards_of(reference)
    with ProcessPoolExecutor(1, mp_context=get_context("fork")) as pool:
        found = rank_in_shards(
            lambda work: list(pool.map(work, shards)), queries, k=5, metric="euclidean", forbidden=None
        )
    assert_equal(found.neighbours(), nearest_points(reference, queries, k=5))
