"""Commands that compare many runs; each turns its options into a call of a study."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cardiograph import cli_options as options

if TYPE_CHECKING:
    from rich.table import Table

    from cardiograph.studies.ladder_result import Block, LadderResult, Row

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
    seeds: Annotated[int | None, typer.Option(help="Splits and trainings of each step; 10, or 2 with --quick.")] = None,
    quick: Annotated[
        bool, typer.Option("--quick", help="Two seeds and fewer augmented copies: a first look, minutes.")
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
    seed: options.Seed = None,
    as_json: options.AsJson = False,
) -> None:
    """Show what each fault of the published protocol is worth here: taken away one by one, and added alone."""
    from cardiograph import console
    from cardiograph.config import load_config
    from cardiograph.studies.ladder import Extent, climb

    folder = out or Path("ladders") / cohort.resolve().stem
    settings = load_config(config, options.config_overrides(context.params))
    command = shlex.join(["cardiograph", *sys.argv[1:]])
    extent = Extent.of(seeds, quick=quick, workers=workers)
    with console.bars() as shown:
        result = climb(cohort, folder, settings, extent, progress=shown, command=command)
    if as_json:
        console.show_json({"ladder": str(folder), "page": str(folder / "ladder.html"), **result.as_dict()})
    else:
        show_ladder(result, folder)


def show_ladder(result: LadderResult, folder: Path) -> None:
    """Tables of the ladders, of faults alone and of controls, what they say, and where the page lies."""
    from rich.console import Console

    from cardiograph.console import plain

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

    from cardiograph.console import plain

    table = Table(title=plain(title), title_justify="left", box=box.SIMPLE_HEAD)
    table.add_column("step", min_width=22)
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


def _change(row: Row) -> str:
    if "auroc" not in row.changes:
        return ""
    found = row.changes["auroc"]
    told = f"{found.value:+.3f} ({found.low:+.2f} to {found.high:+.2f})"
    return f"[bold]{told}[/]" if found.low > 0 or found.high < 0 else told
