"""Training: reproducible, stopped by validation, deaf to what it may not hear."""

import numpy as np
import pytest
import torch

from cardiograph.config import GraphConfig, ModelConfig, RunConfig
from cardiograph.containers import Groups, Split
from cardiograph.errors import ConfigError
from cardiograph.models.baselines import logistic_probabilities
from cardiograph.models.gnn import LAYERS
from cardiograph.stages.fitting import Copies, Material, fit_network, prepare

CONFIG = RunConfig(model=ModelConfig(width=16, epochs=40, patience=10), graph=GraphConfig(k=3))


def material(seed=0, copies=None, records=90):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 2, records)
    image = (rng.normal(size=(records, 512)) + 0.4 * labels[:, None]).astype(np.float32)
    part = np.array(["train"] * (records - 40) + ["val"] * 20 + ["test"] * 20)
    groups = Groups(np.arange(records) // 2)
    return Material(image, None, labels, Split(part, groups, "drawn"), copies)


@pytest.mark.parametrize("name", LAYERS)
def test_same_seed_same_weights(name):
    prepared = prepare(material(), CONFIG)
    first, again = (fit_network(name, prepared, CONFIG)[0].state_dict() for _ in range(2))
    assert all(torch.equal(first[key], again[key]) for key in first)


def test_training_leaves_the_global_generator_alone():
    torch.manual_seed(1)
    expected = torch.rand(2)
    torch.manual_seed(1)
    fit_network("gcn", prepare(material(), CONFIG), CONFIG)
    assert torch.equal(torch.rand(2), expected)


def test_the_kept_epoch_is_the_one_with_the_lowest_validation_loss():
    _, history = fit_network("mlp", prepare(material(), CONFIG), CONFIG)
    assert history.best == int(np.argmin(history.val_loss))
    assert len(history.val_loss) <= min(CONFIG.model.epochs, history.best + CONFIG.model.patience + 1)


@pytest.mark.parametrize("name", LAYERS)
def test_poisoned_test_rows_move_nothing(name):
    clean, poisoned = material(), material()
    poisoned.image[-20:] = 1e6
    first, _ = fit_network(name, prepare(clean, CONFIG), CONFIG)
    second, _ = fit_network(name, prepare(poisoned, CONFIG), CONFIG)
    assert all(
        torch.equal(a, b) for a, b in zip(first.state_dict().values(), second.state_dict().values(), strict=True)
    )


def test_no_reference_record_hears_its_own_group():
    prepared = prepare(material(), CONFIG)
    rows, groups = prepared.graph.rows, material().split.groups.index
    heard = prepared.graph.neighbours.index
    assert (groups[rows][heard] != groups[rows][:, None]).all()


def test_copies_are_in_the_loss_but_never_heard_and_share_their_sources_weight():
    plain = material()
    source = np.array([2, 2, 7])
    copies = Copies(source, plain.image[source] + 0.01)
    prepared = prepare(material(copies=copies), CONFIG)
    reference = len(prepared.graph.rows)
    assert len(prepared.train_set.features) == reference + 3
    assert int(prepared.train_set.hearing.index.max()) < reference
    groups = plain.split.groups.index
    for copy, row in enumerate(source):
        heard = prepared.train_set.hearing.index[reference + copy]
        assert (groups[prepared.graph.rows[heard]] != groups[row]).all()
    weights = prepared.train_set.weights
    assert weights.sum() == pytest.approx(reference)
    np.testing.assert_allclose(
        weights[[2, 7, reference, reference + 1, reference + 2]], [1 / 3, 1 / 2, 1 / 3, 1 / 3, 1 / 2]
    )
    without = prepare(plain, CONFIG)
    np.testing.assert_array_equal(prepared.graph.neighbours.index, without.graph.neighbours.index)
    np.testing.assert_array_equal(prepared.val_set.features, without.val_set.features)


def test_unlabelled_records_are_heard_and_weigh_nothing():
    plain = material()
    plain.labels[4] = -1
    prepared = prepare(plain, CONFIG)
    assert prepared.train_set.weights[4] == 0
    assert 4 in prepared.graph.rows


def test_flipping_a_record_s_own_label_leaves_its_features_and_edges():
    plain, flipped = material(), material()
    flipped.labels[3] = 1 - flipped.labels[3]
    first, second = prepare(plain, CONFIG), prepare(flipped, CONFIG)
    np.testing.assert_array_equal(first.features.values, second.features.values)
    np.testing.assert_array_equal(first.graph.neighbours.index, second.graph.neighbours.index)


def test_logistic_regression_learns_from_training_records_only():
    plain = material()
    test = plain.split.rows("test")
    prepared = prepare(plain, CONFIG)
    first = logistic_probabilities(prepared.train_set, prepared.val_set, prepared.features.values[test])
    assert ((first > 0.5) == plain.labels[test]).mean() > 0.7
    plain.labels[test] = 1 - plain.labels[test]
    again = prepare(plain, CONFIG)
    np.testing.assert_array_equal(
        logistic_probabilities(again.train_set, again.val_set, again.features.values[test]), first
    )


def test_logistic_regression_counts_a_source_and_its_copies_once():
    source = np.array([2, 2, 7])
    plain = material()
    same = prepare(material(copies=Copies(source, plain.image[source])), CONFIG)
    alone = prepare(plain, CONFIG)
    first = logistic_probabilities(alone.train_set, alone.val_set, alone.features.values)
    second = logistic_probabilities(same.train_set, same.val_set, same.features.values)
    np.testing.assert_allclose(second, first, atol=1e-3)


def test_a_training_that_diverges_says_so():
    config = RunConfig(model=ModelConfig(width=16, epochs=5, learning_rate=1e30), graph=GraphConfig(k=3))
    with pytest.raises(ConfigError, match=r"training of gcn diverged.*learning_rate"):
        fit_network("gcn", prepare(material(), config), config)
