"""The layers on neighbour tables are PyTorch Geometric's on edge lists."""

import numpy as np
import pytest
import torch

from cardiograph.config import GraphConfig, ModelConfig
from cardiograph.containers import NearestNeighbours, SearchPoints
from cardiograph.errors import ConfigError
from cardiograph.graph.attach import attach, build_graph, group_members, neighbour_votes
from cardiograph.models import gnn
from cardiograph.models.build import build
from cardiograph.models.gnn import GATLayer, GCNLayer, SAGELayer
from cardiograph.models.neighbour_table import NeighbourTable
from cardiograph.registry import MODELS


@pytest.fixture
def ragged():
    rng = np.random.default_rng(3)
    index = np.array([rng.choice([j for j in range(12) if j != i], 3, replace=False) for i in range(12)])
    index[4, 1:] = -1
    index[7] = -1
    return NearestNeighbours(index, np.where(index < 0, np.inf, 1.0).astype(np.float32))


def edges_of(neighbours):
    pairs = [(j, i) for i, row in enumerate(neighbours.index) for j in row if j >= 0]
    return torch.tensor(pairs).T


def mixed(layer, x, neighbours):
    neighbour_table = NeighbourTable.of(neighbours)
    return layer(x, layer.aggregate(x, x, neighbour_table), neighbour_table)


def test_gcn_layer_is_gcnconv(ragged):
    geometric = pytest.importorskip("torch_geometric.nn").GCNConv(6, 4)
    layer = GCNLayer(6, 4, 1)
    layer.linear.weight.data = geometric.lin.weight.data.clone()
    layer.bias.data = geometric.bias.data.normal_().clone()
    x = torch.randn(12, 6)
    torch.testing.assert_close(mixed(layer, x, ragged), geometric(x, edges_of(ragged)), atol=1e-5, rtol=0)


def test_gat_layer_is_gatv2conv(ragged):
    geometric = pytest.importorskip("torch_geometric.nn").GATv2Conv(6, 2, heads=3)
    layer = GATLayer(6, 6, 3)
    layer.left.load_state_dict(geometric.lin_l.state_dict())
    layer.right.load_state_dict(geometric.lin_r.state_dict())
    layer.attention.data = geometric.att.data[0].clone()
    layer.bias.data = geometric.bias.data.normal_().clone()
    x = torch.randn(12, 6)
    torch.testing.assert_close(mixed(layer, x, ragged), geometric(x, edges_of(ragged)), atol=1e-5, rtol=0)


def test_sage_layer_is_sageconv(ragged):
    geometric = pytest.importorskip("torch_geometric.nn").SAGEConv(6, 4)
    layer = SAGELayer(6, 4, 1)
    layer.own.weight.data = geometric.lin_r.weight.data.clone()
    layer.neighbours.weight.data = geometric.lin_l.weight.data.clone()
    layer.own.bias.data = geometric.lin_l.bias.data.normal_().clone()
    x = torch.randn(12, 6)
    torch.testing.assert_close(mixed(layer, x, ragged), geometric(x, edges_of(ragged)), atol=1e-5, rtol=0)


def test_default_gcn_on_complete_tables_is_the_mean_over_six():
    index = np.array([[(i + step) % 20 for step in range(1, 6)] for i in range(20)])
    neighbours = NearestNeighbours(index, np.ones(index.shape, np.float32))
    layer = GCNLayer(3, 2, 1)
    x = torch.randn(20, 3)
    mean = torch.stack([x[[i, *index[i]]].mean(0) for i in range(20)])
    torch.testing.assert_close(mixed(layer, x, neighbours), layer.linear(mean) + layer.bias)


def test_gradients_reach_all_neighbours(ragged):
    neighbour_table = NeighbourTable.of(ragged)
    x = torch.randn(
        14, 3, dtype=torch.float64, requires_grad=True
    )  # two sources more than any record has as neighbours
    weight = torch.rand(12, 3, dtype=torch.float64) * neighbour_table.valid
    plain = (weight[:, :, None] * x[neighbour_table.index]).sum(1)
    torch.testing.assert_close(neighbour_table.weighted_sum(x, weight), plain)
    assert torch.autograd.gradcheck(lambda source: neighbour_table.weighted_sum(source, weight), x)


def test_no_neighbours_give_zero():
    neighbour_table = NeighbourTable.of(NearestNeighbours(np.zeros((4, 0), np.int64), np.zeros((4, 0), np.float32)))
    x = torch.randn(4, 3, requires_grad=True)
    neighbour_table.mean(x).sum().backward()
    assert not neighbour_table.mean(x).any()
    assert not x.grad.any()


