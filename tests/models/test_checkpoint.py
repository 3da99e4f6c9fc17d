"""A training that was killed continues from its checkpoint and ends with the same bits."""

import dataclasses

import pytest
import torch
from tests.train.test_distributed import largest_difference, task, train_alone

from cardiograph.artifacts.training_folder import FileCheckpoint
from cardiograph.errors import RunError
from cardiograph.models import minibatches


class KilledError(Exception):
    """Stands for the end of the process."""


def train_and_kill(one, checkpoint, after):
    def progress(epoch):
        if epoch == after:
            raise KilledError

    with pytest.raises(KilledError):
        train_alone(one, checkpoint=checkpoint, progress=progress)


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("sign", {}),
        ("sign", {"batch": 16, "full_batch_up_to": 0, "learning_rate": 0.05}),
        ("gcn", {}),
        ("gat", {"full_batch_up_to": 0}),
    ],
)
def test_a_killed_training_ends_with_the_same_bits(name, settings, tmp_path, monkeypatch):
    monkeypatch.setattr(minibatches, "MAX_STEPS", 5)  # so that with batches of 16 an epoch ends within a shuffle
    one = dataclasses.replace(task(**settings), name=name)
    expected, curves = train_alone(one)
    checkpoint = FileCheckpoint(tmp_path / "state.safetensors", every=2)
    for after in (1, 5, 6):
        train_and_kill(one, checkpoint, after)
    found, history = train_alone(one, checkpoint=checkpoint)
    assert len(curves.val_loss) > 8
    assert largest_difference(found, expected) == 0 and history == curves


def test_a_training_that_was_stopped_early_is_not_trained_further(tmp_path):
    one, finished = task(full_batch_up_to=0, learning_rate=0.1), []
    checkpoint = FileCheckpoint(tmp_path / "state.safetensors", every=1)
    expected, curves = train_alone(one, checkpoint=checkpoint)
    assert len(curves.val_loss) <= one.config.epochs
    found, history = train_alone(one, checkpoint=checkpoint, progress=finished.append)
    assert not finished
    assert largest_difference(found, expected) == 0 and history == curves


def test_models_without_epochs_need_no_checkpoint(tmp_path):
    one = dataclasses.replace(task(), name="logistic")
    checkpoint = FileCheckpoint(tmp_path / "state.safetensors", every=1)
    network, _ = train_alone(one, checkpoint=checkpoint)
    assert largest_difference(network, train_alone(one)[0]) == 0
    assert not checkpoint.path.exists()


@pytest.mark.parametrize("other", [task(seed=1), task(learning_rate=0.02), dataclasses.replace(task(), seed=3)])
def test_the_checkpoint_of_another_training_is_refused(other, tmp_path):
    checkpoint = FileCheckpoint(tmp_path / "state.safetensors", every=1)
    train_and_kill(task(), checkpoint, 1)
    with pytest.raises(RunError, match="belongs to a training with other records, settings"):
        train_alone(other, checkpoint=checkpoint)


def test_a_damaged_checkpoint_is_named(tmp_path):
    checkpoint = FileCheckpoint(tmp_path / "state.safetensors", every=1)
    train_and_kill(task(), checkpoint, 1)
    content = checkpoint.path.read_bytes()
    checkpoint.path.write_bytes(content[: len(content) // 2])
    with pytest.raises(RunError, match=r"state\.safetensors: cannot be read"):
        train_alone(task(), checkpoint=checkpoint)


def test_training_with_a_checkpoint_leaves_the_global_generator_alone(tmp_path):
    torch.manual_seed(1)
    expected = torch.rand(2)
    torch.manual_seed(1)
    train_alone(task(epochs=2), checkpoint=FileCheckpoint(tmp_path / "state.safetensors", every=1))
    assert torch.equal(torch.rand(2), expected)
