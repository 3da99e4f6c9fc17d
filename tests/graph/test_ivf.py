"""Neighbours by inverted lists: enough of the true ones, outside the own group, the same alone and in company."""

import dataclasses

import numpy as np
import pytest

from cardiograph.config import GraphConfig
from cardiograph.containers import Axes, IvfIndex, SearchPoints
from cardiograph.graph import ivf as module
from cardiograph.graph.attach import attach, build_graph, group_members
from cardiograph.graph.exact import nearest
from cardiograph.graph.ivf import fit_ivf, probed, rank_by_ivf

CONFIG = GraphConfig(exact_up_to=200)


def nearest_by_ivf(*given, **settings):
    return rank_by_ivf(*given, **settings).neighbours()


def mixture(count, seed=0, width=40):
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(12, 6)) * 3
    inner = centres[rng.integers(12, size=count)] + rng.normal(size=(count, 6))
    noise = rng.normal(size=(count, width)) * 0.05
    return (inner @ np.random.default_rng(1).normal(size=(6, width)) + noise).astype(np.float32)


def places(values):
    present = np.ones((len(values), 1), bool)
    return SearchPoints(values, present, ((0, values.shape[1]),), (1.0,))


def own(count):
    return [np.array([row]) for row in range(count)]


def recall(found, true):
    return np.mean([len(np.intersect1d(one, other)) / len(other) for one, other in zip(found, true, strict=True)])


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
def test_recall_is_what_the_lists_say_and_high_enough(metric):
    values = mixture(3000)
    lists = fit_ivf(values, own(3000), k=5, metric=metric)
    found = nearest_by_ivf(lists, values, values, k=5, metric=metric, forbidden=own(3000)).index
    true = nearest(values, values, k=5, metric=metric, forbidden=own(3000)).index
    assert lists.probes < len(lists.centroids)
    assert lists.recall >= 0.99 and recall(found, true) == pytest.approx(lists.recall, abs=0.006)


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
def test_all_lists_are_the_exact_search(metric):
    values, queries = mixture(900), mixture(60, seed=2)
    lists = fit_ivf(values, own(900), k=5, metric=metric)
    every = dataclasses.replace(lists, probes=len(lists.centroids))
    found = nearest_by_ivf(every, values, queries, k=5, metric=metric)
    true = nearest(values, queries, k=5, metric=metric)
    np.testing.assert_array_equal(found.index, true.index)
    np.testing.assert_array_equal(found.distance, true.distance)


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
@pytest.mark.parametrize("ties", [False, True])
def test_a_query_alone_hears_what_it_hears_in_company(metric, ties):
    values, queries = mixture(1500), mixture(80, seed=3)
    if ties:
        values, queries = np.round(values), np.round(queries)
    lists = dataclasses.replace(fit_ivf(values, own(1500), k=5, metric=metric), probes=5)
    together = nearest_by_ivf(lists, values, queries, k=5, metric=metric)
    for row in range(len(queries)):
        alone = nearest_by_ivf(lists, values, queries[row : row + 1], k=5, metric=metric)
        np.testing.assert_array_equal(alone.index[0], together.index[row])
        np.testing.assert_array_equal(alone.distance[0], together.distance[row])


class Reads(np.ndarray):
    """An array that counts the rows which are taken from it."""

    taken = 0

    def take(self, rows, axis=None):
        Reads.taken += len(rows)
        return np.asarray(self).take(rows, axis=axis)


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
@pytest.mark.parametrize("noise", [0.0, 1.0])
def test_axes_spare_whole_records_and_change_no_neighbour(metric, noise):
    rng, values, queries = np.random.default_rng(5), mixture(4000), mixture(40, seed=4)
    values = (values + noise * rng.normal(size=values.shape)).astype(np.float32)
    lists = fit_ivf(values, own(4000), k=5, metric=metric)
    assert len(lists.lowered) == 4000 and lists.axes.shape[1] <= 10
    plain = dataclasses.replace(lists, lowered=lists.lowered[:0])
    banned = [np.arange(row, 4000, 7) for row in range(40)]
    counts = []
    for each in (lists, plain):
        Reads.taken = 0
        found = [
            nearest_by_ivf(each, values.view(Reads), queries[[row]], k=5, metric=metric, forbidden=[banned[row]])
            for row in range(40)
        ]
        counts.append(
            (Reads.taken, np.vstack([one.index for one in found]), np.vstack([one.distance for one in found]))
        )
    np.testing.assert_array_equal(counts[0][1], counts[1][1])
    np.testing.assert_array_equal(counts[0][2], counts[1][2])
    assert counts[0][0] < (counts[1][0] / 4 if not noise else counts[1][0] + 1)


def test_noise_without_structure_raises_the_effort_until_recall_is_enough():
    values = np.random.default_rng(0).normal(size=(1200, 60)).astype(np.float32)
    lists = fit_ivf(values, own(1200), k=5)
    assert lists.raised and lists.probes > module.FIRST_PROBES and lists.recall >= 0.99
    assert "raised to reach the required recall" in lists.sentence
    assert f"recall {lists.recall:.4f} on 1,000 sampled records" in lists.sentence