@pytest.mark.parametrize("name", MODELS)
def test_aggregated_states_may_be_passed_in(ragged, name):
    neighbour_table = NeighbourTable.of(ragged, votes=np.zeros(12, np.float32))
    network, x = build(name, 6, ModelConfig(width=16)).eval(), torch.randn(12, 6)
    for weight in network.parameters():
        torch.nn.init.normal_(weight, std=0.3)
    assert torch.equal(
        network(x, neighbour_table, aggregated=network.aggregate(x, neighbour_table))[0], network(x, neighbour_table)[0]
    )


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("depth", [1, 2, 3])
def test_a_query_scores_as_if_it_stood_in_the_whole_graph(name, depth):
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    values = rng.normal(size=(40, 8)).astype(np.float32)
    groups = np.arange(40)
    config = GraphConfig()
    labels = rng.integers(-1, 2, 30)
    places = SearchPoints(values, np.ones((40, 1), bool), ((0, 8),), (1.0,))
    graph = build_graph(places, np.arange(30), groups, config)
    query = attach(
        places.of(np.arange(30)), places.of(np.arange(30, 40)), config, group_members(groups[30:], groups[:30])
    )
    whole = NearestNeighbours(
        np.vstack([graph.neighbours.index, query.index]), np.vstack([graph.neighbours.distance, query.distance])
    )
    network = build(name, 8, ModelConfig(width=16, depth=depth, votes=True)).eval()
    for weight in network.parameters():  # gates, votes and output of sign begin at 0, where nothing could go wrong
        torch.nn.init.normal_(weight, std=0.3)

    def votes(neighbours):
        return neighbour_votes(neighbours, labels, prior=0.4)

    def one(neighbours, row):
        return NearestNeighbours(neighbours.index[row : row + 1], neighbours.distance[row : row + 1])

    together, _ = network(torch.from_numpy(values), NeighbourTable.of(whole, votes=votes(whole)))
    reference = NeighbourTable.of(graph.neighbours, votes=votes(graph.neighbours))
    _, states = network(torch.from_numpy(values[:30]), reference)
    alone = torch.cat(
        [
            network(
                torch.from_numpy(values[30 + i : 31 + i]),
                NeighbourTable.of(
                    NearestNeighbours(query.index[i : i + 1], query.distance[i : i + 1]),
                    reference.degree,
                    votes(query)[i : i + 1],
                ),
                states,
            )[0]
            for i in range(10)
        ]
    )
    torch.testing.assert_close(alone, together[30:], atol=1e-5, rtol=0)


@pytest.mark.parametrize("hidden", [False, True])
@pytest.mark.parametrize("depth", [1, 2, 3])
@pytest.mark.parametrize("name", ["gcn", "gat", "sage", "mlp"])
def test_a_batch_has_the_gradient_of_its_records_in_the_whole_graph(name, depth, hidden):
    torch.manual_seed(0)
    rng = np.random.default_rng(5)
    index = np.array([rng.choice(60, 3, replace=False) for _ in range(60)])
    index[9, 1:] = -1
    neighbour_table = NeighbourTable.of(
        NearestNeighbours(index, np.ones(index.shape, np.float32)), votes=np.zeros(60, np.float32)
    )
    network = build(name, 8, ModelConfig(width=16, depth=depth, votes=True)).eval()
    rows, x = torch.from_numpy(rng.permutation(60)[:12]), torch.randn(60, 8)

    def hide(features):
        return features * torch.tensor([1.0] * 5 + [0.0] * 3)

    seen = hide(x) if hidden else x
    whole = network(seen, neighbour_table)[0][rows]
    batch = network.scored(rows, x, neighbour_table, network.aggregate(x, neighbour_table), hide if hidden else None)
    torch.testing.assert_close(batch, whole, atol=1e-5, rtol=0)
    weights = list(network.parameters())
    for found, expected in zip(
        torch.autograd.grad(batch.square().sum(), weights),
        torch.autograd.grad(whole.square().sum(), weights),
        strict=True,
    ):
        torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("rate", [0.1, 0.5])
def test_dropout_of_very_many_values_is_dropout(monkeypatch, rate):
    monkeypatch.setattr(gnn, "MIN_PACKED_DROPOUT_VALUES", 1000)
    torch.manual_seed(0)
    dropout, x = gnn.Dropout(rate), torch.ones(1001, 301, requires_grad=True)
    seen = dropout(x)
    assert set(seen.unique().tolist()) == {0.0, torch.tensor(1 / (1 - rate)).item()}
    assert float((seen == 0).float().mean()) == pytest.approx(rate, abs=0.004)
    rows, columns = (seen == 0).float().mean(1), (seen == 0).float().mean(0)
    assert float(rows.std()) == pytest.approx((rate * (1 - rate) / 301) ** 0.5, rel=0.15)
    assert float(columns.std()) == pytest.approx((rate * (1 - rate) / 1001) ** 0.5, rel=0.25)
    seen.sum().backward()
    assert torch.equal(x.grad, seen.detach())
    assert torch.equal(dropout.eval()(x), x)


def test_a_model_that_does_not_exist_is_named():
    with pytest.raises(ConfigError, match="model 'foo': there is no such model; choose among sign"):
        build("foo", 8, ModelConfig())
