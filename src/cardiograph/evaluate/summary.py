"""Computes ``metrics.json``: scores with intervals, baselines, graph verdict, decision curve, Brier decomposition."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cardiograph.config import EvaluationConfig
from cardiograph.evaluate.bootstrap import Interval, bootstrap_scores, first_of_each, paired_difference
from cardiograph.evaluate.brier import brier_parts, error_by_chance
from cardiograph.evaluate.class_metrics import ONE_AGAINST_REST, class_confusion
from cardiograph.evaluate.delong import delong_test
from cardiograph.evaluate.metrics import metrics_of
from cardiograph.evaluate.net_benefit import decision_curve
from cardiograph.evaluate.predictions import ModelRoles, PartPredictions
from cardiograph.evaluate.results import (
    BootstrapSettings,
    BrierSummary,
    Counts,
    DecisionCurve,
    DelongResult,
    PartCounts,
    RunMetrics,
    RunVerdict,
    Score,
)
from cardiograph.evaluate.verdict import Comparison, Contender, graph_verdict
from cardiograph.schema import Provenance

ONE_EACH = "auroc_one_record_per_patient"
"""Key of the AUROC on the first record of each patient."""


def summarise(
    test: PartPredictions,
    validation: PartPredictions,
    models: ModelRoles,
    *,
    provenance: Provenance,
    settings: EvaluationConfig,
    seed: int,
) -> RunMetrics:
    """Score every model on test and validation records.

    Args:
        test: Predictions of all models on the test records.
        validation: Predictions of all models on the validation records, on which epoch and threshold were chosen.
        models: Role of each model.
        provenance: Provenance of the headline score, see :func:`headline_provenance`.
        settings: Number of resamples and confidence level.
        seed: Seed of the resamples; the same for all models and for the verdict.

    Returns:
        Everything but subgroups, certainty and inflation.
    """
    settings = settings.for_records(len(test))
    on_test = _scores(test, models, settings, seed)
    on_validation = _scores(validation, models, settings, seed)
    return RunMetrics(
        primary=models.primary,
        provenance=provenance,
        test=on_test[models.primary],
        validation=on_validation[models.primary],
        baselines={name: on_test[name] for name in test.probabilities if name != models.primary},
        graph_verdict=_verdict(test, models, settings, seed),
        thresholds={name: float(value) for name, value in models.thresholds.items()},
        counts=Counts(test=_counts(test), validation=_counts(validation)),
        bootstrap=BootstrapSettings(resamples=settings.bootstrap, confidence=settings.confidence, unit="group"),
        **(_of_classes if test.classes else _of_two_classes)(test, models, settings, seed),
    )


def _of_two_classes(test: PartPredictions, models: ModelRoles, settings: EvaluationConfig, seed: int) -> dict[str, Any]:
    """Return the results that only a binary outcome has."""
    return {
        "delong": _delong(test, models, settings),
        "net_benefit": _net_benefit(test, settings, seed),
        "brier_parts": {name: _brier_parts(test.labels, values, seed) for name, values in test.probabilities.items()},
    }


def _of_classes(test: PartPredictions, models: ModelRoles, settings: EvaluationConfig, seed: int) -> dict[str, Any]:
    """Return the results that only several classes have: each class against the rest, and the confusion matrix."""
    probabilities = test.probabilities[models.primary]
    by_class = {}
    for label, name in enumerate(test.classes):
        own = PartPredictions((test.labels == label).astype(np.int64), test.groups, {"": probabilities[:, label]})
        intervals = _bootstrap(own, models, settings, seed, names=ONE_AGAINST_REST)[""]
        by_class[name] = {metric: found.as_score() for metric, found in intervals.items()}
    absent: dict[str, Any] = {"delong": None, "net_benefit": None, "brier_parts": {}}
    return {**absent, "by_class": by_class, "confusion": class_confusion(test.labels, probabilities).tolist()}


def headline_provenance(provenances: tuple[Provenance, ...], *, synthetic: bool = False) -> Provenance:
    """Return the provenance of the headline score, which is that of the weakest column.

    Args:
        provenances: Provenances of the clinical columns that the model uses; empty if it uses pages only.
        synthetic: Whether patients and labels are synthetic.
    """
    if "simulated from the label" in provenances:
        return "simulated from the label"
    if synthetic or "synthetic patient" in provenances:
        return "synthetic patient"
    return "simulated blind to the label" if "simulated blind to the label" in provenances else "measured"


def _scores(
    part: PartPredictions, models: ModelRoles, settings: EvaluationConfig, seed: int
) -> dict[str, Mapping[str, Score]]:
    intervals = _bootstrap(part, models, settings, seed)
    rows = first_of_each(part.groups)
    first_records = PartPredictions(
        part.labels[rows],
        part.groups[rows],
        {name: values[rows] for name, values in part.probabilities.items()},
        part.classes,
    )
    one_each = intervals
    if len(rows) < len(part):
        one_each = _bootstrap(first_records, models, settings, seed, names=("auroc",))
    return {
        model: {name: interval.as_score() for name, interval in found.items()}
        | {ONE_EACH: one_each[model]["auroc"].as_score()}
        for model, found in intervals.items()
    }


def _bootstrap(
    part: PartPredictions,
    models: ModelRoles,
    settings: EvaluationConfig,
    seed: int,
    *,
    names: Sequence[str] | None = None,
) -> dict[str, dict[str, Interval]]:
    return bootstrap_scores(
        part.labels,
        part.probabilities,
        part.groups,
        models.thresholds,
        resamples=settings.bootstrap,
        confidence=settings.confidence,
        rng=np.random.default_rng(seed),
        names=names,
    )


def _verdict(test: PartPredictions, models: ModelRoles, settings: EvaluationConfig, seed: int) -> RunVerdict:
    """Compare the graph network with the baseline chosen on validation, and with all others on the same resamples."""

    def contender(name: str) -> Contender:
        return Contender(name, models.titles.get(name, name), _auroc(test, name))

    def against(name: str) -> Comparison:
        difference = paired_difference(
            test.labels,
            (test.probabilities[models.graph], test.probabilities[name]),
            test.groups,
            resamples=settings.bootstrap,
            confidence=settings.confidence,
            rng=np.random.default_rng(seed),
        )
        return Comparison(contender(name), difference)

    return graph_verdict(
        contender(models.graph),
        against(models.baseline),
        [against(name) for name in models.other_baselines],
        records=len(test),
        confidence=settings.confidence,
        metric=test.discrimination,
    )


def _delong(test: PartPredictions, models: ModelRoles, settings: EvaluationConfig) -> DelongResult:
    """Compare graph network and baseline by DeLong's test; ``refused`` gives the reason if it does not apply."""
    pair = (test.probabilities[models.graph], test.probabilities[models.baseline])
    try:
        found = delong_test(test.labels, pair, test.groups, confidence=settings.confidence)
    except ValueError as error:
        return DelongResult(graph_model=models.graph, baseline=models.baseline, refused=str(error))
    values = {name: value if math.isfinite(value) else None for name, value in asdict(found).items()}
    return DelongResult(graph_model=models.graph, baseline=models.baseline, refused=None, **values)


def _net_benefit(test: PartPredictions, settings: EvaluationConfig, seed: int) -> DecisionCurve:
    return decision_curve(
        test.labels,
        test.probabilities,
        test.groups,
        resamples=settings.bootstrap,
        confidence=settings.confidence,
        rng=np.random.default_rng(seed),
    )


def _brier_parts(labels: NDArray[np.int64], probabilities: NDArray[np.float64], seed: int) -> BrierSummary:
    by_chance = error_by_chance(probabilities, np.random.default_rng(seed)) if len(labels) else math.nan
    return brier_parts(labels, probabilities).summary(by_chance)


def _auroc(part: PartPredictions, model: str) -> float:
    probabilities = part.probabilities[model]
    return metrics_of(probabilities)["auroc"].value(part.labels, probabilities, 0.5)


def _counts(part: PartPredictions) -> PartCounts:
    if part.classes:
        return PartCounts(records=len(part), positive=None, groups=part.group_count, classes=part.class_counts)
    return PartCounts(records=len(part), positive=part.positives, groups=part.group_count)
