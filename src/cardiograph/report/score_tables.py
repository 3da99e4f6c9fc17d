"""Rows of the report's tables on calibration, decision curve, distributions and subgroups."""

from __future__ import annotations

from typing import Any

import numpy as np

from cardiograph.evaluate.metrics import METRICS
from cardiograph.evaluate.results import Score
from cardiograph.evaluate.subgroups import SCORES
from cardiograph.report.content import ReportContent
from cardiograph.report.tables import number, signed

TableRow = dict[str, Any]

TABLE_THRESHOLDS = (0.05, 0.10, 0.15, 0.20, 0.30, 0.50)
"""Threshold probabilities of the net benefit table, a subset of those of the curve."""
BRIER_COMPONENTS = {
    "reliability": ("Reliability", "squared difference between predicted and observed, over bins; 0 is best"),
    "resolution": ("Resolution", "variance of the observed share of positives between bins; higher is better"),
    "uncertainty": ("Uncertainty", "share x (1 - share) of positives; depends on the records, not on the model"),
    "within_bins": ("Within bins", "variation within bins; below 0 if the order within bins is informative"),
}
AGAINST_REST = ("auroc", "auprc", "brier", "calibration_slope", "calibration_intercept", "ece")
"""Metrics of each of several classes against the rest, in the order of the columns."""
SUBGROUP_TITLES = {name: METRICS[name].title for name in SCORES}


def brier_rows(content: ReportContent) -> list[TableRow]:
    """Return the components of the Brier score of the primary model, with their sign in the sum; empty if undefined."""
    found = content.metrics.brier_parts[content.models.primary]
    if found.brier is None:
        return []
    signs = {"resolution": -1}
    rows = [
        {"title": title, "meaning": meaning, "value": _summand(signs.get(name, 1) * getattr(found, name))}
        for name, (title, meaning) in BRIER_COMPONENTS.items()
    ]
    meaning = f"mean squared difference; the sum of the components over {found.bins} bins"
    return [*rows, {"title": "Brier score", "meaning": meaning, "value": number(found.brier, 4)}]


def _summand(value: float) -> str:
    return ("" if value < 0 else "+") + number(value, 4)


def benefit_rows(content: ReportContent) -> list[TableRow]:
    """Return the net benefit of the primary model, the baseline and treating all at a few threshold probabilities."""
    found = content.metrics.net_benefit
    if found is None:
        return []
    kept, baseline = found.models[content.models.primary], content.models.baseline
    rows = []
    for threshold in TABLE_THRESHOLDS:
        index = found.thresholds.index(threshold)
        score = Score(value=kept.value[index], low=kept.low[index], high=kept.high[index])
        other = None if baseline == content.models.primary else found.models[baseline].value[index]
        rows.append({"at": threshold, "kept": score, "other": other, "all": found.treat_all[index]})
    return rows


def distribution_rows(content: ReportContent) -> list[TableRow]:
    """Return quartiles of the primary model's probability in each class, and the share at or above the threshold."""
    test, primary = content.test, content.models.primary
    threshold = content.models.thresholds[primary]
    rows = []
    for label, name in enumerate(content.names):
        values = test.probabilities[primary][test.labels == label]
        if len(values):
            low, middle, high = np.quantile(values, [0.25, 0.5, 0.75])
            at_least = float((values >= threshold).mean())
            rows.append(
                {"name": name, "records": len(values), "mean": float(values.mean()), "median": float(middle),
                 "low": float(low), "high": float(high), "at_least": at_least}
            )  # fmt: skip
    return rows


def subgroup_rows(content: ReportContent) -> list[TableRow]:
    """Return every grouping with its levels, each with the scores in the order of :data:`SUBGROUP_TITLES`."""
    rows: list[TableRow] = []
    for name, found in content.metrics.subgroups.items():
        levels = [
            {**dict(level), "scores": [] if level.scores is None else [level.scores[score] for score in SCORES]}
            for level in found.levels
        ]
        rows.append({"name": name, "cut": found.cut, "levels": levels})
    return rows


def delong_sentence(content: ReportContent) -> str:
    """State the result of DeLong's test for the pair of the verdict; empty if it was refused or is undefined."""
    found = content.metrics.delong
    if found is None or found.p is None or found.difference is None or found.low is None or found.high is None:
        return ""
    return (
        f"DeLong's test against {content.title_of(content.models.baseline)}, which treats records as independent: "
        f"{signed(found.difference)} ({signed(found.low)} to {signed(found.high)}), p = {found.p:.3f}."
    )


def certainty_rows(content: ReportContent) -> TableRow | None:
    """Return the calibration method and the results of conformal sets and novelty gate; None if not fitted."""
    found = content.metrics.certainty
    if found is None:
        return None
    losses = sorted(found.calibration.log_loss.items(), key=lambda pair: pair[1])
    if content.classes:
        coverage, decisions = list(found.conformal.coverage.items()), {}
    else:
        negative, positive = content.names
        coverage = [(positive, found.conformal.coverage["1"]), (negative, found.conformal.coverage["0"])]
        decisions = {"positive": f"{positive} alone", "negative": f"{negative} alone"}
    answers = [(decisions.get(name, name), count) for name, count in found.conformal.decisions.items()]
    return {**dict(found), "losses": losses, "covered": coverage, "answers": answers}


def score_context(content: ReportContent) -> TableRow:
    """Return all rows of this module by the names that the templates use; those of two classes are empty for several."""
    if content.classes:
        names = ("brier_rows", "benefit_rows", "distribution_rows", "subgroup_rows")
        absent: TableRow = {name: [] for name in names}
        absent |= {"delong": "", "without_graph": "", "ece_by_chance": None, "subgroup_titles": []}
        by_class = [(name, *(scores[key] for key in AGAINST_REST)) for name, scores in content.metrics.by_class.items()]
        titles = [METRICS[name].title for name in AGAINST_REST]
        return {**absent, "certainty": certainty_rows(content), "by_class": by_class, "by_class_titles": titles}
    baseline = content.models.baseline
    return {
        "by_class": [],
        "by_class_titles": [],
        "brier_rows": brier_rows(content),
        "certainty": certainty_rows(content),
        "delong": delong_sentence(content),
        "ece_by_chance": content.metrics.brier_parts[content.models.primary].ece_by_chance,
        "benefit_rows": benefit_rows(content),
        "without_graph": "" if baseline == content.models.primary else content.title_of(baseline),
        "distribution_rows": distribution_rows(content),
        "subgroup_rows": subgroup_rows(content),
        "subgroup_titles": list(SUBGROUP_TITLES.values()),
    }
