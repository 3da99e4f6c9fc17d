"""Figures of the cohort, the graph and the training."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cardiograph.report.content import ClinicalContent, GraphContent, LearningCurve, ReportContent
from cardiograph.report.figure_style import INK, SOFT, UNLABELLED, Picture, Values, cells, class_colours, picture, shown

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.patches import Patch


MAX_BARS = 12
"""Maximum number of distinct whole numbers that are drawn as bars; more are drawn as a histogram."""
RISING, FALLING = "#b35806", "#542788"
"""Colours of positive and negative correlations, the ends of ColorBrewer's PuOr."""
TRAINING_COLOUR, VALIDATION_COLOUR = "#5b6676", "#b03060"


def distributions(content: ReportContent, clinical: ClinicalContent) -> Picture:
    """Draw the distribution of each clinical variable in each class."""
    count = clinical.values.shape[1]
    looks = [*zip(map(shown, content.names), class_colours(len(content.names)), strict=True)]
    columns = min(3, count)
    rows = -(-count // columns)

    def paint(figure: Figure) -> None:
        for place, variable in enumerate(clinical.variables):
            axes = figure.add_subplot(rows, columns, place + 1)
            values = clinical.values[:, place]
            if variable.whole and len(np.unique(values[np.isfinite(values)])) <= MAX_BARS:
                _bars(axes, values, clinical.labels, looks)
            else:
                _histogram(axes, values, clinical.labels, looks, log=variable.transform == "log")
            axes.set_title(shown(variable.title, 30))
            axes.set_xlabel(shown(variable.unit or "class", 30))
            if place % columns == 0:
                axes.set_ylabel("share of the class")
        handles = [_patch(colour, name) for name, colour in looks]
        figure.legend(handles=handles, loc="outside upper left", ncols=2, fontsize=9)

    labelled = int((clinical.labels >= 0).sum())
    return picture(
        (3.3 * columns, 0.4 + 2.5 * rows),
        paint,
        "Distribution of each clinical variable by class",
        f"{labelled} labelled records of all parts; each class adds up to 1. Short vertical lines mark medians; missing "
        "values are excluded.",
        values=_quantiles(content, clinical),
        wide=columns > 1,
    )


def _quantiles(content: ReportContent, clinical: ClinicalContent) -> Values:
    """Return deciles of each variable in each class."""
    levels = np.linspace(0, 1, 11)
    rows = []
    for place, variable in enumerate(clinical.variables):
        for label, name in enumerate(content.names):
            chosen = clinical.values[clinical.labels == label, place]
            chosen = chosen[np.isfinite(chosen)]
            found = np.quantile(chosen, levels) if len(chosen) else np.full(len(levels), np.nan)
            rows.append((variable.title, variable.unit, name, len(chosen), *found))
    return Values.of(("variable", "unit", "class", "records", *(f"quantile {level:.1f}" for level in levels)), rows)


def correlation(content: ReportContent, clinical: ClinicalContent) -> Picture:
    """Draw the rank correlations of the clinical variables and the label."""
    titles, matrix, smallest = content.correlations(clinical)
    names = [shown(title, 26) for title in titles]
    size = 1.9 + 0.42 * len(names)

    def paint(figure: Figure) -> None:
        axes = figure.subplots()
        below = np.tri(len(names), k=-1, dtype=bool)
        texts = [[_coefficient(value) if seen else "" for value, seen in zip(*row, strict=True)]
                 for row in zip(matrix, below, strict=True)]  # fmt: skip
        colours = np.where(matrix < 0, FALLING, RISING)
        cells(axes, np.where(below, np.abs(matrix), np.nan), texts, colours=colours, size=8)
        axes.set_xticks(range(len(names) - 1), names[:-1], rotation=35, ha="right", rotation_mode="anchor")
        axes.set_yticks(range(1, len(names)), names[1:])
        axes.set(xlim=(-0.5, len(names) - 1.5), ylim=(len(names) - 0.5, 0.5))
        axes.set_title("Rank correlations")

    return picture(
        (size + 0.9, size),
        paint,
        "Rank correlation of the clinical variables and the outcome",
        f"Spearman rank correlation over the records of all parts that have both values (at least {smallest} per pair). "
        "Orange: both rise together; purple: one falls as the other rises.",
        values=Values.of(
            ("first", "second", "rank correlation"),
            ((titles[a], titles[b], matrix[a, b]) for a in range(len(titles)) for b in range(a)),
        ),
    )


def _coefficient(value: float) -> str:
    return f"{value:.2f}" if np.isfinite(value) else "-"


def learning_curves(content: ReportContent) -> Picture:
    """Draw loss and accuracy by epoch of each model that is trained in epochs."""
    curves = {name: content.curves[name] for name in content.models.titles if name in content.curves}
    accuracy = any(len(curve.val_accuracy) for curve in curves.values())

    def paint(figure: Figure) -> None:
        grid = figure.subplots(1 + accuracy, len(curves), sharey="row", squeeze=False)
        for column, (name, curve) in enumerate(curves.items()):
            grid[0, column].set_title(shown(content.models.titles[name], 26))
            _curve_pair(grid[0, column], curve.train_loss, curve.val_loss, curve)
            if accuracy:
                _curve_pair(grid[1, column], curve.train_accuracy, curve.val_accuracy, curve)
            grid[-1, column].set_xlabel("epoch")
        grid[0, 0].set_ylabel("cross-entropy")
        if accuracy:
            grid[1, 0].set_ylabel("accuracy")
        handles, labels = grid[0, 0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside upper left", ncols=3, fontsize=9)

    kept = ", ".join(f"{content.models.titles[name]} epoch {curve.best_epoch + 1}" for name, curve in curves.items())
    return picture(
        (max(4.8, 3.2 * len(curves)), 0.5 + 2.2 * (1 + accuracy)),
        paint,
        "Loss and accuracy by epoch, training and validation",
        f"Kept: {kept}. This is the epoch with the lowest validation loss ({len(content.validation)} records), so "
        "validation scores are optimistic.",
        values=_epochs(content, curves),
        wide=len(curves) > 1,
    )


def _epochs(content: ReportContent, curves: Mapping[str, LearningCurve]) -> Values:
    """Return loss and accuracy of each model and epoch; None where the accuracy was not recorded."""
    rows = []
    for name, curve in curves.items():
        blank = np.full(len(curve.val_loss), np.nan)
        recorded = len(curve.val_accuracy) > 0
        accuracies = (curve.train_accuracy, curve.val_accuracy) if recorded else (blank, blank)
        each = zip(curve.train_loss, curve.val_loss, *accuracies, strict=True)
        rows += [(content.models.titles[name], epoch, *found) for epoch, found in enumerate(each, 1)]
    columns = ("model", "epoch", "training loss", "validation loss", "training accuracy", "validation accuracy")
    return Values.of(columns, rows)


def patient_graph(content: ReportContent, graph: GraphContent) -> Picture:
    """Draw the map of records with their links."""
    colours = class_colours(len(content.names))
    kinds = ((-1, UNLABELLED, "unlabelled"), *zip(range(len(colours)), colours, content.names, strict=True))

    def paint(figure: Figure) -> None:
        axes = figure.subplots()
        for patch in _links(graph, colours):
            axes.add_patch(patch)
        for query, marker, part in ((False, "o", "reference"), (True, "D", "query")):
            for label, colour, name in kinds:
                chosen = (graph.labels == label) & (graph.query == query)
                axes.scatter(
                    graph.xy[chosen, 0],
                    graph.xy[chosen, 1],
                    s=24 if query else 30,
                    c="white" if query else colour,
                    edgecolors=colour if query else "white",
                    marker=marker,
                    linewidths=1.5 if query else 0.6,
                    zorder=3,
                    label=f"{shown(name, 32)}, {part} ({int(chosen.sum())})" if chosen.any() else None,
                )
        axes.set(xticks=[], yticks=[])
        axes.spines[:].set_visible(False)
        figure.legend(loc="outside upper left", ncols=2, fontsize=9)

    drawn = int((~graph.query).sum())
    sampled = f" ({drawn} of {graph.records} reference records, drawn at random)" if drawn < graph.records else ""
    return picture(
        (9.6, 6.8),
        paint,
        "Map of the patient graph with its links",
        f"{len(graph.xy)} records{sampled}. A link joins a record to one of its {graph.k} nearest reference records "
        f"({graph.metric} distance of the fused features), if that one is drawn. It has the colour of a class if both "
        "ends belong to that class, and is grey otherwise. Filled: reference (training) record. Hollow: query record, "
        "which has reference records as neighbours but is never a neighbour itself. The map (t-SNE) keeps similar records "
        "close together; larger distances have no meaning.",
        wide=True,
    )


def _bars(axes: Axes, values: NDArray[np.float64], labels: NDArray[np.int64], looks: Sequence[tuple[str, str]]) -> None:
    levels = np.unique(values[np.isfinite(values)])
    width = 0.8 / len(looks)
    for label, (name, colour) in enumerate(looks):
        chosen = values[(labels == label) & np.isfinite(values)]
        share = [(chosen == level).sum() / max(1, len(chosen)) for level in levels]
        places = np.arange(len(levels)) + (label - (len(looks) - 1) / 2) * width
        axes.bar(places, share, 0.95 * width, color=colour, alpha=0.85, label=name)
    axes.set_xticks(range(len(levels)), [f"{level:g}" for level in levels])
    axes.grid(visible=False, axis="x")


def _histogram(
    axes: Axes, values: NDArray[np.float64], labels: NDArray[np.int64], looks: Sequence[tuple[str, str]], *, log: bool
) -> None:
    present = values[np.isfinite(values) & (labels >= 0)]
    if not len(present):
        axes.text(0.5, 0.5, "no value", ha="center", transform=axes.transAxes, color=SOFT)
        return
    low, high = float(present.min()), float(present.max())
    high = high if high > low else low + 1
    bins = np.geomspace(low, high, 25) if log and low > 0 else np.linspace(low, high, 25)
    for label, (name, colour) in enumerate(looks):
        chosen = values[(labels == label) & np.isfinite(values)]
        if len(chosen):
            share = np.histogram(chosen, bins)[0] / len(chosen)
            axes.stairs(share, bins, fill=True, color=colour, alpha=0.28)
            axes.stairs(share, bins, color=colour, linewidth=1.3, label=name)
            axes.axvline(float(np.median(chosen)), 0, 0.1, color=colour, linewidth=2.2)
    if log and low > 0:
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter("{x:g}")
    axes.set_ylim(bottom=0)


def _curve_pair(axes: Axes, train: NDArray[np.float64], val: NDArray[np.float64], curve: LearningCurve) -> None:
    for values, colour, name in ((train, TRAINING_COLOUR, "training"), (val, VALIDATION_COLOUR, "validation")):
        axes.plot(np.arange(1, len(values) + 1), values, color=colour, linewidth=1.4, label=name)
    axes.axvline(curve.best_epoch + 1, color=INK, linewidth=0.9, linestyle=(0, (3, 2)), label="kept")


def _links(graph: GraphContent, colours: Sequence[str]) -> Iterator[Patch]:
    """Yield the links within each class and between classes, each kind as one path, which keeps the file small."""
    from matplotlib.patches import PathPatch
    from matplotlib.path import Path

    source, target = graph.labels[graph.edges]
    for colour, chosen in (
        ("#8b94a1", (source != target) | (source < 0)),
        *((each, (source == label) & (target == label)) for label, each in enumerate(colours)),
    ):
        if chosen.any():
            ends = graph.xy[graph.edges[:, chosen].T.reshape(-1)]
            codes = np.tile([Path.MOVETO, Path.LINETO], int(chosen.sum()))
            yield PathPatch(Path(ends, codes), facecolor="none", edgecolor=colour, linewidth=0.5, alpha=0.32, zorder=1)


def _patch(colour: str, label: str) -> Patch:
    from matplotlib.patches import Patch

    return Patch(facecolor=colour, alpha=0.7, label=label)
