"""Rows of a delimited text file, read line by line: UTF-8, with the separator detected from its first rows."""

from __future__ import annotations

import csv
import io
import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from cardiograph.errors import CohortError, Issue
from cardiograph.regular_files import open_regular

_SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}

_SNIFFED_ROWS, _SNIFFED_CHARACTERS = 50, 100_000

Row = tuple[int, tuple[str, ...]]
"""Line number of a row, the first line being 1, and its stripped cells."""


@dataclass(frozen=True)
class DelimitedText:
    """A text file and its separator; :meth:`of` detects it.

    Args:
        path: The file.
        delimiter: Separator of the cells.
        skipped: Number of characters before the line end of a first line that names the separator; 0 without one.
        notes: Sentences for the report.
    """

    path: Path
    delimiter: str
    skipped: int = 0
    notes: tuple[str, ...] = ()

    @classmethod
    def of(cls, path: Path, usual: str) -> Self:
        """Detect the separator: the one in the first line (``sep=;``), or else the one that fits the first rows.

        Args:
            path: Existing file.
            usual: Separator of files of this kind, used where the rows do not tell.

        Raises:
            CohortError: If the file is empty or not UTF-8, or if several separators fit.
        """
        with open_regular(path) as handle:
            if handle.peek(2)[:2] in (b"\xff\xfe", b"\xfe\xff"):
                raise _not_text(path)
            try:
                text = _characters(handle).read(_SNIFFED_CHARACTERS + 1)
            except UnicodeDecodeError:
                raise _not_text(path) from None
        if "\0" in text or (not text.strip() and len(text) <= _SNIFFED_CHARACTERS):
            raise _not_text(path)
        named = re.match(r"sep=([,;|\t])\r?(?=\n)", text)
        delimiter = named.group(1) if named else _fitting(path.name, text, usual)
        notes = () if delimiter == usual else (f"columns are separated by {_SEPARATORS[delimiter]}",)
        return cls(path, delimiter, named.end() if named else 0, notes)

    def rows(self, issues: list[Issue]) -> Iterator[Row]:
        """Yield the rows that are not blank; a fault of the quotes ends the table and is appended to ``issues``.

        Raises:
            CohortError: If the file is not UTF-8 or contains zero bytes.
        """
        start = 1
        with open_regular(self.path) as handle:
            text = _characters(handle)
            text.read(self.skipped)
            reader = csv.reader(self._lines(text), delimiter=self.delimiter, strict=True)
            try:
                for record in reader:
                    line, start = start, reader.line_num + 1
                    if record:
                        yield line, tuple(map(str.strip, record))
            except csv.Error as error:
                remedy = "close each quoted cell and double the quotes inside it; later rows were not read"
                rule = "cells are quoted as in RFC 4180"
                issues.append(Issue(f"row {start}", "", str(error), rule, remedy, "quotes"))
            except UnicodeDecodeError:
                raise _not_text(self.path) from None

    def _lines(self, text: io.TextIOWrapper) -> Iterator[str]:
        for line in text:
            if "\0" in line:
                raise _not_text(self.path)
            yield line


def _characters(handle: io.BufferedReader) -> io.TextIOWrapper:
    return io.TextIOWrapper(handle, encoding="utf-8-sig", newline="")


def _not_text(path: Path) -> CohortError:
    """Return the error for a file that is no text table; the whole file is read to find the first reason."""
    content = path.read_bytes()
    if content[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return CohortError(f"{path.name}: is UTF-16; save it as UTF-8 ('CSV UTF-8' in a spreadsheet program)")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        value = f"byte 0x{content[error.start]:02x}"
        remedy = "save the table as UTF-8 ('CSV UTF-8' in a spreadsheet program)"
        issue = Issue(f"row {line}", "", value, "text is UTF-8", remedy, "encoding")
        return CohortError(f"{path.name}: cannot be read as text", [issue])
    if "\0" in text:
        return CohortError(
            f"{path.name}: contains zero bytes, so it is not a text table; save it as CSV, TSV or Parquet"
        )
    return CohortError(f"{path.name}: is empty; a cohort table has a header and one row per ECG")


def _fitting(name: str, text: str, usual: str) -> str:
    """Return the separator that fits the first rows.

    Raises:
        CohortError: If several separators fit.
    """
    widths = {mark: _row_widths(text, mark) for mark in _SEPARATORS}
    fitting = [mark for mark, found in widths.items() if found[0] > 1 and len(set(found)) == 1]
    if len(fitting) > 1:
        words = " or ".join(_SEPARATORS[mark] for mark in fitting)
        message = f"{name}: columns may be separated by {words}; add a first line that names one, such as sep=;"
        raise CohortError(message)
    if not fitting and widths[usual][0] == 1:
        widest = max(widths, key=lambda mark: widths[mark][0])
        return widest if widths[widest][0] > 1 else usual
    return fitting[0] if fitting else usual


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
