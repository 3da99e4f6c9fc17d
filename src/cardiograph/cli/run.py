"""``cardiograph run``: train and evaluate a model on a cohort, and show its scores."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cardiograph.cli.options import AsJson, CohortArgument, config_overrides
from cardiograph.cli.run_options import RunOptions
from cardiograph.cli.signature import with_options

if TYPE_CHECKING:
    from cardiograph.config import RunConfig
    from cardiograph.evaluate.results import RunMetrics
    from cardiograph.run.pipeline import RunResult


@with_options
def run(
    cohort: CohortArgument,
    *,
    out: Annotated[
        Path | None,
        typer.Option(
            help="Run folder; runs/NAME by default. Resumes an unfinished run, and shows a finished one unchanged."
        ),
    ] = None,
    options: RunOptions,
    as_json: AsJson = False,
) -> None:
    """Train and evaluate a model on a cohort.

    The steps are audit, split by group, page embeddings, patient graph, model and baselines, scores with intervals, and
    report. With --time and --event the model predicts the time to an event.
    """
    from cardiograph.studies.faults.switches import load_settings

    settings = load_settings(options.config, config_overrides(options), preset=options.preset)
    run_and_show(cohort, out or Path("runs") / cohort.resolve().stem, settings, as_json=as_json)


def run_and_show(cohort: Path, out: Path, settings: RunConfig, *, as_json: bool) -> None:
    """Make a run, or resume it, and show its scores."""
    from cardiograph.cli import console
    from cardiograph.studies.faults.switches import FaultyConfig

    if settings.outcome.kind == "survival":
        from cardiograph.cli.survival import run_and_show_survival

        run_and_show_survival(cohort, out, settings, command=command_line(), as_json=as_json)
        return
    if settings.outcome.columns is not None and not isinstance(settings, FaultyConfig):
        from cardiograph.cli.labels import run_labels_and_show

        run_labels_and_show(cohort, out, settings, command=command_line(), as_json=as_json)
        return
    with console.bars() as progress:
        if isinstance(settings, FaultyConfig):
            from cardiograph.studies.faults.steps import run_as_configured

            result = run_as_configured(cohort, out, settings, progress=progress, command=command_line())
        else:
            from cardiograph.run.pipeline import run as run_pipeline

            result = run_pipeline(cohort, out, settings, progress=progress, command=command_line())
    show_run(result.path, result.metrics, result, as_json=as_json)


def show_run(run: Path, metrics: RunMetrics, result: RunResult | None = None, *, as_json: bool) -> None:
    """Show the scores of a finished run.

    Args:
        run: Folder of the run.
        metrics: Its scores, as in ``metrics.json``.
        result: What the run returned, with its times; None where it was finished before.
        as_json: Whether to write JSON instead of tables.
    """
    from cardiograph.artifacts.run import RunDirectory
    from cardiograph.cli import console
    from cardiograph.registry import TITLES

    facts = RunDirectory(run).read_json("run.json")
    report, cautions, notes = run / "report.html", facts["cautions"], facts["page_notes"]
    if classes := metrics.counts.test.classes:
        several = f"the label has {len(classes)} classes and the model predicts one of them; --positive makes it binary"
        notes = [several, *notes]
    if as_json:
        content: dict[str, Any] = {
            "run": str(run),
            "report": str(report),
            "metrics": metrics.as_dict(),
            "cautions": cautions,
            "page_notes": notes,
        }
        for name in ("seconds", "images_per_second") if result else ():
            content[name] = {key: round(value, 3) for key, value in getattr(result, name).items()}
        console.show_json(content)
        return
    if result and result.seconds:
        console.show_seconds(result.seconds, result.images_per_second)
    console.show_result(metrics, TITLES, str(report), cautions=cautions, notes=notes)


def command_line() -> str:
    """Return the command as it was given, quoted for a shell; results record it."""
    return shlex.join(["cardiograph", *sys.argv[1:]])
