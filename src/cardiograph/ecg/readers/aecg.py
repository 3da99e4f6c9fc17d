"""Reader of HL7 annotated ECG (aECG) files.

Source: HL7 Version 3, Annotated ECG, R1 (ANSI/HL7 V3 ECG, R1-2004).
"""

from __future__ import annotations

from datetime import datetime, timedelta
from xml.etree.ElementTree import Element

import numpy as np
from numpy.typing import NDArray

from cardiograph.ecg.ecg import DeviceFilters, Ecg
from cardiograph.ecg.readers.build import build_ecg
from cardiograph.ecg.readers.pieces import Piece, join_pieces
from cardiograph.ecg.readers.source import EcgSource
from cardiograph.ecg.readers.xml_files import number_of, optional_number, parse_xml, text_of, whole_numbers

_TYPE = "{http://www.w3.org/2001/XMLSchema-instance}type"
_SECONDS = {"s": 1.0, "ms": 1e-3, "us": 1e-6}


def read_aecg(source: EcgSource) -> Ecg:
    """Read the rhythm series of an aECG file; representative beats are left out with a note."""
    root = parse_xml(source)
    series = [each for each in root.findall("component/series") if _code(each) == "RHYTHM"]
    if not series:
        source.refuse("no_waveform", "it has no series of rhythm waveforms", "export the file with its waveforms")
    notes: tuple[str, ...] = ()
    if root.find(".//derivedSeries") is not None:
        notes += ("The representative beats were left out.",)
    if len(series) > 1:
        notes += (f"The first of {len(series)} rhythms was read.",)
    sets = [_read_set(source, each) for each in series[0].findall("component/sequenceSet")]
    if not sets:
        source.refuse("no_waveform", "its rhythm has no samples", "export the file with its waveforms")
    first = sets[0][0] if isinstance(sets[0][0], datetime) else None
    pieces = [Piece(piece.names, piece.rows, piece.rate, _seconds(source, head, first)) for head, piece in sets]
    names, rows, rate, more = join_pieces(source, pieces)
    filters = _filters(series[0])
    return build_ecg(source, names, rows, rate, file_format="aecg", notes=notes + more, filters=filters, start=first)


def _seconds(source: EcgSource, head: datetime | float, first: datetime | None) -> float:
    """Return the begin of a set in seconds, after the begin of the first one where both are times."""
    if isinstance(head, datetime) and first is not None:
        return (head - first).total_seconds()
    if isinstance(head, datetime) or first is not None:
        source.refuse("damaged", "some of its time axes are absolute, others relative", "export the file again")
    return head


def _code(element: Element) -> str:
    code = element.find("code")
    return code.get("code", "") if code is not None else ""


def _read_set(source: EcgSource, sequence_set: Element) -> tuple[datetime | float, Piece]:
    """Return the begin and the leads of simultaneous sequences."""
    head: datetime | float | None = None
    rate = 0.0
    names, rows = [], []
    for sequence in sequence_set.findall("component/sequence"):
        value = sequence.find("value")
        code = _code(sequence)
        if value is None:
            source.refuse("damaged", "a sequence has no value", "export the file again", value=code)
        if code.startswith("TIME_"):
            head, rate = _time_axis(source, value)
        else:
            names.append(code)
            rows.append(_millivolts(source, value))
    if head is None or not names:
        source.refuse("damaged", "a set of sequences has no time axis or no lead", "export the file again")
    lengths = {len(row) for row in rows}
    if len(lengths) > 1:
        source.refuse("truncated", "its leads have different numbers of samples", "export the file again")
    source.check_size(len(names), lengths.pop())
    return head, Piece(tuple(names), np.array(rows, dtype=np.float32), rate)


def _time_axis(source: EcgSource, value: Element) -> tuple[datetime | float, float]:
    """Return the begin, as a time or in seconds, and the sampling rate in Hz."""
    step, head = value.find("increment"), value.find("head")
    seconds = _SECONDS.get(step.get("unit", "")) if step is not None else None
    if step is None or head is None or seconds is None:
        source.refuse("rate_missing", "its time axis has no increment in s, ms or us", "export the file again")
    increment = number_of(source, step.get("value"), "increment of time") * seconds
    if increment <= 0:
        source.refuse("rate", "the increment of its time axis is not above 0", "export the file again")
    if value.get(_TYPE, "").endswith("GLIST_PQ"):
        unit = _SECONDS.get(head.get("unit", "s"), 1.0)
        return number_of(source, head.get("value"), "begin") * unit, _rate(increment)
    return _time(source, head.get("value", "")), _rate(increment)


def _rate(increment: float) -> float:
    """Return 1 / increment without the rounding error of the division, such as 500 for 0.002."""
    return round(1 / increment, 6)


def _time(source: EcgSource, text: str) -> datetime:
    digits, _, fraction = text.partition(".")
    try:
        begin = datetime.strptime(digits[:14].ljust(14, "0"), "%Y%m%d%H%M%S")
        return begin + timedelta(seconds=float(f"0.{fraction[:6]}0".split("+")[0].split("-")[0]))
    except ValueError:
        source.refuse("damaged", "the begin of its time axis is not a time", "export the file again", value=text)


def _millivolts(source: EcgSource, value: Element) -> NDArray[np.float64]:
    if not value.get(_TYPE, "").endswith("SLIST_PQ"):
        source.refuse(
            "unsupported", "samples are read as SLIST_PQ only", "export the file again", value=value.get(_TYPE, "")
        )
    scale, origin = value.find("scale"), value.find("origin")
    if scale is None:
        source.refuse("unit_missing", "a lead has no scale", "export the file again")
    factor = number_of(source, scale.get("value"), "scale") * source.millivolts(scale.get("unit"))
    digits = whole_numbers(source, text_of(value, "digits") or "")
    if origin is None:
        return digits * factor
    return digits * factor + number_of(source, origin.get("value"), "origin") * source.millivolts(origin.get("unit"))


def _filters(series: Element) -> DeviceFilters:
    found: dict[str, float | None] = {}
    for outer in series.findall("controlVariable/controlVariable"):
        for inner in outer.findall("component/controlVariable"):
            value = inner.find("value")
            if _code(inner).endswith(("CUTOFF_FREQ", "NOTCH_FREQ")) and value is not None and value.get("unit") == "Hz":
                found[_code(outer).rpartition("FILTER_")[2]] = optional_number(value.get("value"))
    return DeviceFilters(found.get("HIGH_PASS"), found.get("LOW_PASS"), found.get("NOTCH"))
