"""What was read from an uploaded ECG: traces over the page, and measurements with their reference ranges."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from cardiograph.config_reading import PagesConfig
from cardiograph.ecg.digitize.digitize import DigitizedPage, digitize
from cardiograph.ecg.ecg import Ecg
from cardiograph.ecg.measure.measure import measure
from cardiograph.ecg.measure.measurements import Measurement
from cardiograph.ecg.measure.reference import MEASUREMENTS
from cardiograph.ecg.pages import read_page_and_leads
from cardiograph.errors import EcgError
from cardiograph.imaging.reading import DecodedPage
from cardiograph.service.api.schemas import PATIENT
from cardiograph.service.web.images import data_url
from cardiograph.service.web.language import gettext, numerals
from cardiograph.service.web.other_texts import term, translated, with_unit
from cardiograph.service.web.plain_words import remedy_of

MAX_POINTS = 600
"""Points of a drawn line; a longer line is thinned."""


@dataclass(frozen=True)
class TraceLine:
    """The trace of a lead over the page.

    Args:
        lead: Name of the lead; ``?`` if it is not known.
        points: Points of an SVG polyline, in pixels of the page.
        x: Left end of the line, where its name is written.
        y: Height of the name.
    """

    lead: str
    points: str
    x: float
    y: float


@dataclass(frozen=True)
class MeasurementRow:
    """A measurement as text.

    Args:
        title: Name.
        value: Value with its unit; the reason if it could not be measured.
        range: Reference range, or empty.
        outside: Whether the value is outside the range.
    """

    title: str
    value: str
    range: str
    outside: bool


@dataclass(frozen=True)
class EcgView:
    """An ECG as it was read.

    Args:
        scan: The page as a data URL.
        width: Width of the page in pixels, in which the lines are given.
        height: Height of the page in pixels.
        layout: Arrangement of the leads that was found, such as ``3 x 4 + 1``; empty for a file of signals.
        lines: Traces of the leads; empty for a file of signals and if nothing could be read.
        rows: Measurements; empty if the leads could not be read.
        notes: Sentences about the reading and the quality.
        trouble: Why the leads could not be read, and what to do, with a full stop; empty if they were.
        leads: The leads; None if they could not be read.
    """

    scan: str
    width: int
    height: int
    layout: str = ""
    lines: tuple[TraceLine, ...] = ()
    rows: tuple[MeasurementRow, ...] = ()
    notes: tuple[str, ...] = ()
    trouble: str = ""
    leads: Ecg | None = None


def view_ecg(content: bytes, *, side: int, config: PagesConfig) -> EcgView:
    """Read an uploaded ECG for people to check, whatever the model reads of it.

    Args:
        content: Content of the file.
        side: Maximum length of the longer side of the picture, in pixels.
        config: Page settings: limits, and facts that files of signals do not state.

    Raises:
        PageError: If the file cannot be read as a page.
    """
    page, leads = read_page_and_leads(content, name=PATIENT, config=config)
    if leads is not None:
        return _viewed(page, side, leads, None)
    try:
        digitized = digitize(page.pixels, name=PATIENT)
    except EcgError as error:
        issue = error.issues[0]
        trouble = gettext("%(rule)s; %(remedy)s.", rule=translated(issue.rule), remedy=remedy_of(issue))
        return EcgView(data_url(page, side=side), page.width, page.height, trouble=trouble)
    return _viewed(page, side, digitized.ecg, digitized)


def _viewed(page: DecodedPage, side: int, leads: Ecg, digitized: DigitizedPage | None) -> EcgView:
    found = measure(leads)
    summary = [name for name, spec in MEASUREMENTS.items() if not spec.per_lead]
    return EcgView(
        data_url(page, side=side),
        page.width,
        page.height,
        "" if digitized is None else digitized.layout.name,
        () if digitized is None else _lines(digitized),
        tuple(_row(found[name]) for name in summary),
        tuple(translated(note) for note in (*leads.notes, *found.warnings)),
        leads=leads,
    )


def _row(each: Measurement) -> MeasurementRow:
    if math.isnan(each.value):
        value = gettext("not measured: %(reason)s", reason=translated(each.reason))
        return MeasurementRow(term(each.title), value, _range(each), outside=False)
    digits = f"{each.value:.0f}" if abs(each.value) >= 20 else f"{each.value:.2f}".rstrip("0").rstrip(".")
    value = with_unit(digits, each.unit)
    return MeasurementRow(term(each.title), value, _range(each), each.in_range is False)


def _range(each: Measurement) -> str:
    """Return the reference range, such as ``120 to 200``; empty if there is none."""
    low, high = (None if end is None else numerals(f"{end:g}") for end in (each.low, each.high))
    if low is None:
        return "" if high is None else gettext("up to %(high)s", high=high)
    return gettext("from %(low)s", low=low) if high is None else gettext("%(low)s to %(high)s", low=low, high=high)


def _lines(digitized: DigitizedPage) -> tuple[TraceLine, ...]:
    lines = []
    for lead, pieces in digitized.overlay().items():
        for number, points in enumerate(pieces):
            shown = points[:: max(1, -(-len(points) // MAX_POINTS))]
            text = " ".join(f"{x:.1f},{y:.1f}" for x, y in shown)
            left = shown[np.argmin(shown[:, 0])]
            lines.append(TraceLine("" if number else lead, text, float(left[0]), float(shown[:, 1].min())))
    return tuple(lines)
