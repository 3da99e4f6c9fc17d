"""Rows of the report's tables on calibration, decision curve, distributions and subgroups; empty for runs that lack them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from cardiograph.evaluate.metrics import METRICS
from cardiograph.evaluate.subgroups import SCORES
from cardiograph.report.content import ReportContent
from cardiograph.report.figures_scores import title_of
from cardiograph.report.tables import number, signed
from cardiograph.wording import class_names

TableRow = dict[str, Any]

SHOWN_AT = (0.05, 0.10, 0.15, 0.20, 0.30, 0.50)
"""Threshold probabilities of the table; the curve has them all."""
PARTS = {
    "reliability": ("Reliability", "squared distance of said from seen, over bins; 0 is best"),
    "resolution": ("Resolution", "how far the bins' shares of positives lie apart; more is better"),
    "uncertainty": ("Uncertainty", "share x (1 - share) of positives; what the records bring, not the model"),
    "within_bins": ("Within bins", "what the bins hide; below 0 where order inside a bin is right, too"),
}
SUBGROUP_TITLES = {name: METRICS[name].title for name in SCORES}


def brier_rows(content: ReportContent) -> list[TableRow]:
    """The parts of the Brier score of the kept model, with the sign that each has in the sum."""
    found = content.metrics.get("brier_parts", {}).get(content.models.primary)
    if not found or found["brier"] is None:
        return []
    signs = {"resolution": -1}
    rows = [
        {"title": title, "meaning": meaning, "value": _summand(signs.get(name, 1) * found[name])}
        for name, (title, meaning) in PARTS.items()
    ]
    whole = f"mean squared distance; the sum of the parts over {found['bins']} bins"
    return [*rows, {"title": "Brier score", "meaning": whole, "value": number(found["brier"], 4)}]


def _summand(value: float) -> str:
    return ("" if value < 0 else "+") + number(value, 4)


def ece_by_chance(content: ReportContent) -> float | None:
    """The calibration error that the kept model's probabilities would show if they were true; None where not known."""
    found: Mapping[str, Any] = content.metrics.get("brier_parts", {}).get(content.models.primary, {})
    return found.get("ece_by_chance")


def benefit_rows(content: ReportContent) -> list[TableRow]:
    """Net benefit at a few threshold probabilities, of the kept model, the model without a graph, and treat all."""
    found = content.metrics.get("net_benefit")
    if not found:
        return []
    models, primary, baseline = found["models"], content.models.primary, content.models.baseline
    rows = []
    for at in SHOWN_AT:
        place = found["thresholds"].index(at)
        kept = {key: models[primary][key][place] for key in ("value", "low", "high")}
        other = None if baseline == primary else models[baseline]["value"][place]
        rows.append({"at": at, "kept": kept, "other": other, "all": found["treat_all"][place]})
    return rows


def distribution_rows(content: ReportContent) -> list[TableRow]:
    """Quartiles of the kept model's probability in each class of the test records, and the share at the threshold."""
    test, primary = content.test, content.models.primary
    threshold = content.models.thresholds[primary]
    rows = []
    for label, name in enumerate(class_names(content.outcome)):
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
    """Every grouping with its levels, each with the scores in the order of :data:`SUBGROUP_TITLES`."""
    rows: list[TableRow] = []
    for name, found in content.metrics.get("subgroups", {}).items():
        levels = [
            {**level, "scores": [] if level["too_few"] else [level["scores"][score] for score in SCORES]}
            for level in found["levels"]
        ]
        rows.append({"name": name, "cut": found["cut"], "levels": levels})
    return rows


def delong_sentence(content: ReportContent) -> str:
    """The verdict's difference by DeLong's test; empty where it was not made or is undefined."""
    found = content.metrics.get("delong", {"refused": "an older run"})
    if found["refused"] or found["p"] is None:
        return ""
    low, high = (signed(found[key]) for key in ("low", "high"))
    return (
        f"By DeLong's test against {title_of(content, content.models.baseline)}, which takes each record as a patient of "
        f"its own: {signed(found['difference'])} ({low} to {high}), p = {found['p']:.3f}."
    )


def certainty_rows(content: ReportContent) -> TableRow | None:
    """How probabilities were calibrated, and how conformal sets and novelty gate fared; None for runs without."""
    found = content.metrics.get("certainty")
    if not found:
        return None
    losses = sorted(found["calibration"]["log_loss"].items(), key=lambda pair: pair[1])
    negative, positive = class_names(content.outcome)
    coverage = [(name, found["conformal"]["coverage"][label]) for label, name in (("1", positive), ("0", negative))]
    decisions = {"positive": f"{positive} alone", "negative": f"{negative} alone"}
    told = [(decisions.get(name, name), count) for name, count in found["conformal"]["decisions"].items()]
    return {**found, "losses": losses, "covered": coverage, "told": told}


def score_context(content: ReportContent) -> TableRow:
    """All of this module's rows by the names that the templates use."""
    baseline = content.models.baseline
    return {
        "brier_rows": brier_rows(content),
        "certainty": certainty_rows(content),
        "delong": delong_sentence(content),
        "ece_by_chance": ece_by_chance(content),
        "benefit_rows": benefit_rows(content),
        "without_graph": "" if baseline == content.models.primary else title_of(content, baseline),
        "distribution_rows": distribution_rows(content),
        "subgroup_rows": subgroup_rows(content),
        "subgroup_titles": list(SUBGROUP_TITLES.values()),
    }
