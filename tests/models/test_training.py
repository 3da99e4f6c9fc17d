"""Training: reproducible, stopped by validation, without the records it must not use."""

import dataclasses

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss

from cardiograph.config import GraphConfig, ModelConfig, RunConfig
from cardiograph.containers import Groups, Split
from cardiograph.errors import ConfigError
from cardiograph.ingest.augmentation import AugmentedCopies
from cardiograph.models import minibatches, sign_init
from cardiograph.models.logistic import PENALTIES
from cardiograph.models.neighbour_table import NeighbourTable
from cardiograph.registry import MODELS
from cardiograph.train.data import TrainingInputs
from cardiograph.train.fit import fit_network, prepare

CONFIG = RunConfig(model=ModelConfig(width=16, epochs=40, patience=10), graph=GraphConfig(k=3))


def inputs(seed=0, copies=None, records=90):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 2, records)
    image = (rng.normal(size=(records, 512)) + 0.4 * labels[:, None]).astype(np.float32)
    part = np.array(["train"] * (records - 40) + ["val"] * 20 + ["test"] * 20)
    groups = Groups(np.arange(records) // 2)
    return TrainingInputs(image, None, labels, Split(part, groups, "drawn"), copies)


@pytest.mark.parametrize("name", MODELS)
def test_same_seed_same_weights(name):
    prepared = prepare(inputs(), CONFIG)
    first, again = (fit_network(name, prepared, CONFIG)[0].state_dict() for _ in range(2))
    assert all(torch.equal(first[key], again[key]) for key in first)


def test_training_leaves_the_global_generator_alone():
    torch.manual_seed(1)
    expected = torch.rand(2)
    torch.manual_seed(1)
    fit_network("gcn", prepare(inputs(), CONFIG), CONFIG)
    assert torch.equal(torch.rand(2), expected)


def test_the_kept_epoch_is_the_one_with_the_lowest_validation_loss():
    _, history = fit_network("mlp", prepare(inputs(), CONFIG), CONFIG)
    assert history.best == int(np.argmin(history.val_loss))
    assert len(history.val_loss) <= min(CONFIG.model.epochs, history.best + CONFIG.model.patience + 1)


@pytest.mark.parametrize("name", MODELS)
def test_poisoned_test_rows_move_nothing(name):
    clean, poisoned = inputs(), inputs()
    poisoned.image[-20:] = 1e6
    first, _ = fit_network(name, prepare(clean, CONFIG), CONFIG)
    second, _ = fit_network(name, prepare(poisoned, CONFIG), CONFIG)
    assert all(
        torch.equal(a, b) for a, b in zip(first.state_dict().values(), second.state_dict().values(), strict=True)
    )


def test_no_reference_record_hears_its_own_group():
    prepared = prepare(inputs(), CONFIG)
    rows, groups = prepared.graph.rows, inputs().split.groups.index
    neighbours = prepared.graph.neighbours.index
    assert (groups[rows][neighbours] != groups[rows][:, None]).all()


def test_copies_are_in_the_loss_but_never_neighbours_and_share_their_sources_weight():
    plain = inputs()
    source = np.array([2, 2, 7])
    copies = AugmentedCopies(source, plain.image[source] + 0.01)
    prepared = prepare(inputs(copies=copies), CONFIG)
    reference = len(prepared.graph.rows)
    assert len(prepared.train_set.features) == reference + 3
    assert int(prepared.train_set.neighbour_table.index.max()) < reference
    groups = plain.split.groups.index
    for copy, row in enumerate(source):
        neighbours = prepared.train_set.neighbour_table.index[reference + copy]
        assert (groups[prepared.graph.rows[neighbours]] != groups[row]).all()
    weights = prepared.train_set.weights
    assert weights.sum() == pytest.approx(reference)
    np.testing.assert_allclose(
        weights[[2, 7, reference, reference + 1, reference + 2]], [1 / 3, 1 / 2, 1 / 3, 1 / 3, 1 / 2]
    )
    without = prepare(plain, CONFIG)
    np.testing.assert_array_equal(prepared.graph.neighbours.index, without.graph.neighbours.index)
    np.testing.assert_array_equal(prepared.val_set.features, without.val_set.features)


def test_unlabelled_records_are_neighbours_and_have_no_weight():
    plain = inputs()
    plain.labels[4] = -1
    prepared = prepare(plain, CONFIG)
    assert prepared.train_set.weights[4] == 0
    assert 4 in prepared.graph.rows


def test_flipping_a_record_s_own_label_leaves_its_features_and_edges():
    plain, flipped = inputs(), inputs()
    flipped.labels[3] = 1 - flipped.labels[3]
    first, second = prepare(plain, CONFIG), prepare(flipped, CONFIG)
    np.testing.assert_array_equal(first.features.values, second.features.values)
    np.testing.assert_array_equal(first.graph.neighbours.index, second.graph.neighbours.index)


def logistic_probabilities(prepared, rows=slice(None)):
    network, _ = fit_network("logistic", prepared, CONFIG)
    with torch.inference_mode():
        return network(torch.from_numpy(prepared.features.values[rows]), None)[0].softmax(1)[:, 1].numpy()


@pytest.mark.parametrize("weighted", [False, True])
def test_logistic_regression_is_scikit_learn_s_at_the_penalty_that_validates_best(weighted):
    plain = inputs()
    if weighted:
        plain = dataclasses.replace(plain, class_weights=np.array([0.7, 1.6]))
    prepared = prepare(plain, CONFIG)
    train, val = plain.split.rows("train"), plain.split.rows("val")
    x = prepared.features.values.astype(np.float64)
    weights = np.array([0.7, 1.6])[plain.labels[train]] if weighted else None
    models = [LogisticRegression(C=c, max_iter=20_000, tol=1e-8) for c in PENALTIES]
    oracles = [model.fit(x[train], plain.labels[train], weights) for model in models]
    losses = [log_loss(plain.labels[val], oracle.predict_proba(x[val])) for oracle in oracles]
    expected = oracles[int(np.argmin(losses))].predict_proba(x)[:, 1]
    np.testing.assert_allclose(logistic_probabilities(prepared), expected, atol=2e-3)


def test_logistic_regression_learns_from_training_records_only():
    plain = inputs()
    test = plain.split.rows("test")
    prepared = prepare(plain, CONFIG)
    first = logistic_probabilities(prepared, test)
    assert ((first > 0.5) == plain.labels[test]).mean() > 0.7
    plain.labels[test] = 1 - plain.labels[test]
    again = prepare(plain, CONFIG)
    np.testing.assert_array_equal(logistic_probabilities(again, test), first)


def test_logistic_regression_counts_a_source_and_its_copies_once():
    source = np.array([2, 2, 7])
    plain = inputs()
    same = prepare(inputs(copies=AugmentedCopies(source, plain.image[source])), CONFIG)
    alone = prepare(plain, CONFIG)
    first, second = logistic_probabilities(alone), logistic_probabilities(same)
    np.testing.assert_allclose(second, first, atol=1e-3)


def test_a_training_that_diverges_says_so():
    config = RunConfig(model=ModelConfig(width=16, epochs=5, learning_rate=1e30), graph=GraphConfig(k=3))
    with pytest.raises(ConfigError, match=r"training of gcn diverged.*learning_rate"):
        fit_network("gcn", prepare(inputs(), config), config)


@pytest.mark.parametrize("name", ["gcn", "sage", "gat"])
def test_a_graph_too_large_for_one_step_is_learnt_in_batches(name):
    prepared = prepare(inputs(), CONFIG)
    small = CONFIG.model.model_copy(update={"full_batch_up_to": 0, "batch": 16, "epochs": 30})
    network, history = fit_network(name, prepared, CONFIG.model_copy(update={"model": small}))
    assert min(history.val_loss) < history.val_loss[0]
    x = torch.from_numpy(prepared.features.values[prepared.graph.rows])
    with torch.inference_mode():
        whole = network(x, NeighbourTable.of(prepared.graph.neighbours))[0]
    assert torch.isfinite(whole).all()


def test_the_start_of_sign_is_learnt_from_some_of_very_many_records(monkeypatch):
    prepared = prepare(inputs(), CONFIG)
    every, _ = fit_network("sign", prepared, CONFIG)
    monkeypatch.setattr(sign_init, "MAX_START_RECORDS", 40)
    some, history = fit_network("sign", prepared, CONFIG)
    assert not torch.equal(every.linear.weight, some.linear.weight)
    assert min(history.val_loss) < 0.69


@pytest.mark.parametrize("name", ["sign", "mlp"])
def test_epochs_of_many_records_read_one_part_after_another(name, monkeypatch):
    monkeypatch.setattr(minibatches, "MAX_STEPS", 2)
    model = CONFIG.model.model_copy(update={"batch": 16, "full_batch_up_to": 0})
    small = CONFIG.model_copy(update={"model": model})
    prepared = prepare(inputs(records=200), small)
    used = torch.nonzero(prepared.train_set.weights > 0).flatten()
    parts = minibatches.Minibatches(prepared.train_set.weights, 16)
    epochs = [torch.cat(list(parts.epoch())) for _ in range(-(-len(used) // 32))]
    assert len(epochs) > 2
    assert torch.cat(epochs).sort().values.tolist() == used.tolist()
    network, history = fit_network(name, prepared, small)
    with torch.inference_mode():
        logits, states = network(prepared.train_set.features, prepared.train_set.neighbour_table)
        unseen, _ = network(prepared.val_set.features, prepared.val_set.neighbour_table, states)
    assert history.train_loss[history.best] == pytest.approx(float(prepared.train_set.loss(logits)), abs=0.1)
    assert history.val_loss[history.best] == pytest.approx(float(prepared.val_set.loss(unseen)), abs=1e-6)
