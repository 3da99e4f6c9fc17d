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
    from rich.progress import ProgressColumn, TaskID
    from rich.table import Table

    from cardiograph.audit.findings import Audit
    from cardiograph.containers import Prediction
    from cardiograph.progress import Progress

KINDS_SHOWN = 40
"""Kinds of fault in an error message; the named file has all."""

IDS_SHOWN = 4
"""Record ids of a finding; the page and the JSON have all of them."""

COLOURS = {"block": "bold red", "accepted": "magenta", "warn": "yellow", "note": "cyan"}
BLOCKS = {"image": "the ECG page", "clinical": "clinical values"}
TONES = {"warning": "bold red", "note": "yellow", "plain": "green"}


class ProgressBars:
    """Progress bars with the time left, one for each stage, and images a second where images are worked on."""

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
            _pace(),
            console=Console(stderr=True),
        )
        self._task: TaskID | None = None

    def start(self, stage: str, total: int, *, unit: str = "") -> None:
        """Finish the bar of the stage before and start another; with a unit it tells how many a second."""
        self.finish()
        self._task = self.progress.add_task(stage, total=total, unit=unit)

    def advance(self, steps: int = 1) -> None:
        """Move the current bar."""
        if self._task is not None:
            self.progress.advance(self._task, steps)

    def finish(self) -> None:
        """Fill the current bar: a stage that stopped early is over, too."""
        if self._task is not None:
            task = self.progress.tasks[self._task]
            self.progress.update(self._task, total=max(task.completed, 1), completed=max(task.completed, 1))


def _pace() -> ProgressColumn:
    """Steps of a bar with a unit per second, over the last half minute."""
    from rich.progress import ProgressColumn, Task
    from rich.text import Text

    class Pace(ProgressColumn):
        def render(self, task: Task) -> Text:
            speed, unit = task.finished_speed or task.speed, task.fields["unit"]
            return Text(f"{speed:.1f} {unit}/s" if speed and unit else "")

    return Pace()


@contextmanager
def bars() -> Iterator[Progress]:
    """Show progress on stderr while the block runs: bars on a terminal, elsewhere a line every ten seconds."""
    from rich.console import Console

    if not Console(stderr=True).is_interactive:
        from cardiograph.cli import progress

        lines = progress.Lines(sys.stderr, seconds=progress.SECONDS_BETWEEN_LINES)
        with lines.open():
            yield lines
        return
    shown = ProgressBars()
    with shown.progress:
        yield shown
        shown.finish()


def show_error(error: CardiographError, *, as_json: bool) -> None:
    """Say what is wrong: faults of the input on stderr, a line for each kind, or everything as JSON on stdout."""
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
        console.print(_findings([_finding(issue) for issue in issues]))
        console.print("`cardiograph audit` with the same options tells all rows, and what does not block.")
    elif issues:
        _show_faults(issues, console)


def show_json(content: Mapping[str, Any]) -> None:
    """Write one JSON object to stdout."""
    sys.stdout.write(json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def show_result(
    metrics: Mapping[str, Any],
    titles: Mapping[str, str],
    report: str,
    *,
    cautions: Sequence[str] = (),
    notes: Sequence[str] = (),
) -> None:
    """The cautions and scores of a run, the graph verdict, the inflation meter, notes, and where the report lies."""
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
    for note in notes:
        console.print(f"[yellow]note:[/] {plain(note)}", highlight=False)
    console.print(f"report: {plain(report)}", highlight=False, soft_wrap=True)


def show_seconds(seconds: Mapping[str, float], images_per_second: Mapping[str, float]) -> None:
    """How long each stage of a run took, and all of them together; how fast pages went; on stderr, as progress."""
    from rich import box
    from rich.console import Console
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, show_footer=True)
    table.add_column("stage", "together", min_width=20)
    table.add_column("seconds", f"{sum(seconds.values()):.1f}", justify="right")
    for stage, each in seconds.items():
        table.add_row(plain(stage), f"{each:.1f}")
    console = Console(stderr=True)
    console.print(table)
    for work, pace in images_per_second.items():
        console.print(f"{plain(work)}: {pace:.1f} images per second", highlight=False)


def show_audit(audit: Audit, page: str) -> None:
    """The findings of an audit, files and different pages, what predicts the label, size, and where the page lies."""
    from rich.console import Console

    from cardiograph.report.audit import audit_rows

    told, console = audit_rows(audit.as_dict()), Console()
    if told["findings"]:
        console.print(_findings(told["findings"]))
    if told["classes"]:
        console.print(_classes(told["classes"]))
    if told["probes"]:
        console.print(_probes(told["probes"]))
    for title, value in told["size"]:
        console.print(f"{plain(title)}: {plain(value)}", highlight=False)
    console.print(f"split that was judged: {plain(told['split'])}", highlight=False)
    console.print(f"[{TONES[told['tone']]}]{plain(told['verdict'])}[/]", highlight=False)
    console.print(f"page: {plain(page)}", highlight=False, soft_wrap=True)


