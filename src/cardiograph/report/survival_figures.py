"""Figures of a time-to-event outcome: risk groups, calibration, models side by side, and the curve of one patient."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from cardiograph.containers.survival import SurvivalPrediction
from cardiograph.report.figure_style import FAINT, INK, SOFT, Picture, Values, draw, picture
from cardiograph.survival.curves import Floats, all_once, cumulative_incidence, numbers_at_risk, resample
from cardiograph.survival.evaluation import TITLES, SurvivalMetrics
from cardiograph.survival.outcome import EVENT, SurvivalOutcome
from cardiograph.survival.scores import CalibrationGroup

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

GROUPS = {"low risk": "#0072b2", "middle risk": "#e69f00", "high risk": "#d55e00"}
"""Thirds of predicted risk and their colours."""

RESAMPLES, TICKS = 300, 5


def risk_groups(outcome: SurvivalOutcome, risk: Floats, *, unit: str, last: float, confidence: float) -> Picture:
    """Draw the share free of the event in thirds of predicted risk, with bands and numbers at risk.

    Args:
        outcome: Outcome of the test records.
        risk: [records] predicted risk by the last horizon.
        unit: Unit of time.
        last: Last horizon, where the axis ends.
        confidence: Level of the bands.
    """
    thirds = np.array_split(np.argsort(risk, kind="stable"), len(GROUPS))
    times, ticks = np.linspace(0, last, 200), np.linspace(0, last, TICKS)
    competing = bool((outcome.event > EVENT).any())
    rng = np.random.default_rng(0)
    curves = {}
    for name, rows in zip(GROUPS, thirds, strict=True):
        part = outcome.at(rows)
        weights = np.concatenate([all_once(part), resample(part, resamples=RESAMPLES, rng=rng)])
        free = 1 - cumulative_incidence(part, weights).at(times)
        ends = np.quantile(free[1:], [(1 - confidence) / 2, (1 + confidence) / 2], axis=0)
        curves[name] = (free[0], *ends, numbers_at_risk(part, ticks))

    def paint(figure: Figure) -> None:
        above, below = figure.subplots(2, 1, sharex=True, height_ratios=(5, 1))
        for place, (name, colour) in enumerate(GROUPS.items()):
            free, low, high, counts = curves[name]
            above.plot(times, free, color=colour, label=name)
            above.fill_between(times, low, high, color=colour, alpha=0.15, linewidth=0)
            for tick, count in zip(ticks, counts, strict=True):
                below.text(tick, 2 - place, str(count), color=colour, ha="center", va="center", fontsize=8)
        above.set(ylabel="share free of the event", ylim=(0, 1.02))
        above.legend(loc="lower left")
        below.set(xlabel=unit, ylim=(-0.6, 2.6), yticks=[], xticks=ticks, xlim=(-0.04 * last, 1.04 * last))
        below.set_ylabel("at risk", rotation=0, ha="right", va="center")
        below.grid(visible=False)
        below.spines["left"].set_visible(False)

    estimate = "1 - cumulative incidence; competing events count as free" if competing else "Kaplan-Meier"
    sizes = ", ".join(str(len(rows)) for rows in thirds)
    caption = (
        f"Test records in thirds of the risk predicted by {last:g} {unit} ({estimate}); {sizes} records. Bands are "
        f"{confidence:.0%} intervals; below, the records still followed."
    )
    return picture((7.6, 4.6), paint, "Share free of the event over time in three risk groups", caption, wide=True,
                   values=Values.of(
                       ("group", unit, "share free of the event", "low", "high"),
                       ((name, *row) for name, found in curves.items() for row in zip(times, *found[:3], strict=True)),
                   ))  # fmt: skip


def calibration_at_horizons(calibration: Mapping[str, list[CalibrationGroup]], *, unit: str, model: str) -> Picture:
    """Draw observed against predicted risk in groups of similar prediction, one panel per horizon.

    Args:
        calibration: Horizon -> groups of similar risk.
        unit: Unit of time.
        model: Title of the model.
    """

    def paint(figure: Figure) -> None:
        panels = figure.subplots(1, len(calibration), squeeze=False)[0]
        for axes, (horizon, groups) in zip(panels, calibration.items(), strict=True):
            predicted = np.array([each.predicted for each in groups])
            observed = np.array([(each.observed.value, each.observed.low, each.observed.high) for each in groups])
            axes.plot([0, 1], [0, 1], color=FAINT, linewidth=1)
            below, above = observed[:, 0] - observed[:, 1], observed[:, 2] - observed[:, 0]
            bars = np.nan_to_num(np.stack([below, above]).clip(0))
            axes.errorbar(predicted, observed[:, 0], yerr=bars, fmt="o", color=INK, markersize=4, linewidth=1)
            top = min(1.0, 1.1 * float(np.nanmax([predicted.max(), np.nanmax(observed)])))
            axes.set(xlim=(0, top), ylim=(0, top), title=f"by {horizon} {unit}", xlabel="predicted risk")
            axes.set_aspect("equal")
        panels[0].set_ylabel("observed risk")

    size = (min(9.0, 3.2 * len(calibration)), 3.3)
    caption = (
        f"Fifths of predicted risk of {model} against the observed risk (Aalen-Johansen) with "
        f"{0.95:.0%} intervals. On the line, predictions agree with what happened."
    )
    rows = (
        (horizon, each.predicted, each.observed.value, each.observed.low, each.observed.high)
        for horizon, groups in calibration.items()
        for each in groups
    )
    values = Values.of((f"by, {unit}", "predicted risk", "observed risk", "low", "high"), rows)
    return picture(size, paint, "Observed against predicted risk at each horizon", caption, values=values, wide=True)


def model_scores(metrics: SurvivalMetrics) -> Picture:
    """Draw Uno's C of every model with its interval."""
    names = [name for name in TITLES if name in metrics.scores and name != "kaplan_meier"]

    def paint(figure: Figure) -> None:
        axes: Axes = figure.subplots()
        for place, name in enumerate(reversed(names)):
            found = metrics.scores[name]["uno_c"]
            colour = "#332288" if name == metrics.primary else SOFT
            axes.plot([found.low, found.high], [place, place], color=colour, linewidth=2, alpha=0.5)
            axes.plot(found.value, place, "o", color=colour, markersize=6)
        axes.axvline(0.5, color=SOFT, linestyle="--", linewidth=1)
        axes.set(yticks=range(len(names)), yticklabels=[TITLES[name] for name in reversed(names)], xlabel="Uno's C")
        axes.grid(axis="y", visible=False)

    caption = f"Uno's C for events before {metrics.horizons[-1]:g} {metrics.unit} with intervals; 0.5 is chance."
    scores = ((TITLES[name], metrics.scores[name]["uno_c"]) for name in names)
    values = Values.of(("model", "Uno's C", "low", "high"), ((name, f.value, f.low, f.high) for name, f in scores))
    size = (7.6, 0.6 + 0.34 * len(names))
    return picture(size, paint, "Uno's C of every model", caption, values=values, wide=True)


def patient_curve(prediction: SurvivalPrediction) -> str:
    """Draw the predicted risk of one patient over time with its band, as SVG."""
    times, risk, low, high = (
        np.array([getattr(point, name) for point in prediction.curve]) for name in ("time", "risk", "low", "high")
    )

    def paint(figure: Figure) -> None:
        axes: Axes = figure.subplots()
        axes.fill_between(times, low, high, color="#332288", alpha=0.18, linewidth=0, label=prediction.band or None)
        axes.plot(times, risk, color="#332288", label="predicted risk")
        for point in prediction.risks:
            axes.plot(point.time, point.risk, "o", color="#332288", markersize=4)
            axes.annotate(
                f"{point.risk:.2f}",
                (point.time, point.risk),
                (0, 6),
                textcoords="offset points",
                ha="right",
                fontsize=8,
            )
        top = min(1.0, max(0.1, 1.25 * float(high.max())))
        axes.set(
            xlabel=prediction.unit, ylabel=f"risk of {prediction.outcome}", ylim=(0, top), xlim=(0, times[-1] * 1.02)
        )
        axes.legend(loc="upper left")

    return draw((6.4, 3.8), paint)
