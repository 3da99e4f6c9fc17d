"""Kinds of answers: of a binary or multiclass outcome, of the time to an event, and of several labels at once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from cardiograph.inference import Predictor
from cardiograph.inference.labels import LabelsPredictor
from cardiograph.service.api.schemas import (
    LabelsAnswer,
    LabelsBody,
    PredictionAnswer,
    PredictionBody,
    SurvivalAnswer,
    SurvivalBody,
)


@dataclass(frozen=True)
class AnswerKind:
    """A kind of answer.

    Args:
        name: ``classes`` (binary or multiclass), ``survival`` or ``multilabel``.
        body: Schema of the prediction.
        answer: Schema of the response with it.
        part: Query parameter that names what an explanation is about.
    """

    name: str
    body: type[BaseModel]
    answer: type[BaseModel]
    part: str = "class"


CLASSES = AnswerKind("classes", PredictionBody, PredictionAnswer)
SURVIVAL = AnswerKind("survival", SurvivalBody, SurvivalAnswer)
LABELS = AnswerKind("multilabel", LabelsBody, LabelsAnswer, part="label")


def kind_of_model(predictor: Predictor | LabelsPredictor) -> AnswerKind:
    """Return the kind of the answers of a model."""
    if isinstance(predictor, LabelsPredictor):
        return LABELS
    return SURVIVAL if predictor.follows_up else CLASSES


def kind_of_answer(answer: Mapping[str, Any]) -> AnswerKind:
    """Return the kind of a prediction, as of ``Prediction.as_dict()``, which may be that of an earlier model."""
    if "labels" in answer:
        return LABELS
    return SURVIVAL if "curve" in answer else CLASSES


def outcome_of(answer: Mapping[str, Any]) -> str:
    """Return the outcome of a prediction; the labels, if there are several."""
    return ", ".join(answer["labels"]) if "labels" in answer else str(answer["outcome"])


def likely_label(answer: Mapping[str, Any]) -> str:
    """Return the most likely label of a prediction of several."""
    labels: Mapping[str, Any] = answer["labels"]
    return max(labels, key=lambda name: float(labels[name]["probability"]))


def parts_of_answer(answer: Mapping[str, Any]) -> Mapping[str, float]:
    """Return name -> probability of the classes or labels of a prediction; empty for one outcome."""
    if "labels" in answer:
        return {name: each["probability"] for name, each in answer["labels"].items()}
    found: Mapping[str, float] = answer.get("classes") or {}  # older answers have none
    return found
