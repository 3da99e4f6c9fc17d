"""The report of a run: one HTML file that needs no network, and its model card."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

from cardiograph.evaluation import report_tables as tables
from cardiograph.evaluation.figure_style import Picture
from cardiograph.evaluation.figures import draw_figures
from cardiograph.evaluation.metrics import METRICS
from cardiograph.evaluation.report_audit import audit_rows
from cardiograph.evaluation.report_content import ReportContent
from cardiograph.evaluation.report_scores import score_context
from cardiograph.evaluation.report_template import fill
from cardiograph.evaluation.tripod import checklist
from cardiograph.evaluation.wording import WORDINGS, class_names

ISSUES_SHOWN = 2000
"""Lines of the table of issues; the rest is counted, so that the file opens."""


def render_report(content: ReportContent, pictures: Mapping[str, Picture] | None = None) -> str:
    """Write the report as one HTML file: inline style, figures as data URIs, no script, no outside address.

    Args:
        content: All that is shown; names may hold any text, all of it is escaped.
        pictures: From :func:`cardiograph.evaluation.figures.draw_figures`, where they are drawn already.

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