def show_prediction(prediction: Prediction, *, heard: bool) -> None:
    """One patient's answer; ``heard`` tells whether the model listens to similar records."""
    from rich.console import Console
    from rich.table import Table

    from cardiograph.containers import DECISIONS

    console = Console()
    told = "the threshold is void"
    if prediction.threshold is not None:
        told = f"{'at or above' if prediction.positive else 'below'} the threshold {prediction.threshold:.3f}"
    interval = ""
    if prediction.low is not None and prediction.high is not None:
        interval = f", between {prediction.low:.3f} and {prediction.high:.3f}"
    console.print(
        f"[bold]{plain(prediction.outcome)}: {prediction.probability:.3f}[/]{interval} ({told})",
        highlight=False,
    )
    console.print(f"decision: {plain(DECISIONS.get(prediction.decision, prediction.decision))}", highlight=False)
    if prediction.missing:
        console.print(f"missing: {plain(', '.join(BLOCKS.get(b, b) for b in prediction.missing))}", highlight=False)
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


def _show_faults(issues: Sequence[Issue], console: Console) -> None:
    """A line for each kind of fault, and a file with a row for each fault where the lines do not say it all."""
    from cardiograph.issue_groups import group_issues

    groups = group_issues(issues)
    for group in groups[:KINDS_SHOWN]:
        console.print(f"  {plain(str(group))}", highlight=False, soft_wrap=True)
    if len(groups) > KINDS_SHOWN:
        console.print(f"  ... and {len(groups) - KINDS_SHOWN} more kinds of fault")
    if len(issues) > min(len(groups), KINDS_SHOWN):
        console.print(f"every fault: {plain(_full_list(issues))}", highlight=False, soft_wrap=True)


def _full_list(issues: Sequence[Issue]) -> str:
    """The name of a new file, for the user's eyes only, with a row for each fault."""
    import tempfile

    from cardiograph.artifacts.spreadsheet import csv_of

    names = [field.name for field in dataclasses.fields(Issue)]
    try:
        with tempfile.NamedTemporaryFile(
            "w", encoding="utf-8", errors="surrogateescape", prefix="cardiograph-faults-", suffix=".csv", delete=False
        ) as file:
            file.write(csv_of(names, ([getattr(issue, name) for name in names] for issue in issues)))
    except OSError:
        return "by the same command with --json"
    return file.name


def _findings(findings: Sequence[Mapping[str, Any]]) -> Table:
    """Severity above code, and beside them the finding, what to do, and the first rows, one below the other."""
    from rich.table import Table

    table = Table("finding", "what, and what to do", show_lines=True)
    table.columns[0].no_wrap = True
    table.columns[1].overflow = "fold"
    for finding in findings:
        said = [plain(finding["text"]), f"[dim]what to do:[/] {plain(finding['action'])}"]
        if finding["rows"]:
            said.append(f"[dim]records:[/] {_ids(finding['rows'])}")
        table.add_row(f"[{COLOURS[finding['kind']]}]{finding['title']}[/]\n{plain(finding['code'])}", "\n".join(said))
    return table


def _finding(issue: Issue) -> dict[str, Any]:
    """A blocking finding as it comes back in an error; its rows are shortened already."""
    rows = [issue.value] if issue.value else []
    return {
        "kind": "block",
        "title": "blocks",
        "code": issue.code,
        "text": issue.rule,
        "action": issue.remedy,
        "rows": rows,
    }


def _ids(ids: Sequence[str]) -> str:
    rest = f" and {len(ids) - IDS_SHOWN} more" if len(ids) > IDS_SHOWN else ""
    return ", ".join(plain(each) for each in ids[:IDS_SHOWN]) + rest


def _classes(classes: Sequence[Mapping[str, Any]]) -> Table:
    from rich.table import Table

    table = Table("class")
    for heading in ("files", "different images"):
        table.add_column(heading, justify="right")
    for row in classes:
        style = "bold" if row["total"] else ""
        table.add_row(plain(row["name"]), str(row["files"]), str(row["different"]), style=style)
    return table


def _probes(probes: Mapping[str, Any]) -> Table:
    """What should not know the label and does is coloured."""
    from rich.table import Table

    from cardiograph.report.tables import interval

    table = Table("the label is predicted from")
    for heading in ("AUROC", "records"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("how")
    for block in probes["blocks"]:
        table.add_section()
        for probe in block["rows"]:
            row = (plain(probe["name"]), interval(probe["score"]), str(probe["records"]), plain(probe["how"]))
            table.add_row(*row, style="yellow" if probe["shortcut"] and probe["shows"] else "")
    return table


def _basis(provenance: str) -> str:
    words = {"simulated from the label": "simulator check", "synthetic patient": "synthetic benchmark"}
    return words.get(provenance, provenance)


def _cell(score: Mapping[str, float | None] | None, *, interval: bool) -> str:
    if score is None or score["value"] is None:
        return "-"
    told = f"{score['value']:.3f}"
    return told if not interval or score["low"] is None else f"{told} ({score['low']:.3f}-{score['high']:.3f})"
