"""``cardiograph import``: read a public cohort as its owners ship it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cardiograph.cli.options import AsJson
from cardiograph.errors import ConfigError

if TYPE_CHECKING:
    from cardiograph.public_cohorts.importing import Import

MAX_OUTCOMES = 12
"""Maximum number of outcomes shown; import.json has all of them."""


def import_cohort(  # noqa: PLR0913 - a command has its options
    name: Annotated[str | None, typer.Argument(help="Name of the cohort; --list shows them.")] = None,
    source: Annotated[Path | None, typer.Argument(help="Folder of the cohort as its owners ship it.")] = None,
    out: Annotated[Path | None, typer.Argument(help="Folder for cohort.csv and the files with it.")] = None,
    *,
    outcome: Annotated[
        str | None, typer.Option(help="Outcome of the column label; by default the first that --list shows.")
    ] = None,
    horizon: Annotated[
        str | None,
        typer.Option(
            help="Time within which the outcome counts, such as 1y, 18m or 365d; by default 4y (music) or 3y (code-15)."
        ),
    ] = None,
    list_: Annotated[
        bool, typer.Option("--list", help="Show the cohorts, their licences and their outcomes, and stop.")
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace the files of an earlier import.")] = False,
    as_json: AsJson = False,
) -> None:
    """Read a public cohort as its owners ship it, and write a cohort that audit and run take.

    Every trap of the files that was met is named with its count. The licence and the citation are written with the table.
    Outcomes that are not the label, and times, are columns that no model reads.
    """
    from cardiograph.cli import console

    if list_:
        _list(as_json=as_json)
        return
    if name is None or source is None or out is None:
        message = "import needs NAME SOURCE OUT, such as: cardiograph import music downloads/music cohort/; or --list"
        raise ConfigError(message)
    from cardiograph.public_cohorts.importing import import_cohort as run_import

    with console.bars() as progress:
        result = run_import(name, source, out, outcome=outcome, horizon=horizon, force=force, progress=progress)
    if as_json:
        console.show_json(result.as_dict())
    else:
        _show(result)


def _list(*, as_json: bool) -> None:
    from cardiograph.cli import console
    from cardiograph.public_cohorts.catalogue import ADAPTERS

    if as_json:
        facts = {
            each.name: {"title": each.title, "licence": each.licence, "outcomes": dict(each.outcomes)}
            for each in ADAPTERS.values()
        }
        console.show_json(facts)
        return
    for each in ADAPTERS.values():
        typer.echo(f"{each.name}\n  {each.title}\n  licence: {each.licence}")
        for outcome, description in each.outcomes.items():
            typer.echo(f"  {outcome}: {description}")
        if each.more_outcomes:
            typer.echo(f"  {each.more_outcomes}")


def _show(result: Import) -> None:
    typer.echo(f"cohort:  {result.table} ({result.records:,} records)")
    for trap, count in result.traps.items():
        typer.echo(f"trap:    {trap}: {count:,}")
    for name, counts in list(result.outcomes.items())[:MAX_OUTCOMES]:
        shown = ", ".join(f"{value or 'unknown'}: {count:,}" for value, count in sorted(counts.items(), reverse=True))
        typer.echo(f"{'label:  ' if name == result.outcome else 'outcome:'} {name} ({shown})")
    if len(result.outcomes) > MAX_OUTCOMES:
        typer.echo(f"outcome: and {len(result.outcomes) - MAX_OUTCOMES} more; import.json has them")
    if not result.outcome:
        typer.echo("label:   empty, because these files have no outcome")
    typer.echo(f"licence: {result.adapter.licence}")
    for command in result.commands:
        typer.echo(f"next:    {command}")
