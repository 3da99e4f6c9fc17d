"""Matching of table columns to standard names: exact names, the user's map, and hints for near misses."""

from __future__ import annotations

import difflib
import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from cardiograph.config_reading import CohortConfig
from cardiograph.errors import Issue
from cardiograph.schema import KNOWN_BY_NAME

FIXED = ("patient_id", "ecg", "label", "record_id", "split", "site", "acquired_at")
"""Columns of a cohort table that are not clinical variables."""

_ALIASES: dict[str, frozenset[str]] = {
    "patient_id": frozenset({"patient", "subject", "subjectid", "pid", "mrn"}),
    "ecg": frozenset({"image", "imagepath", "ecgpath", "page", "path", "file", "filename", "filepath"}),
    "label": frozenset({"target", "outcome", "class", "y", "deathevent", "diagnosis"}),
    **{name: known.aliases for name, known in KNOWN_BY_NAME.items()},
}
"""Standard name -> other column names, in lower case and without punctuation, for which a message proposes it."""


@dataclass(frozen=True)
class Columns:
    """Columns of a table by their standard names.

    Args:
        source: Standard name -> column name in the table.
        ignored: Column names of the table that are not read, as written.
        issues: Faults of the map and of the column names.
        notes: Notes about columns that resemble a standard one but are not read.
    """

    source: dict[str, str]
    ignored: tuple[str, ...]
    issues: tuple[Issue, ...]
    notes: tuple[str, ...]


def match_columns(
    header: Sequence[str], names: Sequence[str], mapping: Mapping[str, str], chosen: Collection[str] = ()
) -> Columns:
    """Match the header with standard column names.

    A column whose name differs from a standard one only in case or punctuation (``EF``, ``Patient ID``) is a fault,
    because the user almost certainly means the standard column; a column with a similar name gives a note.

    Args:
        header: Column names as written.
        names: Standard names of all columns that the cohort may have.
        mapping: Standard name -> column name in the table, given by the user.
        chosen: Mapped names of which it is certain that the mapped column is meant, even if the table also has a column
            of the standard name.
    """
    issues = list(_map_issues(header, names, mapping, chosen))
    source = {name: name for name in names if name in header and name not in {*mapping, *mapping.values()}}
    source |= {name: column for name, column in mapping.items() if name in names and column in header}
    free = [column for column in dict.fromkeys(header) if column not in source.values()]
    issues += [_same_letters(name, column) for name, column in _near(free, names, source, _by_letters)]
    near = [pair for pair in _near(free, names, source, _by_meaning) if not _by_letters(*pair)]
    notes = [f"column {column!r} is not read; did you mean {option(name, column)}?" for name, column in near]
    ignored = tuple(column or "(no name)" for column in free)
    return Columns(source, ignored, tuple(issues), tuple(notes))


def columns_read(
    header: Sequence[str], ours: Sequence[str], config: CohortConfig, *, labelled: bool, chosen: Collection[str]
) -> Columns:
    """Match the columns of the table, without those of an unused modality and, for unlabelled patients, labels."""
    columns = match_columns(header, ours, config.map, chosen)
    unused = {"clinical": {"ecg"}, "image": set(ours) - set(FIXED), "auto": set[str]()}[config.modality]
    reasons = dict.fromkeys(unused, f"modality = {config.modality!r}")
    if not labelled:
        reasons |= dict.fromkeys(("label", "split"), "patients are scored without outcome and split")
    source = {name: column for name, column in columns.source.items() if name not in reasons}
    dropped = {name: column for name, column in columns.source.items() if name in reasons}
    issues = tuple(issue for issue in columns.issues if issue.column not in reasons)
    notes = tuple(f"column {column!r} is not used: {reasons[name]}" for name, column in dropped.items())
    return Columns(source, (*columns.ignored, *dropped.values()), issues, columns.notes + notes)


def suggestion(name: str, columns: Columns) -> str:
    """Return the remedy for a missing column: the map option for the most likely column, or a general hint."""
    for column in columns.ignored:
        if _by_letters(name, column) or _by_meaning(name, column):
            return f"did you mean {option(name, column)}?"
    found = ", ".join([*columns.source.values(), *columns.ignored][:20])
    return f"add it, or name it with --map {name}=COLUMN; the columns are: {found}"


def option(name: str, column: str) -> str:
    """Return the map option as it is typed."""
    text = f"{name}={column}"
    return f"--map {text}" if re.fullmatch(r"[\w.=%-]+", text) else f'--map "{text}"'


def _map_issues(
    header: Sequence[str], names: Sequence[str], mapping: Mapping[str, str], chosen: Collection[str]
) -> Iterator[Issue]:
    used = Counter(mapping.values())
    for name, column in mapping.items():
        where, value = option(name, column), ""
        if name not in names:
            rule = f"cardiograph has no column {name!r}; it has {', '.join(names)}"
            near = difflib.get_close_matches(name, names, 1)
            remedy = f"did you mean {option(near[0], column)}?" if near else "describe it under [[cohort.variables]]"
            yield Issue(where, "", value, rule, remedy, "map_unknown_name")
        if column not in header:
            near = difflib.get_close_matches(column, header, 1, 0.5)
            rule = f"the table has no column {column!r}"
            remedy = f"did you mean {near[0]!r}?" if near else f"it has {', '.join(header)}"
            yield Issue(where, "", value, rule, remedy, "map_missing_column")
        elif used[column] > 1:
            users = " and ".join(key for key, other in mapping.items() if other == column)
            rule = f"column {column!r} is mapped to {users}"
            yield Issue(where, "", value, rule, "map each name to a different column", "map_twice")
        if name in header and name != column and name not in chosen:
            rule = f"the table already has a column {name!r}"
            yield Issue(where, "", value, rule, "rename or remove one of the two", "map_target_present")


def _near(
    free: Iterable[str], names: Sequence[str], source: Mapping[str, str], alike: Callable[[str, str], bool]
) -> Iterator[tuple[str, str]]:
    for column in free:
        name = next((name for name in names if name not in source and alike(name, column)), None)
        if name is not None:
            yield name, column


def _same_letters(name: str, column: str) -> Issue:
    remedy = f"did you mean {option(name, column)}? If it is something else, rename or remove it"
    return Issue("header", name, f"written {column!r}", f"the name is {name!r} exactly", remedy, "column_name")


def _letters(text: str) -> str:
    return re.sub(r"[^a-z0-9]", "", text.lower())


def _by_letters(name: str, column: str) -> bool:
    return _letters(name) == _letters(column)


def _by_meaning(name: str, column: str) -> bool:
    letters = _letters(column)
    plain = _letters(re.sub(r"[(\[].*", "", column))
    return bool({letters, plain} & (_ALIASES.get(name, frozenset()) | {_letters(name)}))
