"""The answer for one patient."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from cardiograph.notebook import html_table


@dataclass(frozen=True)
class Neighbour:
    """A reference record that a prediction leans on.

    Args:
        record_id: Its name.
        distance: In the fused space.
        label: 0, 1 or -1 (unlabelled).
        clinical: Its clinical values in their units; None where missing.
    """

    record_id: str
    distance: float
    label: int
    clinical: dict[str, float | None]


DECISIONS = {
    "can't tell": "can't tell: both answers are possible",
    "unlike both": "unlike both: neither answer fits what validation records were like",
    "void": "void: the run was extended and not renewed",
    "no estimate": "none: the model reproduces a faulty protocol, so its score says nothing of a patient",
    "too few": "none: too few validation records to say how sure this is",
}
"""Decisions that say more in words; ``positive`` and ``negative`` speak for themselves."""


ROW = ("probability", "low", "high", "positive", "threshold", "decision", "novelty")
"""What of a prediction is one cell in a table of answers."""


@dataclass(frozen=True)
class Prediction:
    """The answer for one patient.

    Args:
        probability: Probability of the outcome, 0..1.
        positive: Whether ``probability >= threshold``; None where the threshold is void.
        threshold: Chosen on validation rows; None where it is void: of an extended run that was not renewed.
        outcome: What label 1 means.
        neighbours: The similar reference records, nearest first.
        provenance: What the score rests on, in words.
        warnings: What the reader should know: values outside the training range, missing values, known page.
        missing: Blocks that the patient does not have: ``image``, ``clinical``.
        low: Lower end of the Venn-Abers interval of the probability; None with too few validation records.
        high: Upper end.
        decision: By the conformal set: ``positive``, ``negative``, ``can't tell``, ``unlike both``, ``too few``
            (validation records of a class), ``void`` with the threshold, or ``no estimate``: of a model that reproduces
            faults.
        novelty: Share of training records that lie nearer to their neighbours than this patient; None where not judged.
    """

    probability: float
    positive: bool | None
    threshold: float | None
    outcome: str
    neighbours: tuple[Neighbour, ...]
    provenance: str
    warnings: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    low: float | None = None
    high: float | None = None
    decision: str = "too few"
    novelty: float | None = None

    def as_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON."""
        from dataclasses import asdict

        return asdict(self)

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> Self:
        """The prediction that :meth:`as_dict` told, as it comes back from JSON.

        Raises:
            ValueError: A part is missing, or of another type.
        """
        from pydantic import TypeAdapter

        return TypeAdapter(cls).validate_python(dict(content))

    def _repr_html_(self) -> str:
        """The answer and its similar records as a table, for notebooks."""
        interval = "" if self.low is None else f" ({self.low:.3f} to {self.high:.3f})"
        caption = f"{self.outcome}: {self.probability:.3f}{interval}; {self.decision}"
        names = list(self.neighbours[0].clinical) if self.neighbours else []
        rows = [(n.record_id, f"{n.distance:.2f}", n.label, *n.clinical.values()) for n in self.neighbours]
        return html_table(("similar record", "distance", "label", *names), rows, caption=caption)

    def as_row(self) -> dict[str, Any]:
        """The cells of a table of answers; several of a kind are joined by semicolons."""
        row = {name: getattr(self, name) for name in ROW}
        lists = {"missing": self.missing, "neighbours": [each.record_id for each in self.neighbours]}
        return {**row, **{name: "; ".join(each) for name, each in {**lists, "warnings": self.warnings}.items()}}


@dataclass(frozen=True)
class Query:
    """A patient to be scored.

    Args:
        page: The ECG page, as a path or the content of a file; None for a model without pages.
        clinical: Variable -> value in its unit; absent, None or NaN is missing.
        name: For errors.
        patient_id: Where known: the patient's own reference records are then left out. A whole number is its text.
        gate: Whether a page that does not look like an ECG is refused (True) or scored with a warning (False); None leaves
            it to the model's setting ``pages.gate``.
    """

    page: Path | bytes | None = None
    clinical: Mapping[str, float | None] = field(default_factory=dict)
    name: str = "patient"
    patient_id: str | float | None = None
    gate: bool | None = None
