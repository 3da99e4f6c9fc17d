"""What the command line shows: progress on stderr, errors as a table, results as a table."""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from cardiograph.errors import AuditError, CardiographError, InputError, Issue

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import TaskID

    from cardiograph.audit.findings import Audit
    from cardiograph.containers import Prediction

ISSUES_SHOWN = 100
IDS_SHOWN = 4
"""Record ids of a finding; the page and the JSON have all of them."""

COLOURS = {"block": "bold red", "accepted": "magenta", "warn": "yellow", "note": "cyan"}
TONES = {"warning": "bold red", "note": "yellow", "plain": "green"}


class Bars:
    """Progress bars with the time left, one for each stage."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            Progress,
            SpinnerColumn,
            TextColumn,
            TimeElapsedColumn,
            TimeRemainingColumn,
        )

        self.progress = Progress(
            SpinnerColumn(finished_text="[green]done"),
            TextColumn("{task.description:<24}"),
            BarColumn(bar_width=30),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            console=Console(stderr=True),
        )
        self._task: TaskID | None = None

    def start(self, stage: str, total: int) -> None:
        """Finish the bar of the stage before and start another."""
        self.finish()
        self._task = self.progress.add_task(stage, total=total)

    def advance(self, steps: int = 1) -> None:
        """Move the current bar."""
        if self._task is not None:
            self.progress.advance(self._task, steps)

    def finish(self) -> None:
        """Fill the current bar: a stage that stopped early is over, too."""
        if self._task is not None:
            task = self.progress.tasks[self._task]
            self.progress.update(self._task, total=max(task.completed, 1), completed=max(task.completed, 1))


@contextmanager
def bars() -> Iterator[Bars]:
    """Show progress while the block runs."""
    shown = Bars()
    with shown.progress:
        yield shown
        shown.finish()


def show_error(error: CardiographError, *, as_json: bool) -> None:
    """Say what is wrong: faults of the input as a table on stderr, or everything as JSON on stdout."""
    issues = error.issues if isinstance(error, InputError) else ()
    headline = error.headline if isinstance(error, InputError) else str(error)
    if as_json:
        show_json({"error": headline, "exit_code": error.exit_code, "issues": [dataclasses.asdict(i) for i in issues]})
        return
    from rich.console import Console

    console = Console(stderr=True)
    lines = "\n".join(plain(line) for line in headline.split("\n"))
    console.print(f"[bold red]error:[/] {lines}", highlight=False, soft_wrap=True)
    if isinstance(error, AuditError):
        _show_table(console, ("code", "what", "rows", "what to do"), [_blocked(issue) for issue in issues])
        console.print("`cardiograph audit` with the same options tells all rows, and what does not block.")
    elif issues:
        _show_table(console, ("where", "column", "value", "allowed", "what to do", "code"), [_fault(i) for i in issues])


def show_json(content: Mapping[str, Any]) -> None:
    """Write one JSON object to stdout."""
    sys.stdout.write(json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def show_result(
    metrics: Mapping[str, Any], titles: Mapping[str, str], report: str, *, cautions: Sequence[str] = ()
) -> None:
    """The cautions and scores of a run, the graph verdict, the inflation meter, and where the report lies."""
    from rich.console import Console
    from rich.table import Table

    console = Console()
    for caution in cautions:
        console.print(f"[bold red]caution:[/] {plain(caution)}", highlight=False)
    counts = metrics["counts"]["test"]
    table = Table(
        title=f"{counts['records']} test records, {counts['positive']} positive, {counts['groups']} groups "
        f"({_basis(metrics['provenance'])})"
    )
    names = {"auroc": "AUROC", "auprc": "AUPRC", "brier": "Brier", "balanced_accuracy": "bal. acc."}
    for name in ("model", *names.values()):
        table.add_column(name, no_wrap=True, justify="left" if name == "model" else "right")
    rows = {metrics["primary"]: metrics["test"], **metrics["baselines"]}
    for model, scores in rows.items():
        cells = [_cell(scores.get(name), interval=name in ("auroc", "auprc")) for name in names]
        title = titles.get(model, model).partition(" ")[0]
        table.add_row(title, *cells, style="bold" if model == metrics["primary"] else "")
    console.print(table)
    console.print(plain(metrics["graph_verdict"]["sentence"]), highlight=False)
    if "inflation" in metrics:
        console.print(plain(metrics["inflation"]["sentence"]), highlight=False)
    console.print(f"report: {plain(report)}", highlight=False, soft_wrap=True)


def show_audit(audit: Audit, page: str) -> None:
    """The findings of an audit, files and different pages, what predicts the label, size, and where the page lies."""
    from rich.console import Console

    from cardiograph.evaluation.report_audit import audit_rows

    rows, console = audit_rows(audit.as_dict()), Console()
    findings = [
        (f"[{COLOURS[row['kind']]}]{row['title']}[/]", plain(row["code"]), plain(row["text"]), _ids(row["rows"]),
         plain(row["action"]))
        for row in rows["findings"]
    ]  # fmt: skip
    if findings:
        _show_table(console, ("", "code", "what", "rows", "what to do"), findings)
    if rows["classes"]:
        classes = [(plain(row["name"]), str(row["files"]), str(row["different"])) for row in rows["classes"]]
        _show_table(console, ("class", "files", "different images"), classes)
    if rows["probes"]:
        _show_table(console, ("what predicts the label", "AUROC", "records", "how"), _probes(rows["probes"]))
    for title, value in rows["size"]:
        console.print(f"{plain(title)}: {plain(value)}", highlight=False)
    console.print(f"split that was judged: {plain(rows['split'])}", highlight=False)
    console.print(f"[{TONES[rows['tone']]}]{plain(rows['verdict'])}[/]", highlight=False)
    console.print(f"page: {plain(page)}", highlight=False, soft_wrap=True)


def show_prediction(prediction: Prediction, *, heard: bool) -> None:
    """One patient's answer; ``heard`` tells whether the model listens to similar records."""
    from rich.console import Console
    from rich.table import Table

    console = Console()
    answer = "at or above" if prediction.positive else "below"
    console.print(
        f"[bold]{plain(prediction.outcome)}: {prediction.probability:.3f}[/] "
        f"({answer} the threshold {prediction.threshold:.3f})",
        highlight=False,
    )
    for warning in prediction.warnings:
        console.print(f"[yellow]note:[/] {plain(warning)}", highlight=False)
    columns = list(prediction.neighbours[0].clinical) if prediction.neighbours else []
    table = Table(
        "similar record",
        "distance",
        "label",
        *columns,
        title="what it leans on" if heard else "similar records (this model does not use them)",
    )
    for neighbour in prediction.neighbours:
        values = ["-" if value is None else f"{value:g}" for value in neighbour.clinical.values()]
        label = "unlabelled" if neighbour.label < 0 else str(neighbour.label)
        table.add_row(plain(neighbour.record_id), f"{neighbour.distance:.2f}", label, *values)
    console.print(table)
    console.print(f"rests on: {plain(prediction.provenance)}", highlight=False)


