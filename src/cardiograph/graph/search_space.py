"""Search space of neighbours: the fused features, one block of them, or a space learnt from training labels."""

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
"""Folds of the cross-fitting of a learnt space."""

PENALTIES = (1e-3, 1e-2, 1e-1)
"""Candidate inverse strengths of the L2 penalty of a learnt space; cross-validated log loss selects one."""

SAMPLE = 400
"""Number of training records whose distances give the scale of a block."""


@dataclass(frozen=True)
class SearchSpace:
    """Coordinates as a weighted selection of the node features.

    In a learnt space a coordinate is a feature times its coefficient in a logistic regression of the label: records are
    near if their features change the risk alike. Training records are placed by coefficients fitted without their fold
    (whole groups together), queries by the mean of these coefficients. Otherwise training records would lie nearer to
    records of their own label than a new patient does.

    Args:
        columns: [coordinates] columns of the features.
        weights: [folds + 1, coordinates] float64; the last row places queries. A single row if nothing is learnt.
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
        """Select the space, or learn it if the configuration requests it.

        Args:
            features: Node features of all records.
            labels: [records] 0, 1 or -1; only those in ``rows`` are used.
            rows: Labelled training rows.
            groups: [records] group of each record.
            config: ``space``, and the metric of the scales.

        Returns:
            The space, and the fold of each record: -1 for records that are placed like a query.

        Raises:
            ConfigError: The features lack the block.
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
        placed = space.transform(features, fold)
        scales = tuple(_scale(placed, rows, number, config.metric) for number in range(len(blocks)))
        return cls(columns, weights, blocks, scales, used), fold

    def transform(self, features: NodeFeatures, fold: NDArray[np.int64] | None = None) -> SearchPoints:
        """Place records in the space.

        Args:
            features: Node features; if all columns are used unchanged, the result shares their memory.
            fold: [records] folds from :meth:`fit`; records are placed as queries if None.
        """
        every = np.array_equal(self.columns, np.arange(features.values.shape[1]))
        values = features.values if every else features.values[:, self.columns]
        if len(self.weights) > 1:
            chosen = self.weights[-1] if fold is None else self.weights[fold]
            values = (values * chosen).astype(np.float32)
        return SearchPoints(values, features.present[:, self.used], self.blocks, self.scales)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return the arrays for a bundle; folds are not needed, because the reference is stored in place."""
        return {
            "columns": self.columns,
            "weights": self.weights if len(self.weights) == 1 else self.weights[[-1, -1]],
            "blocks": np.array(self.blocks, np.int64).reshape(-1, 2),
            "scales": np.array(self.scales),
            "used": self.used.astype(np.uint8),
        }

    @classmethod
    def restore(cls, arrays: dict[str, NDArray[Any]]) -> Self:
        """Restore a space from :meth:`arrays`."""
        blocks = tuple((int(start), int(stop)) for start, stop in arrays["blocks"])
        scales = tuple(float(scale) for scale in arrays["scales"])
        return cls(arrays["columns"], arrays["weights"], blocks, scales, arrays["used"].astype(bool))


def _learnt(
    x: NDArray[np.float32], y: NDArray[np.int64], groups: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return [folds + 1, features] coefficients without each fold and their mean, and the fold of each record."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import log_loss
    from sklearn.model_selection import StratifiedGroupKFold

    if y.max() > 1:
        message = "graph.space = 'learnt' weights features by one risk, and there are several classes; use 'fused'"
        raise ConfigError(message)
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
    """Return the median distance of training records in a block; 1 if it is undefined."""
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
