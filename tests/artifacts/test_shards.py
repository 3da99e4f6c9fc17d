"""Shards and indexes survive the disk."""

import dataclasses

import numpy as np
import pytest

from cardiograph.artifacts.shards import index_arrays, index_facts, index_from, read_shard, write_shard, write_shards
from cardiograph.config import GraphConfig
from cardiograph.containers import IvfIndex, SearchPoints
from cardiograph.errors import RunError
from cardiograph.graph.attach import build_graph, nearest_points
from cardiograph.graph.shards import in_turn, rank_in_shards, shards_of, split


@pytest.fixture(scope="module")
def reference():
    values = np.random.default_rng(0).normal(size=(400, 8)).astype(np.float32)
    points = SearchPoints(values, np.ones((400, 2), bool), ((0, 4), (4, 8)), (1.5, 1 / 3))
    graph = build_graph(points, np.arange(400), np.arange(400), GraphConfig(exact_up_to=100, shards=2))
    return dataclasses.replace(points, lists=graph.lists)


def test_shards_on_disk_answer_like_those_in_memory(reference, tmp_path):
    shards = [read_shard(path) for path in write_shards(tmp_path, shards_of(reference))]
    queries = reference.of(np.arange(0, 400, 50))
    found = rank_in_shards(in_turn(shards), queries, k=4, metric="cosine", forbidden=None).neighbours()
    expected = nearest_points(reference, queries, k=4, metric="cosine")
    np.testing.assert_array_equal(found.index, expected.index)
    np.testing.assert_array_equal(found.distance, expected.distance)
    assert [shard.first for shard in shards] == [0, 200]
    assert shards[1].points.lists.recall == reference.lists.parts[1].recall
    assert shards[0].points.scales == reference.scales and shards[0].complete


def test_an_incomplete_reference_stays_so_in_a_shard_that_is_complete(reference, tmp_path):
    present = np.ones((400, 2), bool)
    present[399, 0] = False
    lacking = SearchPoints(np.where(present.repeat(4, 1), reference.values, 0), present, reference.blocks, (1.0, 2.0))
    first, last = (read_shard(path) for path in write_shards(tmp_path, split(lacking, 2)))
    assert first.points.complete and not first.complete and not last.complete


@pytest.mark.parametrize("shards", [1, 2])
def test_an_index_is_restored_from_its_arrays_and_numbers(reference, shards):
    lists = reference.lists if shards == 2 else reference.lists.parts[0]
    again = index_from(index_arrays(lists), index_facts(lists))
    assert type(again) is type(lists)
    for one, other in zip(
        *((each,) if isinstance(each, IvfIndex) else each.parts for each in (again, lists)), strict=True
    ):
        np.testing.assert_array_equal(one.lowered, other.lowered)
        assert (one.probes, one.recall, one.sampled, one.raised) == (
            other.probes,
            other.recall,
            other.sampled,
            other.raised,
        )


def test_a_file_that_is_no_shard_is_named(reference, tmp_path):
    write_shard(tmp_path / "one.safetensors", split(reference, 1)[0])
    content = (tmp_path / "one.safetensors").read_bytes()
    (tmp_path / "cut.safetensors").write_bytes(content[:-100])
    for name in ("cut", "absent"):
        with pytest.raises(RunError, match=rf"{name}.safetensors: cannot be read"):
            read_shard(tmp_path / f"{name}.safetensors")
