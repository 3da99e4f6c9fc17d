"""Figures of the scores: ROC, precision-recall, decisions, models side by side."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cardiograph.evaluate.bootstrap import group_weights
from cardiograph.evaluate.metrics import confusion
from cardiograph.evaluate.predictions import PartPredictions
from cardiograph.report.content import ReportContent
from cardiograph.report.figure_style import (
    FAINT,
    INK,
    SOFT,
    Picture,
    legend,
    model_line,
    picture,
    shown,
    unit_square,
)
from cardiograph.wording import class_names

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

BAND_RESAMPLES = 400
SQUARE = (4.7, 5.2)


def model_order(content: ReportContent) -> list[str]:
    """The models that have predictions, the primary one first."""
    names = [name for name in content.models.titles if name in content.test.probabilities]
    names += [name for name in content.test.probabilities if name not in names]
    return sorted(names, key=lambda name: name != content.models.primary)


def scores_of(content: ReportContent, model: str) -> dict[str, Any]:
    """The test scores of a model, as in ``metrics.json``."""
    found = content.metrics["test"] if model == content.models.primary else content.metrics["baselines"].get(model, {})
    return dict(found)


def title_of(content: ReportContent, model: str) -> str:
    """A model's name for people."""
    return content.models.titles.get(model, model)


def counted(part: PartPredictions) -> str:
    """``137 records (55 positive, 120 groups)``."""
    return f"{len(part)} records ({part.positives} positive, {part.group_count} groups)"


def roc(content: ReportContent) -> Picture:
    """ROC curves of all models, with a bootstrap band around the primary one."""
    from sklearn.metrics import roc_curve

    test, names = content.test, model_order(content)

    def paint(figure: Figure) -> None:
        axes = figure.subplots()
        axes.plot([0, 1], [0, 1], color=FAINT, linewidth=1.2, zorder=1)
        grid, low, high = _roc_band(test, content.models.primary, content.metrics["bootstrap"]["confidence"])
        axes.fill_between(grid, low, high, color=model_line(names[0], tuple(names))["color"], alpha=0.13, linewidth=0)
        for name in reversed(names):
            false, true, _ = roc_curve(test.labels, test.probabilities[name], drop_intermediate=False)
            _model_curve(axes, content, name, (false, true), key="auroc")
        unit_square(axes, "1 - specificity", "sensitivity")
        axes.set_title("Positives found against false alarms")
        legend(figure, axes)

    return picture(
        SQUARE,
        paint,
        "ROC curves of all models on the test records",
        f"ROC on {counted(test)}. Bold: {title_of(content, names[0])}, the model kept; the shaded band is its pointwise "
        f"bootstrap interval over groups. In the legend: AUROC with interval. Diagonal: a coin.",
    )


def precision_recall(content: ReportContent) -> Picture:
    """Precision-recall curves with the prevalence as floor."""
    from sklearn.metrics import precision_recall_curve

    test, names = content.test, model_order(content)
    prevalence = test.positives / len(test)

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
            precision, recall, _ = precision_recall_curve(test.labels, test.probabilities[name])
            _model_curve(axes, content, name, (recall[::-1], precision[::-1]), key="auprc", drawstyle="steps-pre")
        unit_square(axes, "sensitivity (recall)", "positive predictive value (precision)")
        axes.set_title("Of those called positive, how many are")
        legend(figure, axes)

    return picture(
        SQUARE,
        paint,
        "Precision-recall curves of all models on the test records",
        f"Precision and recall on {counted(test)}. In the legend: average precision with interval. Dotted: what chance "
        "gives.",
    )


def confusion_matrix(content: ReportContent) -> Picture:
    """The four counts at the threshold."""
    test, primary = content.test, content.models.primary
    threshold = content.models.thresholds[primary]
    counts = confusion(test.labels, test.probabilities[primary], threshold)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    names = [textwrap.fill(shown(name, 40), 18) for name in class_names(content.outcome)]

    def paint(figure: Figure) -> None:
        axes = figure.subplots()
        axes.imshow(shares, cmap="Blues", vmin=0, vmax=1.15)
        for row, column in np.ndindex(2, 2):
            ink = "white" if shares[row, column] > 0.6 else INK
            axes.text(column, row - 0.06, str(counts[row, column]), ha="center", va="bottom", size=20, color=ink)
            axes.text(column, row + 0.08, f"{shares[row, column] * 100:.1f} % of row", ha="center", va="top", color=ink)
        axes.set_xticks([0, 1], [f"called\n{name}" for name in names])
        axes.set_yticks([0, 1], names, rotation=90, va="center", ha="center")
        axes.tick_params(axis="y", pad=16)
        axes.set(ylabel="truth")
        axes.grid(visible=False)
        axes.spines[:].set_visible(False)
        axes.tick_params(length=0)
        axes.set_title(f"Decisions at threshold {threshold:.3f}")

    return picture(
        (4.4, 4.0),
        paint,
        f"Confusion matrix: {counts[0, 0]} true negative, {counts[0, 1]} false positive, {counts[1, 0]} false negative, "
        f"{counts[1, 1]} true positive",
        f"{title_of(content, primary)} on {counted(test)}. The threshold was chosen on validation records.",
    )


