"""Figures of several classes: ROC and calibration of each class against the rest, and the confusion matrix."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cardiograph.evaluate.class_metrics import class_confusion
from cardiograph.report.content import ReportContent
from cardiograph.report.figure_style import (
    FAINT,
    SOFT,
    Picture,
    Values,
    cells,
    class_colours,
    legend,
    picture,
    shown,
    unit_square,
)
from cardiograph.report.figures_calibration import bin_values
from cardiograph.report.figures_scores import CELL_COLOUR, confusion_values, interval_in_short, part_in_words

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MAX_TICK_LETTERS = 22


def against_rest(content: ReportContent) -> Iterator[tuple[str, str, NDArray[np.int64], NDArray[np.float64]]]:
    """Yield name, colour, [records] labels 0 or 1 and probabilities of the primary model for each class."""
    test, probabilities = content.test, content.test.probabilities[content.models.primary]
    for label, (name, colour) in enumerate(zip(content.classes, class_colours(len(content.classes)), strict=True)):
        yield name, colour, (test.labels == label).astype(np.int64), probabilities[:, label]


def class_roc(content: ReportContent) -> Picture:
    """Draw the ROC curve of the primary model for each class against the rest."""
    from sklearn.metrics import roc_curve

    curves = [
        (name, colour, *roc_curve(labels, probabilities)[:2])
        for name, colour, labels, probabilities in against_rest(content)
        if 0 < labels.sum() < len(labels)
    ]

    def paint(figure: Figure) -> None:
        axes = figure.subplots()
        axes.plot([0, 1], [0, 1], color=FAINT, linewidth=1.2, zorder=1)
        for name, colour, false, true in reversed(curves):
            label = f"{shown(name, 26)}  {interval_in_short(content.metrics.by_class[name]['auroc'])}"
            axes.plot(false, true, color=colour, linewidth=1.8, label=label)
        unit_square(axes, "1 - specificity", "sensitivity")
        axes.set_title("ROC curve of each class against the rest")
        legend(figure, axes)

    return picture(
        (4.7, 5.2),
        paint,
        f"ROC curves of {content.title_of(content.models.primary)}, each class against the rest",
        f"{content.title_of(content.models.primary)} on {part_in_words(content.test)}. Legend: AUROC of the class against "
        "all others, with interval. Diagonal: chance level.",
        values=Values.of(
            ("class", "1 - specificity", "sensitivity"),
            ((name, *point) for name, _, *pair in curves for point in zip(*pair, strict=True)),
        ),
    )


def class_calibration(content: ReportContent) -> Picture:
    """Draw the binned calibration of the primary model for each class, one panel each."""
    count = len(content.classes)
    columns = min(count, 4)
    rows = -(-count // columns)

    def paint(figure: Figure) -> None:
        grid = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
        for axes in grid.flat[count:]:
            axes.set_axis_off()
        for place, ((name, colour, _, _), curves) in enumerate(
            zip(against_rest(content), content.test_curves, strict=True)
        ):
            axes, curve = grid.flat[place], curves.reliability
            axes.plot([0, 1], [0, 1], color=SOFT, linewidth=1, linestyle=(0, (2, 2)))
            errors = np.vstack([curve.observed - curve.low, curve.high - curve.observed]).clip(0)
            axes.errorbar(
                curve.predicted, curve.observed, errors, fmt="o-", color=colour, markersize=4.5, elinewidth=1.1
            )
            axes.set_title(shown(name, 26))
            axes.set(xlim=(-0.03, 1.03), ylim=(-0.03, 1.03), xlabel="predicted probability")
            axes.set(ylabel="observed share" if place % columns == 0 else "")

    sizes = [
        int(np.median(curves.reliability.count)) for curves in content.test_curves if len(curves.reliability.count)
    ]
    return picture(
        (2.4 * columns + 0.3, 2.9 * rows),
        paint,
        f"Calibration of {content.title_of(content.models.primary)}, each class against the rest",
        f"Bins of about {min(sizes, default=0)} records each, of {part_in_words(content.test)}, with 95 % Wilson intervals, "
        "which treat records as independent. On the dotted line, predicted probabilities equal observed frequencies.",
        values=bin_values(
            {name: each.reliability for name, each in zip(content.classes, content.test_curves, strict=True)}
        ),
        wide=True,
    )


def class_confusion_matrix(content: ReportContent) -> Picture:
    """Draw the confusion matrix of the most likely class."""
    counts = class_confusion(content.test.labels, content.test.probabilities[content.models.primary])
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    names = [textwrap.fill(shown(name, MAX_TICK_LETTERS).replace("_", " "), 12) for name in content.classes]
    side = 2.2 + 0.75 * len(names)

    def paint(figure: Figure) -> None:
        axes = figure.subplots()
        texts = [[f"{count}\n{share * 100:.0f} %" for count, share in zip(*row, strict=True)]
                 for row in zip(counts, shares, strict=True)]  # fmt: skip
        cells(axes, shares, texts, colours=CELL_COLOUR, size=9)
        axes.set_xticks(range(len(names)), names)
        axes.set_yticks(range(len(names)), names)
        axes.set(xlabel="most likely class", ylabel="truth")
        axes.set_title("Most likely class and truth")

    hits = int(np.trace(counts))
    return picture(
        (side, side - 0.3),
        paint,
        f"Confusion matrix: the most likely class is the true one for {hits} of {counts.sum()} records",
        f"{content.title_of(content.models.primary)} on {part_in_words(content.test)}. Percentages are shares of a row.",
        values=confusion_values(content.classes, counts),
    )
