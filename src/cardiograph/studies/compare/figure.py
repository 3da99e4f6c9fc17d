"""Figures of a comparison: the leaderboard and the curves over labels and measurements."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from cardiograph.evaluate.bootstrap import Interval
from cardiograph.report.figure_style import INK, SOFT, Picture, Values, picture, shown
from cardiograph.report.tables import number
from cardiograph.studies.compare.kinds import OutcomeScores
from cardiograph.studies.compare.options import DEFAULT
from cardiograph.studies.compare.result import CompareResult, LeaderboardRow, Point
from cardiograph.studies.compare.wording import READS

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

DEFAULT_LOOK, GRAPH_LOOK, BASELINE_LOOK = ("#332288", "o"), ("#117a65", "D"), ("#b03060", "s")
"""Colour and marker of the default model, of graph models and of baselines."""


def figures(result: CompareResult) -> dict[str, Picture]:
    """Return file name without suffix -> figure."""
    found = {"leaderboard": leaderboard_figure(result)}
    if result.scarcity:
        found["scarcity"] = _curve(result, result.scarcity, "training labels kept", "label scarcity")
    if result.missingness:
        found["missingness"] = _curve(result, result.missingness, "BNP and EF blanked", "missing measurements")
    return found


def leaderboard_figure(result: CompareResult) -> Picture:
    """Draw the primary score and the Brier score of all models, with a block for each modality."""
    best = {row.modality: row for row in reversed(result.rows)}
    facts = result.facts
    primary, called = facts.scores.primary, facts.scores.called
    highest = "; ".join(
        f"{READS[row.modality]}: highest {called} {number(row.scores[primary].value)}, {row.title}"
        for row in best.values()
    )
    bars = "one split, no interval" if facts.own_split else f"bars are {facts.confidence * 100:g} % intervals"
    caption = (
        f"Circles: default; diamonds: graph models; squares: baselines. Means over {facts.folds * facts.repeats} "
        f"fold(s); {bars}. Intervals may overlap although a paired difference excludes 0: see the differences. "
        f"{facts.records} records in {facts.groups} groups."
    )
    height = 0.9 + 0.27 * len(result.rows) + 0.35 * len(facts.modalities)
    rows = (
        (READS[row.modality], row.title, facts.title(metric), found.value, found.low, found.high)
        for row in result.rows
        for metric, found in row.scores.items()
    )
    values = Values.of(("inputs", "model", "score", "value", "low", "high"), rows)
    return picture((8.4, height), _painter(result), f"Leaderboard. {highest}.", caption, values=values, wide=True)


def _painter(result: CompareResult) -> Callable[[Figure], None]:
    def paint(figure: Figure) -> None:
        names = result.facts.modalities
        blocks = [[row for row in result.rows if row.modality == name] for name in names]
        scores = result.facts.scores
        panels = figure.subplots(
            len(names),
            len(scores.panels),
            squeeze=False,
            height_ratios=[len(block) + 1 for block in blocks],
            sharex="col",
        )
        for line, block, modality in zip(panels, blocks, names, strict=True):
            for axes, metric in zip(line, scores.panels, strict=True):
                _dots(axes, block, metric, scores)
            line[0].set_title(READS[modality].capitalize())
            line[0].set_yticks(range(len(block)), [shown(row.title) for row in block])
            line[0].tick_params(axis="y", labelsize=8.5, labelcolor=INK)
            line[1].set_yticks([])
        for axes, metric in zip(panels[-1], scores.panels, strict=True):
            axes.set_xlabel(result.facts.title(metric))

    return paint


def _look(model: str, baselines: Sequence[str]) -> tuple[str, str]:
    return DEFAULT_LOOK if model == DEFAULT else BASELINE_LOOK if model in baselines else GRAPH_LOOK


def _dots(axes: Axes, rows: Sequence[LeaderboardRow], metric: str, scores: OutcomeScores) -> None:
    for place, row in enumerate(rows):
        found = row.scores[metric]
        colour, marker = _look(row.model, scores.baselines)
        if math.isfinite(found.low):
            axes.plot([found.low, found.high], [place, place], color=colour, lw=1.2, zorder=2, solid_capstyle="butt")
        axes.plot(found.value, place, marker=marker, ms=5, color=colour, ls="none", zorder=3, clip_on=False)
        axes.text(
            1.01, place, number(found.value), va="center", fontsize=7.5, color=INK, transform=axes.get_yaxis_transform()
        )
    if metric == scores.primary:
        axes.axvline(0.5, color=SOFT, lw=1, ls="--", zorder=1)
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.grid(axis="y", visible=False)
    axes.tick_params(axis="y", length=0)


def _curve(result: CompareResult, points: Sequence[Point], what: str, title: str) -> Picture:
    first, last = points[0], points[-1]
    primary, called = result.facts.scores.primary, result.facts.scores.called
    score = called[0].upper() + called[1:]
    alt = (
        f"{score} over {what}: default {number(first.default.value)} at {first.share * 100:g} %, "
        f"{number(last.default.value)} at {last.share * 100:g} %; best baseline {number(first.baseline.value)} and "
        f"{number(last.baseline.value)}."
    )
    caption = (
        f"{title.capitalize()}: {called} of the default and of the best baseline of each fold (left), and their paired "
        f"difference (right). Bands are {result.facts.confidence * 100:g} % intervals."
    )

    def paint(figure: Figure) -> None:
        left, right = figure.subplots(1, 2)
        places = np.arange(len(points))
        _band(left, places, [point.default for point in points], DEFAULT_LOOK, f"default ({result.facts.default})")
        _band(left, places, [point.baseline for point in points], BASELINE_LOOK, "best baseline")
        _band(right, places, [point.changes[primary] for point in points], DEFAULT_LOOK, "difference")
        right.axhline(0, color=SOFT, lw=1, ls="--")
        left.legend(loc="best")
        for axes, label in ((left, score), (right, f"Default minus best baseline, {called}")):
            axes.set_xticks(places, [f"{point.share * 100:g} %" for point in points])
            axes.set(xlabel=what, ylabel=label)

    rows = (
        (point.share, name, found.value, found.low, found.high)
        for point in points
        for name, found in (("default", point.default), ("best baseline", point.baseline),
                            ("difference", point.changes[primary]))
    )  # fmt: skip
    values = Values.of((f"share of {what}", f"{score} of", "value", "low", "high"), rows)
    return picture((8.4, 3.1), paint, alt, caption, values=values, wide=True)


def _band(axes: Axes, places: np.ndarray, found: Sequence[Interval], look: tuple[str, str], label: str) -> None:
    colour, marker = look
    axes.plot(places, [each.value for each in found], color=colour, marker=marker, ms=4, label=label)
    low, high = ([getattr(each, end) for each in found] for end in ("low", "high"))
    axes.fill_between(places, low, high, color=colour, alpha=0.15, lw=0)
