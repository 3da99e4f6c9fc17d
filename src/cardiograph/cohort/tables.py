"""Reading of CSV, TSV, Excel and Parquet tables, whole or in chunks, with every cell kept as written."""

from __future__ import annotations

import dataclasses
import datetime
import itertools
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any, cast

from cardiograph.cohort.delimited import DelimitedText
from cardiograph.errors import CohortError, Issue
from cardiograph.regular_files import open_regular

Cell = str | int | float
"""Stripped text (empty for an empty cell), or a finite or infinite number from a typed cell."""


DELIMITERS = {".csv": ",", ".tsv": "\t", ".tab": "\t"}


PARQUET = {".parquet", ".pq"}


EXCEL = {".xlsx"}


MAX_CELLS = 200_000_000
"""Maximum number of cells of a Parquet file; a file of a few kilobytes can declare billions."""

RAISE_LIMIT = "cohort.max_rows allows {rows:,}; if all are wanted and the memory suffices: --set cohort.max_rows={more}"
"""Rule and remedy for a table with more rows than the configuration allows."""

_Row = tuple[int, tuple[Cell, ...]]
"""Number of a row in the file, and its cells."""


@dataclass(frozen=True)
class RawTable:
    """A table, or a chunk of its rows, before its cells are interpreted.

    Args:
        name: File or folder name, for messages.
        folder: Folder to which relative page paths refer.
        header: Column names as written, stripped.
        rows: Cells of each row, one for each column.
        lines: Number of each row in the file: line number (the header is line 1), row number of a sheet, or row number
            from 1 for Parquet.
        issues: Faults of the file structure; ``rows`` does not contain the affected rows. Those of the header are in
            the first chunk.
        notes: Sentences about ignored parts of the file; the same in each chunk.
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

    def in_chunks(self, size: int) -> Iterator[RawTable]:
        """Yield chunks of at most ``size`` rows, at least one."""
        for start in range(0, max(len(self.rows), 1), size):
            piece, issues = slice(start, start + size), () if start else self.issues
            yield dataclasses.replace(self, rows=self.rows[piece], lines=self.lines[piece], issues=issues)


def read_table(path: Path, *, max_rows: int | None = None) -> RawTable:
    """Read a whole cohort table without interpreting its cells; arguments and errors as for :func:`read_chunks`."""
    return next(read_chunks(path, size=None, max_rows=max_rows))


def read_chunks(
    path: Path, *, size: int | None, max_rows: int | None = None, remedy: str = RAISE_LIMIT
) -> Iterator[RawTable]:
    """Read a cohort table in chunks without interpreting its cells; only an Excel workbook is held in memory.

    Args:
        path: ``.csv``, ``.tsv`` or ``.tab`` file (the separator is detected), ``.xlsx``, ``.parquet`` or ``.pq`` file.
        size: Largest number of rows of a chunk; None for a single chunk.
        max_rows: Largest number of rows; no limit if None.
        remedy: Rule and remedy for more rows, see :class:`RowLimit`.

    Yields:
        One or more chunks.

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
    limit, count = RowLimit(path.name, max_rows, remedy), 0
    try:
        with open_regular(path):
            pass
        if kind in PARQUET:
            chunks = _read_parquet(path, size, limit)
        else:
            chunks = _read_workbook(path, size) if kind in EXCEL else _read_text(path, DELIMITERS[kind], size, limit)
        for chunk in chunks:
            count += len(chunk.rows)
            limit.require(count)
            if not count and not chunk.issues:
                message = f"{path.name}: has a header but no rows; add one row per ECG"
                raise CohortError(message)
            yield chunk
    except OSError as error:
        message = f"{path}: cannot be read ({error.strerror or error}); check the path and its permissions"
        raise CohortError(message) from error


@dataclass(frozen=True)
class RowLimit:
    """Largest number of rows of a table.

    Args:
        name: File name.
        rows: The limit; None without one.
        remedy: Rule and remedy for more rows, with places for the limit, ``rows``, and for one that suffices, ``more``.
    """

    name: str
    rows: int | None
    remedy: str

    def require(self, count: int) -> None:
        """Raise CohortError if a table with ``count`` rows or more has too many."""
        if self.rows is not None and count > self.rows:
            rule = self.remedy.format(rows=self.rows, more=10 ** len(str(count)))
            message = f"{self.name}: has {count:,} rows or more, and {rule}"
            raise CohortError(message)


