"""A finished comparison as files: JSON, a CSV for each table, figures, and one HTML page without network or script."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from cardiograph.artifacts.run import RunDirectory
from cardiograph.artifacts.spreadsheet import csv_of
from cardiograph.evaluate.bootstrap import Interval
from cardiograph.report.template import fill
from cardiograph.studies.compare.figure import figures
from cardiograph.studies.compare.result import CompareResult, Point, metric_title
from cardiograph.studies.compare.wording import READS

Line = Sequence[object]

ENDS = ("value", "low", "high")
HEADS: dict[str, tuple[str, ...]] = {
    "leaderboard": ("modality", "model", "title", "metric", *ENDS, "undefined_folds"),
    "settings": ("modality", "model", "settings", "folds"),
    "differences": ("modality", "model", "title", "metric", *ENDS, "p"),
    "verdicts": ("modality", "helps", "what", *ENDS),
    "scarcity": ("share", "labelled", "what", *ENDS),
    "missingness": ("share", "labelled", "what", *ENDS),
}
"""Table -> its columns."""


def write_results(directory: RunDirectory, result: CompareResult, about: Mapping[str, Any]) -> None:
    """Write ``compare.json``, ``compare.html``, a CSV for each table and an SVG for each figure.

    Args:
        directory: Directory of the comparison.
        result: All tables.
        about: ``command``, ``data_hash`` and ``config_toml``.
    """
    drawn = figures(result)
    directory.write_json("compare.json", {**result.as_dict(), "about": dict(about)})
    for name, text in tables(result).items():
        directory.write_text(f"{name}.csv", text)
    for name, one in drawn.items():
        directory.write_text(f"{name}.svg", one.svg)
    context = {"result": result, "facts": result.facts, "figures": drawn, "about": about, "reads": READS}
    context |= {"titles": {name: metric_title(name) for name in result.rows[0].scores}}
    directory.write_text("compare.html", fill("compare.html", context, package="cardiograph.studies.compare"))


def tables(result: CompareResult) -> dict[str, str]:
    """Name -> CSV; a curve that was not made has none."""
    lines: dict[str, Iterable[Line]] = {
        "leaderboard": _leaderboard(result),
        "settings": ((row.modality, row.model, *each) for row in result.rows for each in row.settings.items()),
        "differences": (
            (each.modality, each.model, each.title, name, *_ends(change), each.p if name == "auroc" else None)
            for each in result.differences
            for name, change in each.changes.items()
        ),
        "verdicts": _verdicts(result),
    }
    for name, points in (("scarcity", result.scarcity), ("missingness", result.missingness)):
        if points:
            lines[name] = _points(points)
    return {name: csv_of(HEADS[name], each) for name, each in lines.items()}


def _leaderboard(result: CompareResult) -> Iterator[Line]:
    for row in result.rows:
        start = (row.modality, row.model, row.title)
        for name, found in row.scores.items():
            yield (*start, name, *_ends(found), row.undefined[name])
        yield (*start, "seconds", *_ends(row.seconds), 0)
        yield (*start, "peak_mib", row.peak_mib, None, None, 0)


def _verdicts(result: CompareResult) -> Iterator[Line]:
    for each in result.verdicts:
        yield (each.modality, each.helps, "default less best baseline", *_ends(each.change))
        if each.edges is not None and each.rewired is not None:
            yield (each.modality, each.helps, "default less random edges", *_ends(each.edges))
            yield (each.modality, each.helps, "random edges less best baseline", *_ends(each.rewired))


def _points(points: Sequence[Point]) -> Iterator[Line]:
    for point in points:
        start = (point.share, point.labelled)
        yield (*start, "default auroc", *_ends(point.default))
        yield (*start, "best baseline auroc", *_ends(point.baseline))
        for name, change in point.changes.items():
            yield (*start, f"difference {name}", *_ends(change))


def _ends(found: Interval) -> tuple[float | None, ...]:
    return tuple(value if math.isfinite(value) else None for value in (found.value, found.low, found.high))
