"""Two paragraphs that a paper could start from: how the data were split and read, how models were learnt and judged."""

from __future__ import annotations

from typing import Any

from cardiograph.evaluation import report_tables as tables
from cardiograph.evaluation.figures_scores import model_order, title_of
from cardiograph.evaluation.report_content import ReportContent
from cardiograph.evaluation.report_template import fill
from cardiograph.evaluation.wording import WORDINGS

ORIGINS = {
    "measured": "",
    "synthetic patient": "All patients, pages and values are synthetic: they were drawn by a program from one latent state "
    "each, and nothing here was observed in a patient.",
    "simulated from the label": "The clinical values were simulated from the outcome itself, in the test records too, so "
    "that the scores check the programs and say nothing about patients.",
    "simulated blind to the label": "The clinical values were simulated without sight of the outcome and carry no "
    "information about it.",
}


def render_methods(content: ReportContent) -> str:
    """Write the paragraphs as Markdown, from facts of the run alone.

    Args:
        content: As for the report; the outcome is called what the user calls it.
    """
    primary, metrics = content.models.primary, content.metrics
    others = [title_of(content, name) for name in model_order(content) if name != primary]
    context: dict[str, Any] = {
        "content": content,
        "metrics": metrics,
        "test": metrics["test"],
        "origin": ORIGINS[content.provenance],
        "score_name": WORDINGS[content.provenance].score,
        "primary": title_of(content, primary),
        "others": others,
        "parts": _parts(content),
        "predictors": [_predictor(content, place) for place in range(len(content.clinical.variables))]
        if content.clinical
        else [],
        "threshold": content.models.thresholds[primary],
        "confidence": f"{metrics['bootstrap']['confidence'] * 100:g}",
        "subgroups": list(metrics.get("subgroups", {})),
        "part_titles": tables.PART_TITLES,
        "version": content.reproduction.versions.get("cardiograph", ""),
    }
    return fill("methods.md", context)


def _parts(content: ReportContent) -> list[dict[str, Any]]:
    parts = []
    for part, title in tables.PART_TITLES.items():
        rows = [row for row in content.split if row.part == part]
        if rows:
            positive = sum(row.records for row in rows if row.label == 1)
            parts.append({"title": title, "records": sum(row.records for row in rows), "positive": positive})
    return parts


def _predictor(content: ReportContent, place: int) -> str:
    if content.clinical is None:
        return ""
    variable, provenance = content.clinical.variables[place], content.clinical.provenance[place]
    unit = f", {variable.unit}" if variable.unit else ""
    return f"{variable.title} ({provenance}{unit})"
