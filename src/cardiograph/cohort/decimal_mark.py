"""Detection of the decimal mark of a table, if its numbers are unambiguous."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from cardiograph.cohort.tables import Cell

_POINT = re.compile(r"[0-9]*\.[0-9]|[0-9]\.")
_COMMA = re.compile(r"[+-]?([0-9]*),([0-9]+)")
_GROUPS = re.compile(r"[+-]?[0-9]+(,[0-9]{3}){2,}")


def find_decimal(columns: Iterable[Sequence[Cell]]) -> str:
    """Return the decimal mark of text cells: a comma only if no cell contradicts it.

    A comma is a decimal mark if it cannot separate thousands (``0,45``, ``167,8``; not ``1,250``). If any number has a
    point or two groups of thousands, the mark is a point; commas are then faults, whose remedy names ``--decimal``.

    Args:
        columns: Cells of each clinical column.
    """
    found = False
    for cell in (cell for column in columns for cell in column if isinstance(cell, str)):
        if _POINT.search(cell) or _GROUPS.fullmatch(cell):
            return "."
        if match := _COMMA.fullmatch(cell):
            whole, fraction = match.groups()
            found |= len(fraction) != 3 or len(whole) > 3 or whole in ("", "0")
    return "," if found else "."
