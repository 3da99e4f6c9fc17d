"""From the lines and words of a PDF page to leads: which line is a trace, which lead it shows, and in what scale."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cardiograph.ecg.leads import lead_name
from cardiograph.ecg.readers.pieces import Piece
from cardiograph.ecg.readers.source import EcgSource

POINTS_PER_MM = 72 / 25.4
RATE = 500.0
"""Sampling rate in Hz at which the lines are read off; the points of a line are not evenly spaced."""

MIN_TRACE_POINTS = 50
MIN_TRACE_MM = 20.0
MAX_JOIN_POINTS = 0.05
"""Largest gap in points between lines that are one trace."""

GRID_MM = (1.0, 5.0)
MIN_GRID_LINES = 10
MAX_SHRINK = 0.3
"""Largest deviation of a print from its true size, as a share."""

_SPEED = re.compile(r"(\d+(?:[.,]\d+)?)\s*mm\s*/\s*s(?:ec)?\b", re.IGNORECASE)
_GAIN = re.compile(r"(\d+(?:[.,]\d+)?)\s*mm\s*/\s*mV\b", re.IGNORECASE)


@dataclass(frozen=True)
class Polyline:
    """A line of straight segments: [n, 2] points, x to the right and y upwards, and its colour."""

    points: NDArray[np.float64]
    colour: tuple[int, ...]


@dataclass(frozen=True)
class Word:
    """A word, the x of its left end and the y of its middle, in points."""

    text: str
    x: float
    y: float


def leads_of_page(
    source: EcgSource, lines: list[Polyline], words: list[Word], text: str
) -> tuple[list[Piece], tuple[str, ...]]:
    """Return each printed stretch of a lead, and notes.

    A trace with several lead names above it, as on a 3 x 4 page whose rows are one line, is cut into equal parts.

    Raises:
        EcgError: If there are no traces, or names and traces do not belong together.
    """
    traces = [line for line in _joined(lines) if _is_trace(line.points)]
    labels = [word for word in words if lead_name(word.text)]
    if not traces or not labels:
        source.refuse(
            "no_traces",
            f"its page holds {len(traces)} traces as lines and {len(labels)} lead names",
            "read it as a page, as for a scan or a photograph",
        )
    speed, gain = _printed(source, _SPEED, text, "mm/s"), _printed(source, _GAIN, text, "mm/mV")
    scale, notes = _points_per_mm(lines)
    owner: dict[int, list[Word]] = {}
    for label in labels:
        places = [abs(label.y - float(np.median(trace.points[:, 1]))) for trace in traces]
        reach = [
            place if trace.points[0, 0] - 5 * scale <= label.x <= trace.points[-1, 0] else np.inf
            for place, trace in zip(places, traces, strict=True)
        ]
        if not np.isfinite(min(reach)):
            source.refuse("no_traces", "a lead name has no trace next to it", "read it as a page", value=label.text)
        owner.setdefault(int(np.argmin(reach)), []).append(label)
    if len(owner) < len(traces):
        source.refuse("no_traces", f"{len(traces) - len(owner)} traces have no lead name", "read it as a page")
    left = min(float(trace.points[0, 0]) for trace in traces)
    pieces = []
    for index, own in owner.items():
        pieces += _cut(source, traces[index].points, sorted(own, key=lambda word: word.x), (left, scale, speed, gain))
    return pieces, (
        *notes,
        f"Read from the lines of a PDF at {speed:g} mm/s and {gain:g} mm/mV; the median of each lead was taken as 0 mV.",
    )


def _printed(source: EcgSource, pattern: re.Pattern[str], text: str, unit: str) -> float:
    found = {float(value.replace(",", ".")) for value in pattern.findall(text)}
    if len(found) != 1 or not 1 <= min(found) <= 100:
        printed = ", ".join(f"{value:g}" for value in sorted(found)) or "none"
        source.refuse(
            "scale_missing",
            f"it must print one number of {unit}, and prints {printed}",
            "export the ECG as a signal file, or read it as a page",
        )
    return found.pop()


def _joined(lines: list[Polyline]) -> list[Polyline]:
    """Join lines that are drawn one after the other and meet."""
    groups: list[list[Polyline]] = []
    for line in lines:
        last = groups[-1][-1] if groups else None
        if last and last.colour == line.colour and np.abs(last.points[-1] - line.points[0]).max() <= MAX_JOIN_POINTS:
            groups[-1].append(line)
        else:
            groups.append([line])
    return [Polyline(np.concatenate([line.points for line in group]), group[0].colour) for group in groups]


def _is_trace(points: NDArray[np.float64]) -> bool:
    steps = np.diff(points[:, 0])
    long = points[-1, 0] - points[0, 0] >= MIN_TRACE_MM * POINTS_PER_MM
    return len(points) >= MIN_TRACE_POINTS and long and bool((steps >= -0.01).all())


def _points_per_mm(lines: list[Polyline]) -> tuple[float, tuple[str, ...]]:
    """Return the scale of the print from the distance of grid lines, which are 1 or 5 mm apart."""
    places: dict[tuple[int, ...], list[float]] = {}
    for line in lines:
        if len(line.points) == 2 and abs(line.points[0, 0] - line.points[1, 0]) < 0.01:
            places.setdefault(line.colour, []).append(float(line.points[0, 0]))
    for found in sorted(places.values(), key=len, reverse=True):
        sorted_places = np.sort(found)
        distances = np.diff(sorted_places)
        distances = distances[distances > 0.1]  # lines that are drawn twice
        if len(distances) < MIN_GRID_LINES:
            break
        step = float(np.median(distances))
        span = float(sorted_places[-1] - sorted_places[0])
        nearest = min(GRID_MM, key=lambda size: abs(np.log(step / POINTS_PER_MM / size)))
        if abs(step / POINTS_PER_MM / nearest - 1) <= MAX_SHRINK:
            return span / round(span / step) / nearest, ()
    return POINTS_PER_MM, ("The PDF has no grid of lines; its size was taken as printed.",)


def _cut(
    source: EcgSource, points: NDArray[np.float64], labels: list[Word], frame: tuple[float, float, float, float]
) -> list[Piece]:
    """Cut a trace into equal parts, one for each lead name, and read them off at an even rate."""
    left, scale, speed, gain = frame
    begin, end = float(points[0, 0]), float(points[-1, 0])
    width = (end - begin) / len(labels)
    pieces = []
    for number, label in enumerate(labels):
        start, stop = begin + number * width, begin + (number + 1) * width
        if not start - 5 * scale <= label.x <= start + width / 2:
            source.refuse(
                "no_traces", "a lead name stands in the middle of a trace", "read it as a page", value=label.text
            )
        seconds = (start - left) / scale / speed
        first = int(np.ceil(round(seconds * RATE, 3)))
        last = int(np.floor(round((stop - left) / scale / speed * RATE, 3)))
        source.check_size(1, last)
        times = np.arange(first, max(last, first + 1))
        heights = np.interp(times / RATE * speed * scale + left, points[:, 0], points[:, 1])
        millivolts = (heights - np.median(heights)) / scale / gain
        pieces.append(Piece((label.text,), millivolts[None].astype(np.float32), RATE, first / RATE))
    return pieces
