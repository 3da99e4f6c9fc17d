"""State of a training after an epoch, from which a killed training continues with the same bits."""

from __future__ import annotations

import hashlib
from typing import Protocol

import torch
from torch import Tensor

from cardiograph.config import ModelConfig
from cardiograph.errors import RunError
from cardiograph.models.examples import Examples

State = dict[str, Tensor]
"""Named tensors of a training: weights, optimiser, generator, learning curves and position among the minibatches."""


class Checkpoint(Protocol):
    """Keeps the state of a training.

    Attributes:
        every: Number of epochs between two states that are kept.
    """

    every: int

    def load(self) -> State | None:
        """Return the state that was kept last; None if there is none."""

    def save(self, state: State) -> None:
        """Keep a state in place of the last one, completely or not at all."""


def fingerprint(
    name: str, train_set: Examples, val_set: Examples, *, config: ModelConfig, seed: int, classes: int
) -> bytes:
    """Return the [32] bytes of a SHA-256 of the records and settings of a training."""
    found = hashlib.sha256(f"{name} {seed} {classes} {torch.__version__} {config.model_dump_json()}".encode())
    for examples in (train_set, val_set):
        table = examples.neighbour_table
        for each in (examples.features, table.index, table.valid, table.votes, examples.labels, examples.weights):
            found.update(f"{tuple(each.shape)}".encode())
            found.update(each.contiguous().numpy().data if each.numel() else b"")
        found.update(f"{examples.blocks}".encode())
    return found.digest()


def optimiser_state(optimiser: torch.optim.Optimizer) -> State:
    """Return the tensors of an optimiser as ``optimiser.PARAMETER.NAME``."""
    states = optimiser.state_dict()["state"].items()
    return {f"optimiser.{number}.{name}": each for number, state in states for name, each in state.items()}


def restore_optimiser(optimiser: torch.optim.Optimizer, state: State) -> None:
    """Restore the tensors of :func:`optimiser_state`."""
    found: dict[int, dict[str, Tensor]] = {}
    for name, each in prefixed(state, "optimiser.").items():
        number, _, key = name.partition(".")
        found.setdefault(int(number), {})[key] = each.reshape(()) if key == "step" else each
    optimiser.load_state_dict({**optimiser.state_dict(), "state": found})


def prefixed(state: State, prefix: str) -> State:
    """Return the tensors whose names start with ``prefix``, without it."""
    return {name.removeprefix(prefix): each for name, each in state.items() if name.startswith(prefix)}


def require_own(state: State, key: bytes) -> None:
    """Check that a state is that of the training with this :func:`fingerprint`.

    Raises:
        RunError: It belongs to another training.
    """
    if bytes(state["fingerprint"].tolist()) != key:
        message = (
            "the checkpoint belongs to a training with other records, settings or another version of torch; remove it, or "
            "train with those again"
        )
        raise RunError(message)
