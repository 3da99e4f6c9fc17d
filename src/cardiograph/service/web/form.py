"""The web form: parsing, validation, and filling it in again."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from cardiograph.artifacts.bundle import ModelBundle
from cardiograph.inference import Query
from cardiograph.inference.queries import read_patient
from cardiograph.schema import ClinicalVariable
from cardiograph.service.api.schemas import PATIENT
from cardiograph.service.web.fractions import PERCENT, fault_of, is_fraction, of_percent, percent_text, range_text
from cardiograph.service.web.language import gettext, numerals, plain_number, rewritten_number
from cardiograph.service.web.other_texts import term
from cardiograph.service.web.plain_words import sentence

VALUE = "value-"
"""Prefix of the field names of clinical values."""

UNIT = "unit-"
"""Prefix of the field names of their units."""

FORM = "form"
"""Value of ``show`` for a form that was not sent before, so that it is shown without error messages."""

_MAX_CHARACTERS = 200
"""Length to which text fields are cut."""


@dataclass(frozen=True)
class FormInput:
    """Content of a form, as it was sent or to be filled in again.

    Args:
        texts: Variable -> entered text.
        patient_id: Patient id; empty if not given.
        page: Content of the image file; None without a file.
        kept: Name under which the page of an earlier form is held; empty if there is none.
        drop: Whether to leave out the held page.
        percent: Variables that were entered in percent and not as a fraction.
        any_page: Whether to score a page even if it does not look like an ECG.
        token: CSRF token of the form.
        show: Empty to score the form; :data:`FORM` or ``faults`` to show it again, in another language.
    """

    texts: Mapping[str, str] = field(default_factory=dict)
    patient_id: str = ""
    page: bytes | None = None
    kept: str = ""
    drop: bool = False
    percent: frozenset[str] = frozenset()
    any_page: bool = False
    token: str = ""
    show: str = ""

    @property
    def numbers(self) -> dict[str, float]:
        """Variable -> value in its own unit, for texts that are numbers."""
        plain = {name: plain_number(text) for name, text in self.texts.items()}
        plain |= {name: of_percent(text) for name, text in plain.items() if name in self.percent}
        found = {name: _number(text) for name, text in plain.items()}
        return {name: value for name, value in found.items() if value is not None}

    @property
    def query(self) -> Query:
        """The query for the predictor."""
        return Query(self.page, self.numbers, PATIENT, self.patient_id or None, False if self.any_page else None)

    def faults(self, bundle: ModelBundle) -> dict[str, str]:
        """Return variable -> error message for its value."""
        found = {
            name: gettext(
                "“%(text)s” is not a number; write one such as %(example)s, or leave the field empty.",
                text=text[:40],
                example="35" if name in self.percent else numerals("0.35"),
            )
            for name, text in self.texts.items()
            if text and _number(plain_number(text)) is None
        }
        patient = read_patient(Query(None, self.numbers), bundle, reads_pages=False)
        variables = () if bundle.scaler is None else bundle.scaler.variables
        fractions = {each.name: each for each in variables if is_fraction(each)}
        for issue in patient.issues:
            name = issue.column
            if name in fractions:
                text, value = self.texts[name], self.numbers[name]
                found[name] = fault_of(fractions[name], text, value, percent=name in self.percent)
            elif name in self.texts:
                found[name] = sentence(issue)
        return found


@dataclass(frozen=True)
class FormField:
    """Form field of a clinical value.

    Args:
        name: Name of the variable.
        title: Title of the variable.
        unit: Unit as printed; empty for a class.
        range: Allowed range, without the unit.
        whole: Whether only whole numbers are allowed.
        words: Names of the categories 0, 1 and so on; empty for a number.
        text: Entered text.
        fault: Error message; empty if the value is valid.
        percent: Whether the value is written in percent; None for a variable that is no fraction.
    """

    name: str
    title: str
    unit: str
    range: str
    whole: bool
    words: tuple[str, ...]
    text: str
    fault: str
    percent: bool | None = None


def parse_form(parts: Mapping[str, bytes], variables: Sequence[ClinicalVariable]) -> FormInput:
    """Parse a form from its fields; unknown fields are ignored."""

    def text(name: str) -> str:
        return parts.get(name, b"").decode(errors="replace")[:_MAX_CHARACTERS].strip()

    language = text("language")
    return FormInput(
        texts={variable.name: rewritten_number(text(VALUE + variable.name), language) for variable in variables},
        patient_id=text("patient_id"),
        page=parts.get("page"),
        kept=text("kept"),
        drop="drop" in parts,
        percent=frozenset(each.name for each in variables if is_fraction(each) and text(UNIT + each.name) == PERCENT),
        any_page="any_page" in parts,
        token=text("token"),
        show=text("show"),
    )


def refilled_form(query: Query, kept: str, percent: frozenset[str] = frozenset()) -> FormInput:
    """Return the form of an earlier query, to be changed and sent again.

    Args:
        query: The earlier query.
        kept: Name of its page.
        percent: Variables that are written in percent.
    """
    texts = {
        name: numerals(percent_text(value) if name in percent else f"{value:.12g}")
        for name, value in query.clinical.items()
        if value is not None
    }
    page = query.page if isinstance(query.page, bytes) else None
    kept, gate_off = kept if page else "", query.gate is False
    return FormInput(texts, str(query.patient_id or ""), page, kept, percent=percent, any_page=gate_off)


def fields_of(
    variables: Sequence[ClinicalVariable], typed: FormInput, faults: Mapping[str, str]
) -> tuple[FormField, ...]:
    """Return the form fields of the clinical values with their texts and errors."""
    return tuple(
        FormField(
            each.name,
            term(each.title),
            term(each.unit),
            _range(each),
            each.whole,
            tuple(term(word) for word in each.words),
            typed.texts.get(each.name, ""),
            faults.get(each.name, ""),
            each.name in typed.percent if is_fraction(each) else None,
        )
        for each in variables
    )


def _range(variable: ClinicalVariable) -> str:
    found = range_text(variable, percent=False)
    if not is_fraction(variable):
        return found
    return gettext("%(fraction)s, or %(percents)s", fraction=found, percents=range_text(variable, percent=True))


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) and "_" not in text else None
