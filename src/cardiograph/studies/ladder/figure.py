"""Staircase figure: scores from the published protocol to our settings, one step per removed fault."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from cardiograph.report.figure_style import INK, SOFT, STYLE, Picture, Values, picture, shown
from cardiograph.report.tables import number
from cardiograph.studies.ladder.result import LADDER_METRICS, Block, LadderFacts, LadderResult, LadderRow
from cardiograph.studies.ladder.wording import MIN_SEEDS

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
LANE_OFFSET_ROWS = 0.18
"""Distance of the marks of two metrics from the middle of a row, in rows."""

PANELS: tuple[tuple[str, ...], ...] = (("auroc",), ("balanced_accuracy", "class_accuracy"))
"""Metrics of each panel, from top to bottom."""

MODALITY_TITLES: dict[str, str] = {
    "image": "Pages alone",
    "clinical": "Clinical values alone",
    "both": "Pages and clinical values",
}


def staircase(result: LadderResult) -> Picture:
    """Draw the ladders next to each other, AUROC in the upper row and accuracies in the lower row."""
    facts = result.facts
    ends = "; ".join(
        f"{block.title}: AUROC {number(block.rows[0].scores['auroc'].value)} at the top, "
        f"{number(block.rows[-1].scores['auroc'].value)} at the bottom"
        for block in result.ladders
    )
    few = facts.seeds < MIN_SEEDS
    bars = (
        "bars span the seeds"
        if few
        else f"bars are {facts.confidence * 100:g} % intervals, faint dots are single seeds"
    )
    caption = (
        f"Read from the top: each row removes one more fault. Marks are means over {facts.seeds} seeds; {bars}. "
        f"Dashed: chance, 0.5{'; dotted: the share of the largest class' if _has_classes(result) else ''}. "
        f"n/a: see the tables. {facts.records} records in {facts.groups} groups."
    )
    alt = f"Staircase of scores. {ends}."
    rows = (
        (block.title, row.title, LADDER_METRICS[metric], found.value, found.low, found.high)
        for block in result.ladders
        for row in block.rows
        for metric, found in row.scores.items()
    )
    values = Values.of(("inputs", "step", "score", "value", "low", "high"), rows)
    return picture(_size(result.ladders), _painter(result), alt, caption, values=values, wide=True)


def staircase_png(result: LadderResult) -> bytes:
    """Draw the staircase as PNG."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context(STYLE):
        figure = Figure(figsize=_size(result.ladders))
        _painter(result)(figure)
        buffer = io.BytesIO()
        figure.savefig(buffer, format="png", dpi=DPI, metadata={"Software": None})
    return buffer.getvalue()


def _size(blocks: Sequence[Block]) -> tuple[float, float]:
    return (3.2 + 3.6 * len(blocks), len(PANELS) * (0.9 + 0.29 * len(blocks[0].rows)))


def _has_classes(result: LadderResult) -> bool:
    return "class_accuracy" in result.ladders[0].metrics


def _painter(result: LadderResult) -> Callable[[Figure], None]:
    def paint(figure: Figure) -> None:
        panels = figure.subplots(len(PANELS), len(result.ladders), sharey=True, squeeze=False)
        for metrics, line in zip(PANELS, panels, strict=True):
            for axes, block in zip(line, result.ladders, strict=True):
                _draw_ladder(axes, block, [metric for metric in metrics if metric in block.metrics], result.facts)
        for axes, block in zip(panels[0], result.ladders, strict=True):
            axes.set_title(MODALITY_TITLES[block.name])
        titles = [shown(row.title, 52) for row in result.ladders[0].rows]
        panels[0, 0].set(ylim=(len(titles) - 0.4, -0.6))
        panels[0, 0].set_yticks(range(len(titles)), titles)
        if _has_classes(result):
            figure.legend(*panels[1, 0].get_legend_handles_labels(), loc="outside lower right", ncols=2)
        for axes in panels[:, 0]:
            axes.tick_params(axis="y", labelsize=8.5, labelcolor=INK)

    return paint


def _draw_ladder(axes: Axes, block: Block, metrics: Sequence[str], facts: LadderFacts) -> None:
    lanes = np.linspace(-1, 1, len(metrics)) * LANE_OFFSET_ROWS if len(metrics) > 1 else np.zeros(1)
    for place, row in enumerate(block.rows):
        if place % 2:
            axes.axhspan(place - 0.5, place + 0.5, color="#f5f6f8", zorder=0, lw=0)
        if not row.scores:
            axes.text(0.02, place, "n/a", color=SOFT, va="center", fontsize=7.5, style="italic")
        elif metrics == ["auroc"]:
            auroc = number(row.scores["auroc"].value)
            axes.text(1.01, place, auroc, color=INK, va="center", fontsize=7.5, transform=axes.get_yaxis_transform())
    for lane, metric in zip(lanes, metrics, strict=True):
        _draw_steps(axes, block.rows, metric, lane, few=facts.seeds < MIN_SEEDS)
    axes.axvline(0.5, color=SOFT, lw=1, ls="--", zorder=1)
    if "class_accuracy" in metrics:
        axes.axvline(facts.chance["class_accuracy"], color=LOOKS["class_accuracy"][0], lw=1, ls=":", zorder=1)
    axes.set(xlim=(0, 1))
    axes.set_xlabel(" / ".join(LADDER_METRICS[metric] for metric in metrics))
    axes.grid(axis="y", visible=False)
    axes.tick_params(axis="y", length=0)


def _draw_steps(axes: Axes, rows: Sequence[LadderRow], metric: str, lane: float, *, few: bool) -> None:
    colour, marker, size = LOOKS[metric]
    places = [place for place, row in enumerate(rows) if metric in row.scores]
    values = np.array([rows[place].scores[metric].value for place in places])
    heights = np.array(places) + lane
    each = [np.array(rows[place].trials[metric]) for place in places]
    found = [rows[place].scores[metric] for place in places]
    ends = [(one.min(), one.max()) if few else (score.low, score.high) for one, score in zip(each, found, strict=True)]
    axes.step(values, heights, where="post", color=colour, lw=1.2, alpha=0.5, zorder=2)
    for height, (low, high), one in zip(heights, ends, each, strict=True):
        axes.plot([low, high], [height, height], color=colour, lw=1.1, zorder=3, solid_capstyle="butt")
        axes.plot(one, np.full(len(one), height), ls="none", marker=".", ms=2.6, color=colour, alpha=0.45, zorder=3)
    axes.plot(values, heights, ls="none", marker=marker, ms=size, color=colour, label=LADDER_METRICS[metric], zorder=4)
