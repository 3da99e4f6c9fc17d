"""Words that reports, the web UI and the terminal share: class names, provenance of a score, severity of a finding."""

from __future__ import annotations

from dataclasses import dataclass

from cardiograph.config_outcome import UNNAMED_OUTCOME
from cardiograph.schema import Provenance


@dataclass(frozen=True)
class Wording:
    """How to present a score of one provenance.

    Args:
        badge: Label of one or two words.
        score: Name of the headline score.
        banner: Heading of the notice at the top; empty if no notice is needed.
        explanation: One or two sentences that a reader needs in order to interpret the score.
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
        "They were drawn without looking at the label and carry no information about it; any signal in the score comes "
        "from the pages.",
        "note",
    ),
    "simulated from the label": Wording(
        "simulator check",
        "Simulator check: AUROC",
        "Simulator check: this score measures the simulator",
        "Clinical values were drawn from the label itself, in the test records too. A model that reads them reads the "
        "label back. The numbers below show that the software runs; they say nothing about patients.",
        "warning",
    ),
    "synthetic patient": Wording(
        "synthetic benchmark",
        "Synthetic benchmark: AUROC",
        "Synthetic benchmark: these patients were drawn by a program",
        "Label, page and clinical values of each patient come from one latent state, so the best possible score is "
        "known. A score here shows how close a model comes to that ceiling, not how it would do on real patients.",
        "note",
    ),
}


ACCEPTED = "accepted"
SEVERITY_TITLES = {"block": "blocks", ACCEPTED: "accepted", "warn": "warning", "note": "note"}
"""Severity of a finding -> its title; ``accepted`` is a blocking finding that the user has accepted."""

UNSEEN = (
    "The audit reads the table and its pages, not the study. It cannot know whether the labels are right, which patients "
    "the study excluded, or whether two names belong to one patient. A column that was filled in after the outcome is "
    "recognised by its name or its effect, without certainty; a heavily altered copy may pass for a different page. The "
    "audit says nothing about other hospitals. An audit without findings does not prove that a score is meaningful."
)
"""Limits of every audit."""


def class_names(outcome: str, classes: tuple[str, ...] = ()) -> tuple[str, ...]:
    """Return the display name of each label.

    Args:
        outcome: Name of label 1 of a binary outcome.
        classes: Names of several classes; empty for a binary outcome.
    """
    if classes:
        return classes
    if outcome == UNNAMED_OUTCOME:
        return "negative class", outcome
    return outcome.removeprefix("not ") if outcome.startswith("not ") else f"not {outcome}", outcome
