"""What the same features give without a network: logistic regression, the votes of the neighbours, and boosted trees."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from cardiograph.config import ModelConfig
from cardiograph.models.neighbour_table import NeighbourTable


class Logistic(nn.Module):
    """A linear layer on the record's own features: ``log P(class) ~ x W + b``."""

    def __init__(self, name: str, width_in: int, config: ModelConfig, *, classes: int = 2) -> None:
        super().__init__()
        self.linear = nn.Linear(width_in, classes)

    def heard(
        self, own: Tensor, neighbour_table: NeighbourTable, sources: Sequence[Tensor] | None = None
    ) -> list[Tensor]:
        """Nothing."""
        return []

    def forward(
        self,
        own: Tensor,
        neighbour_table: NeighbourTable,
        sources: Sequence[Tensor] | None = None,
        heard: Sequence[Tensor] | None = None,
    ) -> tuple[Tensor, list[Tensor]]:
        """Score records; see :meth:`cardiograph.models.gnn.Network.forward`."""
        return self.linear(own), []


class KnnVote(nn.Module):
    """The log odds of the neighbours' labels, as they are: k-nearest-neighbour classification."""

    def __init__(self, name: str, width_in: int, config: ModelConfig, *, classes: int = 2) -> None:
        super().__init__()
        self.classes = classes
        self.scale = nn.Parameter(torch.ones(()), requires_grad=False)

    def heard(
        self, own: Tensor, neighbour_table: NeighbourTable, sources: Sequence[Tensor] | None = None
    ) -> list[Tensor]:
        """Nothing."""
        return []

    def forward(
        self,
        own: Tensor,
        neighbour_table: NeighbourTable,
        sources: Sequence[Tensor] | None = None,
        heard: Sequence[Tensor] | None = None,
    ) -> tuple[Tensor, list[Tensor]]:
        """Score records; see :meth:`cardiograph.models.gnn.Network.forward`."""
        votes = neighbour_table.votes * self.scale
        rest = [torch.zeros_like(votes)] * (self.classes - 2)
        return torch.stack([torch.zeros_like(votes), votes, *rest], dim=1), []


def fit_boosting(
    x: NDArray[np.float32], y: NDArray[np.int64], x_val: NDArray[np.float32], y_val: NDArray[np.int64], *, seed: int
) -> BoostedTrees:
    """Fit gradient-boosted trees; the number of trees and their size are chosen by validation log loss.

    For comparison only: no bundle holds them.

    Args:
        x: [records, features] of labelled training records, NaN where missing.
        y: [records] 0 or 1.
        x_val: Of labelled validation records.
        y_val: Their labels.
        seed: Of the trees.
    """
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.metrics import log_loss

    best, best_loss = None, np.inf
    for leaves in (4, 16):
        model = HistGradientBoostingClassifier(
            learning_rate=0.05,
            max_iter=200,
            max_leaf_nodes=leaves,
            l2_regularization=1.0,
            max_features=0.3,
            early_stopping=False,
            random_state=seed,
        ).fit(x, y)
        for trees, each in enumerate(model.staged_predict_proba(x_val), start=1):
            loss = float(log_loss(y_val, each[:, 1], labels=[0, 1]))
            if loss < best_loss:
                best, best_loss = (model, trees), loss
    if best is None:
        message = "boosting: no finite validation loss"
        raise ValueError(message)
    return BoostedTrees(*best)


class BoostedTrees:
    """Boosted trees cut to their best number.

    Args:
        model: Fitted HistGradientBoostingClassifier.
        trees: How many of its trees are used.
    """

    def __init__(self, model: object, trees: int) -> None:
        self._model, self._trees = model, trees

    def probabilities(self, x: NDArray[np.float32]) -> NDArray[np.float64]:
        """[records] probability of label 1."""
        staged = self._model.staged_predict_proba(x)  # type: ignore[attr-defined]
        for trees, each in enumerate(staged, start=1):
            if trees == self._trees:
                return np.asarray(each[:, 1], np.float64)
        message = "fewer trees than asked for"
        raise ValueError(message)
