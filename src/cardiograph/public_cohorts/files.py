"""Reading of the owners' tables, with errors that name what is missing."""

from __future__ import annotations

import csv
import io
import math
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path

from cardiograph.errors import CohortError
from cardiograph.regular_files import read_regular

AGE_ABOVE_89 = "90"
"""Age of a patient whose owners state only that it is above 89 years; the column ``age_over_89`` marks them."""

SEX = {"name": "sex", "title": "sex", "categories": ["female", "male"]}
"""Sex as a clinical variable."""


def find_file(folder: Path, names: Sequence[str], contents: str) -> Path:
    """Return the first of some files that a folder has.

    Raises:
        CohortError: If the folder has none of them.
    """
    found = next((folder / name for name in names if (folder / name).is_file()), None)
    if found is None:
        missing = " or ".join(names)
        message = f"{folder}: has no {missing}; give the folder with {contents}"
        raise CohortError(message)
    return found


def read_rows(
    path: Path, needed: Iterable[str], contents: str, *, separator: str = ",", encoding: str = "utf-8-sig"
) -> list[dict[str, str]]:
    """Read a table as stripped texts by column.

    Raises:
        CohortError: If the file cannot be read, lacks a column, or has a row with another number of cells.
    """
    header, *rows = read_cells(path, separator=separator, encoding=encoding)
    missing = [name for name in needed if name not in header]
    if missing:
        message = f"{path}: has no column {', '.join(missing)}; it has {', '.join(header[:30])}; needed: {contents}"
        raise CohortError(message)
    return [dict(zip(header, row, strict=True)) for row in rows]


def read_cells(path: Path, *, separator: str, encoding: str) -> list[list[str]]:
    """Read the header and the rows of a table, with spaces around cells removed."""
    try:
        text = read_regular(path).decode(encoding)
    except (OSError, UnicodeDecodeError) as error:
        message = f"{path}: cannot be read ({error}); is it the file as its owners ship it?"
        raise CohortError(message) from error
    rows = [[cell.strip() for cell in row] for row in csv.reader(io.StringIO(text, newline=""), delimiter=separator)]
    rows = [row for row in rows if any(row)]
    if len(rows) < 2:
        message = f"{path}: has no records; is it the file as its owners ship it?"
        raise CohortError(message)
    for number, row in enumerate(rows, 1):
        if len(row) != len(rows[0]):
            message = (
                f"{path}: record {number} has {len(row)} cells and the header {len(rows[0])} (separator "
                f"{separator!r}); is it the file as its owners ship it?"
            )
            raise CohortError(message)
    return rows


def number(text: str) -> float | None:
    """Return a number written with a decimal point or comma; None if the text is no finite number."""
    try:
        value = float(text.replace(",", ".")) if text.count(",") <= 1 else math.nan
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def plain(value: float) -> str:
    """Return a number as short text, whole numbers without a decimal point."""
    return f"{value:.10g}"


def sex_of(text: str, words: Mapping[str, str], traps: Counter[str]) -> str:
    """Return the sex as a word; another code is left empty and counted."""
    word = words.get(text, "")
    traps["sex is unknown; left empty (records)"] += not word
    return word


def count_left_out(header: Iterable[str], used: Collection[str], traps: Counter[str]) -> None:
    """Count the columns of the owners that are not imported, and name the first of them."""
    names = [name for name in header if name not in used]
    if names:
        traps[f"columns that are not imported, such as {', '.join(names[:4])} (columns)"] = len(names)


def whole(text: str) -> str:
    """Return an identifier that a table writes as ``17.0`` as ``17``."""
    return text.removesuffix(".0")


def existing(
    records: Sequence[dict[str, str]], paths: Sequence[Path], traps: Counter[str], table: Path, contents: str
) -> tuple[list[dict[str, str]], list[str]]:
    """Leave out, and count, records without a file.

    Returns:
        The other records, and the path of the file of each.

    Raises:
        CohortError: If no record has a file.
    """
    present = [
        (record, str(path)) for record, path in zip(records, paths, strict=True) if path.suffix and path.is_file()
    ]
    if not present:
        message = f"{table}: none of its {len(records):,} recordings exists, such as {paths[0]}; needed: {contents}"
        raise CohortError(message)
    traps["listed, but the recording is not in the folder; left out"] = len(records) - len(present)
    return [record for record, _ in present], [path for _, path in present]
