"""Figures of the probabilities: calibration, distribution by class, decision curve."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cardiograph.evaluate.calibration import ReliabilityCurve
from cardiograph.evaluate.curves import SPAN, SmoothCurve
from cardiograph.evaluate.results import DecisionCurve
from cardiograph.report.content import ReportContent
from cardiograph.report.figure_spots import REFERENCE
from cardiograph.report.figure_style import (
    INK,
    NEGATIVE,
    POSITIVE,
    SOFT,
    Picture,
    Values,
    legend,
    model_line,
    picture,
    shown,
)
from cardiograph.report.figures_scores import interval_in_short, part_in_words

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


SIZE_INCHES = (4.7, 5.6)
Floats = NDArray[np.float64]


def calibration(content: ReportContent) -> Picture:
    """Draw the smooth calibration curve and the bins of the primary model over a histogram of its probabilities."""
    primary = content.models.primary
    curve, smooth = content.test_curves[0].reliability, content.test_curves[0].smooth
    colour = model_line(primary, tuple(content.model_order))["color"]

    def paint(figure: Figure) -> None:
        top, bottom = figure.subplots(2, 1, sharex=True, height_ratios=(4.2, 1))
        top.plot(
            [0, 1], [0, 1], color=SOFT, linewidth=1, linestyle=(0, (2, 2)), label="perfect calibration", gid=REFERENCE
        )
        if smooth is not None:
            _smooth(top, smooth, colour=colour)
        errors = np.vstack([curve.observed - curve.low, curve.high - curve.observed]).clip(0)
        bins = {"fmt": "o", "markersize": 4.5, "elinewidth": 1.1, "label": "bins"}
        dots = colour if smooth is None else INK
        top.errorbar(curve.predicted, curve.observed, errors, color=dots, alpha=0.75, **bins)
        _calibration_scores(top, content)
        top.set(xlim=(-0.01, 1.01), ylim=(-0.02, 1.02), ylabel="observed share of positives")
        top.set_title("Predicted probability and observed frequency")
        _histogram_by_class(bottom, content)
        legend(figure, top, bottom, columns=2)

    line = f"Line: loess, span {SPAN:g}, with a pointwise bootstrap band over groups. " if smooth else ""
    return picture(
        SIZE_INCHES,
        paint,
        f"Calibration curve of {content.title_of(primary)} on the test records",
        f"{line}Dots: {len(curve.count)} bins of about {int(np.median(curve.count))} records each, of "
        f"{part_in_words(content.test)}, with 95 % Wilson intervals, which treat records as independent. On the dotted "
        "line, predicted probabilities equal observed frequencies.",
        values=bin_values({content.title_of(primary): curve}),
    )


def bin_values(curves: Mapping[str, ReliabilityCurve]) -> Values:
    """Return the bins of each calibration curve, by its name."""
    rows = (
        (name, *row)
        for name, curve in curves.items()
        for row in zip(curve.predicted, curve.observed, curve.low, curve.high, curve.count, strict=True)
    )
    return Values.of(("curve", "predicted", "observed", "low", "high", "records"), rows)


def _smooth(axes: Axes, curve: SmoothCurve, *, colour: str) -> None:
    if curve.band is not None:
        axes.fill_between(curve.band.at, curve.band.low, curve.band.high, color=colour, alpha=0.13, linewidth=0)
    axes.plot(curve.at, curve.observed, color=colour, linewidth=2.2, label="smoothed")


def _calibration_scores(axes: Axes, content: ReportContent) -> None:
    scores = content.scores_of(content.models.primary)
    named = (("slope", "calibration_slope"), ("intercept", "calibration_intercept"), ("ECE", "ece"))
    lines = [f"{title} {interval_in_short(scores[name])}" for title, name in named]
    axes.annotate(
        "\n".join(lines),
        (0.02, 0.985),
        xycoords="axes fraction",
        ha="left",
        va="top",
        size=8,
        linespacing=1.5,
        zorder=1,  # below the data, which may reach into this corner
    )


def _histogram_by_class(axes: Axes, content: ReportContent) -> None:
    test, probabilities = content.test, content.test.probabilities[content.models.primary]
    axes.hist(
        [probabilities[test.labels == 0], probabilities[test.labels == 1]],
        bins=np.linspace(0, 1, 26).tolist(),
        stacked=True,
        color=[NEGATIVE, POSITIVE],
        label=[shown(name) for name in content.names],
    )
    axes.set(xlabel="predicted probability", ylabel="records")


def probabilities_by_outcome(content: ReportContent) -> Picture:
    """Draw histograms of the probability by true class, above box plots."""
    test, primary = content.test, content.models.primary
    threshold = content.models.thresholds[primary]
    names = content.names
    values = [test.probabilities[primary][test.labels == label] for label in (0, 1)]
    bins = np.linspace(0, 1, 26)
    shares = [np.histogram(each, bins)[0] / max(1, len(each)) for each in values]

    def paint(figure: Figure) -> None:
        top, bottom = figure.subplots(2, 1, sharex=True, height_ratios=(4.2, 1))
        for label, colour in ((0, NEGATIVE), (1, POSITIVE)):
            share = shares[label]
            top.stairs(share, bins, fill=True, color=colour, alpha=0.3)
            name = f"{shown(names[label])} (n = {len(values[label])})"
            top.stairs(share, bins, color=colour, linewidth=1.4, label=name)
            if len(values[label]):
                _box(bottom, values[label], 1 - label, colour=colour)
        for axes in (top, bottom):
            axes.axvline(threshold, color=INK, linewidth=1, linestyle=(0, (4, 2)), label=f"threshold {threshold:.3f}")
        top.set(xlim=(0, 1), ylabel="share of the class")
        top.set_ylim(bottom=0)
        top.set_title("Separation of the classes")
        bottom.set(xlabel=f"probability of {shown(content.outcome)}", yticks=[], ylim=(-0.6, 1.6))
        bottom.grid(visible=False, axis="y")
        bottom.spines["left"].set_visible(False)
        legend(figure, top)

    return picture(
        SIZE_INCHES,
        paint,
        "Distribution of the probability in each class of the test records",
        f"Probabilities of {content.title_of(primary)} on {part_in_words(test)}; each class adds up to 1. Below: median, "
        "quartiles (box), and 5th to 95th percentile (line).",
        values=Values.of(
            ("class", "from", "to", "share of the class"),
            (
                (name, low, high, value)
                for name, share in zip(names, shares, strict=True)
                for low, high, value in zip(bins[:-1], bins[1:], share, strict=True)
            ),
        ),
    )


def _box(axes: Axes, values: Floats, height: float, *, colour: str) -> None:
    low, first, middle, third, high = np.quantile(values, [0.05, 0.25, 0.5, 0.75, 0.95])
    axes.plot([low, high], [height, height], color=colour, linewidth=1.2)
    axes.barh(height, third - first, left=first, height=0.62, color=colour, alpha=0.45)
    axes.plot([middle, middle], [height - 0.31, height + 0.31], color=colour, linewidth=2.2, solid_capstyle="butt")


def decision_curve(content: ReportContent, benefit: DecisionCurve) -> Picture:
    """Draw the net benefit of the primary model with its band, of the baseline, of treating all and of treating none.

    Args:
        content: Content of the report.
        benefit: Net benefit of the models.
    """
    primary = content.models.primary
    others = [name for name in (content.models.baseline, content.models.graph) if name != primary]
    order, at = tuple(content.model_order), np.array(benefit.thresholds)
    treat_all = _numbers(benefit.treat_all)
    prevalence = benefit.prevalence or 0.0
    last = _last_threshold(benefit, [primary, *others], at)

    def paint(figure: Figure) -> None:
        axes = figure.subplots()
        axes.axhline(0, color=INK, linewidth=1.1, label="treat none")
        model, line = benefit.models[primary], model_line(primary, order)
        top = max(prevalence, float(np.nanmax(_numbers(model.high), initial=0)), 0.02)
        bottom = -0.25 * top
        curves = (
            (treat_all, {"color": SOFT, "linewidth": 1.3, "linestyle": (0, (3, 2)), "label": "treat all"}),
            *(
                (_numbers(benefit.models[name].value),
                 {"linewidth": 1.4, "label": shown(content.title_of(name)), **model_line(name, order)})
                for name in others[:1]
            ),
            (_numbers(model.value), {"linewidth": 2.4, "label": f"{shown(content.title_of(primary))} (kept)", **line}),
        )  # fmt: skip
        axes.fill_between(at, _numbers(model.low), _numbers(model.high), color=line["color"], alpha=0.13, linewidth=0)
        for values, style in curves:
            _benefit_line(axes, at[at <= last], values[at <= last], style, bottom=bottom)
        threshold = content.models.thresholds[primary]
        if threshold <= last:
            axes.axvline(threshold, color=INK, linewidth=0.9, linestyle=(0, (1, 2)), label=f"threshold {threshold:.3f}")
        axes.set(xlim=(0, last), ylim=(bottom, 1.08 * top))
        axes.set(xlabel="threshold probability", ylabel="net benefit")
        axes.set_title("Net benefit of acting on the model")
        legend(figure, axes, columns=2)

    confidence = content.metrics.bootstrap.confidence * 100
    return picture(
        (4.7, 5.2),
        paint,
        "Decision curve of the kept model, compared with treating all patients and treating none",
        f"Net benefit on {part_in_words(content.test)}; band: pointwise {confidence:g} % bootstrap interval over groups. A "
        "model is useful at thresholds where its curve lies above both treating all patients and treating none. A triangle "
        "marks a curve that continues below the axis; the CSV file has every threshold up to "
        f"{at[-1]:g}.",
        values=_benefit_values(content, benefit, [primary, *others[:1]]),
    )


def _benefit_line(axes: Axes, at: Floats, values: Floats, style: Mapping[str, Any], *, bottom: float) -> None:
    """Draw a curve of net benefit down to the end of the axis, where a triangle marks that it continues."""
    below = np.flatnonzero(values < bottom)
    first = int(below[0]) if len(below) else len(values)
    axes.plot(at[:first], values[:first], **style)
    if 0 < first < len(values):
        share = (values[first - 1] - bottom) / (values[first - 1] - values[first])
        leaves = at[first - 1] + share * (at[first] - at[first - 1])
        axes.plot([at[first - 1], leaves], [values[first - 1], bottom], **{**style, "label": None})
        axes.plot(leaves, bottom, "v", color=style["color"], markersize=6, clip_on=False)


def _benefit_values(content: ReportContent, benefit: DecisionCurve, names: Sequence[str]) -> Values:
    models = [benefit.models[name] for name in names]
    columns = [
        column
        for name in map(content.title_of, names)
        for column in (f"{name}, net benefit", f"{name}, low", f"{name}, high")
    ]
    numbers = [_numbers(found) for model in models for found in (model.value, model.low, model.high)]
    rows = zip(benefit.thresholds, *numbers, _numbers(benefit.treat_all), strict=True)
    return Values.of(("threshold", *columns, "treat all"), rows)


def _numbers(values: Sequence[float | None]) -> NDArray[np.float64]:
    return np.array([np.nan if value is None else value for value in values], dtype=np.float64)


def _last_threshold(benefit: DecisionCurve, names: Sequence[str], at: NDArray[np.float64]) -> float:
    """Return the end of the axis: just beyond the last threshold with a positive net benefit, at least 0.35."""
    best = np.max([_numbers(benefit.models[name].value) for name in names], axis=0)
    above = at[np.nan_to_num(best) > 0]
    return float(min(1.0, max(0.35, (above.max() if len(above) else 0) + 0.05)))
