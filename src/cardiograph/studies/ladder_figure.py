"""The staircase: scores from the published protocol down to ours, a step for each fault that is taken away."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from cardiograph.evaluation.figure_style import INK, SOFT, STYLE, Picture, draw, shown
from cardiograph.evaluation.report_tables import number
from cardiograph.studies.ladder_result import METRICS, Block, Facts, LadderResult, Row

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LOOKS: dict[str, tuple[str, str, float]] = {
    "auroc": ("#332288", "o", 5.5),
    "balanced_accuracy": ("#d55e00", "s", 4),
    "class_accuracy": ("#117a65", "D", 3.8),
}
"""Metric -> colour, marker and its size."""

DPI = 200
SPREAD = 0.24
"""Distance between the lanes of two metrics, in rows."""


def staircase(result: LadderResult) -> Picture:
    """Both ladders side by side."""
    facts, metrics = result.facts, _metrics(result.ladders)
    names = ", ".join(METRICS[metric] for metric in metrics)
    ends = "; ".join(
        f"{block.title}: AUROC {number(block.rows[0].scores['auroc'].value)} at the top, "
        f"{number(block.rows[-1].scores['auroc'].value)} at the bottom"
        for block in result.ladders
    )
    caption = (
        f"Read from the top: each row takes one more fault away. Marks are means of {facts.seeds} seeds, bars "
        f"{facts.confidence * 100:g} % intervals ({names}); the dashed lines are chance: 0.5, and for class accuracy the "
        f"share of the largest class. {facts.records} records in {facts.groups} groups."
    )
    return Picture(draw(_size(result.ladders), _painter(result)), f"Staircase of scores. {ends}.", caption, wide=True)


def staircase_png(result: LadderResult) -> bytes:
    """The same as PNG."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context(STYLE):
        figure = Figure(figsize=_size(result.ladders))
        _painter(result)(figure)
        buffer = io.BytesIO()
        figure.savefig(buffer, format="png", dpi=DPI, metadata={"Software": None})
    return buffer.getvalue()


def _size(blocks: Sequence[Block]) -> tuple[float, float]:
    return (3.2 + 3.6 * len(blocks), 1.3 + 0.4 * len(blocks[0].rows))


def _metrics(blocks: Sequence[Block]) -> tuple[str, ...]:
    return tuple(metric for metric in LOOKS if any(metric in block.metrics for block in blocks))


def _painter(result: LadderResult) -> Callable[[Figure], None]:
    def paint(figure: Figure) -> None:
        every = figure.subplots(1, len(result.ladders), sharey=True, squeeze=False)[0]
        low = _lowest(result.ladders)
        for axes, block in zip(every, result.ladders, strict=True):
            _one_ladder(axes, block, result.facts)
            axes.set(xlim=(low, 1.02), ylim=(len(block.rows) - 0.4, -0.6))
        titles = [shown(row.title, 52) for row in result.ladders[0].rows]
        every[0].set_yticks(range(len(titles)), titles)
        every[0].tick_params(axis="y", labelsize=8.5, labelcolor=INK)
        handles, labels = every[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower right", ncols=len(labels))

    return paint


def _one_ladder(axes: Axes, block: Block, facts: Facts) -> None:
    lanes = np.linspace(-1, 1, len(block.metrics)) * SPREAD if len(block.metrics) > 1 else np.zeros(1)
    for place, row in enumerate(block.rows):
        if not row.scores:
            axes.text(0.5, place, "n/a", color=SOFT, ha="center", va="center", fontsize=7.5, style="italic")
        if place % 2:
            axes.axhspan(place - 0.5, place + 0.5, color="#f5f6f8", zorder=0, lw=0)
    for lane, metric in zip(lanes, block.metrics, strict=True):
        _stairs(axes, block.rows, metric, lane)
    axes.axvline(facts.chance["auroc"], color=SOFT, lw=1, ls="--", zorder=1)
    if "class_accuracy" in block.metrics:
        axes.axvline(facts.chance["class_accuracy"], color=LOOKS["class_accuracy"][0], lw=0.8, ls=(0, (1, 2)), zorder=1)
    axes.set_title(block.title)
    axes.set_xlabel("score")
    axes.grid(axis="y", visible=False)
    axes.tick_params(axis="y", length=0)


def _stairs(axes: Axes, rows: Sequence[Row], metric: str, lane: float) -> None:
    colour, marker, size = LOOKS[metric]
    places = [place for place, row in enumerate(rows) if metric in row.scores]
    found = [rows[place].scores[metric] for place in places]
    values, heights = np.array([each.value for each in found]), np.array(places) + lane
    reach = np.array([[each.value - each.low, each.high - each.value] for each in found]).T
    axes.step(values, heights, where="post", color=colour, lw=1, alpha=0.45, zorder=2)
    axes.errorbar(
        values, heights, xerr=reach, fmt=marker, ms=size, color=colour, ecolor=colour, elinewidth=1.1,
        label=METRICS[metric], zorder=3,
    )  # fmt: skip


def _lowest(blocks: Sequence[Block]) -> float:
    """Left end of the axis: the lowest interval, yet at least a little below chance, and never below 0."""
    lows = [row.scores[metric].low for block in blocks for row in block.rows for metric in block.metrics if row.scores]
    return float(np.clip(np.floor((min(lows) - 0.02) * 10) / 10, 0, 0.4))
