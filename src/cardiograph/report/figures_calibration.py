"""Figures of the probabilities themselves: what was said against what happened, and how they lie in each class."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cardiograph.evaluate.bootstrap import group_weights, too_few_groups
from cardiograph.evaluate.calibration import reliability_curve
from cardiograph.evaluate.curves import SPAN, loess
from cardiograph.evaluate.predictions import PartPredictions
from cardiograph.report.content import ReportContent
from cardiograph.report.figure_style import (
    INK,
    NEGATIVE,
    POSITIVE,
    SOFT,
    Picture,
    legend,
    model_line,
    picture,
    shown,
)
from cardiograph.report.figures_scores import counted, in_short, model_order, scores_of, title_of
from cardiograph.wording import class_names

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


SIZE = (4.7, 5.6)


BAND_RESAMPLES = 300


FEWEST_TO_SMOOTH = 50
"""Records below which no smooth curve is drawn: it would show noise."""


Floats = NDArray[np.float64]


def calibration(content: ReportContent) -> Picture:
    """Smooth curve and bins of the primary model over a histogram of its probabilities."""
    test, primary = content.test, content.models.primary
    probabilities = test.probabilities[primary]
    curve = reliability_curve(test.labels, probabilities)
    colour = model_line(primary, tuple(model_order(content)))["color"]
    smoothed = len(test) >= FEWEST_TO_SMOOTH and 0 < test.positives < len(test) and float(np.ptp(probabilities)) > 0

    def paint(figure: Figure) -> None:
        top, bottom = figure.subplots(2, 1, sharex=True, height_ratios=(4.2, 1))
        top.plot([0, 1], [0, 1], color=SOFT, linewidth=1, linestyle=(0, (2, 2)), label="said is seen")
        if smoothed:
            _smooth(top, test, primary, colour=colour, confidence=content.metrics["bootstrap"]["confidence"])
        errors = np.vstack([curve.observed - curve.low, curve.high - curve.observed]).clip(0)
        bins = {"fmt": "o", "markersize": 4.5, "elinewidth": 1.1, "label": "bins"}
        top.errorbar(curve.predicted, curve.observed, errors, color=INK if smoothed else colour, alpha=0.75, **bins)
        _printed(top, content)
        top.set(xlim=(-0.01, 1.01), ylim=(-0.02, 1.02), ylabel="share that was positive")
        top.set_title("What was said against what happened")
        _stacked(bottom, content)
        legend(figure, top, bottom, columns=2)

    drawn = f"Line: loess, span {SPAN:g}, with a pointwise bootstrap band over groups. " if smoothed else ""
    return picture(
        SIZE,
        paint,
        f"Calibration curve of {title_of(content, primary)} on the test records",
        f"{drawn}Dots: {len(curve.count)} bins of about {int(np.median(curve.count))} records each, of {counted(test)}, "
        "with 95 % Wilson intervals, which take records as independent. On the dotted line probabilities mean what they "
        "say.",
    )


def _smooth(axes: Axes, part: PartPredictions, model: str, *, colour: str, confidence: float) -> None:
    probabilities, labels = part.probabilities[model], part.labels.astype(np.float64)
    at = np.linspace(float(probabilities.min()), float(probabilities.max()), 81)
    if not too_few_groups(part.labels, part.groups):
        rng = np.random.default_rng(0)
        drawn = np.vstack(
            [
                loess(probabilities, labels, at, weights=weights)
                for weights in group_weights(part.labels, part.groups, resamples=BAND_RESAMPLES, rng=rng)
            ]
        )
        low, high = np.nanquantile(drawn, [(1 - confidence) / 2, (1 + confidence) / 2], axis=0).clip(0, 1)
        axes.fill_between(at, low, high, color=colour, alpha=0.13, linewidth=0)
    axes.plot(at, loess(probabilities, labels, at)[0].clip(0, 1), color=colour, linewidth=2.2, label="smoothed")


def _printed(axes: Axes, content: ReportContent) -> None:
    scores = scores_of(content, content.models.primary)
    named = (("slope", "calibration_slope"), ("intercept", "calibration_intercept"), ("ECE", "ece"))
    lines = [f"{title} {in_short(scores[name])}" for title, name in named if name in scores]
    axes.annotate(
        "\n".join(lines),
        (0.02, 0.985),
        xycoords="axes fraction",
        ha="left",
        va="top",
        size=8,
        linespacing=1.5,
        bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 2},
    )


def _stacked(axes: Axes, content: ReportContent) -> None:
    test, probabilities = content.test, content.test.probabilities[content.models.primary]
    axes.hist(
        [probabilities[test.labels == 0], probabilities[test.labels == 1]],
        bins=np.linspace(0, 1, 26).tolist(),
        stacked=True,
        color=[NEGATIVE, POSITIVE],
        label=[shown(name) for name in class_names(content.outcome)],
    )
    axes.set(xlabel="probability given", ylabel="records")


def probabilities_by_outcome(content: ReportContent) -> Picture:
    """Histograms of the probability by true class, over boxes of their quartiles."""
    test, primary = content.test, content.models.primary
    threshold = content.models.thresholds[primary]
    names = class_names(content.outcome)
    values = [test.probabilities[primary][test.labels == label] for label in (0, 1)]

    def paint(figure: Figure) -> None:
        top, bottom = figure.subplots(2, 1, sharex=True, height_ratios=(4.2, 1))
        bins = np.linspace(0, 1, 26)
        for label, colour in ((0, NEGATIVE), (1, POSITIVE)):
            share = np.histogram(values[label], bins)[0] / max(1, len(values[label]))
            top.stairs(share, bins, fill=True, color=colour, alpha=0.3)
            name = f"{shown(names[label])} (n = {len(values[label])})"
            top.stairs(share, bins, color=colour, linewidth=1.4, label=name)
            if len(values[label]):
                _box(bottom, values[label], 1 - label, colour=colour)
        for axes in (top, bottom):
            axes.axvline(threshold, color=INK, linewidth=1, linestyle=(0, (4, 2)), label=f"threshold {threshold:.3f}")
        top.set(xlim=(0, 1), ylabel="share of the class")
        top.set_ylim(bottom=0)
        top.set_title("How far the classes are apart")
        bottom.set(xlabel=f"probability of {shown(content.outcome)}", yticks=[], ylim=(-0.6, 1.6))
        bottom.grid(visible=False, axis="y")
        bottom.spines["left"].set_visible(False)
        legend(figure, top)

    return picture(
        SIZE,
        paint,
        "Distribution of the probability in each class of the test records",
        f"Probabilities of {title_of(content, primary)} on {counted(test)}; each class adds up to 1. Below: median, "
        "quartiles (box), 5 to 95 % (line).",
    )


def _box(axes: Axes, values: Floats, height: float, *, colour: str) -> None:
    low, first, middle, third, high = np.quantile(values, [0.05, 0.25, 0.5, 0.75, 0.95])
    axes.plot([low, high], [height, height], color=colour, linewidth=1.2)
    axes.barh(height, third - first, left=first, height=0.62, color=colour, alpha=0.45)
    axes.plot([middle, middle], [height - 0.31, height + 0.31], color=colour, linewidth=2.2, solid_capstyle="butt")


def decision_curve(content: ReportContent, benefit: Mapping[str, Any]) -> Picture:
    """Net benefit of the primary model with its band, the best model without a graph, treat all and treat none.

    Args:
        content: The run.
        benefit: ``net_benefit`` of its ``metrics.json``.
    """
    primary = content.models.primary
    others = [name for name in (content.models.baseline, content.models.graph) if name != primary]
    order, at = tuple(model_order(content)), np.array(benefit["thresholds"])
    everybody = _numbers(benefit["treat_all"])
    prevalence = benefit["prevalence"] or 0.0
    last = _last_worth_showing(benefit, [primary, *others], at)

    def paint(figure: Figure) -> None:
        axes = figure.subplots()
        axes.axhline(0, color=INK, linewidth=1.1, label="act on nobody")
        axes.plot(at, everybody, color=SOFT, linewidth=1.3, linestyle=(0, (3, 2)), label="act on everybody")
        for name in others[:1]:
            axes.plot(at, _numbers(benefit["models"][name]["value"]), label=shown(title_of(content, name)), linewidth=1.4,
                      **model_line(name, order))  # fmt: skip
        model, line = benefit["models"][primary], model_line(primary, order)
        axes.fill_between(
            at, _numbers(model["low"]), _numbers(model["high"]), color=line["color"], alpha=0.13, linewidth=0
        )
        axes.plot(
            at, _numbers(model["value"]), label=f"{shown(title_of(content, primary))} (kept)", linewidth=2.4, **line
        )
        threshold = content.models.thresholds[primary]
        if threshold <= last:
            axes.axvline(threshold, color=INK, linewidth=0.9, linestyle=(0, (1, 2)), label=f"threshold {threshold:.3f}")
        top = max(prevalence, float(np.nanmax(_numbers(model["high"]), initial=0)), 0.02)
        axes.set(xlim=(0, last), ylim=(-0.25 * top, 1.08 * top))
        axes.set(xlabel="threshold probability", ylabel="net benefit")
        axes.set_title("What acting on the model is worth")
        legend(figure, axes, columns=2)

    confidence = content.metrics["bootstrap"]["confidence"] * 100
    return picture(
        (4.7, 5.2),
        paint,
        "Decision curve of the model kept, beside acting on everybody and on nobody",
        f"Net benefit on {counted(content.test)}; band: pointwise {confidence:g} % bootstrap interval over groups. A curve "
        "is worth having where it lies above both acting on everybody and acting on nobody.",
    )


def _numbers(values: Sequence[float | None]) -> NDArray[np.float64]:
    return np.array([np.nan if value is None else value for value in values], dtype=np.float64)


def _last_worth_showing(benefit: Mapping[str, Any], names: Sequence[str], at: NDArray[np.float64]) -> float:
    """The threshold from which nothing shown is above 0 any more, and a little space; at least a third of the axis."""
    best = np.max([_numbers(benefit["models"][name]["value"]) for name in names], axis=0)
    above = at[np.nan_to_num(best) > 0]
    return float(min(1.0, max(0.35, (above.max() if len(above) else 0) + 0.05)))