def expected_rows(path: Path) -> int:
    """Return about how many rows a readable table has, for progress: a text is counted by its lines."""
    if path.suffix.lower() in PARQUET:
        from pyarrow import parquet

        return int(parquet.read_metadata(path).num_rows)
    if path.suffix.lower() in EXCEL:
        return 1
    with open_regular(path) as handle:
        return sum(block.count(b"\n") for block in iter(partial(handle.read, 1 << 20), b""))


def as_text(cell: Cell) -> str:
    """Return a cell as an id or class name: ``17`` for both 17 and 17.0."""
    if isinstance(cell, str):
        return cell
    return str(int(cell)) if isinstance(cell, float) and cell.is_integer() else str(cell)


def as_texts(cells: Sequence[Cell]) -> list[str]:
    """Return cells as texts, see :func:`as_text`."""
    return cast("list[str]", list(cells)) if all_texts(cells) else [as_text(cell) for cell in cells]


def all_texts(cells: Sequence[Cell]) -> bool:
    """Return whether all cells are texts."""
    return set(map(type, cells)) <= {str}


def _read_text(path: Path, usual: str, size: int | None, limit: RowLimit) -> Iterator[RawTable]:
    text, issues = DelimitedText.of(path, usual), list[Issue]()

    def rows() -> Iterator[_Row]:
        issues.clear()
        for count, row in enumerate(text.rows(issues)):
            limit.require(count)  # the header is not a row
            yield row

    return _assembled(path, rows, issues, size=size, notes=text.notes)


def _assembled(
    path: Path, rows: Callable[[], Iterable[_Row]], issues: list[Issue], *, size: int | None, notes: Sequence[str]
) -> Iterator[RawTable]:
    """Yield chunks of numbered rows, without the empty rows and columns that spreadsheets leave at the end.

    Args:
        path: File of the table.
        rows: Function that reads all rows, including the header; it is called again for each pass over them.
        issues: Faults of the file; the function can append some while it yields rows.
        size: Largest number of rows of a chunk; None for a single chunk.
        notes: Sentences about ignored parts of the file.
    """
    header = _header(rows)
    width, table = len(header), RawTable(path.name, path.absolute().parent, header, (), (), notes=tuple(notes))
    found, faults = list(_header_issues(header)), list[Issue]()
    kept, lines, empty, yielded = list[tuple[Cell, ...]](), list[int](), list[int](), False
    for line, cells in itertools.islice(_from_first_filled(rows()), 1, None):
        used = width if cells[-1] != "" and len(cells) == width else _used_width(cells)
        if not used:
            empty.append(line)  # a fault only if a filled row follows
            continue
        if empty:
            faults += [_empty_row(each) for each in empty]
            empty.clear()
        if len(cells) < width or used > width:
            faults.append(_ragged_row(line, len(cells), width))
        else:
            kept.append(cells[:width])
            lines.append(line)
        if len(kept) == size:
            yield dataclasses.replace(table, rows=tuple(kept), lines=tuple(lines), issues=(*found, *issues, *faults))
            yielded = True
            for each in (kept, lines, found, issues, faults):
                each.clear()
    if kept or issues or faults or not yielded:
        yield dataclasses.replace(table, rows=tuple(kept), lines=tuple(lines), issues=(*found, *issues, *faults))


def _from_first_filled(rows: Iterable[_Row]) -> Iterator[_Row]:
    return itertools.dropwhile(lambda row: not _used_width(row[1]), rows)


def _header(rows: Callable[[], Iterable[_Row]]) -> tuple[str, ...]:
    """Return the column names; empty ones at the end belong to the table only if a row has a cell there."""
    written = next(_from_first_filled(rows()), (0, ()))[1]
    width = len(written)
    if width and written[-1] == "":
        width = max(_used_width(cells[:width]) for _, cells in rows())
    return tuple(as_text(cell) for cell in written[:width])


def _used_width(cells: Sequence[Cell]) -> int:
    """Return the position after the last cell that is not empty."""
    return next((number for number in range(len(cells), 0, -1) if cells[number - 1] != ""), 0)


