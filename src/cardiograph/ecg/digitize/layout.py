"""Layout of a page: which lead stands where."""

from __future__ import annotations

import dataclasses
import itertools
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from cardiograph.ecg.digitize.arrangements import ARRANGEMENTS, WEIGHTS, Arrangement, limb_agreement
from cardiograph.ecg.digitize.ink import Ink
from cardiograph.ecg.digitize.labels import Label
from cardiograph.ecg.digitize.rectified import PIXELS_PER_MM
from cardiograph.ecg.digitize.traces import Trace
from cardiograph.ecg.leads import LEADS

SEPARATOR_REACH_MM = 5.0
LABEL_BEFORE_MM, LABEL_AFTER_MM = 4.0, 12.0
"""Where the name of a lead begins, before and after the beginning of the lead."""

SURE_NAME, UNEXPLAINED = 0.85, -0.3
"""Similarity from which a name is read surely, and what one counts where an arrangement has no lead."""

ROW_REACH_MM = 22.0
"""Greatest distance of a name from its row."""

NEARER = 1.15
"""A name may be so much farther from its row than from the nearest one."""

MIN_MARGIN = 0.05
"""Smallest lead of the best arrangement over the second; below it, only leads that both place alike are named."""

UNEVEN = 2.0
"""Ratio of the distance of two rows of leads to the median distance at which they are no rows of one page; real pages stay
below 1.1."""

MAX_STRIPS, SINGLE = 3, "single"
MIN_STRIP_NAME = 0.7
"""Smallest similarity of the printed name of a page of single strips, which nothing else confirms."""

STRIP_NAME_BEFORE_MM = 16.0
"""Where the name of a rhythm strip begins at the most, before its beginning: a calibration pulse may lie between."""

USUAL_STRIPS = {"II": 0.07, "V1": 0.05, "V5": 0.05}
"""Leads that recorders print as rhythm strips, and what they are ahead of the others."""

CONTRADICTED = -0.5
"""Share of the variance of the lead of that name, at or below which a strip is not the lead that is printed there."""

STRIP_AGREEMENT = 0.5
"""Smallest score at which a rhythm strip gets a name."""

_BARS = ("I", "II", "III")
"""Names that any short vertical strokes resemble."""

STRIP_SHIFT = 20
"""Largest shift between a rhythm strip and the same lead above it, pixels: 0.1 s; a curled sheet shifts its rows."""

WANDER = 15 * PIXELS_PER_MM
"""Columns over which the wander of a line is averaged."""


@dataclass(frozen=True)
class Placement:
    """One lead on the page.

    Args:
        lead: Name; a leading minus marks an inverted lead, and an empty string a lead that could not be named.
        row: Row from the top, counting from 0.
        start: First column of the lead, rectified pixels.
        stop: First column after it.
        confidence: Confidence in the name, 0..1.
        alternatives: Other names that the page allows, the likelier first.
    """

    lead: str
    row: int
    start: int
    stop: int
    confidence: float
    alternatives: tuple[str, ...] = ()


@dataclass(frozen=True)
class Layout:
    """Arrangement of the leads of a page.

    Args:
        name: Name such as ``3 x 4 + 1``: rows, columns and rhythm strips.
        placements: Leads by row, from left to right.
        origin: Column of the page at which the recording begins, rectified pixels.
        confidence: Confidence, 0..1.
        alternatives: Other arrangements with their scores, the likelier first.
        named: Share of the leads of the arrangement at whose beginning their own name was read, 0..1.
        limb: How well the limb leads fulfil their relations, 1 if exactly and about 0 for unrelated signals.
        strips: Number of rhythm strips, the last rows.
    """

    name: str
    placements: tuple[Placement, ...]
    origin: float
    confidence: float
    alternatives: tuple[tuple[str, float], ...] = field(default=())
    named: float = 0.0
    limb: float = 0.0
    strips: int = 0


@dataclass(frozen=True)
class _Fit:
    """How well an arrangement explains a page: by printed names (mean, and share of right ones) and by its limb leads."""

    arrangement: Arrangement
    bounds: NDArray[np.float64]
    names: float
    named: float
    limb: float

    @property
    def score(self) -> float:
        """About 0 to 1."""
        prior = -0.05 if "Cabrera" in self.arrangement.name else 0.0
        return 0.65 * self.names + 0.35 * self.limb + prior


