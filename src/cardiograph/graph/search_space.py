"""The space in which neighbours are sought: the fused features, one of their blocks, or one learnt from training labels."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from cardiograph.config import GraphConfig
from cardiograph.containers import NodeFeatures, SearchPoints
from cardiograph.errors import ConfigError

FOLDS = 5
"""Of the cross-fitting of a learnt space."""

PENALTIES = (1e-3, 1e-2, 1e-1)
"""Inverse strengths of the L2 penalty of a learnt space; log loss of the folds chooses."""

SAMPLE = 400
"""Training records whose distances give the scale of a block."""


@dataclass(frozen=True)
class SearchSpace:
    """Coordinates as a weighted choice of the node features.

    In a learnt space a coordinate is a feature times its coefficient in a logistic regression of the label: what counts as
    near is what moves the risk alike. Training records are placed by coefficients that were learnt without their fold,
    whole groups together; queries by the mean of these coefficients. Otherwise training records would lie nearer to
    records of their own label than any new patient does.

    Args:
        columns: [coordinates] features that are used.
        weights: [folds + 1, coordinates] float64; the last row places queries. One row where nothing is learnt.
        blocks: Column range of each block among the coordinates.
        scales: Median distance of training records in each block.
        used: [blocks of the features] which blocks have coordinates.
    """

    columns: NDArray[np.int64]
    weights: NDArray[np.float64]
    blocks: tuple[tuple[int, int], ...]
    scales: tuple[float, ...]
    used: NDArray[np.bool_]

    @classmethod
    def fit(
        cls,
        features: NodeFeatures,
        labels: NDArray[np.int64],
        rows: NDArray[np.int64],
        groups: NDArray[np.int64],
        config: GraphConfig,
    ) -> tuple[Self, NDArray[np.int64]]:
        """Choose, and where asked learn, the space.

        Args:
            features: Of all records.
            labels: [records] 0, 1 or -1; looked at in ``rows`` alone.
            rows: Labelled training rows.
            groups: [records] group of each record.
            config: ``space``, and the metric of the scales.

        Returns:
            The space, and the fold of each record: -1 for those that are placed like a query.

        Raises:
            ConfigError: The space is a block that the features do not have.
        """
        wanted = [config.space] if config.space in {"image", "clinical"} else list(features.blocks)
        if not set(wanted) <= set(features.blocks):
            message = f"graph.space = {config.space!r}: these records have {', '.join(features.blocks)} only"
            raise ConfigError(message)
        used = np.array([name in wanted for name in features.blocks])
        columns = np.concatenate([np.arange(*features.blocks[name]) for name in wanted]).astype(np.int64)
        widths = [features.blocks[name][1] - features.blocks[name][0] for name in wanted]
        ends = np.cumsum([0, *widths])
        blocks = tuple((int(start), int(stop)) for start, stop in itertools.pairwise(ends))
        fold = np.full(len(labels), -1, np.int64)
        weights = np.ones((1, len(columns)))
        if config.space == "learnt":
            weights, fold[rows] = _learnt(features.values[rows], labels[rows], groups[rows])
            weights = weights[:, columns]
        space = cls(columns, weights, blocks, (1.0,) * len(blocks), used)
        placed = space.place(features, fold)
        scales = tuple(_scale(placed, rows, number, config.metric) for number in range(len(blocks)))
        return cls(columns, weights, blocks, scales, used), fold

    def place(self, features: NodeFeatures, fold: NDArray[np.int64] | None = None) -> SearchPoints:
        """Where records lie.

        Args:
            features: Of the records; where all columns are used as they are, the places share their memory.
            fold: [records] of :meth:`fit`; queries where None.
        """
        every = np.array_equal(self.columns, np.arange(features.values.shape[1]))
        values = features.values if every else features.values[:, self.columns]
        if len(self.weights) > 1:
            chosen = self.weights[-1] if fold is None else self.weights[fold]
            values = (values * chosen).astype(np.float32)
        return SearchPoints(values, features.present[:, self.used], self.blocks, self.scales)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """What a bundle keeps; folds are not needed where the places of the reference are kept."""
        return {
            "columns": self.columns,
            "weights": self.weights if len(self.weights) == 1 else self.weights[[-1, -1]],
            "blocks": np.array(self.blocks, np.int64).reshape(-1, 2),
            "scales": np.array(self.scales),
            "used": self.used.astype(np.uint8),
        }

    @classmethod
    def restore(cls, arrays: dict[str, NDArray[Any]]) -> Self:
        """The inverse of :meth:`arrays`."""
        blocks = tuple((int(start), int(stop)) for start, stop in arrays["blocks"])
        scales = tuple(float(scale) for scale in arrays["scales"])
        return cls(arrays["columns"], arrays["weights"], blocks, scales, arrays["used"].astype(bool))


def _learnt(
    x: NDArray[np.float32], y: NDArray[np.int64], groups: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """[folds + 1, features] coefficients without each fold, then their mean; and the fold of each record."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import log_loss
    from sklearn.model_selection import StratifiedGroupKFold

    counts = [len(np.unique(groups[y == label])) for label in (0, 1)]
    parts = min(FOLDS, *counts)
    if parts < 2:
        message = "graph.space = 'learnt' needs two groups of each label among the training records; use 'fused'"
        raise ConfigError(message)
    fold, found = np.zeros(len(y), np.int64), {c: np.zeros((parts, x.shape[1])) for c in PENALTIES}
    loss = dict.fromkeys(PENALTIES, 0.0)
    for number, (learn, judge) in enumerate(StratifiedGroupKFold(parts).split(x, y, groups)):
        fold[judge] = number
        for c in PENALTIES:
            model = LogisticRegression(C=c, max_iter=1000, solver="newton-cholesky").fit(
                x[learn].astype(np.float64), y[learn]
            )
            found[c][number] = model.coef_[0]
            loss[c] += float(log_loss(y[judge], model.predict_proba(x[judge])[:, 1], labels=[0, 1])) * len(judge)
    best = found[min(PENALTIES, key=loss.__getitem__)]
    return np.vstack([best, best.mean(0)]), fold


def _scale(placed: SearchPoints, rows: NDArray[np.int64], block: int, metric: str) -> float:
    """Median distance of training records in a block; 1 where it cannot be told."""
    start, stop = placed.blocks[block]
    rows = rows[placed.present[rows, block]]
    values = placed.values[rows[:: max(1, len(rows) // SAMPLE)], start:stop].astype(np.float64)
    if metric == "cosine":
        length = np.linalg.norm(values, axis=1, keepdims=True)
        values = values / np.where(length == 0, 1, length)
    length = (values**2).sum(1)
    squared = np.maximum(length[:, None] + length - 2 * values @ values.T, 0)
    apart = squared[np.triu_indices(len(values), 1)]
    apart = apart / 2 if metric == "cosine" else np.sqrt(apart)
    median = float(np.median(apart)) if len(apart) else 0.0
    return median if median > 0 else 1.0
