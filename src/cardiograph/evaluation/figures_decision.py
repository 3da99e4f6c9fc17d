"""The decision curve: what acting on the model is worth, beside acting on everybody or nobody."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cardiograph.evaluation.figure_style import INK, SOFT, Picture, legend, model_line, picture, shown
from cardiograph.evaluation.figures_scores import counted, model_order, title_of
from cardiograph.evaluation.report_content import ReportContent

if TYPE_CHECKING:
    from matplotlib.figure import Figure


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
