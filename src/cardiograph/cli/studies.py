"""Commands that compare many runs; each turns its options into a call of a study."""

from __future__ import annotations

import math
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cardiograph.cli import options
from cardiograph.registry import MODELS

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from cardiograph.evaluate.bootstrap import Interval
    from cardiograph.studies.compare.result import CompareResult, Point
    from cardiograph.studies.ladder.result import Block, LadderResult, LadderRow

SHORT = {"balanced_accuracy": "bal. acc.", "class_accuracy": "class acc."}


def ladder(  # noqa: PLR0913 - a command has its options
    context: typer.Context,
    cohort: options.CohortArgument,
    out: Annotated[
        Path | None, typer.Option(help="Folder of the ladder; ladders/NAME by default. Unfinished: goes on.")
    ] = None,
    config: options.ConfigFile = None,
    weights: Annotated[
        str | None, typer.Option(help="imagenet (default), random (seeded, no download), or a weights file.")
    ] = None,
    seeds: Annotated[int | None, typer.Option(help="Splits and trainings of each step; 10 by default.")] = None,
    quick: Annotated[
        bool,
        typer.Option(
            "--quick",
            help="Only the two faults that make a high score by themselves: values drawn from the label, and copies "
            "across the split. Minutes.",
        ),
    ] = False,
    workers: Annotated[
        int | None, typer.Option(help="Processes that make trials side by side; one a core, four at most, by default.")
    ] = None,
    positive: options.Positive = None,
    outcome: options.Outcome = None,
    map_: options.Map = None,
    convert: options.Convert = None,
    missing: options.Missing = None,
    decimal: options.Decimal = None,
    modality: options.Modality = None,
    view: options.View = None,
    skip_bad_pages: options.SkipBadPages = False,
    gate: options.Gate = None,
    seed: options.Seed = None,
    as_json: options.AsJson = False,
) -> None:
    """Show what each fault of the published protocol is worth here: taken away one by one, and added alone."""
    from cardiograph.cli import console
    from cardiograph.config import load_config
    from cardiograph.studies.ladder.ladder import LadderOptions, run_ladder

    folder = out or Path("ladders") / cohort.resolve().stem
    settings = load_config(config, options.config_overrides(context.params))
    command = shlex.join(["cardiograph", *sys.argv[1:]])
    extent = LadderOptions.of(seeds, quick=quick, workers=workers)
    with console.bars() as shown:
        result = run_ladder(cohort, folder, settings, extent, progress=shown, command=command)
    if as_json:
        console.show_json({"ladder": str(folder), "page": str(folder / "ladder.html"), **result.as_dict()})
    else:
        show_ladder(result, folder)


def compare(  # noqa: PLR0913 - a command has its options
    context: typer.Context,
    cohort: options.CohortArgument,
    out: Annotated[
        Path | None, typer.Option(help="Folder of the comparison; compares/NAME by default. Unfinished: goes on.")
    ] = None,
    config: options.ConfigFile = None,
    weights: Annotated[
        str | None, typer.Option(help="imagenet (default), random (seeded, no download), or a weights file.")
    ] = None,
    models: Annotated[
        str | None,
        typer.Option(help=f"Which, separated by commas: default (always), {', '.join(MODELS)}."),
    ] = None,
    folds: Annotated[int | None, typer.Option(help="Parts that are tested in turn; whole groups, by class. 5.")] = None,
    repeats: Annotated[int | None, typer.Option(help="How often folds are dealt; 5, or 1 with --quick.")] = None,
    quick: Annotated[
        bool, typer.Option("--quick", help="One repeat; the default and the baselines: a first look.")
    ] = False,
    no_tuning: Annotated[
        bool, typer.Option("--no-tuning", help="No model chooses its settings on validation records.")
    ] = False,
    net_benefit_at: Annotated[
        str | None, typer.Option(help="Risks at which you would act, separated by commas; 0.1,0.2,0.3.")
    ] = None,
    scarcity: Annotated[
        bool, typer.Option("--scarcity", help="Also with 5, 10, 25, 50 and 100 % of the training labels.")
    ] = False,
    missingness: Annotated[
        bool, typer.Option("--missingness", help="Also with 0, 25, 50 and 75 % of BNP and EF blanked.")
    ] = False,
    own_split: Annotated[
        bool,
        typer.Option(
            "--own-split", help="The table's column split in place of folds; differences in AUROC by DeLong's test."
        ),
    ] = False,
    jobs: Annotated[
        int | None, typer.Option(help="Processes that fit side by side; one a core, four at most, by default.")
    ] = None,
    positive: options.Positive = None,
    outcome: options.Outcome = None,
    map_: options.Map = None,
    convert: options.Convert = None,
    missing: options.Missing = None,
    decimal: options.Decimal = None,
    modality: options.Modality = None,
    view: options.View = None,
    skip_bad_pages: options.SkipBadPages = False,
    gate: options.Gate = None,
    seed: options.Seed = None,
    as_json: options.AsJson = False,
) -> None:
    """Hold the graph against models without it: folds of whole groups, settings chosen inside each, and a verdict."""
    from cardiograph.cli import console
    from cardiograph.config import load_config
    from cardiograph.studies.compare.compare import compare as make_comparison
    from cardiograph.studies.compare.options import CompareRequest, options_of

    folder = out or Path("compares") / cohort.resolve().stem
    settings = load_config(config, options.config_overrides(context.params))
    command = shlex.join(["cardiograph", *sys.argv[1:]])
    asked = CompareRequest(models, folds, repeats, net_benefit_at, jobs)
    extent = options_of(asked, quick=quick, tuned=not no_tuning, curves=(scarcity, missingness), own_split=own_split)
    with console.bars() as shown:
        result = make_comparison(cohort, folder, settings, extent, progress=shown, command=command)
    if as_json:
        console.show_json({"compare": str(folder), "page": str(folder / "compare.html"), **result.as_dict()})
    else:
        show_comparison(result, folder)


