"""Which figures a report has, and the same as files."""

from __future__ import annotations

from collections.abc import Mapping

from cardiograph.report import figures_calibration, figures_cohort, figures_scores
from cardiograph.report.content import ReportContent
from cardiograph.report.figure_style import Picture, as_pdf

NOT_A_FILE = ("headline",)
"""Drawings that mean nothing outside the page."""


def draw_figures(content: ReportContent) -> dict[str, Picture]:
    """Every figure that the content allows, by name; a report of pages alone has none of clinical values.

    ROC and precision-recall need both classes among the test records.
    """
    pictures = {"headline": figures_scores.headline(content), "forest": figures_scores.forest(content)}
    benefit = content.metrics.get("net_benefit")  # older runs have none
    if 0 < content.test.positives < len(content.test):
        pictures["roc"] = figures_scores.roc(content)
        pictures["precision_recall"] = figures_scores.precision_recall(content)
        if benefit is not None:
            pictures["decision_curve"] = figures_calibration.decision_curve(content, benefit)
    if len(content.test):
        pictures["calibration"] = figures_calibration.calibration(content)
        pictures["probabilities"] = figures_calibration.probabilities_by_outcome(content)
        pictures["confusion"] = figures_scores.confusion_matrix(content)
    if content.curves:
        pictures["learning"] = figures_cohort.learning_curves(content)
    if content.clinical is not None and content.clinical.variables:
        pictures["distributions"] = figures_cohort.distributions(content, content.clinical)
        pictures["correlation"] = figures_cohort.correlation(content, content.clinical)
    if content.graph is not None and len(content.graph.xy):
        pictures["graph"] = figures_cohort.patient_graph(content, content.graph)
    return pictures


def figure_files(pictures: Mapping[str, Picture]) -> dict[str, bytes]:
    """Each figure as a vector drawing in both formats that journals take; the same figures give the same bytes.

    Args:
        pictures: From :func:`draw_figures`.

    Returns:
        ``roc.svg``, ``roc.pdf``, ... -> content.
    """
    files: dict[str, bytes] = {}
    for name, picture in pictures.items():
        if name not in NOT_A_FILE and picture.figure is not None:
            files |= {f"{name}.svg": picture.svg.encode(), f"{name}.pdf": as_pdf(picture.figure)}
    return files
