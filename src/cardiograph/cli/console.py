"""Console output: progress bars and errors on stderr, results as tables on stdout."""

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
    from cardiograph.containers.readings import Readings
    from cardiograph.evaluate.results import RunMetrics, Score
    from cardiograph.progress import Progress

MAX_KINDS = 40
"""Maximum number of kinds of fault in an error message; the file that it names has all of them."""

MAX_IDS = 4
"""Maximum number of record ids of a finding; the report and the JSON have all of them."""

COLOURS = {"block": "bold red", "accepted": "magenta", "warn": "yellow", "note": "cyan"}
BLOCK_NAMES = {"image": "the ECG page", "clinical": "clinical values", "measurements": "ECG measurements"}
TONES = {"warning": "bold red", "note": "yellow", "plain": "green"}


class ProgressBars:
    """Progress bars, one per stage, with the remaining time and, for stages with a unit, the units per second."""

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
            _rate_column(),
            console=Console(stderr=True),
        )
        self._task: TaskID | None = None

    def start(self, stage: str, total: int, *, unit: str = "") -> None:
        """Finish the current bar and start one for the next stage; with a unit, it shows units per second."""
        self.finish()
        self._task = self.progress.add_task(stage, total=total, unit=unit)

    def advance(self, steps: int = 1) -> None:
        """Advance the current bar."""
        if self._task is not None:
            self.progress.advance(self._task, steps)

    def finish(self) -> None:
        """Fill the current bar, also where the stage ended before its last step."""
        if self._task is not None:
            task = self.progress.tasks[self._task]
            self.progress.update(self._task, total=max(task.completed, 1), completed=max(task.completed, 1))


def _rate_column() -> ProgressColumn:
    """Return a column with the units per second over the last half minute, for bars that have a unit."""
    from rich.progress import ProgressColumn, Task
    from rich.text import Text

    class Rate(ProgressColumn):
        def render(self, task: Task) -> Text:
            speed, unit = task.finished_speed or task.speed, task.fields["unit"]
            return Text(f"{speed:.1f} {unit}/s" if speed and unit else "")

    return Rate()


@contextmanager
def bars() -> Iterator[Progress]:
    """Show progress on stderr while the block runs: bars on a terminal, otherwise a line every ten seconds."""
    from rich.console import Console

    if not Console(stderr=True).is_interactive:
        from cardiograph.cli import progress

        lines = progress.Lines(sys.stderr, seconds=progress.SECONDS_BETWEEN_LINES)
        with lines.open():
            yield lines
        return
    reporter = ProgressBars()
    with reporter.progress:
        yield reporter
        reporter.finish()


def show_error(error: CardiographError, *, as_json: bool) -> None:
    """Show an error: on stderr with a line per kind of fault, or completely as JSON on stdout."""
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
        console.print("`cardiograph audit` with the same options shows all rows, and the findings that do not block.")
    elif issues:
        _show_faults(issues, console)


