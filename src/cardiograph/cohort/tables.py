"""Reading of CSV, TSV, Excel and Parquet tables, with every cell kept as written."""

from __future__ import annotations

import csv
import datetime
import io
import itertools
import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from cardiograph.errors import CohortError, Issue
from cardiograph.regular_files import open_regular

Cell = str | int | float
"""Stripped text (empty for an empty cell), or a finite or infinite number from a typed cell."""


DELIMITERS = {".csv": ",", ".tsv": "\t", ".tab": "\t"}


PARQUET = {".parquet", ".pq"}


EXCEL = {".xlsx"}


MAX_CELLS = 200_000_000
"""Maximum number of cells of a Parquet file; a file of a few kilobytes can declare billions."""


_SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}


_SNIFFED_ROWS, _SNIFFED_CHARACTERS = 50, 100_000


@dataclass(frozen=True)
class RawTable:
    """A table before its cells are interpreted.

    Args:
        name: File or folder name, for messages.
        folder: Folder to which relative page paths refer.
        header: Column names as written, stripped.
        rows: Cells of each row, one for each column.
        lines: Number of each row in the file: line number (the header is line 1), row number of a sheet, or row number
            from 1 for Parquet.
        issues: Faults of the file structure; ``rows`` does not contain the affected rows.
        notes: Sentences about ignored parts of the file.
    """

    name: str
    folder: Path
    header: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    lines: tuple[int, ...]
    issues: tuple[Issue, ...] = ()
    notes: tuple[str, ...] = ()

    def column(self, name: str) -> list[Cell]:
        """Return the cells of the first column with the header ``name``."""
        position = self.header.index(name)
        return [row[position] for row in self.rows]


def read_table(path: Path, *, max_rows: int | None = None) -> RawTable:
    """Read a cohort table without interpreting its cells.

    Args:
        path: ``.csv``, ``.tsv`` or ``.tab`` file (the separator is detected), ``.xlsx``, ``.parquet`` or ``.pq`` file.
        max_rows: Largest number of rows; no limit if None.

    Raises:
        CohortError: If the file is missing, unreadable, empty, too long, of another format or not UTF-8, or if its
            separator is ambiguous.
    """
    kind = path.suffix.lower()
    if not path.exists():
        message = f"{path}: no such file or folder; check the path"
        raise CohortError(message)
    if kind not in {*DELIMITERS, *PARQUET, *EXCEL}:
        kinds = "CSV, TSV, Excel (.xlsx), Parquet or a folder with one folder per class"
        message = f"{path.name}: not a cohort table; give {kinds}"
        raise CohortError(message)
    try:
        with open_regular(path):
            pass
        if kind in PARQUET:
            table = _read_parquet(path, max_rows)
        else:
            table = _read_workbook(path) if kind in EXCEL else _read_text(path, DELIMITERS[kind], max_rows)
    except OSError as error:
        message = f"{path}: cannot be read ({error.strerror or error}); check the path and its permissions"
        raise CohortError(message) from error
    _require_rows(path.name, len(table.rows), max_rows)
    if not table.rows and not table.issues:
        message = f"{path.name}: has a header but no rows; add one row per ECG"
        raise CohortError(message)
    return table


def _require_rows(name: str, count: int, max_rows: int | None) -> None:
    if max_rows is not None and count > max_rows:
        message = (
            f"{name}: has {count:,} rows or more, and cohort.max_rows allows {max_rows:,}; if all are wanted and the "
            f"memory suffices: --set cohort.max_rows={10 ** len(str(count))}"
        )
        raise CohortError(message)


def as_text(cell: Cell) -> str:
    """Return a cell as an id or class name: ``17`` for both 17 and 17.0."""
    if isinstance(cell, str):
        return cell
    return str(int(cell)) if isinstance(cell, float) and cell.is_integer() else str(cell)


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
        message = f"{path.name}: contains zero bytes, so it is not a text table; save it as CSV, TSV or Parquet"
        raise CohortError(message)
    if not text.strip():
        message = f"{path.name}: is empty; a cohort table has a header and one row per ECG"
        raise CohortError(message)
    return text


