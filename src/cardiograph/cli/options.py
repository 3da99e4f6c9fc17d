"""Options that commands share, each written once, and how they become settings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from cardiograph.errors import ConfigError

Again = list[str] | None

CohortArgument = Annotated[
    Path, typer.Argument(help="Table (CSV, TSV, Excel, Parquet; one row per ECG), or a folder with a folder per class.")
]
ConfigFile = Annotated[
    Path | None, typer.Option(help="Settings in TOML; `cardiograph config` writes them all with their meaning.")
]
Preset = Annotated[
    str | None,
    typer.Option(help="thesis: the reference pipeline with all its faults, below the config file. For study."),
]
Positive = Annotated[str | None, typer.Option(help="Classes that are label 1, separated by commas.")]
Outcome = Annotated[str | None, typer.Option(help="What label 1 means, in your words.")]
Map = Annotated[Again, typer.Option("--map", help="OURS=THEIRS, such as ntprobnp=NTproBNP; may be given again.")]
Convert = Annotated[Again, typer.Option(help="VARIABLE=UNIT it is written in, such as ef=percent; may be given again.")]
Missing = Annotated[
    Again, typer.Option(help="COLUMN=VALUE that means 'not measured', such as sbp=999; may be given again.")
]
Decimal = Annotated[
    str | None, typer.Option(help="Decimal mark of the table: auto (the default: found where it is clear), . or ,")
]
Modality = Annotated[str | None, typer.Option(help="auto, image or clinical.")]
LabelDefinition = Annotated[
    str | None,
    typer.Option(help="Columns by which the label was defined, separated by commas; no model may read them."),
]
Accept = Annotated[
    Again,
    typer.Option(help="CODE of a blocking finding to go on with; the report tells it at its top. May be given again."),
]
Simulate = Annotated[
    str | None, typer.Option(help="none, blind or label: draw clinical values where the cohort has none.")
]
View = Annotated[
    str | None, typer.Option("--page", help="grid (find the trace area), whole, or box (from the config).")
]
SkipBadPages = Annotated[
    bool, typer.Option("--skip-bad-pages", help="Go on without pages that cannot be used; the report lists them.")
]
Gate = Annotated[
    bool | None,
    typer.Option(
        "--gate/--no-gate",
        help="Leave out pages that do not look like an upright ECG, or keep them with a warning.",
        show_default="--gate",
    ),
]
Seed = Annotated[int | None, typer.Option(help="Of split, simulation, training and intervals.")]
AsJson = Annotated[bool, typer.Option("--json", help="Write the result (or the error) to stdout as one JSON object.")]

SETTINGS: dict[str, tuple[str, str]] = {
    "positive": ("cohort", "positive"),
    "map_": ("cohort", "map"),
    "convert": ("cohort", "convert"),
    "missing": ("cohort", "missing"),
    "decimal": ("cohort", "decimal"),
    "modality": ("cohort", "modality"),
    "label_definition": ("cohort", "label_definition"),
    "accept": ("audit", "accept"),
    "simulate": ("clinical", "simulate"),
    "view": ("pages", "view"),
    "skip_bad_pages": ("pages", "skip_bad"),
    "gate": ("pages", "gate"),
    "balance": ("balance", "mode"),
    "model": ("model", "name"),
    "weights": ("encoder", "weights"),
    "engine": ("encoder", "engine"),
    "precision": ("encoder", "precision"),
}
"""Parameter of a command -> section and key of the configuration."""

TOP = ("outcome", "seed")
"""Parameters that are keys at the top of the configuration."""

LISTS = ("label_definition",)
"""Parameters that hold several names, separated by commas."""

SWITCHES = ("gate",)
"""Parameters that are None where not given, so that False is an answer."""

PAIRS = {"map_": "--map", "convert": "--convert"}
"""Parameters that hold NAME=VALUE, with their option."""


def config_overrides(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """The settings that options ask for, nested by section as ``load_config`` takes them.

    Args:
        parameters: Parameters of a command (``context.params``), by the names of ``SETTINGS`` and ``TOP``; others are
            none of ours. What was not given (None, an empty list, a flag that is not set) overrides nothing.

    Raises:
        ConfigError: An option that is no NAME=VALUE, or names something twice.
    """
    given = {
        name: value
        for name, value in parameters.items()
        if _is_given(value) or (name in SWITCHES and value is not None)
    }
    overrides: dict[str, Any] = {name: given[name] for name in TOP if name in given}
    for name, (section, key) in SETTINGS.items():
        if name in given:
            overrides.setdefault(section, {})[key] = _parsed(name, given[name])
    return overrides


def pairs(option: str, texts: Sequence[str]) -> dict[str, str]:
    """NAME=VALUE texts as a dict.

    Raises:
        ConfigError: A text without ``=``, or a name that comes twice.
    """
    found: dict[str, str] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not (name and equals and value):
            message = f"{option} {text!r}: expected NAME=VALUE, such as {option} ntprobnp=NTproBNP"
            raise ConfigError(message)
        if name in found:
            message = f"{option}: {name!r} is given twice"
            raise ConfigError(message)
        found[name] = value
    return found


def _is_given(value: object) -> bool:
    """Nought and an empty text are given: the settings judge them."""
    return not (value is None or value is False or value in ([], ()))


def _parsed(name: str, value: Any) -> Any:  # noqa: ANN401 - an option's value, of any kind
    if name in LISTS:
        return [part.strip() for part in value.split(",")]
    if name == "positive":
        return [value]  # a class may have a comma in its name: the cohort's classes decide where it is cut
    if name in PAIRS:
        return pairs(PAIRS[name], value)
    return list(value) if isinstance(value, tuple) else value


def refuse_to_overwrite(out: Path, run: Path | None, inputs: Sequence[Path | None]) -> None:
    """Raise ConfigError where an output file is one that the command reads, a file of the run, or a picture.

    Args:
        out: The file that is to be written.
        run: Folder of the run; None if there is none.
        inputs: Files that are read.
    """
    real = out.resolve()
    if not real.is_file():
        return
    what = next(
        (f"is read: it is the same file as {path}" for path in inputs if path is not None and _same(real, path)), ""
    )
    if not what and run is not None and real.is_relative_to(run.resolve()):
        what = f"belongs to the run {run}"
    if not what and _is_picture(real):
        what = "is a picture, perhaps the page of a patient"
    if what:
        message = f"--out {out}: {what}; choose another name"
        raise ConfigError(message)


def _same(real: Path, path: Path) -> bool:
    return path.exists() and real.samefile(path)


def _is_picture(path: Path) -> bool:
    from cardiograph.errors import PageError
    from cardiograph.imaging.reading import page_bytes

    try:
        page_bytes(path)
    except PageError:
        return False
    return True
