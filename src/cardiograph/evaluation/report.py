"""The report of a run: one HTML file that needs no network, and its model card."""

from __future__ import annotations

from cardiograph.evaluation.report_content import ReportContent


def render_report(content: ReportContent) -> str:
    """The report as one HTML file."""
    raise NotImplementedError


def render_model_card(content: ReportContent) -> str:
    """The model card as Markdown."""
    raise NotImplementedError
