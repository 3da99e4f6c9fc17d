"""What the page says of an answer and of the model, in words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cardiograph.artifacts.bundle import ModelBundle
from cardiograph.artifacts.files import read_json
from cardiograph.schema import Provenance
from cardiograph.wording import WORDINGS, Wording, class_names

BLOCKS = {"image": "ECG page", "clinical": "clinical values"}


@dataclass(frozen=True)
class Decision:
    """The conformal answer in words.

    Args:
        title: A few words.
        text: A sentence or two.
        tone: ``yes``, ``no``, ``open`` or ``void``, for its colour and mark.
    """

    title: str
    text: str
    tone: str


@dataclass(frozen=True)
class Limits:
    """What is known of the model's worth.

    Args:
        auroc: ``value``, ``low``, ``high`` on the test records; None where the run's folder is not served.
        verdict: Whether the graph helped, in a sentence; empty where not known.
        helps: ``yes``, ``no`` or ``undecided``; empty where not known.
        wording: How scores of this provenance are called.
        report: Whether there is a report to read.
    """

    auroc: Mapping[str, float | None] | None
    verdict: str
    helps: str
    wording: Wording
    report: bool


def decision_of(answer: Mapping[str, Any], confidence: float | None) -> Decision:
    """The answer that can be given at a known rate of error, or why none can.

    Args:
        answer: :meth:`Prediction.as_dict`.
        confidence: Confidence of the conformal sets, 0..1; None if there are none.
    """
    negative, positive = class_names(answer["outcome"])
    decisions = {
        "positive": Decision(
            f"Points to {positive}", f"“{negative}” can be ruled out.{_wrongly(negative, confidence)}", "yes"
        ),
        "negative": Decision(
            f"Points to {negative}", f"“{positive}” can be ruled out.{_wrongly(positive, confidence)}", "no"
        ),
        "can't tell": Decision(
            "Can’t tell",
            f"Neither “{positive}” nor “{negative}” can be ruled out at the known rate of error, so no yes or no is given.",
            "open",
        ),
        "unlike both": Decision(
            "Unlike both",
            "This patient fits neither kind of validation record, so no yes or no is given.",
            "open",
        ),
        "void": Decision(
            "Void",
            "The run was extended and not renewed. The probability is uncalibrated and decides nothing.",
            "void",
        ),
        "no estimate": Decision(
            "No estimate",
            "The model reproduces a faulty protocol, for study. Its score says nothing of a patient.",
            "void",
        ),
    }
    few = "The run had too few validation records of one class to say how often a yes or no would be wrong."
    return decisions.get(answer["decision"], Decision("No yes or no", few, "open"))


def _wrongly(name: str, confidence: float | None) -> str:
    """How often a class is ruled out wrongly: of the patients who are of it, which says nothing of those told so."""
    if confidence is None:
        return ""
    return (
        f" Of patients who truly are “{name}”, about {100 * (1 - confidence):.0f} in 100 get this answer, or “unlike both”, "
        "wrongly. How often this answer is wrong depends on how common the outcome is."
    )


def confidence_of(bundle: ModelBundle) -> float | None:
    """Of the conformal sets; None if there are none."""
    sets = None if bundle.uncertainty is None else bundle.uncertainty.conformal
    return None if sets is None else sets.confidence


def limits_of(run: Path, bundle: ModelBundle) -> Limits:
    """What the run found of its model, from ``metrics.json`` where it is there."""
    path = run / "metrics.json"
    metrics = read_json(path) if path.is_file() else {}
    verdict = metrics.get("graph_verdict") or {}
    told = bundle.served.provenance
    provenance: Provenance = next((each for each in WORDINGS if f"values {each}" in told), "measured")
    return Limits(
        auroc=metrics.get("test", {}).get("auroc"),
        verdict=verdict.get("sentence", ""),
        helps=verdict.get("helps", ""),
        wording=WORDINGS[metrics.get("provenance", provenance)],
        report=(run / "report.html").is_file(),
    )
