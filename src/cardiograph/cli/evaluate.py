"""``cardiograph evaluate``: score a second, labelled cohort with a finished run."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cardiograph.cli.options import AsJson, ReadingOptions, RunArgument, reading_overrides
from cardiograph.cli.run import command_line
from cardiograph.cli.signature import with_options
from cardiograph.errors import ConfigError

if TYPE_CHECKING:
    from cardiograph.external.evaluate import ExternalResult

METRICS_SHOWN = (
    "auroc", "auprc", "brier", "balanced_accuracy", "sensitivity", "specificity", "calibration_slope",
    "calibration_intercept",
)  # fmt: skip


@with_options
def evaluate(  # noqa: PLR0913 - a command has its options
    run: RunArgument,
    cohort: Annotated[
        Path, typer.Argument(help="Labelled table of other patients, or a folder with a subfolder per class.")
    ],
    *,
    out: Annotated[
        Path | None,
        typer.Option(
            help="Folder for evaluation.html, evaluation.json and predictions.csv; evaluations/NAME by default."
        ),
    ] = None,
    options: ReadingOptions,
    skip_unlabelled: Annotated[
        bool, typer.Option("--skip-unlabelled", help="Leave out records without a label instead of refusing them.")
    ] = False,
    other_ids: Annotated[
        bool,
        typer.Option(
            "--other-ids", help="The patient ids of this cohort belong to other people than the same ids of the run."
        ),
    ] = False,
    renew: Annotated[
        bool,
        typer.Option(
            "--renew",
            help="For an extended run: fit calibration, threshold and prediction sets again on one half of the cohort, "
            "split by group; write them into the run; and score the other half.",
        ),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Score a second, labelled cohort with a finished run, and measure how well it does: external validation."""
    from cardiograph.cli import console
    from cardiograph.external.evaluate import REPORT, evaluate_cohort
    from cardiograph.external.recalibrate import recalibrate_run

    if renew and other_ids:
        message = "--renew cannot be combined with --other-ids: it needs patient ids that match those of the run"
        raise ConfigError(message)
    given: dict[str, Any] = {
        "overrides": reading_overrides(options),
        "skip_unlabelled": skip_unlabelled,
        "command": command_line(),
    }
    with console.bars() as progress:
        if renew:
            result = recalibrate_run(run, cohort, out, progress=progress, **given)
        else:
            result = evaluate_cohort(run, cohort, out, other_ids=other_ids, progress=progress, **given)
    if as_json:
        console.show_json({"evaluation": str(result.path), "page": str(result.path / REPORT), **result.content})
    else:
        show_evaluation(result)


def show_evaluation(result: ExternalResult) -> None:
    """Show cautions, scores next to the run's own, prediction sets, notes, and the path of the report."""
    from rich.console import Console
    from rich.table import Table

    from cardiograph.cli.console import plain
    from cardiograph.evaluate.metrics import METRICS
    from cardiograph.external.evaluate import REPORT
    from cardiograph.report.tables import interval

    content, console = result.content, Console()
    for caution in content["cautions"]:
        console.print(f"[bold red]caution:[/] {plain(caution)}", highlight=False)
    counts, own = content["counts"], content["internal"]
    title = f"{counts['records']} records, {counts['positive']} positive, {counts['groups']} groups"
    table = Table("score", title=plain(f"{title} ({content['provenance']})"))
    for heading in (content["cohort"], "own test records"):
        table.add_column(plain(heading), justify="right")
    for name in METRICS_SHOWN:
        table.add_row(METRICS[name].title, interval(content["scores"][name]), interval(own["scores"].get(name)))
    console.print(table)
    console.print(plain(content["comparison"]), highlight=False)
    for line in (*_uncertainty_lines(content), *(f"note: {note}" for note in content["notes"])):
        console.print(plain(line), highlight=False)
    console.print(f"report: {plain(str(result.path / REPORT))}", highlight=False, soft_wrap=True)


def _uncertainty_lines(content: Mapping[str, Any]) -> list[str]:
    """Describe novelty and conformal sets, in a line each."""
    from cardiograph.report.tables import interval

    novelty, sets, lines = content["novelty"], content["conformal"], []
    if novelty["judged"]:
        lines.append(f"unlike the training records: {novelty['novel']} of {novelty['judged']}")
    else:
        lines.append("unlike the training records: not assessed")
    if sets is not None:
        coverage = ", ".join(f"label {label} {interval(sets['coverage'][label])}" for label in ("0", "1"))
        lines.append(f"coverage of prediction sets (target {sets['confidence'] * 100:g} %): {coverage}")
    return lines
