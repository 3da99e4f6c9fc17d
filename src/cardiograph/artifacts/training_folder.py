"""Folder of a training that several processes share: its examples, its checkpoint and its result."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray

from cardiograph.artifacts import files
from cardiograph.config import ModelConfig
from cardiograph.errors import RunError
from cardiograph.models.build import Model, build
from cardiograph.models.checkpoint import State
from cardiograph.models.examples import Examples, History
from cardiograph.models.neighbour_table import NeighbourTable

_SETTINGS, _WEIGHTS, _HISTORY = "training.json", "weights.safetensors", "history.json"
_SETS = {"train_set": "train.safetensors", "val_set": "val.safetensors"}
CHECKPOINT: Final = "checkpoint.safetensors"
EPOCHS_BETWEEN_CHECKPOINTS: Final = 10


@dataclass(frozen=True)
class TrainingTask:
    """What :func:`cardiograph.models.training.train` needs.

    Args:
        name: Name of the model.
        train_set: Reference records, then augmented copies.
        val_set: Validation records.
        config: Sizes and optimiser.
        seed: Seed of the training.
        classes: Number of different labels.
    """

    name: str
    train_set: Examples
    val_set: Examples
    config: ModelConfig
    seed: int
    classes: int = 2


class FileCheckpoint:
    """Keeps the state of a training in a file; see :class:`cardiograph.models.checkpoint.Checkpoint`.

    Args:
        path: File, which is replaced as a whole.
        every: Number of epochs between two states.
    """

    def __init__(self, path: Path, every: int = EPOCHS_BETWEEN_CHECKPOINTS) -> None:
        self.path, self.every = path, every

    def load(self) -> State | None:
        """Read the state that was kept last; None if there is no file.

        Raises:
            RunError: If the file is damaged.
        """
        if not self.path.exists():
            return None
        return {name: torch.from_numpy(each) for name, each in files.read_arrays(self.path).items()}

    def save(self, state: State) -> None:
        """Write a state."""
        files.write_arrays(self.path, {name: each.detach().cpu().numpy() for name, each in state.items()})


def write_task(folder: Path, task: TrainingTask) -> None:
    """Write the examples and settings of a training into a folder."""
    for key, name in _SETS.items():
        files.write_arrays(folder / name, _arrays(getattr(task, key)))
    facts = {"name": task.name, "seed": task.seed, "classes": task.classes}
    files.write_json(folder / _SETTINGS, {**facts, "model": task.config.model_dump(mode="json")})


def read_task(folder: Path) -> TrainingTask:
    """Read a training; its examples are mapped, so that processes of one machine share them.

    Raises:
        RunError: If the folder holds no training, or a file is damaged.
    """
    if not (folder / _SETTINGS).exists():
        message = f"{folder}: holds no training that processes could share; write one with write_training"
        raise RunError(message)
    facts = files.read_json(folder / _SETTINGS)
    sets = {key: _examples(files.map_arrays(folder / name)) for key, name in _SETS.items()}
    config = ModelConfig.model_validate(facts["model"])
    return TrainingTask(facts["name"], **sets, config=config, seed=facts["seed"], classes=facts["classes"])


def write_trained(folder: Path, network: Model, history: History) -> None:
    """Write the weights and learning curves of a training."""
    files.write_arrays(folder / _WEIGHTS, {name: each.numpy() for name, each in network.state_dict().items()})
    files.write_json(folder / _HISTORY, dataclasses.asdict(history))


def read_trained(folder: Path) -> tuple[Model, History]:
    """Read the model and learning curves of a finished training.

    Raises:
        RunError: If the training is not finished, or a file is damaged.
    """
    task = read_task(folder)
    if not (folder / _HISTORY).exists():
        message = f"{folder}: this training is not finished; start its processes again, and it continues"
        raise RunError(message)
    history = files.read_json(folder / _HISTORY)
    with torch.random.fork_rng(devices=[]):
        network = build(task.name, task.train_set.features.shape[1], task.config, classes=task.classes)
    weights = files.read_arrays(folder / _WEIGHTS)
    network.load_state_dict({name: torch.from_numpy(each) for name, each in weights.items()})
    network.eval()
    curves: dict[str, Any] = {name: each if name == "best" else tuple(each) for name, each in history.items()}
    return network, History(**curves)


def _arrays(examples: Examples) -> dict[str, NDArray[Any]]:
    table = examples.neighbour_table
    tensors = {"features": examples.features, "labels": examples.labels, "weights": examples.weights}
    tensors |= {field.name: getattr(table, field.name) for field in dataclasses.fields(table)}
    blocks = np.array(examples.blocks, np.int64).reshape(-1, 2)
    return {**{name: each.numpy() for name, each in tensors.items()}, "blocks": blocks}


def _examples(arrays: dict[str, NDArray[Any]]) -> Examples:
    blocks = tuple((int(start), int(stop)) for start, stop in arrays.pop("blocks"))
    tensors = {name: torch.from_numpy(each) for name, each in arrays.items()}
    table = NeighbourTable(**{field.name: tensors.pop(field.name) for field in dataclasses.fields(NeighbourTable)})
    return Examples(**tensors, neighbour_table=table, blocks=blocks)
