"""Reading of the rows of an Excel workbook (.xlsx), with limits against malicious files."""

from __future__ import annotations

import datetime
import re
import struct
import warnings
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from itertools import repeat
from pathlib import Path
from typing import Any

from cardiograph.errors import CohortError, Issue
from cardiograph.issue_groups import counted

MAX_UNPACKED_BYTES = 256 * 1024**2
"""Maximum size of all parts of a workbook, unpacked."""

MAX_PARTS = 2_000
"""Maximum number of files in a workbook."""

MAX_CELLS = 20_000_000
"""Maximum number of cells of a sheet, including empty cells up to the last row and column that have a value."""

SHEET = "cohort"
"""Name of the sheet that is read if several sheets have values."""

_SPREADSHEET_DIGITS = 10**15
_FORMULA = re.compile(rb"<(\w+:)?f[\s>/]")
_MERGED = re.compile(rb"<(?:\w+:)?mergeCell\s[^>]*?ref=[\"']([A-Z]+)(\d+):([A-Z]+)(\d+)[\"']")
_HIDDEN_ROW = re.compile(rb"<(?:\w+:)?row\s[^>]*?\bhidden=[\"'](?:1|true)[\"']")
_LEADING_ZEROS = re.compile(r"0{2,}")
"""Number format that shows a whole number with leading zeros, as an id."""
_DAMAGED = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    ArithmeticError,
    AssertionError,
    AttributeError,
    EOFError,
    LookupError,
    NotImplementedError,
    RuntimeError,
    SyntaxError,
    TypeError,
    ValueError,
)
"""Errors that zipfile, the XML parser and openpyxl raise for damaged workbooks."""


class Workbook:
    """The sheet of a workbook that contains the cohort.

    Args:
        path: Existing file.

    Raises:
        CohortError: If the file is not a workbook, is encrypted or too large, or if several sheets have values.
        OSError: If the file cannot be read.
    """

    def __init__(self, path: Path) -> None:
        self.rows: list[tuple[int, tuple[Any, ...]]] = []
        """Row numbers in the sheet and their values, padded to the widest row; None for an empty cell."""
        self.issues: list[Issue] = []
        self.notes: list[str] = []
        self._path = path
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # parts that openpyxl does not read, such as drawings
                self._read()
        except _DAMAGED as error:
            message = f"{path.name}: not a readable Excel workbook ({error}); save it again as .xlsx, or as CSV UTF-8"
            raise CohortError(message) from error

    def _read(self) -> None:
        from openpyxl import load_workbook

        computed = self._has_formulas()
        book = load_workbook(self._path, read_only=True, data_only=True, keep_links=False)
        try:
            name, values = self._chosen(book)
            part = book[name]._worksheet_path
        finally:
            book.close()
        self._check_layout(part, name, values)
        formulas: Iterable[tuple[Any, ...]] = repeat(())
        if computed:
            book = load_workbook(self._path, read_only=True, keep_links=False)
            formulas = self._cells(book[name])
        try:
            self._collect(values, formulas)
        finally:
            book.close()

    def _check_layout(self, part: str, name: str, values: list[tuple[Any, ...]]) -> None:
        """Add faults of merged cells and a note on hidden rows, which openpyxl does not report while it streams a sheet."""
        with zipfile.ZipFile(self._path) as archive:
            content = archive.read(part)
        self.issues += _merged(content, values)
        if hidden := len(_HIDDEN_ROW.findall(content)):
            rows = f"{counted(hidden, 'hidden row')} of sheet {name!r}"
            self.notes.append(f"{rows} {'is' if hidden == 1 else 'are'} read too")

    def _has_formulas(self) -> bool:
        """Check the sizes of the parts before unpacking them, and return whether a sheet has formulas."""
        with self._path.open("rb") as file:
            if file.read(4) == b"\xd0\xcf\x11\xe0":
                message = (
                    f"{self._path.name}: is encrypted or has the old Excel format; save it as .xlsx without a password"
                )
                raise CohortError(message)
        with zipfile.ZipFile(self._path) as archive:
            parts = archive.infolist()
            size = sum(part.file_size for part in parts)
            if size > MAX_UNPACKED_BYTES or len(parts) > MAX_PARTS:
                message = (
                    f"{self._path.name}: unpacks to {size / 1024**2:,.0f} MiB in {len(parts):,} parts; "
                    f"at most {MAX_UNPACKED_BYTES // 1024**2} MiB in {MAX_PARTS:,} parts are allowed; "
                    "save the sheet as CSV UTF-8"
                )
                raise CohortError(message)
            sheets = [part for part in parts if "worksheets/" in part.filename]
            return any(_FORMULA.search(archive.read(part)) for part in sheets)

    def _chosen(self, book: Any) -> tuple[str, list[tuple[Any, ...]]]:  # noqa: ANN401 - openpyxl has no types
        """Return the name and rows of the sheet called ``cohort``, or else of the only visible sheet with values."""
        visible = [sheet for sheet in book.worksheets if sheet.sheet_state == "visible"]
        hidden = len(book.worksheets) - len(visible)
        if hidden:
            self.notes.append(f"{hidden} hidden sheet(s) of the workbook are not read")
        named = [sheet for sheet in visible if sheet.title.strip().lower() == SHEET]
        found = {sheet.title: list(self._cells(sheet)) for sheet in (named if len(named) == 1 else visible)}
        filled = [name for name, rows in found.items() if any(cell.value is not None for row in rows for cell in row)]
        if not filled:
            message = f"{self._path.name}: no visible sheet has values; a cohort table has a header and one row per ECG"
            raise CohortError(message)
        if len(filled) > 1:
            names = ", ".join(repr(name) for name in filled[:10])
            message = (
                f"{self._path.name}: {len(filled)} sheets have values ({names}); "
                f"name the cohort sheet {SHEET!r}, or remove the other sheets"
            )
            raise CohortError(message)
        if len(visible) > 1:
            self.notes.append(f"sheet {filled[0]!r} of {len(visible)} visible sheets is read")
        return filled[0], found[filled[0]]

    def _cells(self, sheet: Any) -> Iterator[tuple[Any, ...]]:  # noqa: ANN401
        """Yield the rows of a sheet with their actual width, ignoring the dimensions that the file declares."""
        sheet.reset_dimensions()
        count = 0
        for row in sheet.iter_rows():
            count += len(row) + 1
            if count > MAX_CELLS:
                message = f"{self._path.name}: a sheet has more than {MAX_CELLS:,} cells; save it as CSV UTF-8"
                raise CohortError(message)
            yield row

    def _collect(self, values: list[tuple[Any, ...]], formulas: Iterable[tuple[Any, ...]]) -> None:
        widths = (number for row in values for number, cell in enumerate(row, 1) if cell.value is not None)
        width = max(widths, default=0)
        if len(values) * width > MAX_CELLS:
            from openpyxl.utils import get_column_letter

            message = (
                f"{self._path.name}: a cell in row {len(values)} and a cell in column {get_column_letter(width)} make "
                f"{len(values) * width:,} cells, at most {MAX_CELLS:,} are read; delete cells outside the table, or save "
                "the table alone as CSV UTF-8"
            )
            raise CohortError(message)
        for line, (row, written) in enumerate(zip(values, formulas, strict=False), 1):
            for cell, formula in zip(row, written, strict=False):
                if formula.data_type == "f" and cell.value is None and cell.data_type != "str":
                    self.issues.append(_not_computed(line, formula))
            cells = tuple(_value(cell) for cell in row[:width])
            self.rows.append((line, cells + (None,) * (width - len(cells))))


