"""``cardiograph check-maps``, and the output of ``cardiograph predict --explain``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from cardiograph.cli.options import AsJson
from cardiograph.errors import ConfigError

if TYPE_CHECKING:
    from rich.table import Table

    from cardiograph.ecg.draw.figure import FigureFormat
    from cardiograph.explain import Explanation

_MAP_SUFFIXES: Final[dict[str, FigureFormat]] = {".svg": "svg", ".png": "png", ".pdf": "pdf"}


def check_maps(
    run: Annotated[Path, typer.Argument(help="Folder of a finished run; the verdict is stored in its bundle.")],
    pages: Annotated[int, typer.Option(help="Maximum number of test pages, one per group; at least 8.")] = 24,
    seed: Annotated[
        int, typer.Option(help="Random seed of the choice of pages, the random maps and the intervals.")
    ] = 0,
    as_json: AsJson = False,
) -> None:
    """Test on held-out pages whether attention maps are informative; maps are shown only if they are.

    Pixels of test pages are removed, and restored, in the order of the map. The raw score has to change more than with
    random maps of the same smoothness, and more than with the mean map of the other pages.
    """
    from cardiograph.cli import console
    from cardiograph.explain.check_maps import check_maps as check

    with console.bars() as progress:
        verdict = check(run, pages=pages, seed=seed, progress=progress)
    if as_json:
        console.show_json({"run": str(run), "shown": verdict.shown, "sentence": verdict.sentence, **verdict.as_dict()})
    else:
        typer.echo(f"{verdict.sentence}\nmaps are {'shown' if verdict.shown else 'hidden'} from now on")


def require_map_options(path: Path, *, explained: bool) -> None:
    """Raise ConfigError if a map of the leads is wanted without an explanation, or in an unknown format."""
    if not explained:
        message = f"--map {path}: is a part of the explanation; add --explain, or leave it out"
        raise ConfigError(message)
    if path.suffix.lower() not in _MAP_SUFFIXES:
        message = f"--map {path}: the name must end with {', '.join(_MAP_SUFFIXES)}, which tells the format"
        raise ConfigError(message)


def write_map(explanation: Explanation, path: Path) -> None:
    """Draw the map of the leads to a new file.

    Raises:
        ConfigError: If there is no such map, or the file exists.
    """
    from cardiograph.artifacts.files import write_bytes
    from cardiograph.ecg.draw.figure import figure_bytes

    found = explanation.map
    if found is None or found.leads is None:
        reason = "this patient has no ECG" if found is None else found.reason
        if found is not None and found.shown:
            reason = "this model reads the picture of the page; its map is shown by the web page, and --json has it"
        message = f"--map {path}: there is no map of the leads ({reason}); leave --map out"
        raise ConfigError(message)
    if path.exists():
        message = f"--map {path}: the file exists; choose another name, or delete it"
        raise ConfigError(message)
    write_bytes(path, figure_bytes(found.leads.plot(), _MAP_SUFFIXES[path.suffix.lower()]))


def show_explanation(explanation: Explanation) -> None:
    """Show the effects of values, blocks and neighbours in percentage points, and the state of the map."""
    from rich.console import Console

    from cardiograph.cli.console import plain

    console = Console()
    console.print(_effects(explanation))
    if not explanation.clinical.exact:
        console.print("effects of values are sampled; ± is their standard error", highlight=False)
    if explanation.neighbours:
        console.print(_without(explanation))
    if explanation.map is not None:
        text = (
            f"the page {explanation.map.direction} the estimate; --json has the map, and --map FILE draws it on the leads"
            if explanation.map.shown and explanation.map.leads is not None
            else f"the page {explanation.map.direction} the estimate; --json has the map"
            if explanation.map.shown
            else "not shown"
        )
        console.print(f"map: {text} ({plain(explanation.map.reason)})", highlight=False)
        if explanation.map.leads is not None:
            for title, shares in (("leads", explanation.map.leads.leads), ("waves", explanation.map.leads.waves)):
                listed = ", ".join(f"{name} {share:.0%}" for name, share in shares.items())
                console.print(f"share of the map by {title}: {listed}", highlight=False)
    console.print("these are effects on the model's output, not causes of the disease", highlight=False)


def _effects(explanation: Explanation) -> Table:
    from rich.table import Table

    from cardiograph.cli.console import plain

    of_class = "" if explanation.class_name is None else f" of {plain(explanation.class_name)}"
    table = Table("from", "value", title=f"effects on the probability{of_class}")
    table.add_column("points", justify="right")
    table.add_row("no page, no clinical value", "", f"{explanation.base * 100:.1f}")
    for each in explanation.clinical.effects:
        error = "" if each.standard_error is None else f" ± {each.standard_error * 100:.1f}"
        table.add_row(
            plain(each.name), plain(f"{each.value:g} {each.unit}".strip()), f"{each.effect * 100:+.1f}{error}"
        )
    table.add_row("the rest", "", f"{explanation.rest * 100:+.1f}")
    table.add_row("probability", "", f"{explanation.probability * 100:.1f}", style="bold", end_section=True)
    table.add_row("image share", "", f"{explanation.blocks['image'] * 100:+.1f}")
    table.add_row("clinical share", "", f"{explanation.blocks['clinical'] * 100:+.1f}")
    if "measurements" in explanation.blocks:
        table.add_row("measurement share", "", f"{explanation.blocks['measurements'] * 100:+.1f}", end_section=True)
    for group in explanation.measurements:
        values = ", ".join(f"{name} {value:.4g}" for name, value in list(group.values.items())[:3])
        table.add_row(plain(group.name), plain(values), f"{group.effect * 100:+.1f}")
    return table


def _without(explanation: Explanation) -> Table:
    from rich.table import Table

    from cardiograph.cli.console import plain

    table = Table("without", title="probability without a similar record and its group")
    table.add_column("probability", justify="right")
    table.add_column("points", justify="right")
    table.add_column("next neighbours")
    for each in explanation.neighbours:
        instead = ", ".join(plain(name) for name in each.stepped_in) or "none"
        table.add_row(plain(each.record_id), f"{each.probability_without:.3f}", f"{each.change * 100:+.1f}", instead)
    return table
