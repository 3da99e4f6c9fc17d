"""Prediction of several labels at once for one patient."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cardiograph.containers.answers import Neighbour, Prediction
from cardiograph.containers.survival import SurvivalPrediction

_OF_A_LABEL = ("probability", "threshold", "positive", "low", "high", "decision")
"""Fields that a table of predictions has for each label."""


@dataclass(frozen=True)
class LabelsPrediction:
    """Prediction of a model of several labels, which share their graph and encoder.

    Args:
        labels: Label -> its prediction, in the order of the run.
    """

    labels: dict[str, Prediction]

    @property
    def first(self) -> Prediction:
        """Prediction of the first label; what describes the patient is the same in all."""
        return next(iter(self.labels.values()))

    @property
    def likely(self) -> str:
        """The most likely label."""
        return max(self.labels, key=lambda name: self.labels[name].probability)

    @property
    def outcome(self) -> str:
        """The labels as text."""
        return ", ".join(self.labels)

    @property
    def warnings(self) -> tuple[str, ...]:
        """Warnings of any label, each once."""
        return tuple(dict.fromkeys(warning for each in self.labels.values() for warning in each.warnings))

    @property
    def provenance(self) -> str:
        """Origin of the training data; for each label where they differ."""
        texts = {each.provenance for each in self.labels.values()}
        if len(texts) == 1:
            return texts.pop()
        return "; ".join(f"{name}: {each.provenance}" for name, each in self.labels.items())

    @property
    def neighbours(self) -> tuple[Neighbour, ...]:
        """Similar reference records with their label of the first label."""
        return self.first.neighbours

    def as_dict(self) -> dict[str, Any]:
        """Return plain values, ready for JSON."""
        return {"labels": {name: each.as_dict() for name, each in self.labels.items()}}

    def as_row(self) -> dict[str, Any]:
        """Return the cells for a table of predictions: those of the patient, and those of each label."""
        row = self.first.as_row()
        cells = {name: row[name] for name in ("novelty", "missing", "neighbours")}
        cells["warnings"] = "; ".join(self.warnings)
        for label, each in self.labels.items():
            cells |= {f"{name}_{label}": getattr(each, name) for name in _OF_A_LABEL}
        return cells


def prediction_from_dict(content: Mapping[str, Any]) -> Prediction | LabelsPrediction:
    """Rebuild a prediction of any kind from its ``as_dict()``, also after a round trip through JSON.

    Raises:
        ValueError: If a field is missing or has another type.
    """
    if "labels" in content:
        return LabelsPrediction({name: Prediction.from_dict(each) for name, each in content["labels"].items()})
    return (SurvivalPrediction if "curve" in content else Prediction).from_dict(content)
