"""``cardiograph extend``: reference records added to a finished run without a rebuild."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cardiograph.cli import options

if TYPE_CHECKING:
    from cardiograph.external.extend import ExtensionResult


def extend(  # noqa: PLR0913 - a command has its options
    context: typer.Context,
    run: Annotated[Path, typer.Argument(help="Folder of a finished run; it is left as it is.")],
    cohort: Annotated[
        Path,
        typer.Argument(help="Table, or a folder with a folder per class, of the records to add; labels may be empty."),
    ],
    out: Annotated[
        Path, typer.Option(help="Folder of the new run. Unfinished: goes on. Finished by the same command: shows it.")
    ],
    map_: options.Map = None,
    convert: options.Convert = None,
    missing: options.Missing = None,
    decimal: options.Decimal = None,
    positive: options.Positive = None,
    ids_of: Annotated[
        str | None,
        typer.Option(
            help="NAME of the place whose patient ids these are, where the same ids are other people in the run: "
            "p1 becomes NAME:p1."
        ),
    ] = None,
    skip_known: Annotated[
        bool,
        typer.Option(
            "--skip-known",
            help="Leave out records that the reference has already, and those whose patient or page is among the run's "
            "validation or test records, instead of refusing them; the result counts them.",
        ),
    ] = False,
    skip_bad_pages: options.SkipBadPages = False,
    gate: options.Gate = None,
    as_json: options.AsJson = False,
) -> None:
    """Add reference records to a finished run, as a new run: the same network with more records to lean on.

    Nothing is trained. What the old reference records hear stays as it is, so the cost grows with the new records alone, and
    a patient's score changes only where a new record is among the nearest. Calibration, threshold and metrics are void in
    the new run: `cardiograph predict` gives an uncalibrated probability and no class until
    `cardiograph evaluate RUN2 COHORT3 --renew` makes them again on labelled patients that neither run has met.
    """
    from cardiograph.cli import console
    from cardiograph.external.extend import extend_run

    command = shlex.join(["cardiograph", *sys.argv[1:]])
    with console.bars() as shown:
        result = extend_run(
            run,
            cohort,
            out,
            overrides=options.config_overrides(context.params),
            ids_of=ids_of,
            skip_known=skip_known,
            progress=shown,
            command=command,
        )
    if as_json:
        console.show_json({"run": str(result.path), **result.facts})
    else:
        show_extension(result)


def show_extension(result: ExtensionResult) -> None:
    """How many records came in, were left out, and what is void."""
    from rich.console import Console

    from cardiograph.cli.console import plain

    found, console = result.facts, Console()
    labels, size = found["labels"], found["reference"]
    lines = [
        f"added {found['added']} of {found['read']} records: {labels['1']} of label 1, {labels['0']} of label 0, "
        f"{labels['none']} unlabelled; {found['joined']} of them joined groups of the reference",
        f"reference: {size['before']} records before, {size['after']} now",
    ]
    words = {
        "page": "because of their page",
        "in_reference": "the reference has them already",
        "held_out": "their group is among the run's validation or test records",
    }
    lines += [f"left out: {count}, {words[reason]}" for reason, count in found["left_out"].items() if count]
    lines += [f"note: {note}" for note in found["notes"]]
    for line in lines:
        console.print(plain(line), highlight=False, soft_wrap=True)
    if found["renewed"] is None:
        console.print(
            "[bold red]void:[/] calibration, threshold and metrics, until `cardiograph evaluate "
            f"{plain(str(result.path))} COHORT --renew` makes them again",
            highlight=False,
            soft_wrap=True,
        )
    console.print(f"run: {plain(str(result.path))}", highlight=False, soft_wrap=True)
