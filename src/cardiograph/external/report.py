"""The report of an evaluation on a second cohort: one HTML file that needs no network."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from cardiograph.evaluate.curves import part_curves
from cardiograph.evaluate.metrics import METRICS
from cardiograph.evaluate.predictions import ModelRoles, PartPredictions
from cardiograph.evaluate.results import PartCounts, RunMetrics
from cardiograph.evaluate.summary import ONE_EACH
from cardiograph.registry import TITLES
from cardiograph.report import figures_calibration, figures_scores
from cardiograph.report.content import ReportContent
from cardiograph.report.figure_style import Picture
from cardiograph.report.panel import Answer, Summary, alert
from cardiograph.report.score_tables import (
    SUBGROUP_TITLES,
    benefit_rows,
    brier_rows,
    distribution_rows,
    subgroup_rows,
)
from cardiograph.report.summary import decision, predicted, probabilities, separation
from cardiograph.report.tables import number
from cardiograph.report.template import fill
from cardiograph.wording import WORDINGS, class_names


def render_evaluation(found: Mapping[str, Any], part: PartPredictions) -> str:
    """Render an evaluation as HTML; names may contain any text, which is escaped.

    Args:
        found: Content of ``evaluation.json``.
        part: Labels, groups and probabilities of the cohort's records.
    """
    content = _as_report(found, part)
    context = {
        "found": found,
        "title": TITLES[found["model"]],
        "figures": _figures(content),
        "rows": _rows(found),
        "summary": _summary(found, content),
        "names": class_names(found["outcome"]),
        "wording": WORDINGS[found["provenance"]],
        "confidence": f"{found['bootstrap']['confidence'] * 100:g}",
        "brier_rows": brier_rows(content),
        "benefit_rows": benefit_rows(content),
        "distribution_rows": distribution_rows(content),
        "subgroup_rows": subgroup_rows(content),
        "subgroup_titles": list(SUBGROUP_TITLES.values()),
    }
    return fill("evaluation.html", context, package="cardiograph.external")


def _as_report(found: Mapping[str, Any], part: PartPredictions) -> ReportContent:
    """Return the content for figures and tables of a report, with this cohort instead of test records."""
    name = found["model"]
    empty = np.zeros(0, np.int64)
    return ReportContent(
        title=found["cohort"],
        outcome=found["outcome"],
        created=found["created"],
        provenance=found["provenance"],
        models=ModelRoles(name, name, name, {name: TITLES[name]}, {name: found["threshold"]}),
        metrics=_metrics(found),
        test=part,
        test_curves=(part_curves(part, name, confidence=found["bootstrap"]["confidence"]),),
        validation=PartPredictions(empty, empty, {name: np.zeros(0)}),
        split=(),
    )


def _metrics(found: Mapping[str, Any]) -> RunMetrics:
    """Return the scores on this cohort in the form of a run's scores on its test records."""
    counts = {name: found["counts"][name] for name in PartCounts.model_fields if name in found["counts"]}
    return RunMetrics.model_validate(
        {
            "primary": found["model"],
            "provenance": found["provenance"],
            "test": found["scores"],
            "net_benefit": found["net_benefit"],
            "brier_parts": {found["model"]: found["brier_parts"]},
            "thresholds": {found["model"]: found["threshold"]},
            "counts": {"test": counts},
            "bootstrap": found["bootstrap"],
            "subgroups": found["subgroups"],
        }
    )


def known_and_novel(found: Mapping[str, Any]) -> str:
    """Return sentences on how many records the run has met, and how many are unlike its training records.

    Args:
        found: Content of ``evaluation.json``.
    """
    novelty, text = found["novelty"], ""
    if found["met"]["records"]:
        text += f" {found['met']['records']} of them are not new to the run."
    if novelty["judged"]:
        text += f" {novelty['novel']} of {novelty['judged']} checked are unlike the training records."
    return text


def _summary(found: Mapping[str, Any], content: ReportContent) -> Summary:
    """Return the answers at the top of the report."""
    counts, internal = found["counts"], found["internal"]["scores"]["auroc"]
    names = class_names(found["outcome"])
    negative = counts["records"] - counts["positive"]
    classes = f"{counts['positive']} {names[1]}, {negative} {names[0]}; {counts['groups']} groups."
    answers = (
        predicted(content),
        Answer("Which records?", f"{counts['records']} records of {found['cohort']}", classes + known_and_novel(found)),
        separation(content, f"{counts['records']} records of another cohort"),
        probabilities(content),
        decision(content),
        Answer("And on the run's own test records?", f"AUROC {number(internal['value'])}", found["comparison"]),
    )
    purpose = (
        "The model of the run, exactly as it is served. Nothing was fitted or chosen on this cohort: scaling, graph, "
        "calibration and threshold are those of the run."
    )
    return Summary(answers, alert(WORDINGS[found["provenance"]], found["cautions"]), purpose)


def _figures(content: ReportContent) -> dict[str, Picture]:
    pictures = {
        "roc": figures_scores.roc(content),
        "precision_recall": figures_scores.precision_recall(content),
        "calibration": figures_calibration.calibration(content),
        "probabilities": figures_calibration.probabilities_by_outcome(content),
        "confusion": figures_scores.confusion_matrix(content),
    }
    if content.metrics.net_benefit is not None:
        pictures["decision_curve"] = figures_calibration.decision_curve(content, content.metrics.net_benefit)
    return pictures


def _rows(found: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the table rows: every score on this cohort and on the run's own test records."""
    here, internal, without = found["scores"], found["internal"]["scores"], found["met"]["scores_without"] or {}
    rows = [
        {
            "title": metric.title,
            "here": here[name],
            "internal": internal[name],
            "without": without.get(name),
            "best": f"{metric.best:g}",
            "threshold": metric.needs_threshold,
            "meaning": metric.meaning,
        }
        for name, metric in METRICS.items()
    ]
    one_each = {
        "title": "AUROC, one record per patient",
        "here": here[ONE_EACH],
        "internal": internal[ONE_EACH],
        "without": None,
        "best": "1",
        "threshold": False,
        "meaning": "the first record of each patient (group) only",
    }
    return [rows[0], one_each, *rows[1:]]
