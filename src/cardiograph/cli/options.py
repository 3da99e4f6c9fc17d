"""Options that several commands share, as dataclasses, and how they become settings.

A command takes such a dataclass as one parameter; :func:`cardiograph.cli.signature.with_options` shows its fields to
Typer as options. A field that sets a key of the configuration carries a :class:`Setting`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any, get_args, get_type_hints

import typer

from cardiograph.cli.assignments import assigned, section_of
from cardiograph.errors import ConfigError

Repeatable = list[str] | None

CohortArgument = Annotated[
    Path,
    typer.Argument(help="Table (CSV, TSV, Excel or Parquet; one row per ECG), or a folder with a subfolder per class."),
]
RunArgument = Annotated[Path, typer.Argument(help="Folder of a finished run.")]
AsJson = Annotated[
    bool, typer.Option("--json", help="Write the result, or the error, to stdout as a single JSON object.")
]
Assignments = Annotated[
    Repeatable,
    typer.Option(
        "--set",
        metavar="SECTION.KEY=VALUE",
        help="Any other setting, such as model.epochs=50; `cardiograph config` lists them. Repeatable.",
    ),
]
Preset = Annotated[
    str | None,
    typer.Option(help="thesis: start from the reference pipeline with all its faults, for study. Other settings win."),
]

READING_SECTIONS = ("cohort", "pages")
"""Sections of the configuration that say how a cohort is read."""


def pairs(option: str, texts: Sequence[str]) -> dict[str, str]:
    """Return NAME=VALUE texts as a dict.

    Raises:
        ConfigError: A text has no ``=``, or a name is given twice.
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


def comma_separated(text: str) -> list[str]:
    """Split a text at commas."""
    return [part.strip() for part in text.split(",")]


def one_text(text: str) -> list[str]:
    """Return a list that holds the text as it is."""
    return [text]


@dataclass(frozen=True)
class Setting:
    """The key of the configuration that an option sets.

    Args:
        section: Name of the section; empty for a key at the top of the file.
        key: Name of the key.
        parse: Converts the value of the option into the value of the key.
    """

    section: str
    key: str
    parse: Callable[[Any], Any] = lambda value: value


@dataclass(frozen=True, kw_only=True)
class SignalOptions:
    """Facts that a file of signals may not state; they are never guessed."""

    rate: Annotated[float | None, typer.Option(help="Sampling rate in Hz, where the file does not state it.")] = None
    unit: Annotated[
        str | None, typer.Option(help="Unit of the samples, where the file does not state it: mV, uV, nV or V.")
    ] = None
    gain: Annotated[float | None, typer.Option(help="Instead of --unit: units of the file per millivolt.")] = None
    leads: Annotated[
        str | None,
        typer.Option(
            help="Names of the channels in their order, separated by commas, where the file has none: I,II,V1"
        ),
    ] = None

    @property
    def facts(self) -> dict[str, Any]:
        """Name -> value of each fact that is stated; a unit excludes a gain, and the reverse."""
        leads = tuple(comma_separated(self.leads)) if self.leads else None
        stated = {"rate": self.rate, "unit": self.unit, "gain": self.gain, "leads": leads}
        facts: dict[str, Any] = {name: value for name, value in stated.items() if value is not None}
        return {"unit": None, "gain": None, **facts} if {"unit", "gain"} & facts.keys() else facts


@dataclass(frozen=True, kw_only=True)
class ServiceOptions:
    """A running service, in place of a run on this machine."""

    url: Annotated[str | None, typer.Option(help="Use a running service, such as https://host, instead of a run.")] = (
        None
    )
    key_file: Annotated[
        Path | None,
        typer.Option(help="File with the key of the service; by default the environment variable CARDIOGRAPH_KEY."),
    ] = None


def _work_on(context: typer.Context, place: str) -> str:
    """Use a place of work until the command ends."""
    from cardiograph.workers import work_on

    context.with_resource(work_on(place))
    return place


Place = Annotated[
    str,
    typer.Option(
        "--on",
        metavar="PLACE",
        callback=_work_on,
        help="Where ECG files are read and embedded, with the same results: threads, processes (one for each core; "
        "processes:N for another number), ray (a cluster on this machine, or the one of RAY_ADDRESS), or "
        "ray://HOST:PORT. Ray needs the extra `ray`.",
    ),
]


@dataclass(frozen=True, kw_only=True)
class ReadingOptions:
    """Options of every command that reads a labelled cohort."""

    on: Place = "threads"

    positive: Annotated[
        str | None,
        typer.Option(help="Classes that count as label 1, separated by commas."),
        Setting("cohort", "positive", one_text),  # class names may hold commas; the cohort splits the text
    ] = None
    map_: Annotated[
        Repeatable,
        typer.Option(
            "--map", help="OURS=THEIRS: name of a column here and in the table, such as ntprobnp=NTproBNP. Repeatable."
        ),
        Setting("cohort", "map", partial(pairs, "--map")),
    ] = None
    convert: Annotated[
        Repeatable,
        typer.Option(help="VARIABLE=UNIT: unit in which the table has a variable, such as ef=percent. Repeatable."),
        Setting("cohort", "convert", partial(pairs, "--convert")),
    ] = None
    missing: Annotated[
        Repeatable,
        typer.Option(help="COLUMN=VALUE that means 'not measured', such as sbp=999. Repeatable."),
        Setting("cohort", "missing", list),
    ] = None
    decimal: Annotated[
        str | None,
        typer.Option(help="Decimal mark of a text table: auto (the default), . or ,"),
        Setting("cohort", "decimal"),
    ] = None
    skip_bad_pages: Annotated[
        bool,
        typer.Option("--skip-bad-pages", help="Leave out records whose page cannot be used; the report lists them."),
        Setting("pages", "skip_bad"),
    ] = False
    gate: Annotated[
        bool | None,
        typer.Option(
            "--gate/--no-gate",
            help="Leave out pages that do not look like an ECG, or keep them with a warning.",
            show_default="--gate",
        ),
        Setting("pages", "gate"),
    ] = None
    set_: Assignments = None


