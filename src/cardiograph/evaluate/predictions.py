"""The predictions of one part of a split, by every model: what evaluation starts from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class PartPredictions:
    """Labels, groups and probabilities of the same records.

    Args:
        labels: [n] 0 or 1; unlabelled records are left out.
        groups: [n] group of each record.
        probabilities: Model -> [n] probability of label 1.
    """

    labels: NDArray[np.int64]
    groups: NDArray[np.int64]
    probabilities: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if {len(self.groups), *(len(values) for values in self.probabilities.values())} - {len(self.labels)}:
            message = "predictions of a part have one label, group and probability for each record"
            raise ValueError(message)

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def positives(self) -> int:
        """Records with label 1."""
        return int(self.labels.sum())

    @property
    def group_count(self) -> int:
        """Different groups."""
        return len(np.unique(self.groups))


@dataclass(frozen=True)
class ModelRoles:
    """Which model plays which part in the evaluation.

    Args:
        primary: The model that is kept and served, such as ``gcn``.
        graph: The graph network of the verdict (``primary`` where that is one).
        baseline: The same features without a graph, such as ``mlp``; chosen on validation records.
        titles: Model -> name for people, in the order of printing.
        thresholds: Model -> threshold chosen on validation records.
        other_baselines: Every other model without a graph, in the order of printing.
    """

    primary: str
    graph: str
    baseline: str
    titles: Mapping[str, str]
    thresholds: Mapping[str, float]
    other_baselines: Sequence[str] = ()
