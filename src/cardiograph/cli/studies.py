"""``cardiograph ladder`` and ``cardiograph compare``: studies that train many models on one cohort."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cardiograph.cli.options import AsJson, CohortArgument, ComparisonOptions, StudyOptions, config_overrides
from cardiograph.cli.run import command_line
from cardiograph.cli.signature import with_options
from cardiograph.registry import BASELINES, MODELS

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from cardiograph.evaluate.bootstrap import Interval
    from cardiograph.studies.compare.result import CompareResult, Point
    from cardiograph.studies.ladder.result import Block, LadderResult, LadderRow

SHORT_TITLES = {
    "auroc": "AUROC",
    "auprc": "AUPRC",
    "brier": "Brier",
    "log_loss": "log loss",
    "calibration_slope": "slope",
    "balanced_accuracy": "bal. acc.",
    "class_accuracy": "class acc.",
    "harrell_c": "Harrell's C",
    "uno_c": "Uno's C",
}
"""Metric -> title in a table of 80 columns."""

NOT_SHOWN, TWO_DIGITS = ("calibration_intercept", "log_loss"), ("calibration_slope", "balanced_accuracy")
"""Metrics of a comparison that its table leaves out, and those with two digits."""


@with_options
def ladder(  # noqa: PLR0913 - a command has its options
    cohort: CohortArgument,
    *,
    out: Annotated[
        Path | None, typer.Option(help="Folder of the ladder; ladders/NAME by default. Resumes an unfinished ladder.")
    ] = None,
    seeds: Annotated[int | None, typer.Option(help="Number of splits and trainings per step; 10 by default.")] = None,
    quick: Annotated[
        bool,
        typer.Option(
            "--quick",
            help="Only the two faults that produce a high score by themselves: values drawn from the label, and copies "
            "across the split. Takes minutes.",
        ),
    ] = False,
    workers: Annotated[
        int | None,
        typer.Option(help="Number of parallel processes; by default one per core, at most four."),
    ] = None,
    options: StudyOptions,
    as_json: AsJson = False,
) -> None:
    """Measure what each fault of published pipelines adds to the score on this cohort.

    Faults are removed in turn from a pipeline that has all of them, and added one at a time to a pipeline that has none.
    """
    from cardiograph.cli import console
    from cardiograph.config import load_config
    from cardiograph.studies.ladder.ladder import LadderOptions, run_ladder

    folder = out or Path("ladders") / cohort.resolve().stem
    settings = load_config(options.config, config_overrides(options))
    extent = LadderOptions.of(seeds, quick=quick, workers=workers)
    with console.bars() as progress:
        result = run_ladder(cohort, folder, settings, extent, progress=progress, command=command_line())
    if as_json:
        console.show_json({"ladder": str(folder), "page": str(folder / "ladder.html"), **result.as_dict()})
    else:
        show_ladder(result, folder)


@dataclass(frozen=True, kw_only=True)
class ComparisonDesign:
    """Options that only ``cardiograph compare`` has: the models, and how they are compared."""

    models: Annotated[
        str | None,
        typer.Option(
            help=f"Models, separated by commas: default (always included), {', '.join(MODELS)}. All by default; "
            f"at least one of {', '.join(BASELINES)}. The time to an event has sign, sign_cox, mlp, mlp_cox and cox; at "
            "least one of the last three."
        ),
    ] = None
    folds: Annotated[
        int | None, typer.Option(help="Number of folds, of whole groups and stratified by class; 5 by default.")
    ] = None
    repeats: Annotated[
        int | None, typer.Option(help="Number of times the folds are drawn; 5, or 1 with --quick, by default.")
    ] = None
    quick: Annotated[
        bool, typer.Option("--quick", help="One repeat of the default model and the baselines, for a first look.")
    ] = False
    no_tuning: Annotated[
        bool, typer.Option("--no-tuning", help="Keep the settings of every model instead of tuning them on validation.")
    ] = False
    net_benefit_at: Annotated[
        str | None,
        typer.Option(help="Risks at which you would treat, separated by commas; 0.1,0.2,0.3 by default."),
    ] = None
    scarcity: Annotated[
        bool, typer.Option("--scarcity", help="Also compare with 5, 10, 25, 50 and 100 % of the training labels.")
    ] = False
    missingness: Annotated[
        bool, typer.Option("--missingness", help="Also compare with 0, 25, 50 and 75 % of BNP and EF removed.")
    ] = False
    own_split: Annotated[
        bool,
        typer.Option(
            "--own-split",
            help="Use the table's column split instead of folds; differences in AUROC by DeLong's test.",
        ),
    ] = False
    jobs: Annotated[
        int | None, typer.Option(help="Number of parallel processes; by default one per core, at most four.")
    ] = None


@with_options
def compare(
    cohort: CohortArgument,
    *,
    out: Annotated[
        Path | None,
        typer.Option(help="Folder of the comparison; compares/NAME by default. Resumes an unfinished comparison."),
    ] = None,
    design: ComparisonDesign,
    options: ComparisonOptions,
    as_json: AsJson = False,
) -> None:
    """Compare the graph with models that do not use it, under repeated group folds with tuning inside each fold."""
    from cardiograph.cli import console
    from cardiograph.config import load_config
    from cardiograph.studies.compare.compare import compare as run_comparison
    from cardiograph.studies.compare.options import CompareRequest, options_of

    folder = out or Path("compares") / cohort.resolve().stem
    settings = load_config(options.config, config_overrides(options))
    extent = options_of(
        CompareRequest(design.models, design.folds, design.repeats, design.net_benefit_at, design.jobs),
        quick=design.quick,
        tuned=not design.no_tuning,
        curves=(design.scarcity, design.missingness),
        own_split=design.own_split,
        kind=settings.outcome.kind,
    )
    with console.bars() as progress:
        result = run_comparison(cohort, folder, settings, extent, progress=progress, command=command_line())
    if as_json:
        console.show_json({"compare": str(folder), "page": str(folder / "compare.html"), **result.as_dict()})
    else:
        show_comparison(result, folder)


def show_comparison(result: CompareResult, folder: Path) -> None:
    """Show leaderboard, differences, curves, verdicts, and the path of the report."""
    from rich.console import Console

    from cardiograph.cli.console import plain

    console = Console()
    _show_scores(console, result)
    for title, points in (("labels kept", result.scarcity), ("BNP and EF removed", result.missingness)):
        if points:
            console.print(_points(points, title, result.facts.scores.primary))
    for sentence in (*(verdict.sentence for verdict in result.verdicts), *result.notes):
        console.print(f"- {plain(sentence)}", highlight=False)
    console.print(f"report: {plain(str(folder / 'compare.html'))}", highlight=False, soft_wrap=True)


def _show_scores(console: Console, result: CompareResult) -> None:
    from cardiograph.cli.console import plain
    from cardiograph.studies.compare.wording import READS

    scores = result.facts.scores
    primary, *others = (name for name in scores.scores if name not in NOT_SHOWN)
    for modality in result.facts.modalities:
        headings = [SHORT_TITLES[name] for name in (primary, *others)]
        table = _empty_table(f"leaderboard: {READS[modality]}", "model", (*headings, "s/fit"))
        for row in result.rows:
            if row.modality == modality:
                cells = [f"{row.scores[name].value:.{2 if name in TWO_DIGITS else 3}f}" for name in others]
                own = _with_interval(row.scores[primary], sign=False)
                table.add_row(plain(row.title), own, *cells, f"{row.seconds.value:.2f}")
        console.print(table)
    differences = scores.compared[:2]
    headings = [SHORT_TITLES[name] for name in differences]
    table = _empty_table("difference from the best baseline of each fold", "model", headings)
    for each in result.differences:
        changes = [_with_interval(each.changes[name]) for name in differences]
        table.add_row(plain(f"{each.title}, {READS[each.modality]}"), *changes)
    console.print(table)


def _points(points: tuple[Point, ...], title: str, primary: str) -> Table:
    table = _empty_table(title, "share", ("default", "best baseline", f"difference in {SHORT_TITLES[primary]}"))
    for point in points:
        cells = [f"{estimate.value:.3f}" for estimate in (point.default, point.baseline)]
        table.add_row(f"{point.share * 100:g} %", *cells, _with_interval(point.changes[primary]))
    return table


def _empty_table(title: str, first: str, headings: Sequence[str]) -> Table:
    from rich import box
    from rich.table import Table

    from cardiograph.cli.console import plain

    table = Table(title=plain(title), title_justify="left", box=box.SIMPLE_HEAD)
    table.add_column(first, min_width=14)
    for heading in headings:
        table.add_column(heading, justify="right", no_wrap=True)
    return table


def _with_interval(estimate: Interval, *, sign: bool = True) -> str:
    """Format a value with its interval; bold for a difference whose interval excludes 0."""
    digits, bounds = ("+.3f", "+.2f") if sign else (".3f", ".2f")
    text = f"{estimate.value:{digits}}"
    if math.isfinite(estimate.low):
        text += f" ({estimate.low:{bounds}} to {estimate.high:{bounds}})"
    return f"[bold]{text}[/]" if sign and (estimate.low > 0 or estimate.high < 0) else text


def show_ladder(result: LadderResult, folder: Path) -> None:
    """Show the tables of ladders, single faults and controls, their notes, and the path of the report."""
    from rich.console import Console

    from cardiograph.cli.console import plain

    console = Console()
    for title, blocks, change in (
        ("ladder", result.ladders, "change"),
        ("each fault alone", result.alone, "vs. no fault"),
        ("controls", (result.controls,), "vs. default"),
    ):
        for block in blocks:
            console.print(_table(block, f"{title}: {block.title}", change))
    for sentence in (*result.notes, *result.reading):
        console.print(f"- {plain(sentence)}", highlight=False)
    console.print(f"report: {plain(str(folder / 'ladder.html'))}", highlight=False, soft_wrap=True)


def _table(block: Block, title: str, change: str) -> Table:
    from cardiograph.cli.console import plain

    others = [metric for metric in block.metrics if metric != "auroc"]
    table = _empty_table(title, "step", ("AUROC", change, *(SHORT_TITLES[metric] for metric in others)))
    for row in block.rows:
        if row.why_not:
            table.add_row(plain(row.title), "n/a", "", *[""] * len(others), style="dim")
            continue
        cells = [f"{row.scores[metric].value:.3f}" if metric in row.scores else "" for metric in others]
        table.add_row(plain(row.title), f"{row.scores['auroc'].value:.3f}", _change(row), *cells)
    return table


def _change(row: LadderRow) -> str:
    return _with_interval(row.changes["auroc"]) if "auroc" in row.changes else ""