def find_layout(traces: tuple[Trace, ...], ink: Ink, labels: tuple[Label, ...]) -> Layout | None:
    """Find the arrangement that fits the rows of a page.

    Args:
        traces: Rows from top to bottom.
        ink: Pen strokes of the page, whose vertical lines separate leads.
        labels: Printed lead names.

    Returns:
        The best arrangement, or None if none has this number of rows, about evenly apart.
    """
    scored = []
    for arrangement in ARRANGEMENTS:
        rows = traces[: len(arrangement.rows)]
        if len(traces) - len(rows) in arrangement.strips and len(rows) == len(arrangement.rows) and _evenly_apart(rows):
            bounds = _boundaries(rows, ink, arrangement.columns)
            scored.append(_fit(arrangement, traces, bounds, labels))
    scored.sort(key=lambda fit: -fit.score)
    strips = _single_strips(traces, labels) if len(traces) <= MAX_STRIPS else None
    if strips is not None and (not scored or strips.confidence > scored[0].score):
        return strips
    if not scored:
        return None
    best, arrangement = scored[0], scored[0].arrangement
    placements = _placements(arrangement, best.bounds, best.score)
    others = tuple((fit.arrangement.name, fit.score) for fit in scored[1:])
    if others and best.score - others[0][1] < MIN_MARGIN:
        placements = _only_common(placements, scored[1].arrangement)
    below = range(len(arrangement.rows), len(traces))
    placements += [_strip(traces[row], row, traces, placements, labels) for row in below]
    name = f"{arrangement.name} + {len(below)}" if below else arrangement.name
    confidence = float(np.clip(best.score, 0, 1))
    return Layout(name, tuple(placements), float(best.bounds[0]), confidence, others, best.named, best.limb, len(below))


def _evenly_apart(rows: tuple[Trace, ...]) -> bool:
    """Return whether rows stand about evenly apart, as those of a recorder do and the curves of a diagram do not."""
    apart = np.diff([row.baseline for row in rows])
    usual = float(np.median(apart))
    return bool(apart.min() > usual / UNEVEN and apart.max() < UNEVEN * usual)


def _single_strips(traces: tuple[Trace, ...], labels: tuple[Label, ...]) -> Layout | None:
    """Name rows that each show one lead by their printed names; None unless every row has one."""
    start = float(np.median([trace.extent[0] for trace in traces]))
    placements = []
    for row, trace in enumerate(traces):
        near = _near(row, start, traces, labels)
        best = max(near, key=lambda label: label.score - (0.15 if label.lead in _BARS else 0.0), default=None)
        # a bar is no evidence: any short vertical stroke resembles the name of lead I
        if best is None or best.lead == "I" or best.score < MIN_STRIP_NAME:
            return None
        placements.append(Placement(best.lead, row, *trace.extent, best.score))
    leads = [place.lead for place in placements]
    if len(set(leads)) < len(leads) or len(_sure_names(traces, labels)) > len(leads):
        return None
    confidence = 0.65 * min(place.confidence for place in placements)
    return Layout(f"{len(traces)} {SINGLE}", tuple(placements), start, confidence)


def _only_common(placements: list[Placement], other: Arrangement) -> list[Placement]:
    """Take the names away where a second arrangement fits as well and names another lead."""
    if len(other.rows) * other.columns != len(placements):
        return [dataclasses.replace(place, lead="", alternatives=(place.lead,)) for place in placements]
    names = [lead for row in other.rows for lead in row]
    return [
        place if place.lead == name else dataclasses.replace(place, lead="", alternatives=(place.lead, name))
        for place, name in zip(placements, names, strict=True)
    ]


def _boundaries(traces: tuple[Trace, ...], ink: Ink, columns: int) -> NDArray[np.float64]:
    """Return where each column begins, and where the last one ends; separators between the leads adjust it."""
    extents = np.array([trace.extent for trace in traces])
    first, last = np.median(extents, axis=0)
    bounds = np.linspace(first, last, columns + 1)
    for number in range(1, columns):
        near = [
            stroke.x
            for stroke in ink.strokes
            if abs(stroke.x - bounds[number]) < SEPARATOR_REACH_MM * PIXELS_PER_MM
            and any(stroke.top - 60 < trace.baseline < stroke.bottom + 60 for trace in traces)
        ]
        if near:
            bounds[number] = float(np.median(near))
    return bounds


