"""HTML tables for the notebook representation of results."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Protocol


def html_table(head: Sequence[object], rows: Iterable[Sequence[object]], *, caption: str = "") -> str:
    """Return an HTML table; every cell is escaped.

    Args:
        head: Column titles.
        rows: Cells of each row, one for each column title.
        caption: Text above the table.
    """

    def line(cells: Sequence[object], tag: str) -> str:
        return "<tr>" + "".join(f"<{tag}>{escape(str(cell))}</{tag}>" for cell in cells) + "</tr>"

    body = "".join(line(row, "td") for row in rows)
    return f"<table><caption>{escape(caption)}</caption><thead>{line(head, 'th')}</thead><tbody>{body}</tbody></table>"


class _Interval(Protocol):
    @property
    def value(self) -> float | None: ...
    @property
    def low(self) -> float | None: ...
    @property
    def high(self) -> float | None: ...


def score_table(scores: Mapping[str, _Interval], caption: str) -> str:
    """Return scores with their intervals as an HTML table.

    Args:
        scores: Name -> value and interval, None where undefined.
        caption: Text above the table.
    """
    rows = [
        (name, *("" if number is None else f"{number:.3f}" for number in (found.value, found.low, found.high)))
        for name, found in scores.items()
    ]
    return html_table(("score", "value", "low", "high"), rows, caption=caption)
