"""What the reports of comparisons and ladders share: their text, and JSON, CSV tables, figures and one HTML report.

The HTML needs no network access.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from cardiograph.artifacts.run import RunDirectory
from cardiograph.artifacts.spreadsheet import csv_of
from cardiograph.evaluate.bootstrap import Interval
from cardiograph.report.figure_style import Picture
from cardiograph.report.panel import Alert
from cardiograph.report.tables import number, signed
from cardiograph.report.template import fill

Line = Sequence[object]
ENDS = ("value", "low", "high")
"""Columns of an interval."""

QUICK = Alert(
    "A quick study.", "It runs a part of the study only, to try it out; do not report its scores.", (), "note"
)

DIFFERENCES_NOTE = "Of many differences, about one in twenty excludes 0 by chance alone."

RANDOM_WEIGHTS_NOTE = "The encoder has random weights: a valid baseline, but not a trained network."


def interval_text(found: Interval, *, sign: bool = False) -> str:
    """Return value and interval as text: ``0.812 (0.741 to 0.874)``.

    Args:
        found: Value and interval.
        sign: Whether to write a plus sign before positive numbers, as for differences.
    """
    as_text = signed if sign else number
    return f"{as_text(found.value)} ({as_text(found.low)} to {as_text(found.high)})"


def excludes_zero(change: Interval) -> bool:
    """Return whether the interval of a difference excludes 0."""
    return change.low > 0 or change.high < 0


def interval_cells(found: Interval | None) -> tuple[float | None, ...]:
    """Return value, low and high as CSV cells; None where a number is undefined or the interval is None."""
    if found is None:
        return (None, None, None)
    return tuple(value if math.isfinite(value) else None for value in (found.value, found.low, found.high))


def write_study(
    directory: RunDirectory,
    name: str,
    content: Mapping[str, Any],
    *,
    tables: Mapping[str, tuple[Sequence[str], Iterable[Line]]],
    figures: Mapping[str, Picture],
    context: Mapping[str, Any],
) -> None:
    """Write ``NAME.json``, ``NAME.html``, a CSV file for each table and an SVG file for each figure.

    Args:
        directory: Directory of the study.
        name: ``compare`` or ``ladder``; the template is ``NAME.html``.
        content: Plain values for the JSON file.
        tables: File name without suffix -> columns and lines.
        figures: File name without suffix -> figure.
        context: Values for the template.
    """
    directory.write_json(f"{name}.json", content)
    for table, (columns, lines) in tables.items():
        directory.write_text(f"{table}.csv", csv_of(columns, lines))
    for figure, picture in figures.items():
        directory.write_text(f"{figure}.svg", picture.svg)
    text = fill(f"{name}.html", {"figures": figures, **context}, package="cardiograph.studies")
    directory.write_text(f"{name}.html", text)