def test_groups_are_left_out_at_any_size_and_nobody_goes_short():
    """One group fills a whole region: its members' own lists hold nobody else."""
    values = mixture(600)
    values[:150] = values[0] + np.random.default_rng(5).normal(size=(150, 40)) * 0.01
    groups = np.concatenate([np.zeros(150, np.int64), np.arange(1, 451)])
    graph = build_graph(places(values), np.arange(600), groups, CONFIG)
    assert graph.lists is not None
    assert (graph.neighbours.index >= 0).all()
    assert (groups[graph.neighbours.index] != groups[:, None]).all()
    true = nearest(values, values[:150], k=5, forbidden=group_members(groups[:150], groups))
    few = dataclasses.replace(graph.lists, probes=1)
    found = nearest_by_ivf(few, values, values[:150], k=5, forbidden=group_members(groups[:150], groups))
    short = [row for row in range(150) if (groups[members(few, values[row : row + 1])] != 0).sum() < 5]
    assert short
    np.testing.assert_array_equal(found.index[short], true.index[short])


def members(lists, query):
    return np.concatenate([lists.members(number) for number in probed(lists, query)[0]])


def test_equal_records_have_equal_lists_and_each_stands_in_one():
    values = mixture(1000)
    first, second = (fit_ivf(values, own(1000), k=5) for _ in range(2))
    for name in ("centroids", "rows", "starts"):
        np.testing.assert_array_equal(getattr(first, name), getattr(second, name))
    assert (first.probes, first.recall) == (second.probes, second.recall)
    assert sorted(first.rows) == list(range(1000))


def test_the_graph_is_exact_up_to_the_limit_and_keeps_its_lists_above():
    values, groups = mixture(201), np.arange(201)
    assert build_graph(places(values), np.arange(200), groups, CONFIG).lists is None
    graph = build_graph(places(values), np.arange(201), groups, CONFIG)
    reference = dataclasses.replace(places(values), lists=graph.lists)
    again = attach(reference, places(values), CONFIG, own(201))
    np.testing.assert_array_equal(again.index, graph.neighbours.index)


def test_a_reference_with_absent_blocks_and_a_query_without_one_are_searched_exactly():
    values, groups = mixture(300), np.arange(300)
    present = np.ones((300, 2), bool)
    whole = SearchPoints(values, present, ((0, 30), (30, 40)), (1.0, 1.0))
    lacking = dataclasses.replace(whole, present=np.where(np.arange(300)[:, None] == 7, [True, False], present))
    assert build_graph(lacking, np.arange(300), groups, CONFIG).lists is None
    graph = build_graph(whole, np.arange(300), groups, CONFIG)
    reference = dataclasses.replace(whole, lists=dataclasses.replace(graph.lists, probes=1))
    query = SearchPoints(values[:1], np.array([[True, False]]), whole.blocks, whole.scales)
    found = attach(reference, query, CONFIG, own(1))
    true = nearest(values[:, :30], values[:1, :30], k=5, forbidden=own(1))
    np.testing.assert_array_equal(found.index, true.index)


def test_lists_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="each reference record is in a list"):
        IvfIndex(np.zeros((2, 3), np.float32), np.arange(5), np.array([0, 2, 4]), 1, 1.0, 5, raised=False)


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
def test_added_records_stand_in_the_lists_of_their_nearest_centroids(metric):
    values = mixture(1200)
    before = fit_ivf(values[:1000], own(1000), k=5, metric=metric)
    after = module.lengthened(before, values[1000:], metric)
    assert np.array_equal(np.sort(after.rows), np.arange(1200))
    for number in range(len(before.centroids)):
        members = after.members(number)
        assert np.array_equal(members[members < 1000], before.members(number))
    every = dataclasses.replace(after, probes=len(after.centroids))
    found = nearest_by_ivf(every, values, values[1000:], k=5, metric=metric)
    true = nearest(values, values[1000:], k=5, metric=metric)
    assert np.array_equal(found.index, true.index)


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
@pytest.mark.parametrize("inner", [6, 40])
def test_one_query_alone_probes_the_lists_that_it_probes_in_a_batch(metric, inner):
    values = mixture(3000) if inner == 6 else np.random.default_rng(0).normal(size=(3000, 40)).astype(np.float32)
    lists = fit_ivf(values, own(3000), k=5, metric=metric)
    centroids = lists.centroids.copy()
    centroids[1::2] = centroids[: len(centroids) - 1 : 2][: len(centroids[1::2])]  # ties
    lists = dataclasses.replace(lists, centroids=centroids, probes=min(9, len(centroids)))
    queries = module._placed(np.vstack([mixture(20, seed=3), centroids[:20]]), metric)
    expected = probed(lists, queries)
    for row, query in enumerate(queries):
        lowered = Axes(lists.centre, lists.axes).lowered(query[None])
        assert set(module._probed_alone(lists, query[None], lowered)) == set(expected[row])