def show_json(content: Mapping[str, Any]) -> None:
    """Write one JSON object to stdout."""
    sys.stdout.write(json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def show_result(
    metrics: RunMetrics,
    titles: Mapping[str, str],
    report: str,
    *,
    cautions: Sequence[str] = (),
    notes: Sequence[str] = (),
) -> None:
    """Show cautions, scores, graph verdict, inflation and notes of a run, and the path of its report."""
    from rich.console import Console
    from rich.table import Table

    console = Console()
    for caution in cautions:
        console.print(f"[bold red]caution:[/] {plain(caution)}", highlight=False)
    counts = metrics.counts.test
    several = bool(counts.classes)
    positive = ", ".join(f"{count} {name}" for name, count in counts.classes.items()) or f"{counts.positive} positive"
    table = Table(
        title=f"{counts.records} test records, {plain(positive)}, {counts.groups} groups "
        f"({_score_kind(metrics.provenance)})"
    )
    names = {"auroc": "AUROC", "auprc": "AUPRC", "brier": "Brier", "balanced_accuracy": "bal. acc."}
    if several:
        names |= {"auroc": "macro AUROC", "auprc": "macro AUPRC"}
    for name in ("model", *names.values()):
        table.add_column(name, no_wrap=True, justify="left" if name == "model" else "right")
    rows = {metrics.primary: metrics.test, **metrics.baselines}
    for model, scores in rows.items():
        cells = [_cell(scores.get(name), interval=name in ("auroc", "auprc")) for name in names]
        title = titles.get(model, model).partition(" ")[0]
        table.add_row(title, *cells, style="bold" if model == metrics.primary else "")
    console.print(table)
    for found in (metrics.graph_verdict, metrics.inflation):
        if found is not None:
            console.print(plain(found.sentence), highlight=False)
    for note in notes:
        console.print(f"[yellow]note:[/] {plain(note)}", highlight=False)
    console.print(f"report: {plain(report)}", highlight=False, soft_wrap=True)


def show_seconds(seconds: Mapping[str, float], images_per_second: Mapping[str, float]) -> None:
    """Show on stderr the seconds per stage of a run, their total, and the files read and embedded per second."""
    from rich import box
    from rich.console import Console
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, show_footer=True)
    table.add_column("stage", "total", min_width=20)
    table.add_column("seconds", f"{sum(seconds.values()):.1f}", justify="right")
    for stage, duration in seconds.items():
        table.add_row(plain(stage), f"{duration:.1f}")
    console = Console(stderr=True)
    console.print(table)
    for stage, rate in images_per_second.items():
        console.print(f"{plain(stage)}: {rate:.1f} files per second", highlight=False)


def show_audit(audit: Audit, report: str) -> None:
    """Show the findings of an audit, image counts, label predictors, sample size, and the path of the report."""
    from rich.console import Console

    from cardiograph.report.audit import audit_rows

    rows, console = audit_rows(audit.as_dict()), Console()
    if rows["findings"]:
        console.print(_findings(rows["findings"]))
    if rows["classes"]:
        console.print(_classes(rows["classes"]))
    if rows["probes"]:
        console.print(_probes(rows["probes"]))
    for title, value in rows["size"]:
        console.print(f"{plain(title)}: {plain(value)}", highlight=False)
    console.print(f"split that was audited: {plain(rows['split'])}", highlight=False)
    console.print(f"[{TONES[rows['tone']]}]{plain(rows['verdict'])}[/]", highlight=False)
    console.print(f"report: {plain(report)}", highlight=False, soft_wrap=True)


def show_prediction(prediction: Prediction, *, uses_graph: bool) -> None:
    """Show the prediction for one patient.

    Args:
        prediction: The prediction.
        uses_graph: Whether the model uses the similar records; the title of their table says so.
    """
    from rich.console import Console
    from rich.table import Table

    from cardiograph.containers.survival import NO_DECISION

    console = Console()
    position = " (the threshold is void)"
    if prediction.classes or prediction.decision == NO_DECISION:
        position = ""
    elif prediction.threshold is not None:
        position = f" ({'at or above' if prediction.positive else 'below'} the threshold {prediction.threshold:.3f})"
    interval = ""
    if prediction.low is not None and prediction.high is not None:
        interval = f", between {prediction.low:.3f} and {prediction.high:.3f}"
    console.print(
        f"[bold]{plain(prediction.headline)}: {prediction.probability:.3f}[/]{interval}{position}",
        highlight=False,
    )
    if prediction.classes:
        shares = sorted(prediction.classes.items(), key=lambda pair: -pair[1])
        console.print(plain(", ".join(f"{name} {share:.3f}" for name, share in shares)), highlight=False)
    console.print(f"decision: {plain(prediction.decision_in_words)}", highlight=False)
    if prediction.missing:
        console.print(
            f"missing: {plain(', '.join(BLOCK_NAMES.get(b, b) for b in prediction.missing))}", highlight=False
        )
    for warning in prediction.warnings:
        console.print(f"[yellow]note:[/] {plain(warning)}", highlight=False)
    if prediction.readings is not None:
        _show_readings(console, prediction.readings)
    columns = list(prediction.neighbours[0].clinical) if prediction.neighbours else []
    table = Table(
        "record",
        "distance",
        "label",
        *columns,
        title="nearest reference records" if uses_graph else "nearest reference records (this model does not use them)",
    )
    for neighbour in prediction.neighbours:
        values = ["-" if value is None else f"{value:g}" for value in neighbour.clinical.values()]
        label = "unlabelled" if neighbour.label < 0 else plain(neighbour.class_name or str(neighbour.label))
        table.add_row(plain(neighbour.record_id), f"{neighbour.distance:.2f}", label, *values)
    console.print(table)
    console.print(f"based on: {plain(prediction.provenance)}", highlight=False)


