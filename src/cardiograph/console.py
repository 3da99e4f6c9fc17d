"""What the command line shows: progress on stderr, errors as a table, results as a table."""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from cardiograph.errors import CardiographError, InputError

if TYPE_CHECKING:
    from rich.progress import TaskID

    from cardiograph.containers import Prediction

ISSUES_SHOWN = 100


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
    from rich.markup import escape
    from rich.table import Table

    console = Console(stderr=True)
    console.print(f"[bold red]error:[/] {escape(headline)}", highlight=False, soft_wrap=True)
    if not issues:
        return
    table = Table("where", "column", "value", "allowed", "what to do", "code", show_lines=True)
    for issue in issues[:ISSUES_SHOWN]:
        row = (issue.where, issue.column, issue.value, issue.rule, issue.remedy, issue.code)
        table.add_row(*(escape(text) for text in row))
    console.print(table)
    if len(issues) > ISSUES_SHOWN:
        console.print(f"... and {len(issues) - ISSUES_SHOWN} more; --json lists them all")


def show_json(content: Mapping[str, Any]) -> None:
    """Write one JSON object to stdout."""
    sys.stdout.write(json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def show_result(metrics: Mapping[str, Any], titles: Mapping[str, str], report: str) -> None:
    """The scores of a run, the graph verdict, and where the report lies."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    console = Console()
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
    console.print(escape(metrics["graph_verdict"]["sentence"]), highlight=False)
    console.print(f"report: {escape(report)}", highlight=False, soft_wrap=True)


def show_prediction(prediction: Prediction, *, heard: bool) -> None:
    """One patient's answer; ``heard`` tells whether the model listens to similar records."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    console = Console()
    answer = "at or above" if prediction.positive else "below"
    console.print(
        f"[bold]{escape(prediction.outcome)}: {prediction.probability:.3f}[/] "
        f"({answer} the threshold {prediction.threshold:.3f})",
        highlight=False,
    )
    for warning in prediction.warnings:
        console.print(f"[yellow]note:[/] {escape(warning)}", highlight=False)
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
        table.add_row(escape(neighbour.record_id), f"{neighbour.distance:.2f}", label, *values)
    console.print(table)
    console.print(f"rests on: {escape(prediction.provenance)}", highlight=False)


def _basis(provenance: str) -> str:
    words = {"simulated from the label": "simulator check", "synthetic patient": "synthetic benchmark"}
    return words.get(provenance, provenance)


def _cell(score: Mapping[str, float | None] | None, *, interval: bool) -> str:
    if score is None or score["value"] is None:
        return "-"
    told = f"{score['value']:.3f}"
    return told if not interval or score["low"] is None else f"{told} ({score['low']:.3f}-{score['high']:.3f})"
