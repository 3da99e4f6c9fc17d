"""Figures of the scores: ROC, precision-recall, confusion matrix, comparison of models."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cardiograph.evaluate.metrics import confusion
from cardiograph.evaluate.predictions import PartPredictions
from cardiograph.evaluate.results import Score
from cardiograph.report.content import ReportContent
from cardiograph.report.figure_style import (
    FAINT,
    INK,
    SOFT,
    Picture,
    Values,
    cells,
    legend,
    model_line,
    picture,
    shown,
    unit_square,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SIZE_INCHES = (4.7, 5.2)
CELL_COLOUR = "#08519c"
"""Colour of a cell of a confusion matrix that holds all records of its row."""


def part_in_words(part: PartPredictions) -> str:
    """Format the counts of a part, such as ``137 records (55 positive, 120 groups)``."""
    if part.classes:
        return f"{len(part)} records ({part.group_count} groups)"
    return f"{len(part)} records ({part.positives} positive, {part.group_count} groups)"


def roc(content: ReportContent) -> Picture:
    """Draw the ROC curves of all models, with a bootstrap band around the primary one."""
    from sklearn.metrics import roc_curve

    test, names, band = content.test, content.model_order, content.test_curves[0].roc_band
    curves = {name: roc_curve(test.labels, test.probabilities[name])[:2] for name in names}

    def paint(figure: Figure) -> None:
        axes = figure.subplots()
        axes.plot([0, 1], [0, 1], color=FAINT, linewidth=1.2, zorder=1)
        if band is not None:
            colour = model_line(names[0], tuple(names))["color"]
            axes.fill_between(band.at, band.low, band.high, color=colour, alpha=0.13, linewidth=0)
        for name in reversed(names):
            _model_curve(axes, content, name, curves[name], key="auroc")
        unit_square(axes, "1 - specificity", "sensitivity")
        axes.set_title("ROC curve")
        legend(figure, axes)

    return picture(
        SIZE_INCHES,
        paint,
        "ROC curves of all models on the test records",
        f"ROC on {part_in_words(test)}. Bold: {content.title_of(names[0])}, the kept model; the shaded band is its "
        "pointwise bootstrap interval over groups. Legend: AUROC with interval. Diagonal: chance level.",
        values=_curve_values(content, ("1 - specificity", "sensitivity"), curves),
    )


def _curve_values(content: ReportContent, axes: tuple[str, str], curves: Mapping[str, tuple[Any, Any]]) -> Values:
    """Return the points of the curve of each model."""
    rows = ((content.title_of(name), *point) for name, pair in curves.items() for point in zip(*pair, strict=True))
    return Values.of(("model", *axes), rows)


def precision_recall(content: ReportContent) -> Picture:
    """Draw the precision-recall curves of all models, with the prevalence as chance level."""
    from sklearn.metrics import precision_recall_curve

    test, names = content.test, content.model_order
    prevalence = test.positives / len(test)
    curves = {}
    for name in names:
        precision, recall, _ = precision_recall_curve(test.labels, test.probabilities[name], drop_intermediate=True)
        curves[name] = recall[::-1], precision[::-1]

    def paint(figure: Figure) -> None:
        axes = figure.subplots()
        axes.axhline(prevalence, color=SOFT, linewidth=1, linestyle=(0, (2, 2)))
        axes.annotate(
            f"share of positives {prevalence:.2f}",
            (0.01, prevalence),
            (0, 3),
            textcoords="offset points",
            color=SOFT,
            fontsize=8,
        )
        for name in reversed(names):
            _model_curve(axes, content, name, curves[name], key="auprc", drawstyle="steps-pre")
        unit_square(axes, "sensitivity (recall)", "positive predictive value (precision)")
        axes.set_title("Precision-recall curve")
        legend(figure, axes)

    return picture(
        SIZE_INCHES,
        paint,
        "Precision-recall curves of all models on the test records",
        f"Precision and recall on {part_in_words(test)}. Legend: average precision with interval. Dotted: chance level.",
        values=_curve_values(content, ("recall", "precision"), curves),
    )


def confusion_matrix(content: ReportContent) -> Picture:
    """Draw the confusion matrix of the primary model at its threshold."""
    test, primary = content.test, content.models.primary
    threshold = content.models.thresholds[primary]
    counts = confusion(test.labels, test.probabilities[primary], threshold)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    names = [textwrap.fill(shown(name, 40), 18) for name in content.names]

    def paint(figure: Figure) -> None:
        axes = figure.subplots()
        texts = [[f"{count}\n{share * 100:.1f} % of row" for count, share in zip(*row, strict=True)]
                 for row in zip(counts, shares, strict=True)]  # fmt: skip
        cells(axes, shares, texts, colours=CELL_COLOUR, size=11)
        axes.set_xticks([0, 1], [f"called\n{name}" for name in names])
        axes.set_yticks([0, 1], names, rotation=90, va="center", ha="center")
        axes.tick_params(axis="y", pad=16)
        axes.set(ylabel="truth")
        axes.set_title(f"Decisions at threshold {threshold:.3f}")

    return picture(
        (4.4, 4.0),
        paint,
        f"Confusion matrix: {counts[0, 0]} true negative, {counts[0, 1]} false positive, {counts[1, 0]} false negative, "
        f"{counts[1, 1]} true positive",
        f"{content.title_of(primary)} on {part_in_words(test)}. The threshold was chosen on validation records.",
        values=confusion_values(content.names, counts),
    )


def confusion_values(names: Sequence[str], counts: NDArray[np.int64]) -> Values:
    """Return the number of records of each true and called class."""
    rows = ((names[truth], names[called], counts[truth, called]) for truth, called in np.ndindex(*counts.shape))
    return Values.of(("truth", "called", "records"), rows)


def forest(content: ReportContent) -> Picture:
    """Draw the AUROC of each model with its interval on one axis."""
    metric = content.test.discrimination
    names = content.model_order
    scores = [(name, content.scores_of(name)["auroc"]) for name in names]
    rows = [(name, auroc.value, auroc) for name, auroc in scores if auroc.value is not None]

    def paint(figure: Figure) -> None:
        axes = figure.subplots()
        for place, (name, value, auroc) in enumerate(rows):
            _forest_row(axes, (value, place), auroc, colour=model_line(name, tuple(names))["color"])
        _ceiling_lines(axes, content, len(rows))
        axes.set_yticks(range(len(rows)), [shown(content.title_of(name)) for name, *_ in rows], size=9, color=INK)
        axes.set(ylim=(len(rows) - 0.4, -0.75), xlabel=f"{metric} on the test records")
        axes.grid(visible=False, axis="y")
        axes.spines["left"].set_visible(False)
        axes.tick_params(axis="y", length=0)

    confidence = content.metrics.bootstrap.confidence * 100
    return picture(
        (9.6, 1.1 + 0.55 * max(1, len(rows))),
        paint,
        f"{metric} of each model with its interval",
        f"{metric} on {part_in_words(content.test)} with {confidence:g} % intervals from the same resamples for all models. "
        "Intervals that overlap can hide a clear paired difference: for the graph, read the verdict.",
        values=Values.of(
            ("model", metric, "low", "high"),
            ((content.title_of(name), value, auroc.low, auroc.high) for name, value, auroc in rows),
        ),
        wide=True,
    )


def _forest_row(axes: Axes, at: tuple[float, int], auroc: Score, *, colour: str) -> None:
    value, place = at
    bold = place == 0
    if auroc.low is not None and auroc.high is not None:
        axes.plot(
            [auroc.low, auroc.high],
            [place, place],
            color=colour,
            linewidth=3.4 if bold else 2,
            solid_capstyle="round",
            alpha=0.55,
        )
    axes.plot(value, place, "o", color=colour, markersize=9 if bold else 7)
    axes.annotate(
        f"{value:.3f}",
        at,
        (0, 8),
        textcoords="offset points",
        ha="center",
        size=8.5,
        weight="bold" if bold else "normal",
    )


def _model_curve(
    axes: Axes,
    content: ReportContent,
    name: str,
    points: tuple[Any, Any],
    *,
    key: str,
    **line: Any,  # noqa: ANN401
) -> None:
    bold = name == content.models.primary
    label = f"{shown(content.title_of(name))}  {interval_in_short(content.scores_of(name).get(key))}"
    line |= model_line(name, tuple(content.model_order))
    axes.plot(*points, label=label, linewidth=2.4 if bold else 1.3, zorder=3 if bold else 2, **line)


def interval_in_short(found: Score | None) -> str:
    """Format a score for a legend, such as ``0.812 (0.74-0.87)``."""
    if found is None or found.value is None:
        return "undefined"
    if found.low is None or found.high is None:
        return f"{found.value:.3f}"
    between = " to " if found.low < 0 else "-"
    return f"{found.value:.3f} ({found.low:.2f}{between}{found.high:.2f})"


def _ceiling_lines(axes: Axes, content: ReportContent, rows: int) -> None:
    if content.ceiling is None:
        return
    marks = ((content.ceiling.bayes_auroc, "-", "ceiling"), (content.ceiling.latent_auroc, ":", "latent variables"))
    for value, dash, name in marks:
        if np.isfinite(value):
            axes.axvline(value, color=INK, linewidth=1.1, linestyle=dash)
            axes.annotate(
                f"{name} {value:.3f}",
                (value, rows - 0.45),
                (-3, 0),
                textcoords="offset points",
                size=7.5,
                rotation=90,
                ha="right",
                va="bottom",
                color=SOFT,
            )
