"""All figures of a report, and their export as files."""

from __future__ import annotations

from collections.abc import Mapping

from cardiograph.report import figures_calibration, figures_classes, figures_cohort, figures_scores
from cardiograph.report.content import ReportContent
from cardiograph.report.figure_style import Picture, as_pdf


def draw_figures(content: ReportContent) -> dict[str, Picture]:
    """Draw every figure that the content allows, by name.

    ROC, precision-recall and decision curves need both classes among the test records.
    """
    pictures = {"forest": figures_scores.forest(content)}
    if content.classes:
        if len(content.test):
            pictures["roc"] = figures_classes.class_roc(content)
            pictures["calibration"] = figures_classes.class_calibration(content)
            pictures["confusion"] = figures_classes.class_confusion_matrix(content)
    elif 0 < content.test.positives < len(content.test):
        pictures["roc"] = figures_scores.roc(content)
        pictures["precision_recall"] = figures_scores.precision_recall(content)
        if content.metrics.net_benefit is not None:
            pictures["decision_curve"] = figures_calibration.decision_curve(content, content.metrics.net_benefit)
    if len(content.test) and not content.classes:
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
    """Export each figure as SVG and PDF, the vector formats that journals accept, with reproducible bytes.

    Args:
        pictures: Name -> figure, from :func:`draw_figures`.

    Returns:
        File name (``roc.svg``, ``roc.pdf``, ...) -> content.
    """
    files: dict[str, bytes] = {}
    for name, picture in pictures.items():
        if picture.figure is not None:
            files |= {f"{name}.svg": picture.svg.encode(), f"{name}.pdf": as_pdf(picture.figure)}
    return files
