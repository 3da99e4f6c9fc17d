"""Values of a drawn figure that a reader sees on hover, and axes that reach every value."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

REFERENCE = "reference"
"""The ``gid`` of a line with a label that is no value, such as the diagonal of perfect calibration."""
POINTS_PER_INCH = 72
MIN_APART = 5.0
"""Smallest distance of two spots of one line, in points; closer ones could not be distinguished with a pointer."""
NAMED_WITHIN = 0.4
"""Distance from a named tick within which a value belongs to it; series can stand side by side around a tick."""


@dataclass(frozen=True)
class Spot:
    """A place of a figure with its value in words.

    Args:
        x: Points from the left edge.
        y: Points from the upper edge.
        text: Name and coordinates of the value.
    """

    x: float
    y: float
    text: str


@dataclass(frozen=True)
class _Value:
    """A value in the coordinates of its axes; ``line`` numbers the line it belongs to, and is None for a bar."""

    x: float
    y: float
    text: str
    line: int | None


def spots_of(figure: Figure) -> tuple[Spot, ...]:
    """Return the spots of a figure that has been drawn, so that its layout is final.

    These are the points of every line that has a label or markers, and the bars of every labelled histogram.
    """
    height, scale = float(figure.get_figheight()) * POINTS_PER_INCH, POINTS_PER_INCH / figure.dpi
    found = []
    for axes in figure.axes:
        values_seen = [*_line_values(axes, unmarked=False), *_bar_values(axes)]
        for _, group in itertools.groupby(values_seen, key=lambda value: value.line):
            values = list(group)
            x, y = axes.transData.transform([(value.x, value.y) for value in values]).T * scale
            kept = range(len(values)) if values[0].line is None else _apart(np.stack([x, y], axis=1))
            found += [
                Spot(round(float(x[i]), 1), round(height - float(y[i]), 1), values[i].text)
                for i in kept
                if math.isfinite(x[i]) and math.isfinite(y[i])
            ]
    return tuple(found)


def reach_every_value(figure: Figure) -> None:
    """Widen each axis that would cut off a value; an axis that shows all its values stays as it is."""
    for axes in figure.axes:
        values_seen = [*_line_values(axes, unmarked=True), *_bar_values(axes)]
        places = np.array([(value.x, value.y) for value in values_seen], dtype=np.float64).reshape(-1, 2)
        for values, limits, widen in ((places[:, 0], axes.get_xlim(), axes.set_xlim),
                                      (places[:, 1], axes.get_ylim(), axes.set_ylim)):  # fmt: skip
            finite = values[np.isfinite(values)]
            if not len(finite):
                continue
            low, high = min(limits), max(limits)
            wanted = min(low, float(finite.min())), max(high, float(finite.max()))
            if wanted != (low, high):
                margin = 0.02 * (wanted[1] - wanted[0])
                ends = (wanted[0] - margin * (wanted[0] < low), wanted[1] + margin * (wanted[1] > high))
                widen(*(ends if limits[0] <= limits[1] else ends[::-1]))


def _apart(places: NDArray[np.float64]) -> list[int]:
    """Return the points of a line, without those closer than :data:`MIN_APART` to the last one returned."""
    kept: list[int] = []
    for index, place in enumerate(places):
        if not kept or float(np.abs(place - places[kept[-1]]).max()) >= MIN_APART:
            kept.append(index)
    return kept


def _line_values(axes: Axes, *, unmarked: bool) -> Iterator[_Value]:
    """Yield the points of the lines; ``unmarked`` adds lines without label and markers, such as bars of intervals."""
    from matplotlib.container import ErrorbarContainer

    names = {each.lines[0]: each.get_label() for each in axes.containers if isinstance(each, ErrorbarContainer)}
    for number, line in enumerate(axes.lines):
        label = str(names.get(line, line.get_label()))
        labelled = not label.startswith("_")
        has_markers = line.get_marker() not in ("None", None, "", " ")
        is_value = line.get_gid() != REFERENCE and line.get_transform() is axes.transData
        if is_value and (labelled or has_markers or unmarked):
            x, y = (np.asarray(values, np.float64) for values in line.get_data())
            for a, b in zip(x.tolist(), y.tolist(), strict=True):
                yield _Value(a, b, _in_words(axes, _series(axes, label), a, b), None if has_markers else number)


def _bar_values(axes: Axes) -> Iterator[_Value]:
    from matplotlib.container import BarContainer
    from matplotlib.patches import StepPatch

    for patch in axes.patches:
        if isinstance(patch, StepPatch) and not patch.get_fill():
            heights, edges, _ = patch.get_data()
            ends = zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True)
            for (low, high), value in zip(ends, np.asarray(heights, np.float64).tolist(), strict=True):
                yield _bar(axes, str(patch.get_label()), (low, high), value, top=value)
    upright = (each for each in axes.containers if isinstance(each, BarContainer) and each.orientation == "vertical")
    for container in upright:
        named = str(container.get_label())
        label = str(container.patches[0].get_label()) if named.startswith("_") else named  # hist names its first bar
        for bar in container.patches:
            sides = (bar.get_x(), bar.get_x() + bar.get_width())
            yield _bar(axes, label, sides, bar.get_height(), top=bar.get_y() + bar.get_height())


def _bar(axes: Axes, label: str, ends: tuple[float, float], value: float, *, top: float) -> _Value:
    middle = (ends[0] + ends[1]) / 2
    name = _tick_name(axes.xaxis, middle)
    where = name or f"{_title(axes, 'x')} {_short(ends[0])} to {_short(ends[1])}"
    return _Value(middle, top, _joined(_series(axes, label), where, f"{_title(axes, 'y')} {_short(value)}"), None)


def _in_words(axes: Axes, series: str, x: float, y: float) -> str:
    coordinates = (
        _tick_name(axis, value) or f"{_title(axes, axis.axis_name)} {_short(value)}"
        for axis, value in ((axes.xaxis, x), (axes.yaxis, y))
    )
    return _joined(series, *coordinates)


def _joined(series: str, *parts: str) -> str:
    where = ", ".join(" ".join(part.split()) for part in parts)
    return f"{series}: {where}" if series else where


def _tick_name(axis: Any, value: float) -> str:  # noqa: ANN401 - matplotlib has no types
    """Return the text of the named tick nearest to a value; empty for an axis of numbers."""
    from matplotlib.ticker import FixedLocator, FuncFormatter

    formatter = axis.get_major_formatter()
    if not (isinstance(axis.get_major_locator(), FixedLocator) and isinstance(formatter, FuncFormatter)):
        return ""
    place = min(axis.get_majorticklocs(), key=lambda tick: abs(tick - value), default=math.inf)
    return str(formatter(place)) if abs(place - value) <= NAMED_WITHIN else ""


def _title(axes: Axes, which: str) -> str:
    """Return the title of an axis, ``x`` or ``y``, which may stand on another panel of the same row or column."""
    shared = getattr(axes, f"get_shared_{which}_axes")().get_siblings(axes)
    titles = [getattr(each, f"get_{which}label")() for each in (axes, *shared)]
    return next((title for title in titles if title), "")


def _series(axes: Axes, label: object) -> str:
    """Return the name of a line, after the title of its panel if there are several."""
    panels = sum(bool(each.get_title(loc="left")) for each in axes.figure.axes)
    parts = (axes.get_title(loc="left") if panels > 1 else "", "" if str(label).startswith("_") else str(label))
    return ", ".join(part for part in parts if part)


def _short(value: float) -> str:
    return f"{value:.3g}" if abs(value) < 1000 else f"{value:.0f}"
