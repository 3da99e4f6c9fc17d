"""Rendering of the report (one HTML file that needs no network), the model card and the methods paragraphs."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

from markupsafe import Markup

from cardiograph.patient_map.assets import STYLE, asset, embedded, map_script
from cardiograph.report import tables
from cardiograph.report.audit import audit_rows
from cardiograph.report.content import ReportContent
from cardiograph.report.figure_style import Picture
from cardiograph.report.figures import draw_figures
from cardiograph.report.score_tables import score_context
from cardiograph.report.summary import run_summary
from cardiograph.report.template import fill
from cardiograph.report.tripod import checklist
from cardiograph.wording import WORDINGS

MAX_ISSUE_ROWS = 2000
"""Maximum number of rows of the table of issues, so that browsers can open the file."""


def render_report(content: ReportContent, pictures: Mapping[str, Picture] | None = None) -> str:
    """Render the report as one HTML file with its style, scripts, figures and CSV files; nothing is requested.

    Args:
        content: Content of the report; all text is escaped.
        pictures: Result of :func:`cardiograph.report.figures.draw_figures`; None draws the figures.

    Returns:
        HTML; the same content gives the same text.
    """
    sheet = content.contact_sheet
    context = _context(content) | {
        "figures": draw_figures(content) if pictures is None else pictures,
        "summary": run_summary(content),
        "sections": checklist(content),
        "contact_sheet": "data:image/png;base64," + base64.b64encode(sheet).decode() if sheet else "",
        "issues_shown": MAX_ISSUE_ROWS,
        "issue_counts": tables.issue_counts(content),
        "strongest": tables.strongest_pairs(content),
        "variable_rows": tables.variable_rows(content.clinical, len(content.names)) if content.clinical else [],
        "graph_facts": tables.graph_facts(content.graph) if content.graph else [],
        "split_parts": tables.split_parts(content),
        "counts": tables.decisions(content).tolist(),
        "class_rows": tables.class_rows(content),
        "tiles": tables.tiles(content),
        "map_assets": None if content.patient_map is None else _map_assets(content.patient_map),
    }
    return fill("report.html", context)


def _map_assets(content: Mapping[str, Any]) -> dict[str, Markup]:
    """Return the parts of the map that are embedded in the report as they are."""
    texts = {"script": map_script(), "style": asset(STYLE), "content": embedded(content)}
    return {name: Markup(text) for name, text in texts.items()}  # noqa: S704 - files of this package, and escaped JSON


def render_model_card(content: ReportContent) -> str:
    """Render the model card as Markdown: intended use, data, scores with intervals, limits.

    Args:
        content: Content of the report; HTML and Markdown marks in names are escaped.
    """
    return fill("model_card.md", _context(content))


def _context(content: ReportContent) -> dict[str, Any]:
    return {
        "content": content,
        "metrics": content.metrics,
        "audit": None if content.audit is None else audit_rows(content.audit),
        "inflation": content.metrics.inflation,
        "wording": WORDINGS[content.provenance],
        "tone": "warning" if content.cautions else WORDINGS[content.provenance].tone,
        "names": content.names,
        "score_title": WORDINGS[content.provenance].score.replace("AUROC", content.test.discrimination),
        "primary": content.models.titles.get(content.models.primary, content.models.primary),
        "threshold": content.threshold,
        "confidence": content.metrics.bootstrap.confidence * 100,
        "compared": [tables.metrics_shown(content)[name].title for name in tables.compared(content)],
        "metric_rows": tables.metric_rows(content),
        "model_rows": tables.model_rows(content),
        "rests_on": tables.rests_on(content),
        "part_titles": tables.PART_TITLES,
        **score_context(content),
    }


ORIGINS = {
    "measured": "",
    "synthetic patient": "All patients, pages and values are synthetic: a program drew them from one latent state per "
    "patient, and nothing was observed in a real patient.",
    "simulated from the label": "The clinical values were simulated from the outcome itself, in the test records too, so "
    "the scores check the software and say nothing about patients.",
    "simulated blind to the label": "The clinical values were simulated without knowledge of the outcome and carry no "
    "information about it.",
}


def render_methods(content: ReportContent) -> str:
    """Render two paragraphs of methods as Markdown, from facts of the run only.

    Args:
        content: Content of the report; HTML and Markdown marks in names are escaped.
    """
    primary, metrics = content.models.primary, content.metrics
    others = [content.title_of(name) for name in content.model_order if name != primary]
    context: dict[str, Any] = {
        "content": content,
        "metrics": metrics,
        "test": metrics.test,
        "origin": ORIGINS[content.provenance],
        "score_name": WORDINGS[content.provenance].score.replace("AUROC", content.test.discrimination),
        "primary": content.title_of(primary),
        "others": others,
        "parts": _parts(content),
        "predictors": [_predictor(content, place) for place in range(len(content.clinical.variables))]
        if content.clinical
        else [],
        "threshold": content.threshold,
        "confidence": f"{metrics.bootstrap.confidence * 100:g}",
        "subgroups": list(metrics.subgroups),
        "part_titles": tables.PART_TITLES,
        "version": content.reproduction.versions.get("cardiograph", ""),
    }
    return fill("methods.md", context)


def _parts(content: ReportContent) -> list[dict[str, Any]]:
    parts = []
    for part, title in tables.PART_TITLES.items():
        rows = [row for row in content.split if row.part == part]
        if rows:
            of_label = [sum(row.records for row in rows if row.label == label) for label in range(len(content.names))]
            what = f"{of_label[1]} with the outcome"
            if content.classes:
                what = ", ".join(f"{count} {name}" for name, count in zip(content.names, of_label, strict=True))
            parts.append({"title": title, "records": sum(row.records for row in rows), "what": what})
    return parts


def _predictor(content: ReportContent, place: int) -> str:
    if content.clinical is None:
        return ""
    variable, provenance = content.clinical.variables[place], content.clinical.provenance[place]
    unit = f", {variable.unit}" if variable.unit else ""
    return f"{variable.title} ({provenance}{unit})"
