"""CSV that a spreadsheet program shows and does not run."""

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
    """A cell that no spreadsheet program takes for a formula; what is not text stays as it is.

    An apostrophe goes before a text that begins with ``=``, ``+``, ``-``, ``@``, a tab, a line break or an apostrophe, and
    before such a part behind a semicolon, tab or line break, where a program with another separator begins a cell.
    Source: OWASP, CSV Injection.
    """
    return _STARTS.sub("'", cell) if isinstance(cell, str) else cell


def original_text(cell: str) -> str:
    """The text that :func:`safe_text` was given."""
    return _MARKS.sub("", cell)


def csv_of(head: Iterable[object], rows: Iterable[Iterable[object]]) -> str:
    """A header and rows as CSV whose texts are safe in a spreadsheet program."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow([safe_text(cell) for cell in head])
    writer.writerows([safe_text(cell) for cell in row] for row in rows)
    return buffer.getvalue()


def csv_of_frame(table: pd.DataFrame) -> str:
    """A table as CSV whose texts are safe in a spreadsheet program."""
    safe = table.copy()
    for name in safe.columns:
        if safe[name].dtype.kind not in "biuf":
            safe[name] = safe[name].map(safe_text)
    return str(safe.rename(columns=safe_text).to_csv(index=False))
