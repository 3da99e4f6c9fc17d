"""Report of a comparison: tables, figures and HTML."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from cardiograph.artifacts.run import RunDirectory
from cardiograph.report.panel import Answer, Summary, difference, scale_of
from cardiograph.report.summary import VERDICT_TITLES
from cardiograph.report.tables import number
from cardiograph.studies.compare.figure import figures
from cardiograph.studies.compare.options import DEFAULT
from cardiograph.studies.compare.result import CompareResult, Point
from cardiograph.studies.compare.wording import READS, loss_name
from cardiograph.studies.report import ENDS, QUICK, Line, interval_cells, interval_text, write_study

HELPS_TITLES = {"not the edges": "Not its edges", **VERDICT_TITLES}
"""Answer of a verdict -> its title."""

TABLE_COLUMNS: dict[str, tuple[str, ...]] = {
    "leaderboard": ("modality", "model", "title", "metric", *ENDS, "undefined_folds"),
    "classes": ("modality", "model", "title", "class", *ENDS),
    "settings": ("modality", "model", "settings", "folds"),
    "differences": ("modality", "model", "title", "metric", *ENDS, "p"),
    "verdicts": ("modality", "helps", "what", *ENDS),
    "scarcity": ("share", "labelled", "what", *ENDS),
    "missingness": ("share", "labelled", "what", *ENDS),
}
"""Table -> its columns."""


def write_comparison(directory: RunDirectory, result: CompareResult, about: Mapping[str, Any]) -> None:
    """Write ``compare.json``, ``compare.html``, a CSV file for each table and an SVG file for each figure.

    Args:
        directory: Directory of the comparison.
        result: Result of the comparison.
        about: ``command``, ``data_hash`` and ``config_toml``.
    """
    titles = {name: result.facts.title(name) for name in result.rows[0].scores}
    write_study(
        directory,
        "compare",
        {**result.as_dict(), "about": dict(about)},
        tables={name: (TABLE_COLUMNS[name], lines) for name, lines in _tables(result).items()},
        figures=figures(result),
        context={
            "result": result,
            "facts": result.facts,
            "about": about,
            "reads": READS,
            "titles": titles,
            "loss": loss_name(result.facts),
            "compared": {name: titles[name] for name in result.facts.scores.compared},
            "summary": _summary(result),
        },
    )


def _summary(result: CompareResult) -> Summary:
    """Return the answers at the top of the report."""
    facts, verdict, scores = result.facts, result.verdict, result.facts.scores
    best = result.rows[0]
    own = next((row for row in result.rows if row.model == DEFAULT and row.modality == verdict.modality), best)
    score = own.scores[scores.primary]
    highest = interval_text(best.scores[scores.primary])
    shown = f"{READS[best.modality].capitalize()}. Highest {scores.called}: {highest}."
    folds = "the split of the table" if facts.own_split else f"{facts.repeats} x {facts.folds} folds"
    answers = (
        Answer("What is predicted?", facts.outcome, f"{facts.counted}."),
        Answer("Which records?", f"{facts.records} records", f"{facts.groups} groups, scored in {folds}."),
        Answer(f"Default model, {facts.title(scores.primary)}", number(score.value),
               f"{own.title}, {READS[own.modality]}.", "number", scale_of(score, facts.confidence)),
        Answer("Which model is best?", best.title, shown),
        Answer("Does the graph help?", HELPS_TITLES.get(verdict.helps, verdict.helps.capitalize()),
               f"{facts.title(scores.primary)} of the default less the best baseline: {difference(verdict.change)}.",
               {"yes": "good", "no": "bad"}.get(verdict.helps, "")),
    )  # fmt: skip
    return Summary(answers, QUICK if facts.quick else None)


def _tables(result: CompareResult) -> dict[str, Iterable[Line]]:
    """Return table -> lines; a curve that was not requested has no table."""
    lines: dict[str, Iterable[Line]] = {
        "leaderboard": _leaderboard(result),
        "settings": ((row.modality, row.model, *each) for row in result.rows for each in row.settings.items()),
        "differences": (
            (each.modality, each.model, each.title, name, *interval_cells(change), each.p if name == "auroc" else None)
            for each in result.differences
            for name, change in each.changes.items()
        ),
        "verdicts": _verdicts(result),
    }
    if result.facts.classes:
        lines["classes"] = (
            (row.modality, row.model, row.title, name, *interval_cells(found))
            for row in result.rows
            for name, found in row.by_class.items()
        )
    for name, points in (("scarcity", result.scarcity), ("missingness", result.missingness)):
        if points:
            lines[name] = _points(points, result.facts.scores.primary)
    return lines


def _leaderboard(result: CompareResult) -> Iterator[Line]:
    for row in result.rows:
        start = (row.modality, row.model, row.title)
        for name, found in row.scores.items():
            yield (*start, name, *interval_cells(found), row.undefined[name])
        yield (*start, "seconds", *interval_cells(row.seconds), 0)
        yield (*start, "peak_mib", row.peak_mib, None, None, 0)


def _verdicts(result: CompareResult) -> Iterator[Line]:
    for each in result.verdicts:
        yield (each.modality, each.helps, "default less best baseline", *interval_cells(each.change))
        if each.edges is not None and each.rewired is not None:
            yield (each.modality, each.helps, "default less random edges", *interval_cells(each.edges))
            yield (each.modality, each.helps, "random edges less best baseline", *interval_cells(each.rewired))


def _points(points: Sequence[Point], primary: str) -> Iterator[Line]:
    for point in points:
        start = (point.share, point.labelled)
        yield (*start, f"default {primary}", *interval_cells(point.default))
        yield (*start, f"best baseline {primary}", *interval_cells(point.baseline))
        for name, change in point.changes.items():
            yield (*start, f"difference {name}", *interval_cells(change))
