"""Report of a run with several labels: one HTML file, from the content of ``labels.json``."""

from __future__ import annotations

from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

from cardiograph.registry import TITLES
from cardiograph.report.panel import Answer, Summary, scale_of
from cardiograph.report.summary import VERDICT_TITLES
from cardiograph.report.tables import interval, number
from cardiograph.report.template import fill


def render_labels(found: Mapping[str, Any], confidence: float) -> str:
    """Render the report; the same content gives the same text.

    Args:
        found: Content of ``labels.json``.
        confidence: Confidence level of the intervals, 0..1.
    """
    titles = {model: TITLES[model] for model in found["macro_auroc"]}
    context = {"found": found, "titles": titles, "confidence": confidence, "summary": _summary(found, confidence)}
    return fill("labels.html", context)


def _summary(found: Mapping[str, Any], confidence: float) -> Summary:
    labels, model = found["labels"], found["model"]
    known = [label["known"] for label in labels.values()]
    records = f"{min(known)}" if min(known) == max(known) else f"{min(known)} to {max(known)}"
    positive = ", ".join(f"{name} {label['positive']}" for name, label in labels.items())
    slopes = {name: label["scores"][model]["calibration_slope"] for name, label in labels.items()}
    off = [
        name for name, slope in slopes.items() if slope["low"] is not None and not slope["low"] <= 1 <= slope["high"]
    ]
    helps = [label["graph_helps"] for label in labels.values() if label["graph_helps"] is not None]
    counted = ", ".join(
        f"{VERDICT_TITLES[each].lower()}: {helps.count(each)}" for each in VERDICT_TITLES if each in helps
    )
    helped = f"It helped for {helps.count('yes') or 'none'} of {len(labels)} labels"
    auroc = SimpleNamespace(**found["macro_auroc"][model])
    answers = (
        Answer("What is predicted?", f"{len(labels)} labels at once",
               f"{', '.join(labels)}. {TITLES[model]} gives each record a probability of each label."),
        Answer("Which records?", f"{records} test records", f"Records whose label is known. Positive: {positive}."),
        Answer("Macro AUROC on the test records", number(auroc.value),
               f"Mean over the labels. 0.5 is chance; trained on shuffled labels: {number(found['macro_auroc_shuffled'])}.",
               "number", scale_of(auroc, confidence)),
        Answer("Are the probabilities right?",
               f"Miscalibrated for {len(off)} of {len(labels)} labels" if off else "No miscalibration shown",
               "Calibration slope, best 1: " + "; ".join(f"{name} {interval(each, 2)}" for name, each in slopes.items())
               + ".", "bad" if off else ""),
        Answer("What would it decide?", "A threshold for each label",
               "It was chosen on validation records; the report of each label has the decisions."),
        Answer("Does the graph help?", helped, f"{counted.capitalize()}." if counted else "It was not compared."),
    )  # fmt: skip
    return Summary(answers)
