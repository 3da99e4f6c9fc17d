"""Training examples and learning curves."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import cross_entropy

from cardiograph.models.neighbour_table import NeighbourTable


@dataclass(frozen=True)
class Examples:
    """Records in a training step.

    Args:
        features: [records, features] float32.
        neighbour_table: Neighbours of each record among the reference records.
        labels: [records] int64; a record with label -1 can be a neighbour but is never in the loss.
        weights: [records] float32 weight in the loss; 0 leaves a record out.
        blocks: Column range of each block of the features.
    """

    features: Tensor
    neighbour_table: NeighbourTable
    labels: Tensor
    weights: Tensor
    blocks: tuple[tuple[int, int], ...] = ()

    @classmethod
    def of(
        cls,
        features: NDArray[np.float32],
        neighbour_table: NeighbourTable,
        labels: NDArray[np.int64],
        weights: NDArray[np.float64] | None = None,
        *,
        blocks: tuple[tuple[int, int], ...] = (),
    ) -> Examples:
        """Build examples from arrays; unlabelled records get weight 0."""
        weight = np.ones(len(labels)) if weights is None else weights
        weight = np.where(labels < 0, 0.0, weight)
        tensors = torch.from_numpy(labels), torch.from_numpy(weight).float()
        return cls(torch.from_numpy(features), neighbour_table, *tensors, blocks)

    def loss(self, logits: Tensor, rows: Tensor | None = None) -> Tensor:
        """Weighted mean cross-entropy of the labelled records.

        Args:
            logits: [records, classes], or [records, members, classes] if each member has its own loss.
            rows: Positions of the records; all of them if None.
        """
        labels, weights = (each if rows is None else each[rows] for each in (self.labels, self.weights))
        labels = labels.clamp(min=0)
        if logits.ndim == 3:
            members = logits.shape[1]
            flat = cross_entropy(logits.flatten(0, 1), labels.repeat_interleave(members), reduction="none")
            each = flat.view(-1, members).mean(1)
        else:
            each = cross_entropy(logits, labels, reduction="none")
        return (each * weights).sum() / weights.sum()

    def accuracy(self, logits: Tensor, rows: Tensor | None = None) -> float:
        """Share of the labelled records (weight above 0) whose largest logit is that of the label; see :meth:`loss`."""
        labels, weights = (each if rows is None else each[rows] for each in (self.labels, self.weights))
        return float((logits.argmax(1) == labels)[weights > 0].float().mean())


@dataclass(frozen=True)
class History:
    """Learning curves: one value per epoch; ``best`` is the epoch (from 0) whose weights were kept."""

    train_loss: tuple[float, ...]
    val_loss: tuple[float, ...]
    train_accuracy: tuple[float, ...]
    val_accuracy: tuple[float, ...]
    best: int