def _read_text(path: Path, usual: str, max_rows: int | None) -> RawTable:
    text, delimiter = _separated(path.name, _decode(path), usual)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    records: list[tuple[int, tuple[Cell, ...]]] = []
    issues: list[Issue] = []
    start = 1
    try:
        for record in reader:
            line, start = start, reader.line_num + 1
            if record:
                _require_rows(path.name, len(records), max_rows)  # the header is not a row
                records.append((line, tuple(map(str.strip, record))))
    except csv.Error as error:
        remedy = "close each quoted cell and double the quotes inside it; later rows were not read"
        issues.append(Issue(f"row {start}", "", str(error), "cells are quoted as in RFC 4180", remedy, "quotes"))
    notes = () if delimiter == usual else (f"columns are separated by {_SEPARATORS[delimiter]}",)
    return _assembled(path, records, issues, notes)


def _separated(name: str, text: str, usual: str) -> tuple[str, str]:
    """Return the text and its separator: the one in the first line (``sep=;``), or else the one that fits the rows.

    Raises:
        CohortError: If several separators fit.
    """
    named = re.match(r"sep=([,;|\t])\r?(?=\n)", text)
    if named:
        return text[named.end() :], named.group(1)
    widths = {mark: _row_widths(text, mark) for mark in _SEPARATORS}
    fitting = [mark for mark, found in widths.items() if found[0] > 1 and len(set(found)) == 1]
    if len(fitting) > 1:
        words = " or ".join(_SEPARATORS[mark] for mark in fitting)
        message = f"{name}: columns may be separated by {words}; add a first line that names one, such as sep=;"
        raise CohortError(message)
    if not fitting and widths[usual][0] == 1:
        widest = max(widths, key=lambda mark: widths[mark][0])
        return text, widest if widths[widest][0] > 1 else usual
    return text, fitting[0] if fitting else usual


def _row_widths(text: str, delimiter: str) -> list[int]:
    """Return the number of cells in each of the first rows; [0] if they cannot be parsed."""
    start = text[:_SNIFFED_CHARACTERS]
    rows = csv.reader(io.StringIO(start, newline=""), delimiter=delimiter)
    try:
        found = [len(row) for row in itertools.islice(rows, _SNIFFED_ROWS) if any(cell.strip() for cell in row)]
    except csv.Error:
        return [0]
    cut = len(start) < len(text) and len(found) < _SNIFFED_ROWS  # the last row may be incomplete
    return (found[:-1] if cut else found) or [0]


def _assembled(
    path: Path, records: Sequence[tuple[int, tuple[Cell, ...]]], issues: Sequence[Issue], notes: Sequence[str]
) -> RawTable:
    """Build a table from numbered rows, without the empty rows and columns that spreadsheets leave at the end."""
    filled = [number for number, (_, cells) in enumerate(records) if any(cell != "" for cell in cells)]
    records = records[filled[0] : filled[-1] + 1] if filled else []
    if not records:
        return RawTable(path.name, path.absolute().parent, (), (), (), tuple(issues), tuple(notes))
    written = records[0][1]
    width = max(_used_width(cells[: len(written)]) for _, cells in records)
    header = tuple(as_text(cell) for cell in written[:width])
    rows: list[tuple[Cell, ...]] = []
    lines: list[int] = []
    found = [*_header_issues(header), *issues]
    for line, cells in records[1:]:
        fault = _row_fault(cells, width, line)
        if fault is None:
            rows.append(cells[:width])
            lines.append(line)
        else:
            found.append(fault)
    return RawTable(path.name, path.absolute().parent, header, tuple(rows), tuple(lines), tuple(found), tuple(notes))


def _used_width(cells: Sequence[Cell]) -> int:
    """Return the position after the last cell that is not empty."""
    return next((number for number in range(len(cells), 0, -1) if cells[number - 1] != ""), 0)


