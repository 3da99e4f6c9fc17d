"""The report of a run: one HTML file that needs no network, and its model card."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

from cardiograph.evaluate.metrics import METRICS
from cardiograph.report import tables
from cardiograph.report.audit import audit_rows
from cardiograph.report.content import ReportContent
from cardiograph.report.figure_style import Picture
from cardiograph.report.figures import draw_figures
from cardiograph.report.figures_scores import model_order, title_of
from cardiograph.report.score_tables import score_context
from cardiograph.report.template import fill
from cardiograph.report.tripod import checklist
from cardiograph.wording import WORDINGS, class_names

ISSUES_SHOWN = 2000
"""Lines of the table of issues; the rest is counted, so that the file opens."""


def render_report(content: ReportContent, pictures: Mapping[str, Picture] | None = None) -> str:
    """Write the report as one HTML file: inline style, figures as data URIs, no script, no outside address.

    Args:
        content: All that is shown; names may hold any text, all of it is escaped.
        pictures: From :func:`cardiograph.report.figures.draw_figures`, where they are drawn already.

    Returns:
        HTML. The same content gives the same text.
    """
    sheet = content.contact_sheet
    context = _context(content) | {
        "figures": draw_figures(content) if pictures is None else pictures,
        "sections": checklist(content),
        "contact_sheet": "data:image/png;base64," + base64.b64encode(sheet).decode() if sheet else "",
        "issues_shown": ISSUES_SHOWN,
        "issue_counts": tables.issue_counts(content),
        "strongest": tables.strongest_pairs(content),
        "variable_rows": tables.variable_rows(content.clinical) if content.clinical else [],
        "graph_facts": tables.graph_facts(content.graph) if content.graph else [],
        "split_parts": tables.split_parts(content),
        "counts": tables.decisions(content).tolist(),
        "class_rows": tables.class_rows(content),
        "tiles": tables.tiles(content),
    }
    return fill("report.html", context)


def render_model_card(content: ReportContent) -> str:
    """Write the model card as Markdown: intended use, data, scores with intervals, limits; only what is known.

    Args:
        content: As for :func:`render_report`; HTML and table marks in names are escaped.
    """
    return fill("model_card.md", _context(content))


def _context(content: ReportContent) -> dict[str, Any]:
    return {
        "content": content,
        "metrics": content.metrics,
        "audit": None if content.audit is None else audit_rows(content.audit),
        "inflation": content.metrics.get("inflation"),
        "wording": WORDINGS[content.provenance],
        "tone": "warning" if content.cautions else WORDINGS[content.provenance].tone,
        "names": class_names(content.outcome),
        "primary": content.models.titles.get(content.models.primary, content.models.primary),
        "threshold": content.models.thresholds[content.models.primary],
        "confidence": content.metrics["bootstrap"]["confidence"] * 100,
        "compared": [METRICS[name].title for name in tables.COMPARED],
        "metric_rows": tables.metric_rows(content),
        "model_rows": tables.model_rows(content),
        "rests_on": tables.rests_on(content),
        "part_titles": tables.PART_TITLES,
        **score_context(content),
    }


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
