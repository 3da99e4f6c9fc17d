"""What an adapter of a public cohort is, what it is given and what it returns."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cardiograph.progress import Progress

Row = dict[str, str]
"""Cells of a record by column; an empty text is a missing value."""


@dataclass(frozen=True)
class Source:
    """Where an adapter reads and writes, and what was chosen.

    Args:
        folder: Folder of the cohort as its owners ship it.
        out: New folder of the imported cohort; an adapter writes into it only if it has to convert recordings.
        horizon: Days after the beginning of follow-up within which an outcome counts.
        progress: Receives the progress of long work.
    """

    folder: Path
    out: Path
    horizon: float
    progress: Progress


@dataclass
class Imported:
    """Content of a public cohort.

    Args:
        rows: Cells of each record, without outcomes.
        outcomes: Name -> value of each record; empty where it is unknown.
        variables: Clinical variables, as entries of ``cohort.variables`` in a configuration.
        traps: Sentence on a trap of the files -> number of records, cells or files that it concerns.
        extra: Columns of each record that describe time and event; never predictors.
    """

    rows: list[Row]
    outcomes: dict[str, list[str]]
    variables: list[dict[str, Any]] = field(default_factory=list)
    traps: Counter[str] = field(default_factory=Counter)
    extra: dict[str, list[str]] = field(default_factory=dict)


@dataclass(frozen=True)
class Adapter:
    """A public cohort.

    Args:
        name: Name on the command line.
        title: What the cohort is.
        licence: Licence that its owners state.
        citation: Publication and address.
        contents: What the owners' release contains, for error messages.
        outcomes: Name -> description of the outcomes; the first is the default.
        read: Reads the cohort.
        horizon: Default horizon of the outcomes in days; None if they have no time.
        more_outcomes: Whether the files may have outcomes that ``outcomes`` does not list, such as single statements.
    """

    name: str
    title: str
    licence: str
    citation: str
    contents: str
    outcomes: Mapping[str, str]
    read: Callable[[Source], Imported]
    horizon: float | None = None
    more_outcomes: str = ""
