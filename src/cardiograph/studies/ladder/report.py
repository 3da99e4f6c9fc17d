"""Report of a ladder: tables, figure and HTML."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from cardiograph.artifacts.run import RunDirectory
from cardiograph.report.panel import Answer, Summary
from cardiograph.report.tables import number
from cardiograph.studies.ladder.figure import staircase, staircase_png
from cardiograph.studies.ladder.result import LADDER_METRICS, LadderResult
from cardiograph.studies.report import ENDS, QUICK, Line, interval_cells, interval_text, write_study

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
        context={
            "result": result,
            "facts": result.facts,
            "about": about,
            "titles": LADDER_METRICS,
            "summary": _summary(result),
        },
    )
    directory.write_bytes("ladder.png", staircase_png(result))


def _summary(result: LadderResult) -> Summary:
    """Return the answers at the top of the report."""
    facts = result.facts
    about = Answer(
        "What is this?",
        "Faults on purpose",
        f"{'Two' if facts.quick else 'All'} faults of published pipelines are injected and removed one after the other. "
        "None of these models is kept.",
    )
    records = Answer(
        "Which records?", f"{facts.records} records", f"{facts.groups} groups; {facts.outcome}; {facts.seeds} seeds."
    )
    ladders = [
        Answer(
            block.title,
            f"{number(block.rows[0].scores['auroc'].value)} becomes {number(block.rows[-1].scores['auroc'].value)}",
            f"AUROC with the faults {interval_text(block.rows[0].scores['auroc'])}, without them "
            f"{interval_text(block.rows[-1].scores['auroc'])}.",
        )
        for block in result.ladders
        if block.rows[0].scores and block.rows[-1].scores
    ]
    return Summary((about, records, *ladders), QUICK if facts.quick else None)


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
