"""Clinical values as FHIR R4 Observations: LOINC and UCUM codes of the known variables, words for any other."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from cardiograph.schema import KNOWN_VARIABLES, ClinicalVariable

LOINC = "http://loinc.org"
UCUM = "http://unitsofmeasure.org"


@dataclass(frozen=True)
class Code:
    """What a clinical variable is called in LOINC, and its unit in UCUM.

    Args:
        code: LOINC code.
        display: LOINC's long common name.
        unit: As people read it.
        ucum: UCUM code of the unit; empty where the value is a class.
        per_cent: Whether the package's fraction becomes a percentage.
    """

    code: str
    display: str
    unit: str = ""
    ucum: str = ""
    per_cent: bool = False


NT_PROBNP = Code(
    "33762-6", "Natriuretic peptide.B prohormone N-Terminal [Mass/volume] in Serum or Plasma", "pg/mL", "pg/mL"
)
"""Also in the place of BNP where the cohort's column says so: another molecule, whose numbers are several times larger."""

CODES: dict[str, Code] = {
    "ef": Code("10230-1", "Left ventricular Ejection fraction", "%", "%", per_cent=True),
    "bnp": Code("30934-4", "Natriuretic peptide B [Mass/volume] in Serum or Plasma", "pg/mL", "pg/mL"),
    "nyha": Code("88020-3", "Functional capacity NYHA"),
    "sbp": Code("8480-6", "Systolic blood pressure", "mmHg", "mm[Hg]"),
    "age": Code("30525-0", "Age", "years", "a"),
    "ntprobnp": NT_PROBNP,
}
"""Of the known variables in their own units. Source: LOINC, UCUM; each compared with several published profiles."""

NYHA_CLASSES = {1: ("I", "LA28404-4"), 2: ("II", "LA28405-1"), 3: ("III", "LA28406-9"), 4: ("IV", "LA28407-7")}
"""LOINC's answers to 88020-3."""

ECG = Code("11524-6", "EKG study")

_UNITS = {variable.name: variable.unit for variable in KNOWN_VARIABLES}
_NT = re.compile(r"n[\W_]*t[\W_]*pro|pro[\W_]*bnp", re.IGNORECASE)


def code_of(variable: ClinicalVariable, columns: Mapping[str, str] | None) -> Code | None:
    """The code of a variable; None where it is not a known variable, is in another unit than ours, or may be either BNP.

    Args:
        variable: Variable of the model.
        columns: Our name -> the cohort's column, where the run maps one (``cohort.map``); None where they are not known.
    """
    if _UNITS.get(variable.name) != variable.unit:
        return None
    if variable.name == "bnp":
        if columns is None:
            return None
        return NT_PROBNP if _NT.search(columns.get("bnp", "")) else CODES["bnp"]
    return CODES[variable.name]


def percentage(fraction: float) -> float:
    """A fraction in hundredths, by moving the decimal point: 0.29 is 29, where arithmetic makes 28.999999999999996."""
    return float(Decimal(repr(fraction)).scaleb(2))


def quantity(value: float, unit: str, ucum: str) -> dict[str, Any]:
    """A value with its UCUM unit."""
    return {"value": value, "unit": unit, "system": UCUM, "code": ucum}


def observations(
    values: Mapping[str, float | None], variables: Sequence[ClinicalVariable], columns: Mapping[str, str] | None
) -> Iterator[dict[str, Any]]:
    """An Observation for each value that was given.

    The service does not know who measured a value, when, or whether it was checked, so there is no time, and the status
    is ``unknown``.

    Args:
        values: Variable -> value in its unit; None is missing.
        variables: Variables of the model.
        columns: As in :func:`code_of`.
    """
    for number, variable in enumerate(variables, start=1):
        value = values.get(variable.name)
        if value is not None and value == value:
            code = code_of(variable, columns)
            concept = {"text": variable.title} if code is None else coded(code)
            yield {
                "resourceType": "Observation",
                "id": f"value-{number}",
                "status": "unknown",
                "code": concept,
                **_value(float(value), variable, code),
            }


def ecg_observation(page_sha256: str) -> dict[str, Any]:
    """The page that was read, told by its hash; the page itself is no part of the answer."""
    return {
        "resourceType": "Observation",
        "id": "ecg",
        "status": "unknown",
        "code": coded(ECG),
        "valueString": f"picture of a printed ECG, SHA-256 {page_sha256}",
    }


def coded(code: Code) -> dict[str, Any]:
    """A LOINC concept."""
    return {"coding": [{"system": LOINC, "code": code.code, "display": code.display}], "text": code.display}


def _value(value: float, variable: ClinicalVariable, code: Code | None) -> dict[str, Any]:
    if variable.categories:
        return {"valueCodeableConcept": {"text": variable.word(value) or f"{value:g}"}}
    if code is None:
        unit = {"unit": variable.unit} if variable.unit else {}
        return {"valueQuantity": {"value": value, **unit}}
    if code.ucum:
        return {"valueQuantity": quantity(percentage(value) if code.per_cent else value, code.unit, code.ucum)}
    if value not in NYHA_CLASSES:  # settings may allow others
        return {"valueQuantity": {"value": value}}
    roman, answer = NYHA_CLASSES[int(value)]
    return {"valueCodeableConcept": {"coding": [{"system": LOINC, "code": answer}], "text": f"NYHA class {roman}"}}