def _fit(
    arrangement: Arrangement, traces: tuple[Trace, ...], bounds: NDArray[np.float64], labels: tuple[Label, ...]
) -> _Fit:
    """Return how well an arrangement explains printed names and the relations of the limb leads."""
    agreements = []
    for column, (first, last) in enumerate(itertools.pairwise(bounds)):
        inner = slice(round(first) + 8, round(last) - 8)
        signals = np.stack([-trace.height[inner] for trace in traces[: len(arrangement.rows)]])
        agreement = limb_agreement(tuple(row[column] for row in arrangement.rows), signals)
        if agreement is not None:
            agreements.append(max(agreement, -0.5))
    names = [
        _named(lead, row, bounds[column], traces, labels)
        for row, leads in enumerate(arrangement.rows)
        for column, lead in enumerate(leads)
    ]
    limb = float(np.mean(agreements)) if agreements else 0.0
    right = float(np.mean(np.array(names) > 0))
    names += [UNEXPLAINED] * _unexplained(arrangement, bounds, traces, labels)
    return _Fit(arrangement, bounds, float(np.mean(names)), right, limb)


def named_strips(traces: tuple[Trace, ...], labels: tuple[Label, ...]) -> list[bool]:
    """Return for each row whether a name that is read surely stands where a rhythm strip bears it."""
    return [
        _printed(_near(row, trace.extent[0], traces, labels, before=STRIP_NAME_BEFORE_MM)) is not None
        for row, trace in enumerate(traces)
    ]


def _unexplained(
    arrangement: Arrangement, bounds: NDArray[np.float64], traces: tuple[Trace, ...], labels: tuple[Label, ...]
) -> int:
    """Return how many names that are read surely stand at a row where no lead begins."""
    leads = len(arrangement.rows)
    places = [(row, start) for row in range(len(traces)) for start in bounds[: -1 if row < leads else 1]]
    explained = [label for row, start in places for label in _near(row, start, traces, labels)]
    return len(_sure_names(traces, labels) - {_place(label) for label in explained})


def _sure_names(traces: tuple[Trace, ...], labels: tuple[Label, ...]) -> set[tuple[str, int, int]]:
    """Return the names that are read surely among the rows; bars are not."""
    first, last = np.median([trace.extent for trace in traces], axis=0)
    top, bottom = traces[0].baseline - ROW_REACH_MM * PIXELS_PER_MM, traces[-1].baseline
    return {
        _place(label)
        for label in labels
        if label.score >= SURE_NAME and label.lead not in _BARS
        if first - STRIP_NAME_BEFORE_MM * PIXELS_PER_MM <= label.left <= last and top <= label.top <= bottom
    }


def _place(label: Label) -> tuple[str, int, int]:
    """Return name and place of a label; two masks may show it a pixel apart."""
    return label.lead, round(label.left / PIXELS_PER_MM), round(label.top / PIXELS_PER_MM)


def _named(lead: str, row: int, start: float, traces: tuple[Trace, ...], labels: tuple[Label, ...]) -> float:
    """Return how well the printed name at the beginning of a lead agrees with it: negative if it contradicts."""
    near = _near(row, start, traces, labels)
    if not near:
        return 0.0
    index = LEADS.index(lead.removeprefix("-"))
    best = max(near, key=lambda label: label.score - (0.15 if label.lead in _BARS else 0.0))
    if LEADS[index] == best.lead:
        return best.score
    same_kind = best.lead in _BARS and lead in _BARS
    return float(best.scores[index] - best.score) * (0.5 if same_kind else 1.0)


def _near(
    row: int,
    start: float,
    traces: tuple[Trace, ...],
    labels: tuple[Label, ...],
    *,
    before: float = LABEL_BEFORE_MM,
) -> list[Label]:
    """Return the printed names at the beginning of a lead that stand at its row, not nearer to another one."""
    baselines = np.array([trace.baseline for trace in traces])
    apart = float(np.min(np.diff(baselines))) if len(baselines) > 1 else 30.0 * PIXELS_PER_MM
    reach = min(0.62 * apart, ROW_REACH_MM * PIXELS_PER_MM)
    left, right = start - before * PIXELS_PER_MM, start + LABEL_AFTER_MM * PIXELS_PER_MM
    return [label for label in labels if left <= label.left <= right and _stands_at(label, row, baselines, reach)]


def _stands_at(label: Label, row: int, baselines: NDArray[np.float64], reach: float) -> bool:
    off = np.abs((label.top + label.bottom) / 2 - baselines)
    return bool(off[row] <= min(reach, NEARER * off.min()))


def _placements(arrangement: Arrangement, bounds: NDArray[np.float64], confidence: float) -> list[Placement]:
    edges = np.round(bounds).astype(int)
    return [
        Placement(lead, row, int(edges[column]), int(edges[column + 1]), float(np.clip(confidence, 0, 1)))
        for row, leads in enumerate(arrangement.rows)
        for column, lead in enumerate(leads)
    ]


