"""A finished ladder as files: JSON, CSV, figure, and one HTML page that needs no network and no script."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from cardiograph.artifacts.run import RunDirectory
from cardiograph.artifacts.spreadsheet import csv_of
from cardiograph.report.template import fill
from cardiograph.studies.ladder.figure import staircase, staircase_png
from cardiograph.studies.ladder.result import LADDER_METRICS, SHOWN, LadderResult

COLUMNS = (
    *("part", "reads", "step", "title", "metric"),
    *("value", "low", "high", "change", "change_low", "change_high", "not_run"),
)


def write_results(directory: RunDirectory, result: LadderResult, about: Mapping[str, Any]) -> None:
    """Write ``ladder.json``, ``ladder.csv``, ``ladder.svg``, ``ladder.png`` and ``ladder.html``.

    Args:
        directory: Directory of the ladder.
        result: All rows.
        about: ``command``, ``source``, ``data_hash``, ``versions``, ``seconds`` and ``config_toml``.
    """
    picture = staircase(result)
    directory.write_json("ladder.json", {**result.as_dict(), "about": dict(about)})
    directory.write_text("ladder.csv", as_csv(result))
    directory.write_text("ladder.svg", picture.svg)
    directory.write_bytes("ladder.png", staircase_png(result))
    context = {"result": result, "facts": result.facts, "figure": picture, "about": about}
    context |= {
        "titles": LADDER_METRICS,
        "metrics": [name for name in SHOWN if name in result.ladders[0].rows[0].scores],
    }
    directory.write_text("ladder.html", fill("ladder.html", context, package="cardiograph.studies.ladder"))


def as_csv(result: LadderResult) -> str:
    """A line for each step and metric."""
    return csv_of(COLUMNS, _lines(result))


def _lines(result: LadderResult) -> Iterator[list[object]]:
    parts = [("ladder", result.ladders), ("alone", result.alone), ("control", (result.controls,))]
    for part, blocks in parts:
        for block in blocks:
            for row in block.rows:
                start = [part, block.title, row.name, row.title]
                if row.why_not:
                    yield [*start, *[""] * 7, row.why_not]
                for metric, score in row.scores.items():
                    change = row.changes.get(metric)
                    moved = ["", "", ""] if change is None else [change.value, change.low, change.high]
                    yield [*start, metric, score.value, score.low, score.high, *moved, ""]
