"""Scores of a model on a second cohort, with intervals over groups, cautions and a comparison with the run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cardiograph.config import EvaluationConfig
from cardiograph.evaluate.bootstrap import (
    PooledRecords,
    bootstrap_scores,
    drawn_groups,
    first_of_each,
    numbered,
    percentile_interval,
    too_few_groups,
)
from cardiograph.evaluate.brier import brier_parts, error_by_chance
from cardiograph.evaluate.metrics import METRICS, confusion
from cardiograph.evaluate.net_benefit import decision_curve
from cardiograph.evaluate.predictions import PartPredictions
from cardiograph.evaluate.results import Score
from cardiograph.evaluate.summary import ONE_EACH
from cardiograph.inference import Scores
from cardiograph.report.tables import interval
from cardiograph.uncertainty.uncertainty import Uncertainty

INCLUDES = {"positive": (1,), "negative": (0,), "can't tell": (0, 1), "unlike both": ()}
"""Decision of a conformal set -> labels in the set."""

HEADLINES = {"auroc": "AUROC", "uno_c": "Uno's C"}
"""Score that stands for all others -> title."""


@dataclass(frozen=True)
class ExternalScores:
    """A labelled cohort and its scores by a model.

    Args:
        model: Name of the model, such as ``sign``.
        threshold: Threshold of the run.
        labels: [records] 0 or 1.
        groups: [records] group numbers.
        scores: Scores of the predictor.
        uncertainty: Uncertainty of the bundle; None if nothing was fitted to validation records.
        seen_reasons: [records] reasons why a record counts as already seen by the run; empty if unseen.
    """

    model: str
    threshold: float
    labels: NDArray[np.int64]
    groups: NDArray[np.int64]
    scores: Scores
    uncertainty: Uncertainty | None
    seen_reasons: tuple[tuple[str, ...], ...]

    @property
    def part(self) -> PartPredictions:
        """Labels, probabilities and groups in the form that metrics take."""
        return PartPredictions(self.labels, self.groups, {self.model: self.scores.probabilities})

    @property
    def unseen_rows(self) -> NDArray[np.int64]:
        """Rows of the records that are new to the run."""
        return np.flatnonzero([not reasons for reasons in self.seen_reasons]).astype(np.int64)


def evaluate_scores(external_scores: ExternalScores, settings: EvaluationConfig, seed: int) -> dict[str, Any]:
    """Compute all metrics with intervals over groups.

    Args:
        external_scores: Labels and scores of the cohort.
        settings: Number of resamples and confidence level.
        seed: Seed of the resamples.

    Returns:
        Values ready for JSON; None where a value is undefined.
    """
    part, rows = external_scores.part, external_scores.unseen_rows
    settings = settings.for_records(len(part))
    without_seen = None
    if len(rows) < len(part) and 0 < part.labels[rows].sum() < len(rows):
        without_seen = _intervals(external_scores, rows, settings, seed)
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
        ).as_dict(),
        "brier_parts": brier_parts(part.labels, external_scores.scores.probabilities)
        .summary(error_by_chance(external_scores.scores.probabilities, np.random.default_rng(seed)))
        .as_dict(),
        "met": met_records(external_scores.seen_reasons, without_seen),
        "lacking": lacking_blocks(external_scores.scores),
        "novelty": novelty_counts(external_scores.scores, external_scores.uncertainty),
        "conformal": _conformal(external_scores, settings, seed),
        "bootstrap": {"resamples": settings.bootstrap, "confidence": settings.confidence, "unit": "group"},
    }


def cautions(found: Mapping[str, Any]) -> list[str]:
    """Return the warnings that a reader needs before the scores, one sentence each.

    Args:
        found: Result of :func:`evaluate_scores`.
    """
    return list(_cautions(found))


def comparison(
    found: Mapping[str, Any], internal: Mapping[str, Score | Mapping[str, Any]], *, name: str = "auroc"
) -> str:
    """Compare a score on the cohort with that of the run, in words.

    Args:
        found: ``scores`` of the evaluation.
        internal: Scores of the run on its own test records.
        name: Key of the score in :data:`HEADLINES`.
    """
    return (
        f"{HEADLINES[name]} {interval(found[name])} here, {interval(internal[name])} on the run's own test records. The "
        "records are different, so the difference is not tested: it may be due to the patients, the measurements, or "
        "chance."
    )


def _cautions(found: Mapping[str, Any]) -> Iterator[str]:
    yield from record_cautions(found, name="auroc")
    if found["scores"]["auroc"]["low"] is None:
        yield "Too few groups with or without a positive record: there are no intervals, and little can be concluded."


def record_cautions(found: Mapping[str, Any], *, name: str) -> Iterator[str]:
    """Yield the cautions on records that the run knows, that lack a block, or that are unlike its training records.

    Args:
        found: Content of the evaluation.
        name: Key of the headline score in :data:`HEADLINES`.
    """
    met, lacking, novelty, total = found["met"], found["lacking"], found["novelty"], found["counts"]["records"]
    if met["records"]:
        reasons = ", ".join(f"{reason}: {count}" for reason, count in met["reasons"].items())
        text = f"{met['records']} of {total} records are not new to the run ({reasons})"
        text += ". Those in the reference are scored without their group, but this is not external validation"
        if met["scores_without"]:
            text += f"; without all of them, {HEADLINES[name]} is {interval(met['scores_without'][name])}"
        text += "."
        if any("patient" in reason for reason in met["reasons"]):
            text += " Patient ids are compared as written: if two hospitals use the same ids, give --other-ids."
        yield text
    for block, name in (
        ("image", "an ECG page"),
        ("clinical", "any clinical value"),
        ("measurements", "readable leads"),
    ):
        if block in lacking:
            yield f"{lacking[block]} of {total} records do not have {name}: they are scored without it."
    if novelty["judged"] and novelty["share"] > 2 * (1 - novelty["quantile"]):
        yield (
            f"{novelty['novel']} of {novelty['judged']} records are unlike the training records; among similar "
            f"patients about {(1 - novelty['quantile']) * 100:g} % would be."
        )


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


def met_records(seen_reasons: Sequence[tuple[str, ...]], scores_without: dict[str, Any] | None) -> dict[str, Any]:
    """Count the records that are not new to the run, by reason; ``scores_without`` are the scores of the others."""
    return {
        "records": sum(bool(reasons) for reasons in seen_reasons),
        "reasons": dict(Counter(reason for reasons in seen_reasons for reason in reasons)),
        "scores_without": scores_without,
    }


def lacking_blocks(scores: Scores) -> dict[str, int]:
    """Count the records that lack each block."""
    return dict(Counter(block for blocks in scores.absent_blocks for block in blocks))


def novelty_counts(scores: Scores, fitted: Uncertainty | None) -> dict[str, Any]:
    """Count the records that are unlike the training records, among those that the gate can judge."""
    output = scores.uncertainty
    gate = None if fitted is None else fitted.novelty
    judged = 0
    if output is not None:
        limited = ~np.array(output.unjudged or [""] * len(output.novelty), dtype=bool)
        judged = int((np.isfinite(output.novelty) & limited).sum())
    if output is None or gate is None or not judged:
        return {"judged": 0, "novel": 0, "share": None, "quantile": None}
    novel = int(output.novel.sum())
    return {"judged": judged, "novel": novel, "share": novel / judged, "quantile": gate.quantile}


def _conformal(external_scores: ExternalScores, settings: EvaluationConfig, seed: int) -> dict[str, Any] | None:
    """Count each decision and compute the coverage of the sets in each class; None without sets."""
    output, fitted = external_scores.scores.uncertainty, external_scores.uncertainty
    sets = None if fitted is None else fitted.conformal
    if output is None or sets is None or not sets.enough:
        return None
    labels, decisions = external_scores.labels, output.decisions
    holds = np.array([label in INCLUDES[each] for label, each in zip(labels.tolist(), decisions, strict=True)])
    rng = np.random.default_rng(seed)
    pool = PooledRecords(labels, holds.astype(np.float64), numbered(external_scores.groups))
    of_class = np.stack([pool.labels == 0, pool.labels == 1], axis=1).astype(np.float64)
    sums: list[NDArray[np.float64]] = []  # [resamples, classes, 2] records whose set holds the label, and all records
    for counts in drawn_groups(labels, external_scores.groups, resamples=settings.bootstrap, rng=rng):
        weights = pool.weights(counts)
        sums.append(np.stack([weights @ (of_class * pool.values[:, None]), weights @ of_class], axis=2))
    every = np.concatenate(sums)
    few = too_few_groups(labels, external_scores.groups)
    coverage = {}
    for label in (0, 1):
        inside, whole = every[:, label, 0], every[:, label, 1]
        shares = np.divide(inside, whole, out=np.full(len(whole), np.nan), where=whole > 0)
        value = float(holds[labels == label].mean()) if (labels == label).any() else np.nan
        coverage[str(label)] = percentile_interval(value, shares, settings.confidence, few=few).as_dict()
    counted = Counter(decisions)
    by_class = {str(label): dict(Counter(np.array(decisions)[labels == label].tolist())) for label in (0, 1)}
    return {
        "confidence": sets.confidence,
        "statement": sets.statement,
        "decisions": {each: counted[each] for each in INCLUDES},
        "decisions_by_label": by_class,
        "coverage": coverage,
    }
