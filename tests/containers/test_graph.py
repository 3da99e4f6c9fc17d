"""The patient graph is exported to other libraries and file formats."""

import networkx
import numpy as np
import pytest

from cardiograph.containers import NearestNeighbours, PatientGraph


@pytest.fixture
def graph():
    """Three reference records, rows 4, 7 and 9 of the cohort; the last has a single neighbour."""
    index = np.array([[1, 2], [0, 2], [0, -1]])
    distance = np.array([[0.5, 2.0], [0.5, 1.5], [2.0, np.inf]], np.float32)
    return PatientGraph(np.array([4, 7, 9]), NearestNeighbours(index, distance))


def test_edges_run_from_neighbours_to_records(graph):
    assert graph.edges.T.tolist() == [[1, 0], [2, 0], [0, 1], [2, 1], [0, 2]]


def test_networkx_has_rows_attributes_and_distances(graph):
    found = graph.to_networkx({"label": np.array([0, 1, -1]), "site": ["a", None, "b"]})
    assert dict(found.nodes(data=True)) == {
        0: {"row": 4, "label": 0, "site": "a"},
        1: {"row": 7, "label": 1},
        2: {"row": 9, "label": -1, "site": "b"},
    }
    assert found.edges[2, 1]["distance"] == 1.5
    assert found.number_of_edges() == 5


def test_an_attribute_of_the_whole_cohort_is_refused(graph):
    with pytest.raises(
        ValueError, match=r"'label' has 10 values for 3 reference records; .* give values\[graph.rows\]"
    ):
        graph.to_networkx({"label": np.arange(10)})


def test_graphml_is_read_back_as_it_was(graph, tmp_path):
    graph.to_graphml(tmp_path / "g.graphml", {"label": np.array([0, 1, -1])})
    found = networkx.read_graphml(tmp_path / "g.graphml", node_type=int)
    expected = graph.to_networkx({"label": [0, 1, -1]})
    assert dict(found.nodes(data=True)) == dict(expected.nodes(data=True))
    assert sorted(found.edges(data="distance")) == sorted(expected.edges(data="distance"))


def test_pyg_aggregates_the_same_neighbours(graph):
    torch = pytest.importorskip("torch")
    from torch_geometric.nn import MeanAggregation, SimpleConv

    features = np.arange(30, dtype=np.float32).reshape(10, 3)
    data = graph.to_pyg(features, np.arange(10))
    assert data.y.tolist() == [4, 7, 9]
    means = SimpleConv(aggr=MeanAggregation())(data.x, data.edge_index)
    expected = [features[[7, 9]].mean(0), features[[4, 9]].mean(0), features[4]]
    assert torch.allclose(means, torch.from_numpy(np.array(expected)))
