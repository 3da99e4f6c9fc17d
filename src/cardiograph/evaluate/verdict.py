"""Verdict on the graph: whether it improves on models without one, as a sentence with an interval."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from cardiograph.evaluate.bootstrap import Interval
from cardiograph.evaluate.results import OtherBaseline, RunVerdict

Helps = Literal["yes", "no", "undecided"]

MIN_USEFUL_GAIN = 0.01
"""Gain in AUROC up to which the graph counts as useless."""


@dataclass(frozen=True)
class Contender:
    """A model in the comparison.

    Args:
        name: Key of the model, such as ``gcn``.
        title: Display name, such as ``GCN``.
        auroc: AUROC on the test records.
    """

    name: str
    title: str
    auroc: float


@dataclass(frozen=True)
class Comparison:
    """A model without a graph, and the gain of the graph over it.

    Args:
        baseline: Model on the same features without a graph.
        difference: AUROC with the graph minus AUROC without, paired.
    """

    baseline: Contender
    difference: Interval


def graph_verdict(
    graph_model: Contender,
    chosen: Comparison,
    others: Sequence[Comparison] = (),
    *,
    records: int,
    confidence: float,
    metric: str = "AUROC",
) -> RunVerdict:
    """Judge whether the graph helped, compared with every model without a graph.

    ``yes``: the interval of every difference lies above 0. ``no``: the interval of at least one difference excludes a
    gain of more than :data:`MIN_USEFUL_GAIN`. ``undecided``: neither.

    Args:
        graph_model: The graph network.
        chosen: Comparison with the baseline of lowest log loss on validation records, chosen without the test records.
        others: Comparisons with all other baselines.
        records: Number of test records.
        confidence: Confidence level of the intervals.
        metric: Name of the compared score.
    """
    compared = (chosen, *others)
    helps = _decide([each.difference for each in compared])
    graph = f"the graph ({_short(graph_model)})"
    finding = {
        "yes": f"On these {records} test records {graph} helped",
        "no": f"On these {records} test records {graph} did not help",
        "undecided": f"These {records} test records cannot tell whether {graph} helps",
    }[helps]
    return RunVerdict(
        helps=helps,
        sentence=f"{finding}: {_figures(graph_model, compared, confidence, metric)}.",
        difference=chosen.difference.as_score(),
        graph_model=graph_model.name,
        baseline=chosen.baseline.name,
        others=[OtherBaseline(baseline=each.baseline.name, difference=each.difference.as_score()) for each in others],
        records=records,
        confidence=confidence,
    )


def _decide(differences: Sequence[Interval]) -> Helps:
    if any(math.isnan(each.low) for each in differences):
        return "undecided"
    if all(each.low > 0 for each in differences):
        return "yes"
    return "no" if any(each.high <= MIN_USEFUL_GAIN for each in differences) else "undecided"


def _short(contender: Contender) -> str:
    """Return the title without a remark in brackets, because the sentence puts it in brackets itself."""
    return contender.title.split(" (")[0]


def _figures(graph_model: Contender, compared: Sequence[Comparison], confidence: float, metric: str) -> str:
    if any(math.isnan(each.difference.value) for each in compared):
        absent = "only one class is present" if metric == "AUROC" else "a class is absent"
        return f"{metric} is undefined, because {absent}"
    reasons = (", which validation records chose", *[""] * (len(compared) - 1))
    against = "; ".join(
        f"{_short(each.baseline)}{reason}: {each.baseline.auroc:.3f}, difference {each.difference.value:+.3f}, "
        f"{_interval(each.difference, confidence)}"
        for each, reason in zip(compared, reasons, strict=True)
    )
    return f"{metric} {graph_model.auroc:.3f} against the same features without it ({against})"


def _interval(difference: Interval, confidence: float) -> str:
    if math.isnan(difference.low):
        return "too few groups for an interval"
    return f"{confidence * 100:g} % interval {difference.low:+.3f} to {difference.high:+.3f}"