def _strip(
    strip: Trace, row: int, traces: tuple[Trace, ...], placements: list[Placement], labels: tuple[Label, ...]
) -> Placement:
    """Name a rhythm strip by its printed name or, if that is not read surely, by the lead that shows the same signal.

    Leads whose own names are not sure name no strip.
    """
    start, stop = strip.extent
    level = without_wander(strip.height)
    near = _near(row, start, traces, labels, before=STRIP_NAME_BEFORE_MM)
    known = _known_parts(traces, placements)
    printed = _printed(near)
    if printed is not None and _same(level, known.get(printed.lead, [])) > CONTRADICTED:
        return Placement(printed.lead, row, start, stop, printed.score)
    scores: dict[str, float] = {}
    for lead, parts in known.items():
        # V1 and V2 look much alike, and a bar is part of III: a name counts by its likeness, even if another is more alike
        names = _BARS if lead in _BARS else (lead.removeprefix("-"),)
        likeness = max((label.scores[LEADS.index(name)] for label in near for name in names), default=0.0)
        usual = USUAL_STRIPS.get(lead, 0.0)
        scores[lead] = 0.6 * max(_same(level, parts), 0.0) + 0.4 * max(float(likeness), 0.0) + usual
    if not scores:
        return Placement("", row, start, stop, 0.0)
    ranked = sorted(scores, key=lambda lead: -scores[lead])
    best = ranked[0]
    others = tuple(lead for lead in ranked[1:4] if scores[lead] > 0.6 * scores[best])
    sure = scores[best] >= STRIP_AGREEMENT
    return Placement(best if sure else "", row, start, stop, float(min(scores[best], 1.0)), others)


def _printed(near: list[Label]) -> Label | None:
    """Return the name that is read surely at the beginning of a row; a bar is no evidence."""
    sure = [label for label in near if label.score >= SURE_NAME and label.lead != "I"]
    return max(sure, key=lambda label: label.score, default=None)


def _known_parts(
    traces: tuple[Trace, ...], placements: list[Placement]
) -> dict[str, list[tuple[int, NDArray[np.float64]]]]:
    """Return the first column and the line of each part of the page at which a named lead is known.

    From two limb leads of a column follow the others, so that the limb leads are known in two columns of a 3 x 4 page.
    """
    parts: dict[str, list[tuple[int, NDArray[np.float64]]]] = {place.lead: [] for place in placements if place.lead}
    for start in sorted({place.start for place in placements}):
        column = [place for place in placements if place.start == start and place.lead]
        first = start + 8 + STRIP_SHIFT
        lines = {
            place.lead: without_wander(traces[place.row].height)[first : place.stop - 8 - STRIP_SHIFT]
            for place in column
        }
        limb = [lead for lead in lines if lead in WEIGHTS]
        if len(limb) > 1:
            first_two = np.linalg.pinv(np.array([WEIGHTS[lead] for lead in limb])) @ np.stack(
                [lines[lead] for lead in limb]
            )
            lines |= {lead: np.array(WEIGHTS[lead]) @ first_two for lead in parts if lead in WEIGHTS}
        for lead, line in lines.items():
            parts[lead].append((first, line))
    return parts


def _same(strip: NDArray[np.float64], parts: list[tuple[int, NDArray[np.float64]]]) -> float:
    """Return the share of the variance of a lead that a strip explains, mean over the parts at their best small shifts."""
    return float(np.mean([_same_part(strip, first, line) for first, line in parts] or [0.0]))


def _same_part(strip: NDArray[np.float64], first: int, lead: NDArray[np.float64]) -> float:
    best = -1.0
    for shift in range(-STRIP_SHIFT, STRIP_SHIFT + 1, 2):
        other = strip[first + shift : first + shift + len(lead)]
        both = np.isfinite(lead) & np.isfinite(other)
        if both.sum() > 40:
            difference = (lead - other)[both]
            best = max(best, float(1 - np.var(difference) / max(float(np.var(lead[both])), 1.0)))
    return best


def without_wander(height: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return a line less its moving mean over 0.6 s: the rows of a curled sheet wander apart."""
    known, kernel = np.isfinite(height), np.ones(WANDER)
    number = np.convolve(known, kernel, "same")
    mean = np.convolve(np.where(known, height, 0), kernel, "same") / np.maximum(number, 1)
    return np.asarray(height - mean)
