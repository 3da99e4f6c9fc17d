"""CSV whose text cells a spreadsheet program does not run as formulas."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

_STARTS = re.compile(r"(?:^|(?<=[;\t\r\n]))(?=\s*['=+\-@\t\r\n＝＋－＠])")
_MARKS = re.compile(r"(?:^|(?<=[;\t\r\n]))'")


def safe_text(cell: object) -> object:
    """Escape a cell that a spreadsheet program could read as a formula; values other than text stay unchanged.

    An apostrophe is inserted before text that begins with ``=``, ``+``, ``-``, ``@``, a tab, a line break or an
    apostrophe, and before such text after a semicolon, tab or line break, where a program with another separator starts
    a new cell. Source: OWASP, CSV Injection.
    """
    return _STARTS.sub("'", cell) if isinstance(cell, str) else cell


def original_text(cell: str) -> str:
    """Undo :func:`safe_text`."""
    return _MARKS.sub("", cell)


def csv_of(head: Iterable[object], rows: Iterable[Iterable[object]]) -> str:
    """Return a header and rows as CSV with escaped text cells."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow([safe_text(cell) for cell in head])
    writer.writerows([safe_text(cell) for cell in row] for row in rows)
    return buffer.getvalue()


def csv_of_frame(table: pd.DataFrame, *, header: bool = True) -> str:
    """Return a table as CSV with escaped text cells, with or without its header."""
    safe = table.copy()
    for name in safe.columns:
        if safe[name].dtype.kind not in "biuf":
            safe[name] = safe[name].map(safe_text)
    return str(safe.rename(columns=safe_text).to_csv(index=False, header=header))