def _header_issues(header: Sequence[str]) -> Iterable[Issue]:
    for name in dict.fromkeys(header):
        count = header.count(name)
        if name and count > 1:
            value, rule = f"present {count} times", "column names must be unique"
            yield Issue("header", name, value, rule, "rename or remove all but one", "duplicate_column")


def _empty_row(line: int) -> Issue:
    return Issue(f"row {line}", "", "empty", "each row describes an ECG", "remove the row", "empty_row")


def _ragged_row(line: int, count: int, width: int) -> Issue:
    rule = f"each row needs {width} cells, like the header"
    remedy = "quote cells that contain the separator (also as a decimal comma), or complete the row"
    return Issue(f"row {line}", "", f"{count} cells long", rule, remedy, "ragged_row")


def _read_workbook(path: Path, size: int | None) -> Iterator[RawTable]:
    from cardiograph.cohort.workbook import Workbook

    book = Workbook(path)
    rows = [(line, tuple(typed_cell(value) for value in values)) for line, values in book.rows]
    return _assembled(path, lambda: rows, [*book.issues, *_zero_bytes(rows)], size=size, notes=book.notes)


def _zero_bytes(rows: Iterable[_Row], header: Sequence[str] = ()) -> Iterable[Issue]:
    for line, cells in rows:
        for number, cell in enumerate(cells):
            if isinstance(cell, str) and "\0" in cell:
                value, rule = ascii(cell)[:40], "text must not contain zero bytes"
                yield Issue(f"row {line}", header[number] if header else "", value, rule, "correct it", "zero_byte")


def _read_parquet(path: Path, size: int | None, limit: RowLimit) -> Iterator[RawTable]:
    first = 1
    for table in _parquet_tables(path, size, limit):
        header = tuple(name.strip() for name in table.column_names)
        issues = [] if first > 1 else list(_header_issues(header))
        columns = [
            _parquet_cells(name, column, first, issues) for name, column in zip(header, table.columns, strict=True)
        ]
        rows = tuple(zip(*columns, strict=True))
        lines = tuple(range(first, first + len(rows)))
        if any("\0" in "".join(cell for cell in column if isinstance(cell, str)) for column in columns):
            issues += _zero_bytes(zip(lines, rows, strict=True), header)
        yield RawTable(path.name, path.absolute().parent, header, rows, lines, tuple(issues))
        first += len(rows)


def _parquet_tables(path: Path, size: int | None, limit: RowLimit) -> Iterator[Any]:
    """Yield the table as tables of at most ``size`` rows, without reading more than a row group at a time."""
    import pyarrow as arrow
    from pyarrow import parquet

    try:
        file = parquet.ParquetFile(path)
        limit.require(file.metadata.num_rows)
        if file.metadata.num_rows * max(file.metadata.num_columns, 1) > MAX_CELLS:
            message = f"{path.name}: has more than {MAX_CELLS:,} cells; remove rows and columns that are not needed"
            raise CohortError(message)
        if size is None or not file.metadata.num_rows:
            yield file.read()
            return
        for batch in file.iter_batches(batch_size=size):
            yield arrow.Table.from_batches([batch])
    except (arrow.ArrowException, UnicodeDecodeError) as error:
        message = f"{path.name}: not a readable Parquet file ({error}); write it again"
        raise CohortError(message) from error


def _parquet_cells(name: str, column: Any, first: int, issues: list[Issue]) -> list[Cell]:  # noqa: ANN401 - pyarrow
    """Return the cells of a column; values that Python cannot represent, such as the year 150,000, become issues.

    Args:
        name: Column name.
        column: Chunked array of pyarrow.
        first: Number of its first row in the file.
        issues: List to which faults are appended.
    """
    from pyarrow import types

    failures = (ValueError, ArithmeticError, LookupError, TypeError, NotImplementedError)
    try:
        values = column.to_pylist()
        if types.is_float64(column.type):
            return ["" if value is None or value != value else value for value in values]
        if types.is_string(column.type):
            return ["" if value is None else value.strip() for value in values]
        return [typed_cell(value) for value in values]
    except failures:
        pass
    cells: list[Cell] = []
    for row, scalar in enumerate(column, first):
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
