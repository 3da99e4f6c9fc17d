"""The contracts hold where neighbours are found by inverted lists: the same index for training, test records and queries."""

import numpy as np
import pytest
from tests.contracts.conftest import CONFIG, learn, make_problem

from cardiograph.artifacts.bundle import ModelBundle
from cardiograph.containers import ShardedIndex
from cardiograph.inference import Predictor
from cardiograph.run.metadata import _graph_facts, _graph_notes
from cardiograph.train.fit import FittedModels


@pytest.fixture(scope="module", params=[("sign", 1), ("gcn", 1), ("knn_vote", 1), ("sign", 2)], ids=str)
def listed(request):
    name, shards = request.param
    graph = CONFIG.graph.model_copy(update={"exact_up_to": 100 // shards, "shards": shards})
    dataset = make_problem(groups=120)
    return dataset, *learn(dataset, name, CONFIG.model_copy(update={"graph": graph}))


def indexes(lists):
    return lists.parts if isinstance(lists, ShardedIndex) else (lists,)


def test_a_score_ignores_the_other_queries(listed):
    dataset, prepared, _, predictor = listed
    assert prepared.graph.lists is not None
    rows = dataset.rows("test")
    together = predictor.score(dataset.queries(rows))
    for position, row in enumerate(rows):
        alone = predictor.score(dataset.queries(np.array([row])))
        np.testing.assert_array_equal(alone.neighbours.index[0], together.neighbours.index[position])
        np.testing.assert_array_equal(alone.neighbours.distance[0], together.neighbours.distance[position])
        np.testing.assert_allclose(alone.by_class[0], together.by_class[position], atol=1e-5)


def test_nobody_hears_the_own_group_and_training_records_hear_what_they_would_as_queries(listed):
    dataset, prepared, _, predictor = listed
    rows, index = prepared.graph.rows, dataset.split.groups.index
    found = predictor.score(dataset.queries(rows)).neighbours
    assert (index[rows][found.index] != index[rows][:, None]).all()
    np.testing.assert_array_equal(found.index, prepared.graph.neighbours.index)


def test_a_saved_model_is_the_same_model_and_looks_into_the_same_lists(listed, tmp_path):
    dataset, prepared, _, predictor = listed
    predictor.bundle.save(tmp_path, None)
    loaded = Predictor.load(tmp_path)
    first, second = (each.score(dataset.queries(dataset.rows("test"))) for each in (predictor, loaded))
    np.testing.assert_array_equal(first.by_class, second.by_class)
    np.testing.assert_array_equal(first.neighbours.index, second.neighbours.index)
    kept = ModelBundle.load(tmp_path).reference
    assert type(kept.lists) is type(prepared.graph.lists)
    for one, other in zip(indexes(kept.lists), indexes(prepared.graph.lists), strict=True):
        np.testing.assert_array_equal(one.rows, other.rows)
        assert (one.probes, one.recall) == (other.probes, other.recall)
    if kept.states:
        assert kept.states[0] is kept.features


def test_the_neighbour_search_is_reported(listed):
    _, prepared, network, _ = listed
    facts = _graph_facts(prepared.graph)
    assert facts["search"] == "inverted lists" and facts["recall"] >= 0.99
    (result,) = _graph_notes(FittedModels(prepared, {"x": (network, None)}))
    if isinstance(prepared.graph.lists, ShardedIndex):
        assert [part["lists"] for part in facts["shards"]] == [
            len(part.centroids) for part in prepared.graph.lists.parts
        ]
        assert "inverted lists in 2 shards" in result
    else:
        assert f"{facts['probes']} of {facts['lists']} searched" in result
