"""Full-batch training on the reference graph, stopped by the loss of validation records attached as queries."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import cross_entropy

from cardiograph.config import ModelConfig
from cardiograph.errors import ConfigError
from cardiograph.models.gnn import Hearing, Network
from cardiograph.threads import available_threads, torch_threads

SMALL = 20_000
"""Below this many records one thread trains: with two, an epoch over 431 records took 14 times longer on a busy machine."""


@dataclass(frozen=True)
class Examples:
    """Records in a training step.

    Args:
        features: [records, features] float32.
        hearing: Whom each hears among the reference records.
        labels: [records] int64; -1 is heard but never in the loss.
        weights: [records] float32 weight in the loss; 0 leaves a record out.
    """

    features: Tensor
    hearing: Hearing
    labels: Tensor
    weights: Tensor

    @classmethod
    def of(
        cls,
        features: NDArray[np.float32],
        hearing: Hearing,
        labels: NDArray[np.int64],
        weights: NDArray[np.float64] | None = None,
    ) -> Examples:
        """From arrays; unlabelled records get weight 0."""
        weight = np.ones(len(labels)) if weights is None else weights
        weight = np.where(labels < 0, 0.0, weight)
        return cls(torch.from_numpy(features), hearing, torch.from_numpy(labels), torch.from_numpy(weight).float())

    def loss(self, logits: Tensor) -> Tensor:
        """Weighted mean cross-entropy of the labelled records."""
        each = cross_entropy(logits, self.labels.clamp(min=0), reduction="none")
        return (each * self.weights).sum() / self.weights.sum()

    def accuracy(self, logits: Tensor) -> float:
        """Share of the labelled records (weight above 0) whose larger logit is right."""
        used = self.weights > 0
        return float((logits.argmax(1) == self.labels)[used].float().mean())


@dataclass(frozen=True)
class History:
    """Learning curves: one value per epoch; ``best`` is the epoch (from 0) whose weights were kept."""

    train_loss: tuple[float, ...]
    val_loss: tuple[float, ...]
    train_accuracy: tuple[float, ...]
    val_accuracy: tuple[float, ...]
    best: int


def train(  # noqa: PLR0913 - two sets and the knobs of a training
    name: str,
    train_set: Examples,
    val_set: Examples,
    *,
    config: ModelConfig,
    seed: int,
    classes: int = 2,
    progress: Callable[[int], None] | None = None,
) -> tuple[Network, History]:
    """Fit a network and keep the weights of the epoch with the lowest validation loss.

    Args:
        name: ``gcn``, ``gat`` or ``mlp``.
        train_set: The reference records first, then augmented copies, which hear reference records like a query does.
        val_set: Validation records, attached to the reference records.
        config: Sizes and optimiser.
        seed: Same seed, same weights (bit for bit on one machine).
        classes: Different labels.
        progress: Called with each finished epoch.

    Raises:
        ConfigError: The training diverged.
    """
    history: list[tuple[float, float, float, float]] = []
    best_loss, best_epoch, best_state = float("inf"), 0, {}
    threads = 1 if len(train_set.labels) < SMALL else available_threads()
    with torch.random.fork_rng(devices=[]), torch_threads(threads):
        torch.manual_seed(seed)
        network = Network(name, train_set.features.shape[1], config, classes=classes)
        optimiser = torch.optim.Adam(network.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay)
        for epoch in range(config.epochs):
            network.train()
            optimiser.zero_grad()
            torch.autograd.backward(train_set.loss(network(train_set.features, train_set.hearing)[0]))
            optimiser.step()
            train_logits, val_logits = _logits(network, train_set, val_set)
            val_loss = float(val_set.loss(val_logits))
            history.append(
                (
                    float(train_set.loss(train_logits)),
                    val_loss,
                    train_set.accuracy(train_logits),
                    val_set.accuracy(val_logits),
                )
            )
            if val_loss < best_loss:
                best_loss, best_epoch, best_state = val_loss, epoch, copy.deepcopy(network.state_dict())
            if progress is not None:
                progress(epoch + 1)
            if epoch - best_epoch >= config.patience:
                break
    if not best_state:
        rate = f"{config.learning_rate:g}"
        message = f"training of {name} diverged: no finite validation loss; lower model.learning_rate ({rate})"
        raise ConfigError(message)
    network.load_state_dict(best_state)
    network.eval()
    train_loss, val_losses, train_accuracy, val_accuracy = zip(*history, strict=True)
    return network, History(train_loss, val_losses, train_accuracy, val_accuracy, best_epoch)


def _logits(network: Network, train_set: Examples, val_set: Examples) -> tuple[Tensor, Tensor]:
    network.eval()
    with torch.no_grad():
        train_logits, states = network(train_set.features, train_set.hearing)
        val_logits, _ = network(val_set.features, val_set.hearing, states)
    return train_logits, val_logits