def plain(text: str) -> str:
    """Text that is only text on a terminal: no control characters, no markup."""
    from rich.markup import escape

    return escape("".join(letter if letter.isprintable() else " " for letter in text))


def _show_table(console: Console, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    from rich.table import Table

    table = Table(*columns, show_lines=True)
    for row in rows[:ISSUES_SHOWN]:
        table.add_row(*row)
    console.print(table)
    if len(rows) > ISSUES_SHOWN:
        console.print(f"... and {len(rows) - ISSUES_SHOWN} more; --json lists them all")


def _fault(issue: Issue) -> tuple[str, ...]:
    return tuple(plain(text) for text in (issue.where, issue.column, issue.value, issue.rule, issue.remedy, issue.code))


def _blocked(issue: Issue) -> tuple[str, ...]:
    return tuple(plain(text) for text in (issue.code, issue.rule, issue.value, issue.remedy))


def _ids(ids: Sequence[str]) -> str:
    rest = f" and {len(ids) - IDS_SHOWN} more" if len(ids) > IDS_SHOWN else ""
    return ", ".join(plain(each) for each in ids[:IDS_SHOWN]) + rest


def _probes(probes: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """Rows of the table of probes; what should not know the label and does is marked."""
    from cardiograph.evaluation.report_tables import interval

    rows: list[tuple[str, ...]] = []
    for probe in (probe for block in probes["blocks"] for probe in block["rows"]):
        mark = "[yellow]" if probe["shortcut"] and probe["shows"] else "[default]"
        name, score = f"{mark}{plain(probe['name'])}[/]", f"{mark}{interval(probe['score'])}[/]"
        rows.append((name, score, str(probe["records"]), plain(probe["how"])))
    return rows


def _basis(provenance: str) -> str:
    words = {"simulated from the label": "simulator check", "synthetic patient": "synthetic benchmark"}
    return words.get(provenance, provenance)


def _cell(score: Mapping[str, float | None] | None, *, interval: bool) -> str:
    if score is None or score["value"] is None:
        return "-"
    told = f"{score['value']:.3f}"
    return told if not interval or score["low"] is None else f"{told} ({score['low']:.3f}-{score['high']:.3f})"
