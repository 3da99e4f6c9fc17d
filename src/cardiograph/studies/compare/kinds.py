"""The kinds of outcome that can be compared: the models of each, and the scores by which they are compared."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from cardiograph.evaluate.class_metrics import CLASS_METRICS
from cardiograph.evaluate.metrics import METRICS, Metric
from cardiograph.registry import BASELINES, GRAPH_MODELS
from cardiograph.registry import TITLES as CLASS_TITLES
from cardiograph.survival.evaluation import TITLES as SURVIVAL_TITLES
from cardiograph.survival.outcome import SurvivalOutcome
from cardiograph.survival.scores import auroc_at, brier_at, harrell_c, uno_c

Kind = Literal["binary", "multiclass", "multilabel", "survival"]
"""Kind of outcome, as ``outcome.kind`` names it."""

Floats = NDArray[np.float64]
Labels = NDArray[np.int64]


@dataclass(frozen=True)
class FollowUp:
    """Follow-up of some records, and the time by which their risks are predicted."""

    outcome: SurvivalOutcome
    horizon: float


Truth = Labels | FollowUp
"""[records] labels, [records, labels] with -1 where a label is unknown, or follow-up."""


@dataclass(frozen=True)
class ComparedScore:
    """A score of the test records of a fold.

    Args:
        title: Display name.
        value: Function of the truth (:data:`Truth`) and the probabilities; NaN if undefined.
        range: Smallest and largest possible value.
    """

    title: str
    value: Callable[[Any, Floats], float]
    range: tuple[float, float]


@dataclass(frozen=True)
class OutcomeScores:
    """What is compared for one kind of outcome.

    Args:
        titles: Model -> display name.
        graph_models: Networks that aggregate neighbours.
        baselines: Models with which the best is contrasted.
        scores: Name -> score, in the order of the leaderboard.
        compared: Names of the scores whose differences are shown; the first one decides the order and the verdict.
        called: The first score in a sentence.
    """

    titles: Mapping[str, str]
    graph_models: tuple[str, ...]
    baselines: tuple[str, ...]
    scores: Mapping[str, ComparedScore]
    compared: tuple[str, ...]
    called: str

    @property
    def primary(self) -> str:
        """Name of the score that decides the order and the verdict."""
        return self.compared[0]

    @property
    def panels(self) -> tuple[str, str]:
        """Names of the two scores of the figure."""
        return self.primary, "brier"


def class_aurocs(truth: Labels, probabilities: Floats) -> list[float]:
    """Return the AUROC of each class against the rest, or of each label over the records for which it is known.

    Args:
        truth: [records] classes from 0, or [records, labels] 1, 0 or -1 (unknown).
        probabilities: [records, classes or labels].
    """
    columns = truth if truth.ndim == 2 else (truth[:, None] == np.arange(probabilities.shape[1])).astype(np.int64)
    return [_known("auroc", columns[:, place], probabilities[:, place]) for place in range(columns.shape[1])]


def _known(name: str, labels: Labels, probabilities: Floats) -> float:
    known = labels >= 0
    return METRICS[name].value(labels[known], probabilities[known], 0.5)


def _of_classes(metric: Metric) -> ComparedScore:
    return ComparedScore(metric.title, lambda labels, chances: metric.value(labels, chances, 0.5), metric.range)


def _over_labels(name: str) -> ComparedScore:
    """Return the mean of a metric over the labels."""

    def value(truth: Labels, probabilities: Floats) -> float:
        pairs = zip(truth.T, probabilities.T, strict=True)
        return float(np.mean([_known(name, labels, chances) for labels, chances in pairs]))

    return ComparedScore(_MEAN_TITLES[name], value, METRICS[name].range)


_MEAN_TITLES = {
    "auroc": "Macro AUROC",
    "auprc": "Macro AUPRC",
    "brier": "Brier score",
    "log_loss": "Log loss",
}

_CLASS_MODELS = (CLASS_TITLES, GRAPH_MODELS, BASELINES)

_SURVIVAL_MODELS = (("sign", "sign_cox"), ("mlp", "mlp_cox", "cox"))
"""Networks with neighbours, and baselines, as in :mod:`cardiograph.run.survival_models`."""

KINDS: dict[Kind, OutcomeScores] = {
    "binary": OutcomeScores(
        *_CLASS_MODELS,
        {name: _of_classes(METRICS[name])
         for name in ("auroc", "auprc", "brier", "calibration_slope", "calibration_intercept")},
        ("auroc", "brier"),
        "AUROC",
    ),
    "multiclass": OutcomeScores(
        *_CLASS_MODELS,
        {name: _of_classes(CLASS_METRICS[name])
         for name in ("auroc", "auprc", "brier", "log_loss", "balanced_accuracy")},
        ("auroc", "brier"),
        "macro AUROC",
    ),
    "multilabel": OutcomeScores(
        *_CLASS_MODELS,
        {name: _over_labels(name) for name in _MEAN_TITLES},
        ("auroc", "brier"),
        "macro AUROC",
    ),
    "survival": OutcomeScores(
        {name: SURVIVAL_TITLES[name].removesuffix(" (graph)") for names in _SURVIVAL_MODELS for name in names},
        *_SURVIVAL_MODELS,
        {
            "harrell_c": ComparedScore(
                "Harrell's C", lambda truth, risk: float(harrell_c(truth.outcome, risk)[0]), (0, 1)
            ),
            "uno_c": ComparedScore(
                "Uno's C", lambda truth, risk: float(uno_c(truth.outcome, risk, tau=truth.horizon)[0]), (0, 1)
            ),
            "auroc": ComparedScore(
                "AUROC at the horizon",
                lambda truth, risk: float(auroc_at(truth.outcome, risk, horizon=truth.horizon)[0]),
                (0, 1),
            ),
            "brier": ComparedScore(
                "Brier score at the horizon",
                lambda truth, risk: float(brier_at(truth.outcome, risk, horizon=truth.horizon)[0]),
                (0, float("inf")),
            ),
        },
        ("harrell_c", "uno_c", "brier"),
        "Harrell's C",
    ),
}  # fmt: skip
"""Kind of outcome -> what is compared."""


def models_of(kind: str) -> OutcomeScores:
    """Return the models of ``outcome.kind``; until a cohort is read, ``auto`` stands for a label, which has those of all.

    Args:
        kind: Value of ``outcome.kind``.
    """
    return KINDS["survival" if kind == "survival" else "binary"]
