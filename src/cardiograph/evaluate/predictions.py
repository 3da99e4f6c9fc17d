"""Input of an evaluation: the predictions of all models on one part of a split, and the role of each model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class PartPredictions:
    """Labels, groups and probabilities of the same records.

    Args:
        labels: [n] labels from 0; unlabelled records are excluded.
        groups: [n] group of each record.
        probabilities: Model -> [n] probability of label 1, or [n, classes] of each of several classes.
        classes: Name of each label, with several classes; empty for a binary outcome.
    """

    labels: NDArray[np.int64]
    groups: NDArray[np.int64]
    probabilities: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)
    classes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if {len(self.groups), *(len(values) for values in self.probabilities.values())} - {len(self.labels)}:
            message = "predictions of a part have one label, group and probability for each record"
            raise ValueError(message)

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def positives(self) -> int:
        """Number of records with label 1."""
        return int(self.labels.sum())

    @property
    def class_counts(self) -> dict[str, int]:
        """Class -> number of records; empty for a binary outcome."""
        return {name: int((self.labels == label).sum()) for label, name in enumerate(self.classes)}

    @property
    def discrimination(self) -> str:
        """What the metric ``auroc`` is called in sentences."""
        return "macro AUROC" if self.classes else "AUROC"

    @property
    def group_count(self) -> int:
        """Number of distinct groups."""
        return len(np.unique(self.groups))


@dataclass(frozen=True)
class ModelRoles:
    """Role of each model in the evaluation.

    Args:
        primary: The model that is kept and served, such as ``gcn``.
        graph: The graph network of the verdict (``primary`` if that is a graph network).
        baseline: The model without a graph that the verdict compares with, such as ``mlp``; chosen on validation
            records.
        titles: Model -> display name, in printing order.
        thresholds: Model -> decision threshold chosen on validation records; empty with several classes.
        other_baselines: All other models without a graph, in printing order.
    """

    primary: str
    graph: str
    baseline: str
    titles: Mapping[str, str]
    thresholds: Mapping[str, float]
    other_baselines: Sequence[str] = ()
