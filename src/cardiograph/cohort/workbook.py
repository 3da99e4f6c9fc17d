"""The rows of an Excel workbook (.xlsx), within limits that a hostile file cannot pass."""

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

MAX_UNPACKED_BYTES = 256 * 1024**2
"""Bytes of all parts of a workbook, unpacked."""

MAX_PARTS = 2_000
"""Files in a workbook."""

MAX_CELLS = 20_000_000
"""Cells of a sheet, empty ones before the last of a row included."""

SHEET = "cohort"
"""Name of the sheet that is read where several hold values."""

_SPREADSHEET_DIGITS = 10**15
_FORMULA = re.compile(rb"<(\w+:)?f[\s>/]")
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
"""What zipfile, the XML parser and openpyxl raise on parts that are not as they should be."""


class Workbook:
    """The sheet of a workbook that holds the cohort.

    Args:
        path: File that exists.

    Raises:
        CohortError: The file is no workbook, is encrypted or too large, or several sheets could be meant.
        OSError: It cannot be read.
    """

    def __init__(self, path: Path) -> None:
        self.rows: list[tuple[int, tuple[Any, ...]]] = []
        """Number of the row in the sheet, and its values, as wide as the widest row; None where a cell is empty."""
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
        finally:
            book.close()
        formulas: Iterable[tuple[Any, ...]] = repeat(())
        if computed:
            book = load_workbook(self._path, read_only=True, keep_links=False)
            formulas = self._cells(book[name])
        try:
            self._collect(values, formulas)
        finally:
            book.close()

    def _has_formulas(self) -> bool:
        """Check the sizes of the parts before any is unpacked, and look for formulas."""
        with self._path.open("rb") as file:
            if file.read(4) == b"\xd0\xcf\x11\xe0":
                message = f"{self._path.name}: is encrypted, or of an older Excel; save it as .xlsx without a password"
                raise CohortError(message)
        with zipfile.ZipFile(self._path) as archive:
            parts = archive.infolist()
            size = sum(part.file_size for part in parts)
            if size > MAX_UNPACKED_BYTES or len(parts) > MAX_PARTS:
                message = (
                    f"{self._path.name}: unpacks to {size / 1024**2:,.0f} MiB in {len(parts):,} parts; "
                    f"up to {MAX_UNPACKED_BYTES // 1024**2} MiB in {MAX_PARTS:,} parts are read; save the sheet as CSV UTF-8"
                )
                raise CohortError(message)
            sheets = [part for part in parts if "worksheets/" in part.filename]
            return any(_FORMULA.search(archive.read(part)) for part in sheets)

    def _chosen(self, book: Any) -> tuple[str, list[tuple[Any, ...]]]:  # noqa: ANN401 - openpyxl has no types
        """The sheet to be read: the only visible one with values, else the one called ``cohort``."""
        visible = [sheet for sheet in book.worksheets if sheet.sheet_state == "visible"]
        hidden = len(book.worksheets) - len(visible)
        if hidden:
            self.notes.append(f"{hidden} hidden sheet(s) of the workbook are not read")
        named = [sheet for sheet in visible if sheet.title.strip().lower() == SHEET]
        found = {sheet.title: list(self._cells(sheet)) for sheet in (named if len(named) == 1 else visible)}
        filled = [name for name, rows in found.items() if any(cell.value is not None for row in rows for cell in row)]
        if not filled:
            message = (
                f"{self._path.name}: no visible sheet holds a value; a cohort table has a header and one row per ECG"
            )
            raise CohortError(message)
        if len(filled) > 1:
            names = ", ".join(repr(name) for name in filled[:10])
            message = (
                f"{self._path.name}: {len(filled)} sheets hold values ({names}); "
                f"name the one to be read {SHEET!r}, or keep that one only"
            )
            raise CohortError(message)
        if len(visible) > 1:
            self.notes.append(f"sheet {filled[0]!r} of {len(visible)} visible ones is read")
        return filled[0], found[filled[0]]

    def _cells(self, sheet: Any) -> Iterator[tuple[Any, ...]]:  # noqa: ANN401
        """The rows of a sheet as wide as they are, whatever size the file claims."""
        sheet.reset_dimensions()
        count = 0
        for row in sheet.iter_rows():
            count += len(row) + 1
            if count > MAX_CELLS:
                message = f"{self._path.name}: a sheet of more than {MAX_CELLS:,} cells; save it as CSV UTF-8"
                raise CohortError(message)
            yield row

    def _collect(self, values: list[tuple[Any, ...]], formulas: Iterable[tuple[Any, ...]]) -> None:
        widths = (number for row in values for number, cell in enumerate(row, 1) if cell.value is not None)
        width = max(widths, default=0)
        for line, (row, written) in enumerate(zip(values, formulas, strict=False), 1):
            for cell, formula in zip(row, written, strict=False):
                if formula.data_type == "f" and cell.value is None and cell.data_type != "str":
                    self.issues.append(_not_computed(line, formula))
            cells = tuple(_value(cell.value) for cell in row[:width])
            self.rows.append((line, cells + (None,) * (width - len(cells))))


def _value(value: object) -> object:
    """Undo what a spreadsheet makes of values: a date has a midnight, and digits beyond 15 are lost (a float says so)."""
    if isinstance(value, datetime.datetime) and value.time() == datetime.time():
        return value.date()
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) >= _SPREADSHEET_DIGITS:
        return float(value)
    return value


def _not_computed(line: int, cell: Any) -> Issue:  # noqa: ANN401
    rule = "a formula has the value that the spreadsheet program computed"
    remedy = "open the workbook in a spreadsheet program and save it, or paste the values over the formulas"
    return Issue(f"row {line}", cell.column_letter, str(cell.value)[:40], rule, remedy, "formula")
