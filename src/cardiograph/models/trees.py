"""Gradient-boosted trees on a record's own features, held as tensors: fitted by scikit-learn, served without it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cardiograph.config import ModelConfig
from cardiograph.models.baselines import NoAggregation
from cardiograph.models.examples import Examples
from cardiograph.models.neighbour_table import NeighbourTable

LEAVES = (4, 16)
"""Candidate numbers of leaves; validation log loss selects one."""

MAX_TREES = 200
LEARNING_RATE = 0.05


class BoostedTrees(NoAggregation):
    """Sum of regression trees, one ensemble for each class (a single one for two classes).

    Every node is a row of the tables below; a leaf is its own child on both sides, so that a record has reached its leaf
    after as many steps as the deepest tree has levels.

    Args:
        name: Not used; every model of the registry has it.
        width_in: Number of node features.
        config: Not used.
        classes: Number of different labels.
    """

    def __init__(self, name: str, width_in: int, config: ModelConfig, *, classes: int = 2) -> None:
        super().__init__()
        self.classes = classes
        self.start: Tensor
        self.features: Tensor
        self.thresholds: Tensor
        self.missing_left: Tensor
        self.left: Tensor
        self.right: Tensor
        self.values: Tensor
        self.register_buffer("start", torch.zeros(1 if classes == 2 else classes, dtype=torch.float64))
        self.register_buffer("depth", torch.zeros((), dtype=torch.int64))
        for field, dtype in (
            ("roots", torch.int64),  # [trees] row of the root
            ("outputs", torch.int64),  # [trees] which ensemble the tree belongs to
            ("features", torch.int64),  # [nodes] column that the node compares
            ("thresholds", torch.float64),  # [nodes] values up to it go left
            ("missing_left", torch.bool),  # [nodes] whether NaN goes left
            ("left", torch.int64),  # [nodes] row of the left child
            ("right", torch.int64),  # [nodes] row of the right child
            ("values", torch.float64),  # [nodes] what a leaf adds to the score
        ):
            self.register_buffer(field, torch.zeros(0, dtype=dtype))

    def fit(self, train_set: Examples, val_set: Examples, *, seed: int) -> None:
        """Fit the trees; their size and number are chosen by the log loss of validation records.

        Args:
            train_set: Records with a weight above 0 are learnt from.
            val_set: Labelled validation records.
            seed: Seed of the trees.

        Raises:
            ValueError: No validation loss is finite.
        """
        from sklearn.ensemble import HistGradientBoostingClassifier

        used = (train_set.weights > 0).numpy()
        x, y = train_set.features.numpy()[used], train_set.labels.numpy()[used]
        weights = train_set.weights.numpy()[used]
        judged = (val_set.labels >= 0).numpy()
        x_val, y_val = val_set.features.numpy()[judged], val_set.labels.numpy()[judged]
        best: tuple[float, Any, int] = (np.inf, None, 0)
        for leaves in LEAVES:
            trees = HistGradientBoostingClassifier(
                learning_rate=LEARNING_RATE,
                max_iter=MAX_TREES,
                max_leaf_nodes=leaves,
                l2_regularization=1.0,
                max_features=0.3,
                early_stopping=False,
                random_state=seed,
            ).fit(x, y, sample_weight=None if (weights == weights[0]).all() else weights)
            for rounds, found in enumerate(trees.staged_predict_proba(x_val), start=1):
                loss = -float(np.log(found[np.arange(len(y_val)), y_val].clip(1e-15)).mean())
                best = min(best, (loss, trees, rounds), key=lambda each: each[0])
        if best[1] is None:
            message = "boosting: no finite validation loss"
            raise ValueError(message)
        self._take_over(*best[1:])

    def _take_over(self, fitted: Any, rounds: int) -> None:  # noqa: ANN401 - scikit-learn's
        """Copy the first ``rounds`` of a fitted ensemble into tensors."""
        columns: dict[str, list[NDArray[Any]]] = {}
        roots, outputs, count, depth = [], [], 0, 0
        for of_round in fitted._predictors[:rounds]:
            for output, tree in enumerate(of_round):
                nodes, own = tree.nodes, np.arange(len(tree.nodes)) + count
                leaf = nodes["is_leaf"].astype(bool)
                for field, values in (
                    ("features", np.where(leaf, 0, nodes["feature_idx"])),
                    ("thresholds", np.where(leaf, 0.0, nodes["num_threshold"])),
                    ("missing_left", nodes["missing_go_to_left"].astype(bool)),
                    ("left", np.where(leaf, own, nodes["left"].astype(np.int64) + count)),
                    ("right", np.where(leaf, own, nodes["right"].astype(np.int64) + count)),
                    ("values", np.where(leaf, nodes["value"], 0.0)),
                ):
                    columns.setdefault(field, []).append(values)
                roots.append(count)
                outputs.append(output)
                count, depth = count + len(nodes), max(depth, int(nodes["depth"].max()))
        for field, parts in columns.items():
            setattr(self, field, torch.from_numpy(np.concatenate(parts)).to(getattr(self, field).dtype))
        self.roots, self.outputs = torch.tensor(roots), torch.tensor(outputs)
        self.depth = torch.tensor(depth)
        self.start = torch.from_numpy(np.asarray(fitted._baseline_prediction, np.float64).reshape(-1))

    def forward(
        self,
        own: Tensor,
        neighbour_table: NeighbourTable,
        sources: Sequence[Tensor] | None = None,
        aggregated: Sequence[Tensor] | None = None,
    ) -> tuple[Tensor, list[Tensor]]:
        """Score records; see :meth:`cardiograph.models.gnn.Network.forward`. Logits are float64."""
        total = self.start.repeat(len(own), 1)
        x = own.double()
        for root, output in zip(self.roots.tolist(), self.outputs.tolist(), strict=True):
            node = torch.full((len(own),), root)
            for _ in range(int(self.depth)):
                value = x.gather(1, self.features[node][:, None])[:, 0]
                left = torch.where(value.isnan(), self.missing_left[node], value <= self.thresholds[node])
                node = torch.where(left, self.left[node], self.right[node])
            total[:, output] += self.values[node]
        if self.classes == 2:
            total = torch.cat([torch.zeros_like(total), total], dim=1)
        return total, []

    def load_state_dict(self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False) -> Any:  # noqa: ANN401 - torch's
        """Load tables of any length: their number of rows is part of what was learnt."""
        for name, tensor in state_dict.items():
            held = getattr(self, name, None)
            if isinstance(held, Tensor) and held.dtype == tensor.dtype and held.ndim == tensor.ndim:
                setattr(self, name, torch.empty_like(tensor))
        return super().load_state_dict(state_dict, strict, assign)
