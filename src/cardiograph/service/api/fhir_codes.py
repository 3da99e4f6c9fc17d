"""Clinical values as FHIR R4 Observations: LOINC and UCUM codes for known variables, plain text for others."""

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
    """LOINC code of a clinical variable and UCUM code of its unit.

    Args:
        code: LOINC code.
        display: LOINC's long common name.
        unit: Unit as printed.
        ucum: UCUM code of the unit; empty if the value is a class.
        per_cent: Whether the value is a fraction that FHIR gets as a percentage.
    """

    code: str
    display: str
    unit: str = ""
    ucum: str = ""
    per_cent: bool = False


NT_PROBNP = Code(
    "33762-6", "Natriuretic peptide.B prohormone N-Terminal [Mass/volume] in Serum or Plasma", "pg/mL", "pg/mL"
)
"""Used for the variable BNP if its cohort column is NT-proBNP: another molecule, with values several times larger."""

CODES: dict[str, Code] = {
    "ef": Code("10230-1", "Left ventricular Ejection fraction", "%", "%", per_cent=True),
    "bnp": Code("30934-4", "Natriuretic peptide B [Mass/volume] in Serum or Plasma", "pg/mL", "pg/mL"),
    "nyha": Code("88020-3", "Functional capacity NYHA"),
    "sbp": Code("8480-6", "Systolic blood pressure", "mmHg", "mm[Hg]"),
    "age": Code("30525-0", "Age", "years", "a"),
    "ntprobnp": NT_PROBNP,
}
"""Codes of the known variables in their own units. Source: LOINC, UCUM; each checked against published profiles."""

NYHA_CLASSES = {1: ("I", "LA28404-4"), 2: ("II", "LA28405-1"), 3: ("III", "LA28406-9"), 4: ("IV", "LA28407-7")}
"""NYHA class -> numeral and LOINC answer code of 88020-3."""

ECG = Code("11524-6", "EKG study")

_UNITS = {variable.name: variable.unit for variable in KNOWN_VARIABLES}
_NT = re.compile(r"n[\W_]*t[\W_]*pro|pro[\W_]*bnp", re.IGNORECASE)


def code_of(variable: ClinicalVariable, columns: Mapping[str, str] | None) -> Code | None:
    """Return the code of a variable; None if the variable or its unit is unknown, or BNP may be NT-proBNP.

    Args:
        variable: Variable of the model.
        columns: Variable -> column of the cohort, as mapped by the run (``cohort.map``); None if unknown.
    """
    if _UNITS.get(variable.name) != variable.unit:
        return None
    if variable.name == "bnp":
        if columns is None:
            return None
        return NT_PROBNP if _NT.search(columns.get("bnp", "")) else CODES["bnp"]
    return CODES[variable.name]


def percentage(fraction: float) -> float:
    """Return a fraction as a percentage, exact in decimals: 0.29 gives 29, not 28.999999999999996."""
    return float(Decimal(repr(fraction)).scaleb(2))


def quantity(value: float, unit: str, ucum: str) -> dict[str, Any]:
    """Return a value with its UCUM unit as a FHIR Quantity."""
    return {"value": value, "unit": unit, "system": UCUM, "code": ucum}


def observations(
    values: Mapping[str, float | None], variables: Sequence[ClinicalVariable], columns: Mapping[str, str] | None
) -> Iterator[dict[str, Any]]:
    """Yield an Observation for each given value.

    The service does not know when a value was measured, who measured it, or whether it was checked, so the time is left out
    and the status is ``unknown``.

    Args:
        values: Variable -> value in its unit; None if missing.
        variables: Variables of the model.
        columns: Column mapping, see :func:`code_of`.
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
    """Return an Observation that identifies the ECG page by its hash, without the image."""
    return {
        "resourceType": "Observation",
        "id": "ecg",
        "status": "unknown",
        "code": coded(ECG),
        "valueString": f"picture of a printed ECG, SHA-256 {page_sha256}",
    }


def coded(code: Code) -> dict[str, Any]:
    """Return a code as a FHIR CodeableConcept."""
    return {"coding": [{"system": LOINC, "code": code.code, "display": code.display}], "text": code.display}


def _value(value: float, variable: ClinicalVariable, code: Code | None) -> dict[str, Any]:
    if variable.categories:
        return {"valueCodeableConcept": {"text": variable.word(value) or f"{value:g}"}}
    if code is None:
        unit = {"unit": variable.unit} if variable.unit else {}
        return {"valueQuantity": {"value": value, **unit}}
    if code.ucum:
        return {"valueQuantity": quantity(percentage(value) if code.per_cent else value, code.unit, code.ucum)}
    if value not in NYHA_CLASSES:  # the configured range may allow others
        return {"valueQuantity": {"value": value}}
    roman, answer = NYHA_CLASSES[int(value)]
    return {"valueCodeableConcept": {"coding": [{"system": LOINC, "code": answer}], "text": f"NYHA class {roman}"}}
