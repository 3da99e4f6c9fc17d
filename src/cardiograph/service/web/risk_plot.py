"""Coordinates of the curve of a risk over time with its band; the template draws them as SVG."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cardiograph.containers.survival import UNIT_DAYS
from cardiograph.service.web.formats import with_percent_sign
from cardiograph.service.web.language import numerals
from cardiograph.service.web.other_texts import term
from cardiograph.service.web.risk_words import YEAR

WIDTH, HEIGHT = 360.0, 236.0
"""Size of the view."""

LEFT, RIGHT, TOP, BOTTOM = 44.0, 346.0, 12.0, 190.0
"""Edges of the plot in the view."""

TICKS = 5
"""Most intervals between ticks of an axis."""

HEADROOM = 1.05
"""Top of the axis of risks over the upper end of the band, before it is rounded up to a tick."""


@dataclass(frozen=True)
class Tick:
    """Tick of an axis: its place in the view, and its text."""

    place: float
    text: str


@dataclass(frozen=True)
class RiskPlot:
    """The curve of a patient.

    Args:
        line: Points of the curve, of an SVG polyline.
        band: Points of the outline of the band, of an SVG polygon; empty without a band.
        horizons: [horizons] x and y of the risk by each horizon.
        times: Ticks of the axis of time, from left to right.
        risks: Ticks of the axis of risks, from below.
        unit: Unit of the axis of time.
    """

    line: str
    band: str
    horizons: tuple[tuple[float, float], ...]
    times: tuple[Tick, ...]
    risks: tuple[Tick, ...]
    unit: str


def risk_plot(answer: Mapping[str, Any]) -> RiskPlot:
    """Draw the curve of a time-to-event prediction, as of ``SurvivalPrediction.as_dict()``."""
    curve, unit = answer["curve"], answer["unit"]
    last = float(curve[-1]["time"])
    highest = HEADROOM * float(max(point["high"] for point in curve))
    step = _step(highest)
    top = min(1.0, step * max(1, math.ceil(round(highest / step, 9))))
    in_years = unit != "years" and last * UNIT_DAYS[unit] >= 2 * YEAR
    scale = YEAR / UNIT_DAYS[unit] if in_years else 1.0

    def x(time: float) -> float:
        return round(LEFT + (RIGHT - LEFT) * time / last, 2)

    def y(risk: float) -> float:
        return round(BOTTOM - (BOTTOM - TOP) * risk / top, 2)

    def line(points: Sequence[Mapping[str, float]], name: str) -> str:
        return " ".join(f"{x(point['time'])},{y(point[name])}" for point in points)

    ticks = _ticks(last / scale, _step(last / scale))
    return RiskPlot(
        line=line(curve, "risk"),
        band=f"{line(curve, 'high')} {line(curve[::-1], 'low')}" if answer["band"] else "",
        horizons=tuple((x(point["time"]), y(point["risk"])) for point in answer["risks"]),
        times=tuple(Tick(x(tick * scale), numerals(f"{tick:,g}")) for tick in ticks),
        risks=tuple(Tick(y(tick), with_percent_sign(f"{100 * tick:g}")) for tick in _ticks(top, step)),
        unit=term("years" if in_years else unit),
    )


def _step(span: float) -> float:
    """Return 1, 2 or 5 times a power of ten, the smallest that divides a span into at most ``TICKS`` intervals."""
    least = span / TICKS
    if least <= 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(least))
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= least * (1 - 1e-9))


def _ticks(end: float, step: float) -> list[float]:
    """Return the multiples of a step from 0 to the end."""
    return [float(f"{number * step:.6g}") for number in range(int(end / step + 0.01) + 1)]
