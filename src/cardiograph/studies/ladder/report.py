"""Report of a ladder: tables, figure and HTML."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from cardiograph.artifacts.run import RunDirectory
from cardiograph.studies.ladder.figure import staircase, staircase_png
from cardiograph.studies.ladder.result import LADDER_METRICS, LadderResult
from cardiograph.studies.report import ENDS, Line, interval_cells, write_study

LADDER_COLUMNS = ("part", "reads", "step", "title", "metric", *ENDS, "change", "change_low", "change_high", "not_run")


def write_ladder(directory: RunDirectory, result: LadderResult, about: Mapping[str, Any]) -> None:
    """Write ``ladder.json``, ``ladder.csv``, ``ladder.svg``, ``ladder.png`` and ``ladder.html``.

    Args:
        directory: Directory of the ladder.
        result: Result of the ladder.
        about: ``command``, ``data_hash`` and ``config_toml``.
    """
    write_study(
        directory,
        "ladder",
        {**result.as_dict(), "about": dict(about)},
        tables={"ladder": (LADDER_COLUMNS, ladder_lines(result))},
        figures={"ladder": staircase(result)},
        context={"result": result, "facts": result.facts, "about": about, "titles": LADDER_METRICS},
    )
    directory.write_bytes("ladder.png", staircase_png(result))


def ladder_lines(result: LadderResult) -> Iterator[Line]:
    """Yield a CSV line for each step and metric, and one for each step that was not run."""
    parts = [("ladder", result.ladders), ("alone", result.alone), ("control", (result.controls,))]
    for part, blocks in parts:
        for block in blocks:
            for row in block.rows:
                start = (part, block.title, row.name, row.title)
                if row.why_not:
                    yield (*start, *[None] * 7, row.why_not)
                for metric, score in row.scores.items():
                    yield (*start, metric, *interval_cells(score), *interval_cells(row.changes.get(metric)), None)
