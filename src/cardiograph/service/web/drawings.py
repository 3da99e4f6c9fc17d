"""Coordinates of the drawings of the web UI; the templates draw them as SVG."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

GAUGE_CENTRE, GAUGE_RADIUS = (160.0, 152.0), 126.0
"""Centre and radius of the gauge, a half circle from 0 (left) to 1 (right) in a view of 320 x 176."""

MAP_CENTRE, MAP_RADIUS = 160.0, 128.0
"""Centre and outer radius of the neighbour plot in a view of 320 x 320; the farthest neighbour is at the radius."""

BAR_HALF = 100.0
"""Half the width of a bar's view; 0 is in the middle."""

_MARKS = {1: "positive", 0: "negative"}


@dataclass(frozen=True)
class Gauge:
    """A probability, its interval and the threshold on a half circle.

    Args:
        track: Path of the whole scale.
        band: Path of the interval; empty without an interval.
        needle: Position of the probability: x, y.
        threshold: Ends of the tick of the threshold: x, y, x, y; None without a threshold.
    """

    track: str
    band: str
    needle: tuple[float, float]
    threshold: tuple[float, float, float, float] | None


def gauge(answer: Mapping[str, Any]) -> Gauge:
    """Draw the gauge of a prediction.

    Args:
        answer: :meth:`Prediction.as_dict`.
    """
    low, high, threshold = answer["low"], answer["high"], answer["threshold"]
    tick = (
        None if threshold is None else (*_on_arc(threshold, GAUGE_RADIUS - 16), *_on_arc(threshold, GAUGE_RADIUS + 16))
    )
    return Gauge(
        track=_arc(0, 1),
        band="" if low is None or high is None else _arc(low, high),
        needle=_on_arc(answer["probability"], GAUGE_RADIUS),
        threshold=tick,
    )


@dataclass(frozen=True)
class Bar:
    """Bar of a signed effect.

    Args:
        start: Left end, 0..200; 100 is no effect.
        width: Width, in the same units.
        raises: Whether the effect is positive.
    """

    start: float
    width: float
    raises: bool


def bars(effects: Sequence[float]) -> tuple[Bar, ...]:
    """Draw effects as bars on one scale; the largest fills its half."""
    largest = max((abs(effect) for effect in effects), default=0) or 1.0
    widths = [round(abs(effect) / largest * BAR_HALF, 2) for effect in effects]
    return tuple(
        Bar(BAR_HALF if effect > 0 else BAR_HALF - width, width, effect > 0)
        for effect, width in zip(effects, widths, strict=True)
    )


@dataclass(frozen=True)
class Place:
    """A similar record in the neighbour plot: number, mark (``positive``, ``negative``, ``unlabelled``), position."""

    number: int
    mark: str
    x: float
    y: float


@dataclass(frozen=True)
class NeighbourPlot:
    """The neighbour plot: similar records around the patient.

    Args:
        places: Similar records, nearest first.
        rings: Radius and distance of each circle.
        label: Direction of the ring labels, a unit vector between the first two records.
    """

    places: tuple[Place, ...]
    rings: tuple[tuple[float, float], ...]
    label: tuple[float, float]


def neighbour_plot(neighbours: Sequence[Mapping[str, Any]], likely: str | None = None) -> NeighbourPlot:
    """Place each neighbour at its distance from the centre; directions are evenly spread and carry no meaning."""
    far = max((float(each["distance"]) for each in neighbours), default=0.0) or 1.0
    places = []
    for number, each in enumerate(neighbours):
        radius, angle = each["distance"] / far * MAP_RADIUS, 2 * math.pi * number / len(neighbours) - math.pi / 2
        x, y = MAP_CENTRE + radius * math.cos(angle), MAP_CENTRE + radius * math.sin(angle)
        places.append(Place(number + 1, mark_of(each, likely), round(x, 1), round(y, 1)))
    rings = ((MAP_RADIUS / 2, far / 2), (MAP_RADIUS, far)) if neighbours else ()
    between = math.pi / max(len(neighbours), 2) - math.pi / 2
    return NeighbourPlot(tuple(places), rings, (math.cos(between), math.sin(between)))


def mark_of(record: Mapping[str, Any], likely: str | None = None) -> str:
    """Return the mark of a similar record; with several classes, ``positive`` for the most likely class of the patient."""
    if likely is not None and record["label"] >= 0:
        return "positive" if record.get("class_name") == likely else "negative"
    return _MARKS.get(record["label"], "unlabelled")


def _on_arc(share: float, radius: float) -> tuple[float, float]:
    x = GAUGE_CENTRE[0] - radius * math.cos(math.pi * share)
    return round(x, 2), round(GAUGE_CENTRE[1] - radius * math.sin(math.pi * share), 2)


def _arc(start: float, end: float) -> str:
    (x, y), (to_x, to_y) = _on_arc(start, GAUGE_RADIUS), _on_arc(end, GAUGE_RADIUS)
    return f"M{x} {y}A{GAUGE_RADIUS} {GAUGE_RADIUS} 0 0 1 {to_x} {to_y}"
