"""An ECG that a FHIR R4 Observation holds as SampledData, as the content of a file of signals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from cardiograph.ecg.ecg import MAX_RATE_HZ, MAX_SAMPLES, MIN_RATE_HZ, Ecg
from cardiograph.ecg.leads import LEADS
from cardiograph.ecg.readers.scp_codes import SCP_LEADS
from cardiograph.ecg.readers.source import MILLIVOLTS
from cardiograph.ecg.writers.csv import csv_files
from cardiograph.service.api.fhir_codes import UCUM

MDC = "urn:oid:2.16.840.1.113883.6.24"
"""The code system of ISO/IEEE 11073-10101."""

_POTENTIAL = 131328
"""MDC_ECG_ELEC_POTL: the code of a lead's signal is this plus the number of the lead."""

MDC_LEADS = {str(_POTENTIAL + number): lead for number, lead in SCP_LEADS.items() if lead in LEADS}
"""MDC code of a lead's signal -> lead. Source: ISO 11073-91064; the ECG example of FHIR R4 uses the same codes."""

_UNITS = ("mV", "uV", "nV", "V")
"""UCUM codes of the units that are read."""


class SampledError(ValueError):
    """A lead that cannot be read.

    Args:
        element: Element that is at fault, such as ``period``.
        value: Its value, shortened.
        rule: What is allowed.
    """

    def __init__(self, element: str, value: object, rule: str) -> None:
        self.element, self.value, self.rule = element, str(value)[:40], rule
        super().__init__(element)


def _refuse(element: str, value: object, rule: str, cause: Exception | None = None) -> NoReturn:
    raise SampledError(element, value, rule) from cause


def lead_of(code: Mapping[str, Any]) -> str | None:
    """Return the lead that a CodeableConcept names by its MDC code; None if it names none of the twelve."""
    codings = code.get("coding") or []
    return next((MDC_LEADS[each["code"]] for each in codings if _is_lead(each)), None)


def _is_lead(coding: Mapping[str, Any]) -> bool:
    return coding.get("system") == MDC and coding.get("code") in MDC_LEADS


def sampled_file(leads: Sequence[tuple[str, Mapping[str, Any]]]) -> bytes:
    """Return a table of text with the time in seconds and the leads in mV, to 1 nV.

    Args:
        leads: Name and SampledData of each lead; all need the same period and number of samples.

    Raises:
        SampledError: If a lead cannot be read, or they do not fit together.
    """
    if len({lead for lead, _ in leads}) < len(leads):
        _refuse("code", ", ".join(lead for lead, _ in leads), "each lead occurs once")
    periods = {_number(data, "period") for _, data in leads}
    if len(periods) > 1:
        _refuse("period", sorted(periods), "all leads have the same period")
    period = periods.pop()
    if not 1000 / MAX_RATE_HZ <= period <= 1000 / MIN_RATE_HZ:
        rule = f"milliseconds between two samples, {1000 / MAX_RATE_HZ:g} to {1000 / MIN_RATE_HZ:g}"
        _refuse("period", period, rule)
    rows = {lead: _millivolts(data) for lead, data in leads}
    lengths = {len(row) for row in rows.values()}
    if len(lengths) > 1:
        _refuse("data", sorted(lengths), "all leads have the same number of samples")
    signal = np.full((len(LEADS), lengths.pop()), np.nan, dtype=np.float32)
    for lead, row in rows.items():
        signal[LEADS.index(lead)] = row
    try:
        ecg = Ecg(signal, 1000 / period, "csv")
    except ValueError as error:
        _refuse("data", f"{len(rows)} leads", str(error), error)
    return csv_files(ecg, "ecg")["ecg.csv"]


def _millivolts(data: Mapping[str, Any]) -> NDArray[np.float64]:
    """Return the samples of a lead: (data * factor + origin) in the unit of the origin. Source: FHIR R4, SampledData."""
    if data.get("dimensions", 1) != 1:
        _refuse("dimensions", data["dimensions"], "one dimension: a SampledData for each lead")
    origin = data.get("origin") or {}
    unit = origin.get("code") if origin.get("system") == UCUM else None
    if unit not in _UNITS:
        rule = f"origin has the UCUM code of its unit: {', '.join(_UNITS)}"
        _refuse("origin", origin.get("code", origin.get("unit", "")), rule)
    words = str(data.get("data", "")).split()
    if not 1 <= len(words) <= MAX_SAMPLES:
        _refuse("data", f"{len(words)} samples", f"1 to {MAX_SAMPLES:,} samples")
    beyond = next((word for word in words if word in ("U", "L")), None)
    if beyond is not None:
        _refuse("data", beyond, "samples beyond the limits of detection (U, L) cannot be used")
    try:
        values = np.array([np.nan if word == "E" else float(word) for word in words])
    except ValueError as error:
        _refuse("data", str(error)[-40:], "numbers, or E for a sample that was not recorded", error)
    factor = _number(data, "factor") if "factor" in data else 1.0
    return (values * factor + _number(origin, "value")) * MILLIVOLTS[unit.lower()]


def _number(element: Mapping[str, Any], name: str) -> float:
    value = element.get(name)
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        _refuse(name, "" if value is None else value, "a number is needed")
    return float(value)
