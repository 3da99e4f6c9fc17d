"""``cardiograph evaluate``: a finished run on a second, labelled cohort."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cardiograph.cli import options
from cardiograph.errors import ConfigError

if TYPE_CHECKING:
    from cardiograph.external.evaluate import ExternalResult

SHOWN = (
    "auroc", "auprc", "brier", "balanced_accuracy", "sensitivity", "specificity", "calibration_slope",
    "calibration_intercept",
)  # fmt: skip


def evaluate(  # noqa: PLR0913 - a command has its options
    context: typer.Context,
    run: Annotated[Path, typer.Argument(help="Folder of a finished run.")],
    cohort: Annotated[
        Path, typer.Argument(help="Labelled table, or a folder with a folder per class, of other patients.")
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            help="Folder for evaluation.html, evaluation.json and predictions.csv; evaluations/NAME by default."
        ),
    ] = None,
    map_: options.Map = None,
    convert: options.Convert = None,
    missing: options.Missing = None,
    decimal: options.Decimal = None,
    positive: options.Positive = None,
    skip_unlabelled: Annotated[
        bool, typer.Option("--skip-unlabelled", help="Leave out records without a label instead of refusing them.")
    ] = False,
    other_ids: Annotated[
        bool, typer.Option("--other-ids", help="Patient ids of this cohort name other people than those of the run.")
    ] = False,
    renew: Annotated[
        bool,
        typer.Option(
            "--renew",
            help="For an extended run: fit calibration, threshold and sets again on one half of the cohort, drawn by group, "
            "write them into the run, and score the other half.",
        ),
    ] = False,
    skip_bad_pages: options.SkipBadPages = False,
    gate: options.Gate = None,
    as_json: options.AsJson = False,
) -> None:
    """Score a second, labelled cohort with a finished run as it serves, and say how well: external validation."""
    from cardiograph.cli import console
    from cardiograph.external.evaluate import REPORT, evaluate_cohort
    from cardiograph.external.recalibrate import recalibrate_run

    if renew and other_ids:
        message = "--renew compares patients with the reference, and --other-ids forbids it; write the ids otherwise"
        raise ConfigError(message)
    given: dict[str, Any] = {
        "overrides": options.config_overrides(context.params),
        "skip_unlabelled": skip_unlabelled,
        "command": shlex.join(["cardiograph", *sys.argv[1:]]),
    }
    with console.bars() as shown:
        if renew:
            result = recalibrate_run(run, cohort, out, progress=shown, **given)
        else:
            result = evaluate_cohort(run, cohort, out, other_ids=other_ids, progress=shown, **given)
    if as_json:
        console.show_json({"evaluation": str(result.path), "page": str(result.path / REPORT), **result.content})
    else:
        show_evaluation(result)


def show_evaluation(result: ExternalResult) -> None:
    """Cautions, scores here and on the run's own test records, sets, notes, and where the page lies."""
    from rich.console import Console
    from rich.table import Table

    from cardiograph.cli.console import plain
    from cardiograph.evaluate.metrics import METRICS
    from cardiograph.external.evaluate import REPORT
    from cardiograph.report.tables import interval

    found, console = result.content, Console()
    for caution in found["cautions"]:
        console.print(f"[bold red]caution:[/] {plain(caution)}", highlight=False)
    counts, own = found["counts"], found["internal"]
    title = f"{counts['records']} records, {counts['positive']} positive, {counts['groups']} groups"
    table = Table("score", title=plain(f"{title} ({found['provenance']})"))
    for heading in (found["cohort"], "own test records"):
        table.add_column(plain(heading), justify="right")
    for name in SHOWN:
        table.add_row(METRICS[name].title, interval(found["scores"][name]), interval(own["scores"].get(name)))
    console.print(table)
    console.print(plain(found["comparison"]), highlight=False)
    for line in (*_certainty(found), *(f"note: {note}" for note in found["notes"])):
        console.print(plain(line), highlight=False)
    console.print(f"page: {plain(str(result.path / REPORT))}", highlight=False, soft_wrap=True)


def _certainty(found: Mapping[str, Any]) -> list[str]:
    """Novelty and conformal sets, a line each."""
    from cardiograph.report.tables import interval

    novelty, sets, lines = found["novelty"], found["conformal"], []
    if novelty["judged"]:
        lines.append(f"unlike the training records: {novelty['novel']} of {novelty['judged']}")
    else:
        lines.append("unlike the training records: not judged")
    if sets is not None:
        held = ", ".join(f"label {label} {interval(sets['coverage'][label])}" for label in ("0", "1"))
        lines.append(f"sets hold the truth, {sets['confidence'] * 100:g} % meant: {held}")
    return lines