def show_comparison(result: CompareResult, folder: Path) -> None:
    """Leaderboard, differences, curves, verdicts, and where the page lies."""
    from rich.console import Console

    from cardiograph.cli.console import plain

    console = Console()
    _show_scores(console, result)
    for title, points in (("labels kept", result.scarcity), ("BNP and EF blanked", result.missingness)):
        if points:
            console.print(_points(points, title))
    for said in (*(verdict.sentence for verdict in result.verdicts), *result.notes):
        console.print(f"- {plain(said)}", highlight=False)
    console.print(f"page: {plain(str(folder / 'compare.html'))}", highlight=False, soft_wrap=True)


def _show_scores(console: Console, result: CompareResult) -> None:
    from cardiograph.cli.console import plain
    from cardiograph.studies.compare.wording import READS

    for modality in result.facts.modalities:
        table = _empty(f"leaderboard: {READS[modality]}", "model", ("AUROC", "AUPRC", "Brier", "slope", "s/fit"))
        for row in result.rows:
            if row.modality == modality:
                told = [f"{row.scores[name].value:.3f}" for name in ("auprc", "brier")]
                slope = f"{row.scores['calibration_slope'].value:.2f}"
                auroc = _with_ends(row.scores["auroc"], sign=False)
                table.add_row(plain(row.title), auroc, *told, slope, f"{row.seconds.value:.2f}")
        console.print(table)
    table = _empty("less the best baseline of each fold", "model", ("AUROC", "Brier"))
    for each in result.differences:
        changes = [_with_ends(each.changes[name]) for name in ("auroc", "brier")]
        table.add_row(plain(f"{each.title}, {READS[each.modality]}"), *changes)
    console.print(table)


def _points(points: tuple[Point, ...], title: str) -> Table:
    table = _empty(title, "share", ("default", "best baseline", "difference in AUROC"))
    for point in points:
        told = [f"{found.value:.3f}" for found in (point.default, point.baseline)]
        table.add_row(f"{point.share * 100:g} %", *told, _with_ends(point.changes["auroc"]))
    return table


def _empty(title: str, first: str, headings: tuple[str, ...]) -> Table:
    from rich import box
    from rich.table import Table

    from cardiograph.cli.console import plain

    table = Table(title=plain(title), title_justify="left", box=box.SIMPLE_HEAD)
    table.add_column(first, min_width=14)
    for heading in headings:
        table.add_column(heading, justify="right", no_wrap=True)
    return table


def _with_ends(found: Interval, *, sign: bool = True) -> str:
    """Value and interval; bold where it is a difference without 0 in it."""
    form = "+.3f" if sign else ".3f"
    told = f"{found.value:{form}}"
    if math.isfinite(found.low):
        told += f" ({found.low:{form[:-2]}2f} to {found.high:{form[:-2]}2f})"
    return f"[bold]{told}[/]" if sign and (found.low > 0 or found.high < 0) else told


def show_ladder(result: LadderResult, folder: Path) -> None:
    """Tables of the ladders, of faults alone and of controls, what they say, and where the page lies."""
    from rich.console import Console

    from cardiograph.cli.console import plain

    console = Console()
    for title, blocks, change in (
        ("ladder", result.ladders, "change"),
        ("each fault alone", result.alone, "to the sound path"),
        ("controls", (result.controls,), "to ours"),
    ):
        for block in blocks:
            console.print(_table(block, f"{title}: {block.title}", change))
    for said in (*result.notes, *result.reading):
        console.print(f"- {plain(said)}", highlight=False)
    console.print(f"page: {plain(str(folder / 'ladder.html'))}", highlight=False, soft_wrap=True)


def _table(block: Block, title: str, change: str) -> Table:
    from rich import box
    from rich.table import Table

    from cardiograph.cli.console import plain

    table = Table(title=plain(title), title_justify="left", box=box.SIMPLE_HEAD)
    table.add_column("step", min_width=18)
    others = [metric for metric in block.metrics if metric != "auroc"]
    for heading in ("AUROC", change, *(SHORT[metric] for metric in others)):
        table.add_column(heading, justify="right", no_wrap=True)
    for row in block.rows:
        if row.why_not:
            table.add_row(plain(row.title), "n/a", "", *[""] * len(others), style="dim")
            continue
        told = [f"{row.scores[metric].value:.3f}" if metric in row.scores else "" for metric in others]
        table.add_row(plain(row.title), f"{row.scores['auroc'].value:.3f}", _change(row), *told)
    return table


def _change(row: LadderRow) -> str:
    if "auroc" not in row.changes:
        return ""
    found = row.changes["auroc"]
    told = f"{found.value:+.3f} ({found.low:+.2f} to {found.high:+.2f})"
    return f"[bold]{told}[/]" if found.low > 0 or found.high < 0 else told
