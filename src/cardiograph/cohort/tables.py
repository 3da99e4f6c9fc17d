"""Tables as they lie in a file: CSV, TSV or Parquet, every cell kept as it was written."""

from __future__ import annotations

import csv
import datetime
import io
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from cardiograph.errors import CohortError, Issue
from cardiograph.regular_files import open_regular

Cell = str | int | float
"""Text (stripped; empty where nothing was written), or a finite or infinite number of a typed Parquet column."""

DELIMITERS = {".csv": ",", ".tsv": "\t", ".tab": "\t"}
PARQUET = {".parquet", ".pq"}


@dataclass(frozen=True)
class RawTable:
    """A table before its cells are understood.

    Args:
        name: File or folder name, for messages.
        folder: Where relative page paths start.
        header: Column names as written, stripped.
        rows: A tuple of cells for each row, as long as the header.
        lines: The place of each row in the file: line number (the header is line 1), or row number from 1 for Parquet.
        issues: Faults of the file's structure; the rows they concern are not among ``rows``.
        notes: What was left aside, in words.
    """

    name: str
    folder: Path
    header: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    lines: tuple[int, ...]
    issues: tuple[Issue, ...] = ()
    notes: tuple[str, ...] = ()

    def column(self, name: str) -> list[Cell]:
        """The cells below the first header called ``name``."""
        position = self.header.index(name)
        return [row[position] for row in self.rows]


def read_table(path: Path) -> RawTable:
    """Read a cohort table without interpreting its cells.

    Args:
        path: ``.csv`` (comma), ``.tsv`` or ``.tab`` (tab), ``.parquet`` or ``.pq``.

    Raises:
        CohortError: The file is missing, unreadable, empty, of another kind, not UTF-8, or separated by another mark.
    """
    kind = path.suffix.lower()
    if not path.exists():
        message = f"{path}: no such file or folder; check the path"
        raise CohortError(message)
    if kind not in DELIMITERS and kind not in PARQUET:
        message = f"{path.name}: not a cohort table; give CSV, TSV, Parquet or a folder with one folder per class"
        raise CohortError(message)
    try:
        with open_regular(path):
            pass
        table = _read_parquet(path) if kind in PARQUET else _read_text(path, DELIMITERS[kind])
    except OSError as error:
        message = f"{path}: cannot be read ({error.strerror or error}); check the path and its permissions"
        raise CohortError(message) from error
    if not table.rows and not table.issues:
        message = f"{path.name}: has a header but no rows; add one row per ECG"
        raise CohortError(message)
    return table


def as_text(cell: Cell) -> str:
    """A cell as an identifier or class name: ``17`` for a stored 17 or 17.0."""
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    return str(cell)


def _decode(path: Path) -> str:
    content = path.read_bytes()
    if content[:2] in (b"\xff\xfe", b"\xfe\xff"):
        message = f"{path.name}: is UTF-16; save it as UTF-8 ('CSV UTF-8' in a spreadsheet program)"
        raise CohortError(message)
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        value = f"byte 0x{content[error.start]:02x}"
        remedy = "save the table as UTF-8 ('CSV UTF-8' in a spreadsheet program)"
        issue = Issue(f"row {line}", "", value, "text is UTF-8", remedy, "encoding")
        message = f"{path.name}: cannot be read as text"
        raise CohortError(message, [issue]) from error
    if "\0" in text:
        message = f"{path.name}: holds zero bytes, so it is not a text table; save it as CSV, TSV or Parquet"
        raise CohortError(message)
    if not text.strip():
        message = f"{path.name}: is empty; a cohort table has a header and one row per ECG"
        raise CohortError(message)
    return text


def _read_text(path: Path, delimiter: str) -> RawTable:
    reader = csv.reader(io.StringIO(_decode(path), newline=""), delimiter=delimiter, strict=True)
    header: tuple[str, ...] = ()
    rows: list[tuple[Cell, ...]] = []
    lines: list[int] = []
    issues: list[Issue] = []
    start = 1
    try:
        for record in reader:
            line, start = start, reader.line_num + 1
            cells = tuple(cell.strip() for cell in record)
            if not cells:
                continue
            if not header:
                header = cells
                _check_header(path.name, header, delimiter)
                continue
            fault = _row_fault(cells, header, line)
            if fault is None:
                rows.append(cells)
                lines.append(line)
            else:
                issues.append(fault)
    except csv.Error as error:
        remedy = "close each quoted cell and double the quotes inside it; later rows were not read"
        issues.append(Issue(f"row {start}", "", str(error), "cells are quoted as in RFC 4180", remedy, "quotes"))
    issues = [*_header_issues(header), *issues]
    return RawTable(path.name, path.absolute().parent, header, tuple(rows), tuple(lines), tuple(issues))


def _check_header(name: str, header: Sequence[str], delimiter: str) -> None:
    if len(header) > 1:
        return
    words = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}
    for other, word in words.items():
        if other != delimiter and other in header[0]:
            message = (
                f"{name}: columns are separated by {word}, expected {words[delimiter]}; "
                "save it as .csv with commas (cells with a comma in quotes) or as .tsv with tabs"
            )
            raise CohortError(message)


def _header_issues(header: Sequence[str]) -> Iterable[Issue]:
    for name in dict.fromkeys(header):
        count = header.count(name)
        if name and count > 1:
            value = f"there {count} times"
            yield Issue("header", name, value, "column names differ", "rename or remove one", "duplicate_column")


def _row_fault(cells: Sequence[str], header: Sequence[str], line: int) -> Issue | None:
    if len(cells) != len(header):
        rule = f"each row has {len(header)} cells, as the header"
        remedy = "put cells that hold the separator (decimal commas too) in quotes, or complete the row"
        return Issue(f"row {line}", "", f"{len(cells)} cells long", rule, remedy, "ragged_row")
    if not any(cells):
        return Issue(f"row {line}", "", "without any value", "one row per ECG", "remove the row", "empty_row")
    return None


def _read_parquet(path: Path) -> RawTable:
    import pyarrow as arrow
    from pyarrow import parquet

    try:
        table = parquet.ParquetFile(path).read()
    except arrow.ArrowException as error:
        message = f"{path.name}: not a readable Parquet file ({error}); write it again"
        raise CohortError(message) from error
    header = tuple(name.strip() for name in table.column_names)
    columns = [[_typed_cell(value) for value in column.to_pylist()] for column in table.columns]
    rows = tuple(zip(*columns, strict=True))
    lines = tuple(range(1, len(rows) + 1))
    return RawTable(path.name, path.absolute().parent, header, rows, lines, tuple(_header_issues(header)))


def _typed_cell(value: object) -> Cell:
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value)
    if isinstance(value, int):
        return value
    if isinstance(value, float | Decimal):
        return "" if math.isnan(value) else float(value)
    if isinstance(value, datetime.date | datetime.time):
        return value.isoformat()
    return str(value).strip()