def _show_readings(console: Console, readings: Readings) -> None:
    """Show what the encoder reads in the ECG: values with their errors, and statements that are likely."""
    values = ", ".join(f"{each.name} {each.value:.0f} ± {each.error:.0f} {each.unit}" for each in readings.values)
    likely = ", ".join(f"{each.name} {each.probability:.0%}" for each in readings.likely)
    console.print(f"the encoder reads: {plain(values)}", highlight=False)
    console.print(
        f"  {plain(likely or 'no statement is likely')} (readings of a model, not a diagnosis)", highlight=False
    )


def plain(text: str) -> str:
    """Replace control characters and escape markup, so that a terminal shows the text literally."""
    from rich.markup import escape

    return escape("".join(letter if letter.isprintable() else " " for letter in text))


def _show_faults(issues: Sequence[Issue], console: Console) -> None:
    """Show a line per kind of fault, and write a file with a row per fault if the lines do not show every one."""
    from cardiograph.issue_groups import group_issues

    groups = group_issues(issues)
    for group in groups[:MAX_KINDS]:
        console.print(f"  {plain(str(group))}", highlight=False, soft_wrap=True)
    if len(groups) > MAX_KINDS:
        console.print(f"  ... and {len(groups) - MAX_KINDS} more kinds of fault")
    if len(issues) > min(len(groups), MAX_KINDS):
        console.print(f"every fault: {plain(_full_list(issues))}", highlight=False, soft_wrap=True)


def _full_list(issues: Sequence[Issue]) -> str:
    """Write a new file with a row per fault, readable by the user only, and return its name."""
    import tempfile

    from cardiograph.artifacts.spreadsheet import csv_of

    names = [field.name for field in dataclasses.fields(Issue)]
    try:
        with tempfile.NamedTemporaryFile(
            "w", encoding="utf-8", errors="surrogateescape", prefix="cardiograph-faults-", suffix=".csv", delete=False
        ) as file:
            file.write(csv_of(names, ([getattr(issue, name) for name in names] for issue in issues)))
    except OSError:
        return "run the same command with --json"
    return file.name


def _findings(findings: Sequence[Mapping[str, Any]]) -> Table:
    """Return a table of findings: severity and code; then text, remedy and the first records."""
    from rich.table import Table

    table = Table("finding", "what, and what to do", show_lines=True)
    table.columns[0].no_wrap = True
    table.columns[1].overflow = "fold"
    for finding in findings:
        lines = [plain(finding["text"]), f"[dim]what to do:[/] {plain(finding['action'])}"]
        if finding["rows"]:
            lines.append(f"[dim]records:[/] {_ids(finding['rows'])}")
        table.add_row(f"[{COLOURS[finding['kind']]}]{finding['title']}[/]\n{plain(finding['code'])}", "\n".join(lines))
    return table


def _finding(issue: Issue) -> dict[str, Any]:
    """Convert a blocking finding that came as an error; its list of rows is shortened already."""
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
    rest = f" and {len(ids) - MAX_IDS} more" if len(ids) > MAX_IDS else ""
    return ", ".join(plain(each) for each in ids[:MAX_IDS]) + rest


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
    """Return a table of what predicts the label; a shortcut that does is coloured."""
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


def _score_kind(provenance: str) -> str:
    kinds = {"simulated from the label": "simulator check", "synthetic patient": "synthetic benchmark"}
    return kinds.get(provenance, provenance)


def _cell(score: Score | None, *, interval: bool) -> str:
    if score is None or score.value is None:
        return "-"
    text = f"{score.value:.3f}"
    return text if not interval or score.low is None else f"{text} ({score.low:.3f}-{score.high:.3f})"
