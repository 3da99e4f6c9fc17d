"""Runs, reports and predictions of a time-to-event outcome on the command line."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from cardiograph.errors import ConfigError

if TYPE_CHECKING:
    from cardiograph.artifacts.run import RunDirectory
    from cardiograph.config import RunConfig
    from cardiograph.containers.survival import SurvivalPrediction
    from cardiograph.survival.evaluation import SurvivalMetrics
    from cardiograph.survival.scores import Interval


def run_and_show_survival(cohort: Path, out: Path, settings: RunConfig, *, command: str, as_json: bool) -> None:
    """Make a run, or resume it, and show its scores."""
    from cardiograph.artifacts.run import RunDirectory
    from cardiograph.cli import console
    from cardiograph.run.survival import run_survival
    from cardiograph.studies.faults.switches import FaultyConfig

    if isinstance(settings, FaultyConfig):
        message = "faults are reproduced for a binary outcome only, and outcome.kind is 'survival'; leave out --preset"
        raise ConfigError(message)
    with console.bars() as progress:
        result = run_survival(cohort, out, settings, progress=progress, command=command)
    if not as_json and result.seconds:
        console.show_seconds(result.seconds, result.images_per_second)
    _show(RunDirectory(result.path), result.metrics, as_json=as_json)


def report_survival(directory: RunDirectory, *, as_json: bool) -> None:
    """Write the report of a finished run again, and show its scores."""
    from cardiograph.run.survival_report import read_survival_metrics, write_survival_report

    with directory.locked():
        write_survival_report(directory)
    _show(directory, read_survival_metrics(directory), as_json=as_json)


def _show(directory: RunDirectory, metrics: SurvivalMetrics, *, as_json: bool) -> None:
    from cardiograph.cli import console

    facts, report = directory.read_json("run.json"), directory.path / "report.html"
    if as_json:
        content: dict[str, Any] = {"run": str(directory.path), "report": str(report), "metrics": metrics.as_dict()}
        content |= {"cautions": facts["cautions"], "page_notes": facts["page_notes"], "seconds": facts["seconds"]}
        console.show_json(content)
        return
    show_survival_result(metrics, str(report), cautions=facts["cautions"])


def show_survival_result(metrics: SurvivalMetrics, report: str, *, cautions: list[str]) -> None:
    """Show verdict, scores and control of a run, and the path of its report."""
    from rich.console import Console
    from rich.table import Table

    from cardiograph.cli.console import plain
    from cardiograph.survival.evaluation import TITLES

    console, counts = Console(), metrics.counts["test"]
    for caution in cautions:
        console.print(f"[bold red]caution:[/] {plain(caution)}", highlight=False)
    console.print(f"[bold]{plain(metrics.verdict)}[/]", highlight=False)
    last = f"{metrics.horizons[-1]:g}"
    title = f"{counts.records} test records, {counts.events} events; AUROC by {last} {metrics.unit}"
    table = Table(title=title)
    columns = {"uno_c": "Uno's C", f"auroc_{last}": "AUROC", "integrated_brier": "int. Brier"}
    for name in ("model", *columns.values()):
        table.add_column(name, no_wrap=True, justify="left" if name == "model" else "right")
    for model in (each for each in TITLES if each in metrics.scores):
        cells = [_cell(metrics.scores[model][name], bounds=name == "uno_c") for name in columns]
        short = TITLES[model].partition(" (")[0]
        table.add_row(short, *cells, style="bold" if model == metrics.primary else "")
    console.print(table)
    console.print(plain(metrics.control), highlight=False)
    console.print(f"report: {plain(report)}", highlight=False, soft_wrap=True)


def _cell(found: Interval, *, bounds: bool) -> str:
    if found.value != found.value:
        return "-"
    return f"{found.value:.3f}" + (f" ({found.low:.3f}-{found.high:.3f})" if bounds else "")


def show_risks(prediction: SurvivalPrediction) -> None:
    """Show the risk by each horizon, with its band."""
    from rich.console import Console
    from rich.table import Table

    from cardiograph.cli.console import plain

    console = Console()
    table = Table(f"by ({prediction.unit})", "risk", "band", title=plain(f"risk of {prediction.outcome}"))
    for point in prediction.risks:
        table.add_row(f"{point.time:g}", f"{point.risk:.3f}", f"{point.low:.3f} to {point.high:.3f}")
    console.print(table)
    if prediction.band:
        console.print(f"band: {plain(prediction.band)}", highlight=False)


def write_curve(prediction: object, path: Path) -> None:
    """Write the curve of a prediction as an SVG file.

    Raises:
        ConfigError: The run does not predict the time to an event, or the name is not that of an SVG file.
    """
    import typer

    from cardiograph.artifacts.files import write_output
    from cardiograph.containers.survival import SurvivalPrediction
    from cardiograph.report.survival_figures import patient_curve

    if not isinstance(prediction, SurvivalPrediction):
        message = f"--curve {path}: only a run with a time-to-event outcome (--time) has a curve; leave it out"
        raise ConfigError(message)
    if path.suffix.lower() != ".svg":
        message = f"--curve {path}: the curve is written as SVG; give a name that ends in .svg"
        raise ConfigError(message)
    write_output(path, patient_curve(prediction).encode())
    typer.echo(f"curve: {path}", err=True)
