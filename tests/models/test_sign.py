"""SIGN holds logistic regression and an MLP, aggregates means, and departs from its start only for something better."""

import numpy as np
import pytest
import torch
from tests.models.test_training import CONFIG, inputs

from cardiograph.config import ModelConfig
from cardiograph.containers import NearestNeighbours
from cardiograph.models import sign_init
from cardiograph.models.neighbour_table import NeighbourTable
from cardiograph.models.sign import Sign
from cardiograph.train.fit import fit_network, prepare


@pytest.fixture
def neighbour_table():
    index = np.array([[1, 2], [0, -1], [-1, -1], [2, 0]])
    return NeighbourTable.of(NearestNeighbours(index, np.where(index < 0, np.inf, 1.0).astype(np.float32)))


def fresh(**settings):
    torch.manual_seed(0)
    network = Sign("sign", 3, ModelConfig(**{"width": 8, "members": 4, "heads": 4, **settings})).eval()
    for weight in network.parameters():
        torch.nn.init.normal_(weight)
    return network


def test_it_hears_the_mean_of_neighbours_and_of_their_neighbours(neighbour_table):
    x = torch.tensor([[1.0, 0, 0], [0, 2, 0], [0, 0, 4], [8, 8, 8]])
    first, second = fresh().aggregate(x, neighbour_table)
    torch.testing.assert_close(first, torch.tensor([[0.0, 1, 2], [1, 0, 0], [0, 0, 0], [0.5, 0, 2]]))
    torch.testing.assert_close(second, torch.tensor([[0.5, 0, 0], [0, 1, 2], [0, 0, 0], [0, 0.5, 1]]))


def test_with_closed_gates_it_is_an_mlp_plus_a_linear_layer(neighbour_table):
    network, x = fresh(), torch.randn(4, 3)
    torch.nn.init.zeros_(network.gates)
    hidden = (x @ network.hops[0]).view(4, 4, 2) + network.bias
    linear = network.linear(torch.cat([x, *network.aggregate(x, neighbour_table)], dim=1))
    expected = torch.einsum("nmw,mwc->nmc", hidden.relu(), network.out).mean(1) + linear
    torch.testing.assert_close(network(x, neighbour_table)[0], expected)


def test_as_it_begins_it_is_the_logistic_regression_of_the_same_records(monkeypatch):
    monkeypatch.setattr(sign_init, "MIN_STANDARD_ERRORS", float("inf"))  # whatever the neighbours know
    prepared = prepare(inputs(), CONFIG)
    still = CONFIG.model_copy(update={"model": CONFIG.model.model_copy(update={"epochs": 1, "learning_rate": 1e-12})})
    networks = [fit_network(name, prepared, still)[0] for name in ("sign", "logistic")]
    x = torch.from_numpy(prepared.features.values[prepared.graph.rows])
    with torch.inference_mode():
        first, second = (network(x, NeighbourTable.of(prepared.graph.neighbours))[0] for network in networks)
    torch.testing.assert_close(first, second, atol=1e-5, rtol=0)


@pytest.mark.parametrize("seed", range(3))
def test_its_validation_loss_is_never_above_that_of_logistic_regression(seed):
    prepared = prepare(inputs(seed), CONFIG)
    losses = [min(fit_network(name, prepared, CONFIG)[1].val_loss) for name in ("sign", "logistic")]
    assert losses[0] <= losses[1] + 1e-6


def test_minibatches_learn_as_well_as_the_whole():
    prepared = prepare(inputs(records=400), CONFIG)
    losses = []
    for size in (16, 4096):
        config = CONFIG.model_copy(update={"model": CONFIG.model.model_copy(update={"batch": size})})
        losses.append(min(fit_network("sign", prepared, config)[1].val_loss))
    assert losses[0] == pytest.approx(losses[1], abs=0.05)


def test_it_finds_what_only_the_neighbours_know():
    """The label is the sign of a hidden value that the record itself does not show, but its neighbours do."""
    rng = np.random.default_rng(0)
    hidden = rng.normal(size=300)
    labels = (hidden > 0).astype(np.int64)
    x = np.stack([rng.normal(size=300) * 0.01, hidden + rng.normal(size=300) * 3], axis=1).astype(np.float32)
    order = np.argsort(hidden)
    place = np.empty(300, np.int64)
    place[order] = np.arange(300)
    offsets = [step for step in range(-12, 13) if step]
    index = np.stack([order[(place + step).clip(0, 299)] for step in offsets], axis=1)
    config = CONFIG.model.model_copy(update={"epochs": 200, "patience": 200, "learning_rate": 0.01, "dropout": 0.0})
    from cardiograph.models.examples import Examples
    from cardiograph.models.training import train

    def examples(rows, neighbours):
        return Examples.of(x[rows], neighbours, labels[rows])

    train_rows = np.sort(rng.permutation(300)[:200])
    val_rows = np.setdiff1d(np.arange(300), train_rows)
    back = np.full(300, -1)
    back[train_rows] = np.arange(200)
    neighbours = NearestNeighbours(back[index], np.where(back[index] < 0, np.inf, 1.0).astype(np.float32))

    def of(rows):
        order = np.argsort(neighbours.index[rows] < 0, axis=1, kind="stable")
        return NearestNeighbours(
            *(np.take_along_axis(each[rows], order, 1) for each in (neighbours.index, neighbours.distance))
        )

    reference = NeighbourTable.of(of(train_rows))
    sets = examples(train_rows, reference), examples(val_rows, NeighbourTable.of(of(val_rows), reference.degree))
    accuracies = {name: max(train(name, *sets, config=config, seed=0)[1].val_accuracy) for name in ("sign", "logistic")}
    assert accuracies["sign"] > accuracies["logistic"] + 0.1


def test_hidden_blocks_change_what_is_learnt_and_nothing_else():
    from cardiograph.models.minibatches import drawn_blocks, without_blocks

    records = torch.ones(2000, 5)
    seen = without_blocks(records, ((0, 3), (3, 5)), drawn_blocks(2000, 2, 0.2))
    left, right = (seen[:, :3] == 0).all(1), (seen[:, 3:] == 0).all(1)
    assert not (left & right).any()
    assert float((left | right).float().mean()) == pytest.approx(0.2, abs=0.04)
    assert float(left.float().mean()) == pytest.approx(0.1, abs=0.03)
    assert (records == 1).all()
