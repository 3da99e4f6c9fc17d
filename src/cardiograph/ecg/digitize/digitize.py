"""Digitise a page: from pixels to twelve leads."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from cardiograph.ecg.digitize.calibration import gain_of
from cardiograph.ecg.digitize.geometry import rectify
from cardiograph.ecg.digitize.heart import beats_together, repeats_a_beat
from cardiograph.ecg.digitize.ink import Ink, find_ink, has_black_grid, has_dark_grid
from cardiograph.ecg.digitize.labels import Label, erase, read_faint_labels, read_labels
from cardiograph.ecg.digitize.layout import SINGLE, Layout, without_wander
from cardiograph.ecg.digitize.orientation import MIRRORED_NOTE, TURNED_NOTE, UNSURE_NOTE, placed, unmirrored
from cardiograph.ecg.digitize.rectified import PIXELS_PER_MM, RectifiedPage
from cardiograph.ecg.digitize.strangers import SURE_CONFIDENCE, find_leads, is_sure
from cardiograph.ecg.digitize.traces import Trace, follow_traces
from cardiograph.ecg.ecg import Ecg
from cardiograph.ecg.leads import LEADS
from cardiograph.errors import EcgError, Issue

RATE_HZ = 500.0
MM_PER_SECOND = 25.0
MM_PER_MV = 10.0

MIN_CONFIDENCE = 0.15
"""Confidence in the arrangement below which a page is refused."""

TURNED_CONFIDENCE, TURN_MARGIN = 0.3, 0.05
"""Least confidence of a page that is turned for its lead names, and lead over the other ways up that it needs."""

TURNS = ((False, True, True), (True, False, False), (True, True, True))
"""Turns that are tried: by 180, 90 and 270 degrees; see :func:`placed`."""

UPRIGHT_NAMES = 0.3
"""Share of the leads that must bear their own printed name so that the page is not tried upside down."""

MAX_ROWS = 15

NAMED, MIN_TOGETHER = 0.5, 0.5
"""Share of the leads that bear their own printed name, or correlation of the steep parts of the rows, that tells an ECG from
other curves. Correlations are 0.8 to 0.95 on shared pages."""

MIN_FILLED = 0.9
"""A single line is a lead only if it is found in this share of its columns; a line of letters is interrupted."""

STRAIGHT_MM, STRAIGHT_SHARE = 0.4, 98.0
"""Distance from its moving mean within which so many percent of a straight row lie; the waves of a lead take more."""

EDGE = 1
"""Columns at each end of a lead that a separator or the neighbouring lead may touch."""


@dataclass(frozen=True, eq=False)
class DigitizedPage:
    """What was read from a page.

    Args:
        ecg: The twelve leads, NaN where a lead is not printed.
        layout: Which lead stands where.
        traces: Lines of the rows, from top to bottom.
        rectified: The page that was read.
        gain_mm_per_mv: Gain.
        gain_measured: Whether a calibration pulse shows the gain; if not, it is assumed.
        speed_mm_per_s: Paper speed; assumed.
    """

    ecg: Ecg
    layout: Layout
    traces: tuple[Trace, ...]
    rectified: RectifiedPage
    gain_mm_per_mv: float
    gain_measured: bool
    speed_mm_per_s: float = MM_PER_SECOND

    def overlay(self) -> dict[str, tuple[NDArray[np.float64], ...]]:
        """Return the lines of each lead for drawing over the page that was given.

        Returns:
            Lead -> lines, each [points, 2] x and y in pixels of the page. Leads without a name are under ``?``.
        """
        lines: dict[str, tuple[NDArray[np.float64], ...]] = {}
        for place in self.layout.placements:
            heights = self.traces[place.row].height[place.start : place.stop]
            there = np.flatnonzero(np.isfinite(heights))
            for piece in np.split(there, np.flatnonzero(np.diff(there) > 1) + 1):
                if len(piece):
                    points = np.column_stack([place.start + piece, heights[piece] - 0.5])
                    name = place.lead.removeprefix("-") or "?"
                    lines[name] = (*lines.get(name, ()), self.rectified.page_points(points))
        return lines


def digitize(page: NDArray[np.uint8], *, name: str) -> DigitizedPage:
    """Read the leads of a printed ECG page.

    Args:
        page: [h, w, 3] uint8 RGB.
        name: Name of the page in error messages.

    Raises:
        EcgError: If the page cannot be read as leads; the issue has one of the codes of :data:`REFUSALS`.
    """
    rectified = rectify(page, name=name)
    black = has_black_grid(rectified.pixels, rectified.grid)
    first, refusal = _tried(rectified, name, without_grid=black)
    if _confidence(first) < SURE_CONFIDENCE and (black or has_dark_grid(rectified.pixels, rectified.grid)):
        again, _ = _tried(rectified, name, without_grid=not black)
        first = again if _confidence(again) > max(_confidence(first), TURNED_CONFIDENCE) else first
    sure = first is not None and is_sure(first.layout)
    named = first is not None and (first.layout.named >= UPRIGHT_NAMES or SINGLE in first.layout.name)
    if first is not None and sure and (named or UNSURE_NOTE not in rectified.notes):
        return _with_notes(first, unsure=False)
    # the limb leads of a page that stands on its head fulfil their relations, too: only names tell
    turns = TURNS[:1] if sure else TURNS
    lies = [placed(rectified, *turn) for turn in turns]
    if MIRRORED_NOTE in rectified.notes:
        # names are rather on a page that was never mirrored than on one that stays a mirror image
        given = unmirrored(rectified)
        lies = [given, *(placed(given, *turn) for turn in turns)]
    others = [_tried(lie, name)[0] for lie in lies]
    found = [other for other in others if other is not None and _confidence(other) >= TURNED_CONFIDENCE]
    if first is None and not found and refusal is not None:
        raise refusal
    ranked = sorted([*([first] if first else []), *found], key=lambda read: -read.layout.confidence)
    leads_by = ranked[0].layout.confidence - (ranked[1].layout.confidence if len(ranked) > 1 else 0.0)
    unsure = leads_by < TURN_MARGIN
    # of ways up that score about equally, the one that the waves tell
    best = first if first is not None and unsure and first in ranked[:2] else ranked[0]
    return _with_notes(best, unsure=unsure or (best is first and UNSURE_NOTE in rectified.notes))


def _tried(
    rectified: RectifiedPage, name: str, *, without_grid: bool = False
) -> tuple[DigitizedPage | None, EcgError | None]:
    """Read the leads of a page as it lies; return the page, or the reason why it cannot be read."""
    try:
        return read_traces(rectified, name=name, without_grid=without_grid), None
    except EcgError as error:
        return None, error


def _confidence(read: DigitizedPage | None) -> float:
    return 0.0 if read is None else read.layout.confidence


def _with_notes(read: DigitizedPage, *, unsure: bool) -> DigitizedPage:
    """Renew the notes on the way up of a page."""
    corner, across = read.rectified.page_points(np.array([[0.0, 0.0], [1.0, 0.0]]))
    along, down = across - corner
    notes = [note for note in read.ecg.notes if note not in (UNSURE_NOTE, TURNED_NOTE)]
    notes += [TURNED_NOTE] * bool(along < abs(down)) + [UNSURE_NOTE] * unsure
    return replace(read, ecg=read.ecg.replace(notes=tuple(notes)))


def read_traces(rectified: RectifiedPage, *, name: str, without_grid: bool = False) -> DigitizedPage:
    """Read the leads of a rectified page.

    Args:
        rectified: The page.
        name: Name of the page in error messages.
        without_grid: Take a dark grid out of the page first.

    Raises:
        EcgError: If the page cannot be read as leads; the issue has one of the codes of :data:`REFUSALS`.
    """
    ink = find_ink(rectified.pixels, rectified.grid, without_grid=without_grid)
    labels = read_labels(ink.whole, ink.mask)
    erase(ink.mask, labels)
    traces, pulses = follow_traces(ink)
    traces = _without_edges(traces)
    if not traces:
        raise _refusal(name, "no_traces", "")
    if len(traces) > MAX_ROWS:
        raise _refusal(name, "too_many_rows", f"{len(traces)} rows")
    found = len(traces)
    traces, layout = _named_leads(traces, ink, labels)
    if layout is None:
        raise _refusal(name, "layout_unknown", f"{found} rows")
    if layout.confidence < MIN_CONFIDENCE or not any(place.lead for place in layout.placements):
        raise _refusal(name, "leads_unknown", f"{len(traces)} rows, most like {layout.name}")
    if not shows_a_heart(traces, layout):
        raise _refusal(name, "no_beats", f"{len(traces)} rows, most like {layout.name}")
    gain = gain_of(pulses)
    notes = list(rectified.notes)
    if len(traces) < found:
        notes.append(f"Lines that belong to no arrangement of leads were left out: {found - len(traces)}.")
    if gain is None:
        notes.append(f"The gain is assumed to be {MM_PER_MV:g} mm/mV: no calibration pulse was read.")
    unnamed = [str(place.row + 1) for place in layout.placements if not place.lead]
    if unnamed:
        notes.append(f"Leads that could not be named surely are left out; they stand in row {', '.join(unnamed)}.")
    notes.append(f"The paper speed is assumed to be {MM_PER_SECOND:g} mm/s.")
    signal = _signal(traces, layout, gain or MM_PER_MV)
    ecg = Ecg(signal, RATE_HZ, "page", notes=tuple(notes))
    return DigitizedPage(ecg, layout, traces, rectified, gain or MM_PER_MV, gain is not None)


def _named_leads(
    traces: tuple[Trace, ...], ink: Ink, labels: tuple[Label, ...]
) -> tuple[tuple[Trace, ...], Layout | None]:
    """Find the arrangement of a page; where it is not sure, with the names that are seen in fainter print."""
    leads, layout = find_leads(traces, ink, labels)
    if layout is None or not is_sure(layout):
        fainter = find_leads(traces, ink, read_faint_labels(ink.faint))
        if fainter[1] is not None and is_sure(fainter[1]):
            return fainter
    return leads, layout


def shows_a_heart(traces: tuple[Trace, ...], layout: Layout) -> bool:
    """Return whether most leads bear their names, or the rows beat together and one of them repeats its beat."""
    rows = [trace.height for trace in traces]
    if len(rows) == 1 and _filled(rows[0]) < MIN_FILLED:
        return False
    named = len(rows) == 1 and layout.confidence >= SURE_CONFIDENCE
    together = len(rows) == 1 or beats_together(rows) >= MIN_TOGETHER
    return layout.named >= NAMED or (together and any(repeats_a_beat(row, named=named) for row in rows))


def _filled(height: NDArray[np.float64]) -> float:
    """Return the share of the columns between the two ends of a line in which it was found."""
    there = np.flatnonzero(np.isfinite(height))
    return len(there) / (there[-1] - there[0] + 1) if len(there) else 0.0


def _without_edges(traces: tuple[Trace, ...]) -> tuple[Trace, ...]:
    """Leave out the first and the last row if it is straight, even if bent: the frame of the grid, not a lead."""
    straight = [_is_straight(trace.height) for trace in traces]
    if all(straight):
        return traces
    first, last = straight.index(False), len(straight) - straight[::-1].index(False)
    return traces[first:last]


def _is_straight(height: NDArray[np.float64]) -> bool:
    there = np.flatnonzero(np.isfinite(height))
    if len(there) < 2:
        return True
    waves = np.abs(without_wander(height)[there])
    return float(np.percentile(waves, STRAIGHT_SHARE)) < STRAIGHT_MM * PIXELS_PER_MM


def _signal(traces: tuple[Trace, ...], layout: Layout, gain: float) -> NDArray[np.float32]:
    """Return the leads in mV at 500 Hz on the time axis of the page."""
    per_second = MM_PER_SECOND * PIXELS_PER_MM
    stop = max(place.stop for place in layout.placements)
    samples = int((stop - layout.origin) / per_second * RATE_HZ)
    at = layout.origin + np.arange(samples) * per_second / RATE_HZ
    signal = np.full((len(LEADS), samples), np.nan, np.float32)
    # rhythm strips come last and are longer: they replace what the columns show of their lead
    for place in layout.placements:
        if not place.lead:
            continue
        heights = traces[place.row].height.copy()
        columns = np.arange(len(heights)) + 0.5
        heights[: place.start + EDGE] = np.nan
        heights[place.stop - EDGE :] = np.nan
        there = np.isfinite(heights)
        if there.sum() < PIXELS_PER_MM:
            continue
        values = np.interp(at, columns[there], heights[there])
        # no value where the line is interrupted
        known = there[np.clip(at.astype(int), 0, len(there) - 1)]
        sign = -1.0 if place.lead.startswith("-") else 1.0
        volts = sign * (np.median(heights[there]) - values) / (gain * PIXELS_PER_MM)
        row = LEADS.index(place.lead.removeprefix("-"))
        signal[row, known] = volts[known]
    return signal


REFUSALS = {
    "no_traces": ("no line of at least 30 mm was found", "give a sharper picture of the whole page"),
    "too_many_rows": (f"at most {MAX_ROWS} rows of traces are read", "give one page, cropped to its traces"),
    "layout_unknown": (
        "no known arrangement of leads has this number of rows, about evenly apart",
        "crop the picture to the whole ECG",
    ),
    "no_beats": (
        "most leads must bear their printed names, or the rows must beat at the same times and one must repeat its beat",
        "give a picture of an ECG, cropped to its traces",
    ),
    "leads_unknown": (
        "neither printed names nor the relations of the limb leads tell which lead stands where",
        "give a picture of a 12-lead ECG on which the lead names are readable",
    ),
}
"""Code of each reason for which the traces of a page are refused -> what was expected, and the remedy; the codes
``too_small`` and ``no_grid`` of :mod:`cardiograph.ecg.digitize.geometry` come before."""


def _refusal(name: str, code: str, found: str) -> EcgError:
    """Return the error for a page that cannot be read."""
    rule, remedy = REFUSALS[code]
    issue = Issue(where=f"page {name}", column="", value=found, rule=rule, remedy=remedy, code=code)
    return EcgError("The page cannot be digitised.", [issue])
