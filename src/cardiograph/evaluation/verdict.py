"""Whether the graph earned its place, in a sentence with an interval."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

from cardiograph.evaluation.bootstrap import Interval

Helps = Literal["yes", "no", "undecided"]

WORTH_HAVING = 0.01
"""A gain in AUROC up to this size is taken as none."""


@dataclass(frozen=True)
class Contender:
    """A model in the comparison.

    Args:
        name: Its key, such as ``gcn``.
        title: Its name for people, such as ``GCN``.
        auroc: On the test records.
    """

    name: str
    title: str
    auroc: float


def graph_verdict(
    difference: Interval, graph_model: Contender, baseline: Contender, *, records: int, confidence: float = 0.95
) -> dict[str, Any]:
    """Say whether the graph helped.

    ``yes``: the whole interval of the difference is above 0. ``no``: the interval excludes a gain of more than
    :data:`WORTH_HAVING`. Otherwise ``undecided``: these records cannot tell.

    Args:
        difference: AUROC with the graph minus AUROC without, paired.
        graph_model: The network that hears neighbours.
        baseline: The same features without a graph.
        records: Test records.
        confidence: Of the interval.

    Returns:
        ``helps``, ``sentence``, ``difference``, ``graph_model``, ``baseline``, ``records``, ``confidence``; plain values.
    """
    helps = _decide(difference)
    finding = {
        "yes": f"On these {records} test records the graph ({_short(graph_model)}) helped",
        "no": f"On these {records} test records the graph ({_short(graph_model)}) did not help",
        "undecided": f"These {records} test records cannot tell whether the graph ({_short(graph_model)}) helps",
    }[helps]
    return {
        "helps": helps,
        "sentence": f"{finding}: {_figures(difference, graph_model, baseline, confidence)}.",
        "difference": difference.as_dict(),
        "graph_model": graph_model.name,
        "baseline": baseline.name,
        "records": records,
        "confidence": confidence,
    }


def _decide(difference: Interval) -> Helps:
    if math.isnan(difference.low):
        return "undecided"
    if difference.low > 0:
        return "yes"
    return "no" if difference.high <= WORTH_HAVING else "undecided"


def _short(contender: Contender) -> str:
    """The title without a remark in brackets, which would stand in brackets again."""
    return contender.title.split(" (")[0]


def _figures(difference: Interval, graph_model: Contender, baseline: Contender, confidence: float) -> str:
    if difference.value != difference.value:
        return "AUROC is undefined, because only one class is present"
    interval = (
        "too few groups for an interval"
        if math.isnan(difference.low)
        else f"{confidence * 100:g} % interval {difference.low:+.3f} to {difference.high:+.3f}"
    )
    return (
        f"AUROC {graph_model.auroc:.3f} against {baseline.auroc:.3f} of the same features without it "
        f"({_short(baseline)}; difference {difference.value:+.3f}, {interval})"
    )