def _header_issues(header: Sequence[str]) -> Iterable[Issue]:
    for name in dict.fromkeys(header):
        count = header.count(name)
        if name and count > 1:
            value, rule = f"present {count} times", "column names must be unique"
            yield Issue("header", name, value, rule, "rename or remove all but one", "duplicate_column")


def _row_fault(cells: Sequence[Cell], width: int, line: int) -> Issue | None:
    if not _used_width(cells):
        return Issue(f"row {line}", "", "empty", "each row describes an ECG", "remove the row", "empty_row")
    if len(cells) < width or _used_width(cells) > width:
        rule = f"each row needs {width} cells, like the header"
        remedy = "quote cells that contain the separator (also as a decimal comma), or complete the row"
        return Issue(f"row {line}", "", f"{len(cells)} cells long", rule, remedy, "ragged_row")
    return None


def _read_workbook(path: Path) -> RawTable:
    from cardiograph.cohort.workbook import Workbook

    book = Workbook(path)
    records = [(line, tuple(typed_cell(value) for value in values)) for line, values in book.rows]
    return _assembled(path, records, [*book.issues, *_zero_bytes(records)], book.notes)


def _zero_bytes(records: Iterable[tuple[int, Sequence[Cell]]], header: Sequence[str] = ()) -> Iterable[Issue]:
    for line, cells in records:
        for number, cell in enumerate(cells):
            if isinstance(cell, str) and "\0" in cell:
                column = header[number] if header else ""
                yield Issue(
                    f"row {line}",
                    column,
                    ascii(cell)[:40],
                    "text must not contain zero bytes",
                    "correct it",
                    "zero_byte",
                )


def _read_parquet(path: Path, max_rows: int | None) -> RawTable:
    import pyarrow as arrow
    from pyarrow import parquet

    issues: list[Issue] = []
    try:
        file = parquet.ParquetFile(path)
        _require_rows(path.name, file.metadata.num_rows, max_rows)
        if file.metadata.num_rows * max(file.metadata.num_columns, 1) > MAX_CELLS:
            message = f"{path.name}: has more than {MAX_CELLS:,} cells; remove rows and columns that are not needed"
            raise CohortError(message)
        table = file.read()
    except (arrow.ArrowException, UnicodeDecodeError) as error:
        message = f"{path.name}: not a readable Parquet file ({error}); write it again"
        raise CohortError(message) from error
    header = tuple(name.strip() for name in table.column_names)
    columns = [_parquet_cells(name, column, issues) for name, column in zip(header, table.columns, strict=True)]
    rows = tuple(zip(*columns, strict=True))
    lines = tuple(range(1, len(rows) + 1))
    issues += _zero_bytes(zip(lines, rows, strict=True), header)
    issues = [*_header_issues(header), *issues]
    return RawTable(path.name, path.absolute().parent, header, rows, lines, tuple(issues))


def _parquet_cells(name: str, column: Any, issues: list[Issue]) -> list[Cell]:  # noqa: ANN401 - pyarrow has no types
    """Return the cells of a column; values that Python cannot represent, such as the year 150,000, become issues."""
    failures = (ValueError, ArithmeticError, LookupError, TypeError, NotImplementedError)
    try:
        return [typed_cell(value) for value in column.to_pylist()]
    except failures:
        pass
    cells: list[Cell] = []
    for row, scalar in enumerate(column, 1):
        try:
            cells.append(typed_cell(scalar.as_py()))
        except failures as error:
            rule, remedy = "a value must be readable", "correct it, or write the column as text"
            value = f"not a readable {column.type} ({error})"
            issues.append(Issue(f"row {row}", name, value[:100], rule, remedy, "parquet_value"))
            cells.append("")
    return cells


def typed_cell(value: object) -> Cell:
    """Return the cell for a value of a typed column; integers of more than 64 bits become text."""
    if value is None:
        return ""
    if isinstance(value, bytes):
        return value.decode("utf-8", "backslashreplace").strip()
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**64:
        return value
    if isinstance(value, float | Decimal):
        return "" if math.isnan(value) else float(value)
    if isinstance(value, datetime.date | datetime.time):
        return value.isoformat()
    return str(value).strip()
