"""How pages call things: classes, a headline score of each provenance, the findings of an audit."""

from __future__ import annotations

from dataclasses import dataclass

from cardiograph.config import UNNAMED_OUTCOME
from cardiograph.schema import Provenance


@dataclass(frozen=True)
class Wording:
    """Words for one provenance.

    Args:
        badge: One or two words.
        score: What the headline score is called.
        banner: Heading of the notice at the top; empty where none is needed.
        explanation: What a reader has to know, a sentence or two.
        tone: Style of the notice: ``plain``, ``note`` or ``warning``.
    """

    badge: str
    score: str
    banner: str
    explanation: str
    tone: str


WORDINGS: dict[Provenance, Wording] = {
    "measured": Wording(
        "measured",
        "AUROC on the test records",
        "",
        "All values that the model reads were measured.",
        "plain",
    ),
    "simulated blind to the label": Wording(
        "blind simulation",
        "AUROC on the test records",
        "Clinical values were simulated, blind to the label",
        "They were drawn without looking at the label and carry no information about it; what the score shows comes "
        "from the pages.",
        "note",
    ),
    "simulated from the label": Wording(
        "simulator check",
        "Simulator check: AUROC",
        "Simulator check: this score measures the simulator",
        "Clinical values were drawn from the label itself, in the test records too. A model that reads them reads the "
        "label back. The numbers below show that the programs run; they say nothing about patients.",
        "warning",
    ),
    "synthetic patient": Wording(
        "synthetic benchmark",
        "Synthetic benchmark: AUROC",
        "Synthetic benchmark: these patients were drawn by a program",
        "Label, page and clinical values of each patient come from one latent state, so the best score possible is "
        "known. How well a model does here says how near it comes to that ceiling, not how it would do on patients.",
        "note",
    ),
}


ACCEPTED = "accepted"
SEVERITY_TITLES = {"block": "blocks", ACCEPTED: "accepted", "warn": "warning", "note": "note"}
"""Severity of a finding -> its title; ``accepted`` is a blocking one that the user lets pass."""

UNSEEN = (
    "It reads the table and its pages, not the study. It cannot tell whether the labels are right, whom the study left "
    "out, or whether two names are one patient. A column that was filled in after the outcome is found by its name or "
    "by what it does, not for certain; a copy that was changed much may pass for another page. It says nothing about "
    "another hospital. Nothing found is no proof that a score will mean something."
)
"""What no audit sees."""


def class_names(outcome: str) -> tuple[str, str]:
    """Names for people of label 0 and label 1."""
    if outcome == UNNAMED_OUTCOME:
        return "negative class", outcome
    return outcome.removeprefix("not ") if outcome.startswith("not ") else f"not {outcome}", outcome
