"""What the answers on a second cohort are worth: from labels, groups and answers to plain values and sentences."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cardiograph.config import EvaluationConfig
from cardiograph.evaluate.bootstrap import (
    bootstrap_scores,
    first_of_each,
    group_weights,
    percentile_interval,
    too_few_groups,
)
from cardiograph.evaluate.brier import brier_parts, error_by_chance
from cardiograph.evaluate.metrics import METRICS, confusion
from cardiograph.evaluate.net_benefit import decision_curve
from cardiograph.evaluate.predictions import PartPredictions
from cardiograph.evaluate.summary import ONE_EACH
from cardiograph.inference import Scores
from cardiograph.report.tables import interval
from cardiograph.uncertainty.uncertainty import Uncertainty

INCLUDES = {"positive": (1,), "negative": (0,), "can't tell": (0, 1), "unlike both": ()}
"""Decision of a conformal set -> the labels in it."""


@dataclass(frozen=True)
class ExternalScores:
    """A labelled cohort and what a model says of it.

    Args:
        model: Name of the model, such as ``sign``.
        threshold: As trained.
        labels: [records] 0 or 1.
        groups: [records] group of each.
        scores: Scores of the predictor.
        uncertainty: Uncertainty of the bundle; None where nothing was learnt from validation records.
        met: [records] why a record is none that the run had never met, empty where it had not.
    """

    model: str
    threshold: float
    labels: NDArray[np.int64]
    groups: NDArray[np.int64]
    scores: Scores
    uncertainty: Uncertainty | None
    met: tuple[tuple[str, ...], ...]

    @property
    def part(self) -> PartPredictions:
        """As evaluation takes it."""
        return PartPredictions(self.labels, self.groups, {self.model: self.scores.probabilities})

    @property
    def strangers(self) -> NDArray[np.int64]:
        """Rows of the records that the run had never met."""
        return np.flatnonzero([not reasons for reasons in self.met]).astype(np.int64)


def score_answers(external_scores: ExternalScores, settings: EvaluationConfig, seed: int) -> dict[str, Any]:
    """All scores with intervals over groups, ready for JSON; None where a value is undefined."""
    part, rows = external_scores.part, external_scores.strangers
    apart = None
    if len(rows) < len(part) and 0 < part.labels[rows].sum() < len(rows):
        apart = _intervals(external_scores, rows, settings, seed)
    return {
        "counts": {
            "records": len(part),
            "positive": part.positives,
            "groups": part.group_count,
            "mean_probability": float(external_scores.scores.probabilities.mean()),
        },
        "scores": _scores(external_scores, settings, seed),
        "confusion": confusion(part.labels, external_scores.scores.probabilities, external_scores.threshold).tolist(),
        "net_benefit": decision_curve(
            part.labels,
            part.probabilities,
            part.groups,
            resamples=settings.bootstrap,
            confidence=settings.confidence,
            rng=np.random.default_rng(seed),
        ),
        "brier_parts": brier_parts(part.labels, external_scores.scores.probabilities).as_dict()
        | {
            "ece_by_chance": _finite(error_by_chance(external_scores.scores.probabilities, np.random.default_rng(seed)))
        },
        "met": {
            "records": len(part) - len(rows),
            "reasons": dict(Counter(reason for reasons in external_scores.met for reason in reasons)),
            "scores_without": apart,
        },
        "lacking": dict(Counter(block for blocks in external_scores.scores.lacking for block in blocks)),
        "novelty": _novelty(external_scores),
        "conformal": _conformal(external_scores, settings, seed),
        "bootstrap": {"resamples": settings.bootstrap, "confidence": settings.confidence, "unit": "group"},
    }


def cautions(found: Mapping[str, Any]) -> list[str]:
    """What a reader has to know before any number, a sentence each.

    Args:
        found: From :func:`score_answers`.
    """
    return list(_cautions(found))


def comparison(found: Mapping[str, Any], internal: Mapping[str, Any]) -> str:
    """The headline beside that of the run, in a sentence.

    Args:
        found: ``scores`` here.
        internal: ``test`` of the run's ``metrics.json``.
    """
    return (
        f"AUROC {interval(found['auroc'])} here, {interval(internal['auroc'])} on the run's own test records. These are "
        "other records, so the difference is not tested: it may come from who is in the cohort, how they were measured, or "
        "chance."
    )


def _cautions(found: Mapping[str, Any]) -> Iterator[str]:
    met, lacking, novelty, total = found["met"], found["lacking"], found["novelty"], found["counts"]["records"]
    if met["records"]:
        reasons = ", ".join(f"{reason}: {count}" for reason, count in met["reasons"].items())
        told = f"{met['records']} of {total} records are not new to the run ({reasons})"
        told += ". Those of the reference are scored without their group, but this is no external validation of them"
        if met["scores_without"]:
            told += f"; without all of them the AUROC is {interval(met['scores_without']['auroc'])}"
        told += (
            "."
            if not any("patient" in reason for reason in met["reasons"])
            else (". Patient ids are compared as written: where two hospitals number alike, give --other-ids.")
        )
        yield told
    for block, name in (("image", "an ECG page"), ("clinical", "any clinical value")):
        if block in lacking:
            yield f"{lacking[block]} of {total} records have not {name}: they are scored from the rest."
    if novelty["judged"] and novelty["share"] > 2 * (1 - novelty["quantile"]):
        yield (
            f"{novelty['novel']} of {novelty['judged']} records are unlike the training records; of like patients it would "
            f"be about {(1 - novelty['quantile']) * 100:g} %."
        )
    if found["scores"]["auroc"]["low"] is None:
        yield "Too few groups with, or without, a positive record: there are no intervals, and little can be said."


def _scores(external_scores: ExternalScores, settings: EvaluationConfig, seed: int) -> dict[str, Any]:
    part, first = external_scores.part, first_of_each(external_scores.groups)
    every = np.arange(len(part))
    found = _intervals(external_scores, every, settings, seed)
    alone = found if len(first) == len(part) else _intervals(external_scores, first, settings, seed)
    return found | {ONE_EACH: alone["auroc"]}


def _intervals(
    external_scores: ExternalScores, rows: NDArray[np.int64], settings: EvaluationConfig, seed: int
) -> dict[str, Any]:
    model = external_scores.model
    found = bootstrap_scores(
        external_scores.labels[rows],
        {model: external_scores.scores.probabilities[rows]},
        external_scores.groups[rows],
        {model: external_scores.threshold},
        resamples=settings.bootstrap,
        confidence=settings.confidence,
        rng=np.random.default_rng(seed),
        names=tuple(METRICS),
    )[model]
    return {name: each.as_dict() for name, each in found.items()}


def _novelty(external_scores: ExternalScores) -> dict[str, Any]:
    told, gate = (
        external_scores.scores.uncertainty,
        None if external_scores.uncertainty is None else external_scores.uncertainty.novelty,
    )
    judged = 0
    if told is not None:
        limited = ~np.array(told.unjudged or [""] * len(told.novelty), dtype=bool)
        judged = int((np.isfinite(told.novelty) & limited).sum())
    if told is None or gate is None or not judged:
        return {"judged": 0, "novel": 0, "share": None, "quantile": None}
    novel = int(told.novel.sum())
    return {"judged": judged, "novel": novel, "share": novel / judged, "quantile": gate.quantile}


def _conformal(external_scores: ExternalScores, settings: EvaluationConfig, seed: int) -> dict[str, Any] | None:
    """How often each decision is given, and how often the sets hold the truth in each class; None without sets."""
    told, sets = (
        external_scores.scores.uncertainty,
        None if external_scores.uncertainty is None else external_scores.uncertainty.conformal,
    )
    if told is None or sets is None or not sets.enough:
        return None
    labels = external_scores.labels
    holds = np.array([label in INCLUDES[said] for label, said in zip(labels.tolist(), told.decisions, strict=True)])
    rng = np.random.default_rng(seed)
    drawn = group_weights(labels, external_scores.groups, resamples=settings.bootstrap, rng=rng)
    counts: list[NDArray[np.float64]] = []  # [resamples, classes] that hold the truth, and all
    for weights in drawn:
        of_class = np.stack([labels == 0, labels == 1], axis=1).astype(np.float64)
        counts.append(np.stack([weights @ (of_class * holds[:, None]), weights @ of_class], axis=2))
    every = np.concatenate(counts)
    few = too_few_groups(labels, external_scores.groups)
    coverage = {}
    for label in (0, 1):
        inside, whole = every[:, label, 0], every[:, label, 1]
        shares = np.divide(inside, whole, out=np.full(len(whole), np.nan), where=whole > 0)
        value = float(holds[labels == label].mean()) if (labels == label).any() else np.nan
        coverage[str(label)] = percentile_interval(value, shares, settings.confidence, few=few).as_dict()
    decisions = Counter(told.decisions)
    by_class = {str(label): dict(Counter(np.array(told.decisions)[labels == label].tolist())) for label in (0, 1)}
    return {
        "confidence": sets.confidence,
        "statement": sets.statement,
        "decisions": {said: decisions[said] for said in INCLUDES},
        "decisions_by_label": by_class,
        "coverage": coverage,
    }


def _finite(value: float) -> float | None:
    return value if np.isfinite(value) else None