@dataclass(frozen=True, kw_only=True)
class CohortOptions(ReadingOptions):
    """Options of every command that starts from a cohort and a configuration."""

    config: Annotated[
        Path | None,
        typer.Option(help="Settings in TOML; `cardiograph config` writes all of them with their meaning."),
    ] = None
    outcome: Annotated[
        str | None, typer.Option(help="What label 1 means, in your own words."), Setting("outcome", "name")
    ] = None
    modality: Annotated[
        str | None,
        typer.Option(help="auto (what the cohort has), image or clinical."),
        Setting("cohort", "modality"),
    ] = None
    view: Annotated[
        str | None,
        typer.Option(
            "--page", help="Part of a page that is used: grid (the detected trace area), whole, or box (from --config)."
        ),
        Setting("pages", "view"),
    ] = None
    seed: Annotated[
        int | None,
        typer.Option(help="Random seed of the split, simulation, training and intervals."),
        Setting("", "seed"),
    ] = None


@dataclass(frozen=True, kw_only=True)
class FollowUpOptions(CohortOptions):
    """Options of commands that take the time to an event as outcome."""

    time: Annotated[
        str | None,
        typer.Option(
            help="Column with the time from the ECG to the event or the last contact: predict the time to an event."
        ),
        Setting("outcome", "time"),
    ] = None
    event: Annotated[
        str | None,
        typer.Option(help="With --time: column with 1 (the event), 0 (censored) or 2 to 9 (competing events)."),
        Setting("outcome", "event"),
    ] = None
    time_unit: Annotated[
        str | None,
        typer.Option(help="With --time: unit of the times; days (the default), weeks, months or years."),
        Setting("outcome", "unit"),
    ] = None
    horizons: Annotated[
        str | None,
        typer.Option(help="With --time: times at which risks are reported, separated by commas, such as 365,1096."),
        Setting("outcome", "horizons", comma_separated),
    ] = None


@dataclass(frozen=True, kw_only=True)
class AuditOptions(FollowUpOptions):
    """Options of commands that audit a cohort."""

    label_definition: Annotated[
        str | None,
        typer.Option(help="Columns that defined the label, separated by commas; no model may read them."),
        Setting("cohort", "label_definition", comma_separated),
    ] = None
    accept: Annotated[
        Repeatable,
        typer.Option(help="CODE of a blocking finding to accept; the report shows it at the top. Repeatable."),
        Setting("audit", "accept", list),
    ] = None
    simulate: Annotated[
        str | None,
        typer.Option(
            help="Simulate clinical values where the cohort has none: none, blind (to the label) or label (from it)."
        ),
        Setting("clinical", "simulate"),
    ] = None


Weights = Annotated[
    str | None,
    typer.Option(help="Weights of an encoder of pictures: imagenet, random (seeded, no download), or a weights file."),
    Setting("encoder", "weights"),
]


LabelColumns = Annotated[
    str | None,
    typer.Option(help="Columns of several labels at once, separated by commas; cells are 1, 0 or empty (unknown)."),
    Setting("outcome", "columns", comma_separated),
]


@dataclass(frozen=True, kw_only=True)
class StudyOptions(CohortOptions):
    """Options of commands that train many models on one cohort."""

    weights: Weights = None


@dataclass(frozen=True, kw_only=True)
class ComparisonOptions(FollowUpOptions):
    """Options of ``cardiograph compare``, which takes an outcome of any kind."""

    label: LabelColumns = None
    weights: Weights = None


def setting_of_option(kind: type) -> dict[str, Setting]:
    """Map each field of an options dataclass that sets a key of the configuration to that key."""
    hints = get_type_hints(kind, include_extras=True)
    return {
        field.name: part
        for field in dataclasses.fields(kind)
        for part in get_args(hints[field.name])
        if isinstance(part, Setting)
    }


def config_overrides(options: ReadingOptions) -> dict[str, Any]:
    """Return the settings that options request, nested by section as ``load_config`` takes them.

    An option that was not given overrides nothing. A named option wins over the same key in ``--set``.

    Args:
        options: Options of a command.

    Raises:
        ConfigError: A text is not of the form NAME=VALUE, or a name is given twice.
    """
    overrides = assigned(options.set_ or ())
    defaults = {field.name: field.default for field in dataclasses.fields(options)}
    for name, setting in setting_of_option(type(options)).items():
        value = getattr(options, name)
        if value == defaults[name] or value in ([], ()):
            continue
        section_of(overrides, setting.section)[setting.key] = setting.parse(value)
    return overrides


def reading_overrides(options: ReadingOptions) -> dict[str, Any]:
    """Return the settings with which a second cohort is read for a finished run.

    Raises:
        ConfigError: As for :func:`config_overrides`; or ``--set`` names a setting with which the run was trained.
    """
    from cardiograph.config_outcome import FOLLOW_UP_READING

    overrides = config_overrides(options)
    for section, value in overrides.items():
        if section == "outcome" and isinstance(value, Mapping) and set(value) <= set(FOLLOW_UP_READING):
            continue
        if section not in READING_SECTIONS:
            name = f"{section}.{next(iter(value), '')}" if isinstance(value, Mapping) else section
            message = (
                f"--set {name}: belongs to the finished run, which keeps its own; "
                f"choose a key of {' or '.join(f'[{each}]' for each in READING_SECTIONS)}, or train another run"
            )
            raise ConfigError(message)
    return overrides
