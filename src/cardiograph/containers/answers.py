"""Query and prediction for one patient."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from cardiograph.containers.readings import Readings
from cardiograph.notebook import html_table


@dataclass(frozen=True)
class Neighbour:
    """A similar reference record of a patient.

    Args:
        record_id: Id of the record.
        distance: Distance to the patient in the search space.
        label: Label from 0, or -1 (unlabelled).
        clinical: Clinical values in their units; None if missing.
        class_name: Name of its class, with several classes; None for a binary outcome or without a label.
    """

    record_id: str
    distance: float
    label: int
    clinical: dict[str, float | None]
    class_name: str | None = None


DECISIONS = {
    "can't tell": "can't tell: both answers are possible",
    "unlike both": "unlike both: the patient differs from the validation records of both classes",
    "void": "void: the run was extended and not renewed",
    "no estimate": "none: the model reproduces a faulty protocol, so its score means nothing for a patient",
    "too few": "none: too few validation records to say how sure this is",
    "one class": "one class: all others can be ruled out",
    "several classes": "several classes: none of them can be ruled out at the known error rate",
    "unlike all": "unlike all: the patient differs from the validation records of every class",
}
"""Decisions with their explanation; ``positive`` and ``negative`` need none."""


_ROW_FIELDS = ("probability", "low", "high", "positive", "threshold", "decision", "novelty")
"""Fields of a prediction that are single cells in a table of predictions."""


@dataclass(frozen=True)
class Prediction:
    """Prediction for one patient.

    Args:
        probability: Probability of the outcome, 0..1; with several classes that of the most likely class.
        positive: Whether ``probability >= threshold``; None without a valid threshold.
        threshold: Decision threshold chosen on validation rows; None if void, because the run was extended and not
            recalibrated, and with several classes.
        outcome: Name of label 1, or of what several classes describe.
        neighbours: Similar reference records, nearest first.
        provenance: Origin of the training data, as text.
        warnings: Warnings for the reader, such as values outside the training range, missing values or a known page.
        missing: Blocks that the patient lacks: ``image``, ``clinical``.
        low: Lower end of the Venn-Abers interval of the probability; None with too few validation records.
        high: Upper end of the interval.
        decision: Decision of the conformal set: ``positive``, ``negative``, ``can't tell``, ``unlike both``;
            ``too few`` if a class has too few validation records, ``void`` if the threshold is void, and
            ``no estimate`` for a model that reproduces faults. With several classes ``one class``,
            ``several classes`` or ``unlike all``, see ``conformal_set``.
        novelty: Share of training records that are nearer to their neighbours than this patient; None if not computed.
        readings: What the encoder itself reads in the ECG; None without readable leads, or with another encoder.
        classes: Class -> probability, with several classes; they add up to 1. Empty for a binary outcome.
        likely: The most likely of several classes; None for a binary outcome.
        conformal_set: Classes that cannot be ruled out, most likely first; None without sets, and for a binary outcome.
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
    readings: Readings | None = None
    classes: dict[str, float] = field(default_factory=dict)
    likely: str | None = None
    conformal_set: tuple[str, ...] | None = None

    @property
    def headline(self) -> str:
        """The outcome, or the most likely class, to which ``probability`` belongs."""
        return self.outcome if self.likely is None else f"most likely {self.outcome} {self.likely}"

    @property
    def decision_in_words(self) -> str:
        """Decision with its explanation and the classes of the conformal set."""
        words = DECISIONS.get(self.decision, self.decision)
        return f"{words} ({', '.join(self.conformal_set)})" if self.conformal_set else words

    def as_dict(self) -> dict[str, Any]:
        """Return plain values, ready for JSON."""
        from dataclasses import asdict

        return asdict(self)

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> Self:
        """Rebuild a prediction from :meth:`as_dict`, also after a round trip through JSON.

        Raises:
            ValueError: If a field is missing or has another type.
        """
        from pydantic import TypeAdapter

        return TypeAdapter(cls).validate_python(dict(content))

    def _repr_html_(self) -> str:
        """Return the prediction and its similar records as an HTML table, for notebooks."""
        interval = "" if self.low is None else f" ({self.low:.3f} to {self.high:.3f})"
        caption = f"{self.headline}: {self.probability:.3f}{interval}; {self.decision}"
        names = list(self.neighbours[0].clinical) if self.neighbours else []
        rows = [
            (n.record_id, f"{n.distance:.2f}", n.class_name or n.label, *n.clinical.values()) for n in self.neighbours
        ]
        return html_table(("similar record", "distance", "label", *names), rows, caption=caption)

    def as_row(self) -> dict[str, Any]:
        """Return the cells for a table of predictions; lists are joined by semicolons."""
        row = {name: getattr(self, name) for name in _ROW_FIELDS}
        if self.classes:
            each = {f"probability_{name}": share for name, share in self.classes.items()}
            sets = "" if self.conformal_set is None else "; ".join(self.conformal_set)
            row = {"likely": self.likely, "probability": self.probability, **each, "conformal_set": sets}
            row |= {"decision": self.decision, "novelty": self.novelty}
        lists = {"missing": self.missing, "neighbours": [each.record_id for each in self.neighbours]}
        return {**row, **{name: "; ".join(each) for name, each in {**lists, "warnings": self.warnings}.items()}}


@dataclass(frozen=True)
class Query:
    """A patient to be scored.

    Args:
        page: ECG page or file of signals, as a path (a text is taken for one) or the content of a file; None without a page.
        clinical: Variable -> value in its unit; absent, None and NaN mean missing.
        name: Name of the patient in error messages.
        patient_id: Id of the patient, if known, so that the patient's own reference records are excluded; a whole
            number is converted to text.
        gate: Whether a page that does not look like an ECG is refused (True) or scored with a warning (False); None
            uses the setting ``pages.gate`` of the model.

    Raises:
        TypeError: If the page is neither, or the values are no mapping.
    """

    page: Path | bytes | None = None
    clinical: Mapping[str, float | None] = field(default_factory=dict)
    name: str = "patient"
    patient_id: str | float | None = None
    gate: bool | None = None

    def __post_init__(self) -> None:
        if isinstance(self.page, str):
            object.__setattr__(self, "page", Path(self.page))
        elif not isinstance(self.page, Path | bytes | None):
            message = f"page is of type {type(self.page).__name__}; give the path of a file or its content as bytes"
            raise TypeError(message)
        if not isinstance(self.clinical, Mapping):
            message = (
                f"clinical is of type {type(self.clinical).__name__}; give a dict of values, such as {{'ef': 0.34}}"
            )
            raise TypeError(message)
