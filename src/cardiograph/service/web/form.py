"""The form: what was typed, what is wrong with it, and the form again with all of it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from cardiograph.artifacts.bundle import ModelBundle
from cardiograph.errors import Issue
from cardiograph.inference import Query
from cardiograph.inference.queries import read_patient
from cardiograph.schema import ClinicalVariable
from cardiograph.service.api.schemas import PATIENT

VALUE = "value-"
"""What the name of a clinical value's field begins with."""

_LONGEST = 200
"""Characters of a text that are looked at."""


@dataclass(frozen=True)
class Typed:
    """A form as it was sent, or as it is filled in again.

    Args:
        texts: Variable -> what was typed.
        patient_id: Empty where not given.
        page: Content of the file; None without one.
        kept: Under which name the page of an earlier form is held; empty where there is none.
        drop: Whether the page that is held is to be left out.
        any_page: Whether a page is scored even if it does not look like an ECG.
        token: Proof of the form.
    """

    texts: Mapping[str, str] = field(default_factory=dict)
    patient_id: str = ""
    page: bytes | None = None
    kept: str = ""
    drop: bool = False
    any_page: bool = False
    token: str = ""

    @property
    def numbers(self) -> dict[str, float]:
        """Variable -> value, of the texts that are numbers."""
        found = {name: _number(text) for name, text in self.texts.items()}
        return {name: value for name, value in found.items() if value is not None}

    @property
    def query(self) -> Query:
        """What the predictor is asked."""
        return Query(self.page, self.numbers, PATIENT, self.patient_id or None, False if self.any_page else None)

    def faults(self, bundle: ModelBundle) -> dict[str, str]:
        """Variable -> what is wrong with its value, and what to do."""
        found = {
            name: f"“{text[:40]}” is not a number; write one such as 0.35, or leave the field empty."
            for name, text in self.texts.items()
            if text and _number(text) is None
        }
        patient = read_patient(Query(None, self.numbers), bundle, sees=False)
        return found | {issue.column: told(issue) for issue in patient.issues if issue.column in self.texts}


@dataclass(frozen=True)
class FormField:
    """A clinical value in the form.

    Args:
        name: Name of the variable.
        title: For people.
        unit: As printed; empty for a class.
        range: What is allowed, without the unit.
        whole: Whether only whole numbers are.
        words: Categories, whose values are 0, 1 and so on; none for a number.
        text: What was typed.
        fault: What is wrong with it; empty where nothing is.
    """

    name: str
    title: str
    unit: str
    range: str
    whole: bool
    words: tuple[str, ...]
    text: str
    fault: str


def typed_of(parts: Mapping[str, bytes], variables: Sequence[ClinicalVariable]) -> Typed:
    """A form from its parts; fields of other names are not looked at."""

    def text(name: str) -> str:
        return parts.get(name, b"").decode(errors="replace")[:_LONGEST].strip()

    return Typed(
        texts={variable.name: text(VALUE + variable.name) for variable in variables},
        patient_id=text("patient_id"),
        page=parts.get("page"),
        kept=text("kept"),
        drop="drop" in parts,
        any_page="any_page" in parts,
        token=text("token"),
    )


def typed_before(query: Query, kept: str) -> Typed:
    """The form that asked ``query``, to be changed and sent again; ``kept`` names its page."""
    texts = {name: f"{value:.12g}" for name, value in query.clinical.items() if value is not None}
    page = query.page if isinstance(query.page, bytes) else None
    return Typed(texts, str(query.patient_id or ""), page, kept if page else "", any_page=query.gate is False)


def fields_of(variables: Sequence[ClinicalVariable], typed: Typed, faults: Mapping[str, str]) -> tuple[FormField, ...]:
    """The fields of the clinical values, with what was typed and what is wrong."""
    return tuple(
        FormField(
            each.name,
            each.title,
            each.unit,
            f"{each.low:g} to {each.high:g}",
            each.whole,
            each.words,
            typed.texts.get(each.name, ""),
            faults.get(each.name, ""),
        )
        for each in variables
    )


def told(issue: Issue) -> str:
    """A fault in a sentence."""
    value = f"{issue.value}: " if issue.value else ""
    return f"{value}{issue.rule}; {issue.remedy}."


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) and "_" not in text else None