def _value(cell: Any) -> object:  # noqa: ANN401 - openpyxl has no types
    """Return the value of a cell as a CSV file would hold it.

    Midnight timestamps become dates, integers beyond 15 digits, which are inexact, floats, and whole numbers that the
    sheet shows with leading zeros, such as ids, text.
    """
    value = cell.value
    if isinstance(value, datetime.datetime) and value.time() == datetime.time():
        return value.date()
    if isinstance(value, int) and not isinstance(value, bool):
        if abs(value) >= _SPREADSHEET_DIGITS:
            return float(value)
        if _LEADING_ZEROS.fullmatch(cell.number_format):
            return str(value).zfill(len(cell.number_format))
    return value


def _merged(content: bytes, values: list[tuple[Any, ...]]) -> Iterator[Issue]:
    """Yield a fault for each range of merged cells that has a value, which the file holds for its first cell alone."""
    from openpyxl.utils import column_index_from_string

    for left, top, right, bottom in _MERGED.findall(content):
        row, column = int(top) - 1, column_index_from_string(left.decode()) - 1
        cells = values[row] if row < len(values) else ()
        value = cells[column].value if column < len(cells) else None
        if value is not None:
            place = f"{left.decode()}{int(top)}:{right.decode()}{int(bottom)}"
            rule = f"the cells {place} are merged, so that only the first of them has a value"
            yield Issue(
                f"row {int(top)}", left.decode(), str(value)[:40], rule, "unmerge and fill them", "merged_cells"
            )


def _not_computed(line: int, cell: Any) -> Issue:  # noqa: ANN401
    rule = "a formula needs the value that a spreadsheet program computes"
    remedy = "open the workbook in a spreadsheet program and save it, or replace the formulas by their values"
    return Issue(f"row {line}", cell.column_letter, str(cell.value)[:40], rule, remedy, "formula")