def forest(content: ReportContent) -> Picture:
    """AUROC of each model with its interval, on one axis."""
    names = model_order(content)
    rows = [(name, scores_of(content, name)["auroc"]) for name in names]
    rows = [(name, auroc) for name, auroc in rows if auroc["value"] is not None]

    def paint(figure: Figure) -> None:
        axes = figure.subplots()
        for place, (name, auroc) in enumerate(rows):
            _forest_row(axes, place, auroc, colour=model_line(name, tuple(names))["color"])
        _ceiling_lines(axes, content, len(rows))
        axes.set_yticks(range(len(rows)), [shown(title_of(content, name)) for name, _ in rows], size=9, color=INK)
        axes.set(ylim=(len(rows) - 0.4, -0.75), xlabel="AUROC on the test records")
        axes.grid(visible=False, axis="y")
        axes.spines["left"].set_visible(False)
        axes.tick_params(axis="y", length=0)

    confidence = content.metrics["bootstrap"]["confidence"] * 100
    return picture(
        (9.6, 1.1 + 0.55 * max(1, len(rows))),
        paint,
        "AUROC of each model with its interval",
        f"AUROC on {counted(content.test)} with {confidence:g} % intervals; all models saw the same resamples. Intervals "
        "that overlap can hide a clear paired difference: for the graph, read the verdict.",
        wide=True,
    )


def _forest_row(axes: Axes, place: int, auroc: dict[str, Any], *, colour: str) -> None:
    bold = place == 0
    if auroc["low"] is not None:
        axes.plot(
            [auroc["low"], auroc["high"]],
            [place, place],
            color=colour,
            linewidth=3.4 if bold else 2,
            solid_capstyle="round",
            alpha=0.55,
        )
    axes.plot(auroc["value"], place, "o", color=colour, markersize=9 if bold else 7)
    axes.annotate(
        f"{auroc['value']:.3f}",
        (auroc["value"], place),
        (0, 8),
        textcoords="offset points",
        ha="center",
        size=8.5,
        weight="bold" if bold else "normal",
    )


def headline(content: ReportContent) -> Picture:
    """The headline AUROC on a scale from a coin to perfect."""
    auroc = content.metrics["test"]["auroc"]
    value, low, high = (auroc[key] for key in ("value", "low", "high"))
    colour = model_line(content.models.primary, tuple(model_order(content)))["color"]
    start = 0.5 if min(x for x in (value, low, 1.0) if x is not None) >= 0.5 else 0.0

    def paint(figure: Figure) -> None:
        axes = figure.subplots()
        axes.plot([start, 1], [0, 0], color=FAINT, linewidth=7, solid_capstyle="round")
        if low is not None:
            axes.plot([low, high], [0, 0], color=colour, linewidth=7, solid_capstyle="butt", alpha=0.45)
        if value is not None:
            axes.plot(value, 0, "o", color=colour, markersize=11, markeredgecolor="white", markeredgewidth=1.5)
        axes.set(xlim=(start - 0.02, 1.02), ylim=(-0.5, 0.5), yticks=[])
        axes.set_xticks(
            [start, 0.75 if start else 0.5, 1], ["0.5 coin" if start else "0", "0.75" if start else "0.5 coin", "1"]
        )
        axes.grid(visible=False)
        axes.spines[:].set_visible(False)
        axes.tick_params(length=0, labelsize=9, pad=1)

    return picture((4.6, 0.62), paint, "The AUROC and its interval on a scale up to 1", "")


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
    label = f"{shown(title_of(content, name))}  {in_short(scores_of(content, name).get(key))}"
    line |= model_line(name, tuple(model_order(content)))
    axes.plot(*points, label=label, linewidth=2.4 if bold else 1.3, zorder=3 if bold else 2, **line)


def in_short(interval: dict[str, float | None] | None) -> str:
    """``0.812 (0.74-0.87)``, for a legend."""
    if not interval or interval["value"] is None:
        return "undefined"
    if interval["low"] is None or interval["high"] is None:
        return f"{interval['value']:.3f}"
    between = " to " if interval["low"] < 0 else "-"
    return f"{interval['value']:.3f} ({interval['low']:.2f}{between}{interval['high']:.2f})"


def _ceiling_lines(axes: Axes, content: ReportContent, rows: int) -> None:
    if content.ceiling is None:
        return
    marks = ((content.ceiling.bayes_auroc, "-", "ceiling"), (content.ceiling.latent_auroc, ":", "true latents"))
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


def _roc_band(
    part: PartPredictions, model: str, confidence: float
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Pointwise percentile band of the sensitivity over resamples of whole groups."""
    grid = np.linspace(0, 1, 101)
    order = np.argsort(-part.probabilities[model], kind="stable")
    last = np.flatnonzero(np.r_[np.diff(part.probabilities[model][order]) != 0, True])
    positive = part.labels[order] == 1
    drawn = []
    rng = np.random.default_rng(0)
    for weights in group_weights(part.labels, part.groups, resamples=BAND_RESAMPLES, rng=rng):
        for row in weights[:, order]:
            true, false = (row * positive).cumsum()[last], (row * ~positive).cumsum()[last]
            if true[-1] and false[-1]:
                drawn.append(np.interp(grid, np.r_[0, false / false[-1]], np.r_[0, true / true[-1]]))
    low, high = np.quantile(drawn or [grid], [(1 - confidence) / 2, (1 + confidence) / 2], axis=0)
    return grid, low, high
