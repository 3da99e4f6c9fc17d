"""Which figures a report has."""

from __future__ import annotations

from cardiograph.evaluation import figures_cohort, figures_scores
from cardiograph.evaluation.figure_style import Picture
from cardiograph.evaluation.report_content import ReportContent


def draw_figures(content: ReportContent) -> dict[str, Picture]:
    """Every figure that the content allows, by name; a report of pages alone has none of clinical values.

    ROC and precision-recall need both classes among the test records.
    """
    pictures = {"headline": figures_scores.headline(content), "forest": figures_scores.forest(content)}
    if 0 < content.test.positives < len(content.test):
        pictures["roc"] = figures_scores.roc(content)
        pictures["precision_recall"] = figures_scores.precision_recall(content)
    if len(content.test):
        pictures["calibration"] = figures_scores.calibration(content)
        pictures["probabilities"] = figures_scores.probabilities_by_outcome(content)
        pictures["confusion"] = figures_scores.confusion_matrix(content)
    if content.curves:
        pictures["learning"] = figures_cohort.learning_curves(content)
    if content.clinical is not None and content.clinical.variables:
        pictures["distributions"] = figures_cohort.distributions(content, content.clinical)
        pictures["correlation"] = figures_cohort.correlation(content, content.clinical)
    if content.graph is not None and len(content.graph.xy):
        pictures["graph"] = figures_cohort.patient_graph(content, content.graph)
    return pictures
