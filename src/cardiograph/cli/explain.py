"""``cardiograph check-maps``, and what ``predict --explain`` shows."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cardiograph.cli import options

if TYPE_CHECKING:
    from rich.table import Table

    from cardiograph.explain import Explanation


def check_maps(
    run: Annotated[Path, typer.Argument(help="Folder of a finished run; its bundle keeps the verdict.")],
    pages: Annotated[int, typer.Option(help="Test pages, at most, one of each group; 8 or more.")] = 24,
    seed: Annotated[int, typer.Option(help="Of pages, random maps and intervals.")] = 0,
    as_json: options.AsJson = False,
) -> None:
    """Find out on held-out pages whether attention maps mean something; only then are they shown.

    Pixels of test pages are taken away, and put back, in the order of the map. The raw score has to move more than with
    random maps of the same smoothness, and more than with the mean map of the other pages.
    """
    from cardiograph.cli import console
    from cardiograph.explain.check_maps import check_maps as check

    with console.bars() as shown:
        verdict = check(run, pages=pages, seed=seed, progress=shown)
    if as_json:
        console.show_json({"run": str(run), "shown": verdict.shown, "sentence": verdict.sentence, **verdict.as_dict()})
    else:
        typer.echo(f"{verdict.sentence}\nmaps are {'shown' if verdict.shown else 'hidden'} from now on")


def show_explanation(found: Explanation) -> None:
    """What values, blocks and neighbours moved, in points of a hundred, and what is known of the map."""
    from rich.console import Console

    from cardiograph.cli.console import plain

    console = Console()
    console.print(_moved(found))
    if not found.clinical.exact:
        console.print("effects of values are sampled; behind ± stands their standard error", highlight=False)
    if found.neighbours:
        console.print(_without(found))
    if found.map is not None:
        told = f"the page {found.map.direction} the estimate; --json has the map" if found.map.shown else "not shown"
        console.print(f"map: {told} ({plain(found.map.reason)})", highlight=False)
    console.print("effects are of the model, not of the disease", highlight=False)


def _moved(found: Explanation) -> Table:
    from rich.table import Table

    from cardiograph.cli.console import plain

    table = Table("from", "value", title="what moved the probability")
    table.add_column("points", justify="right")
    table.add_row("no page, no clinical value", "", f"{found.base * 100:.1f}")
    for each in found.clinical.effects:
        error = "" if each.standard_error is None else f" ± {each.standard_error * 100:.1f}"
        table.add_row(
            plain(each.name), plain(f"{each.value:g} {each.unit}".strip()), f"{each.effect * 100:+.1f}{error}"
        )
    table.add_row("the rest", "", f"{found.rest * 100:+.1f}")
    table.add_row("probability", "", f"{found.probability * 100:.1f}", style="bold", end_section=True)
    table.add_row("image share", "", f"{found.blocks['image'] * 100:+.1f}")
    table.add_row("clinical share", "", f"{found.blocks['clinical'] * 100:+.1f}")
    return table


def _without(found: Explanation) -> Table:
    from rich.table import Table

    from cardiograph.cli.console import plain

    table = Table("without", title="without a similar record, its group left out")
    table.add_column("probability", justify="right")
    table.add_column("points", justify="right")
    table.add_column("heard instead")
    for each in found.neighbours:
        instead = ", ".join(plain(name) for name in each.stepped_in) or "nobody"
        table.add_row(plain(each.record_id), f"{each.probability_without:.3f}", f"{each.change * 100:+.1f}", instead)
    return table
