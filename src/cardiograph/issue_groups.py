"""Issues grouped by remedy: one line for each kind of fault, with its count and its row ranges."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from cardiograph.errors import Issue

PLACES_SHOWN = 6
"""Maximum number of row ranges, or of other places, in a line."""

VALUES_SHOWN = 3
"""Maximum number of distinct values in a line."""

_ROW = re.compile(r"(?:^|\()row (\d+)\b")
_PAGE = re.compile(r"page (.*) \(row \d+")


@dataclass(frozen=True)
class IssueGroup:
    """Issues that the same remedy fixes.

    Args:
        issues: One or more issues with the same column, code and remedy, in the order of the input.
    """

    issues: tuple[Issue, ...]

    @property
    def places(self) -> str:
        """Places of the issues, with row numbers as ranges: ``rows 2-9, 12``."""
        if len(self.issues) == 1:
            return self.issues[0].where
        found = [_ROW.search(issue.where) for issue in self.issues]
        rows = sorted({int(match[1]) for match in found if match})
        ranges = _ranges(rows)
        others = dict.fromkeys(issue.where for issue, match in zip(self.issues, found, strict=True) if not match)
        parts = [f"row{'s' if len(rows) > 1 else ''} {_shortened(ranges, PLACES_SHOWN)}"] if rows else []
        return ", ".join(parts + ([_shortened(list(others), PLACES_SHOWN)] if others else []))

    def __str__(self) -> str:
        first, count = self.issues[0], len(self.issues)
        if count == 1:
            return f"{first} [{first.code}]"
        subject = f"{first.column}, " if first.column else ""
        pages = [match[1] for issue in self.issues if (match := _PAGE.match(issue.where))]
        values = list(dict.fromkeys(pages or [issue.value for issue in self.issues if issue.value]))
        shown = f" ({_shortened(values, VALUES_SHOWN)})" if values else ""
        rules = {issue.rule for issue in self.issues}
        rule = first.rule if len(rules) == 1 else f"the first: {first.rule}"
        return f"{subject}{count} faults: {self.places}{shown}; {rule}; {first.remedy} [{first.code}]"


def group_issues(issues: Iterable[Issue]) -> list[IssueGroup]:
    """Group issues by column, code and remedy, in the order of the first issue of each group."""
    kinds: dict[tuple[str, str, str], list[Issue]] = {}
    for issue in issues:
        kinds.setdefault((issue.column, issue.code, issue.remedy), []).append(issue)
    return [IssueGroup(tuple(found)) for found in kinds.values()]


def counted(number: int, noun: str) -> str:
    """Return a number with its noun, such as ``1 fault`` or ``2 faults``."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _ranges(rows: Sequence[int]) -> list[str]:
    found: list[list[int]] = []
    for row in rows:
        if found and row == found[-1][1] + 1:
            found[-1][1] = row
        else:
            found.append([row, row])
    return [str(first) if first == last else f"{first}-{last}" for first, last in found]


def _shortened(parts: Sequence[str], limit: int) -> str:
    rest = f" and {len(parts) - limit} more" if len(parts) > limit else ""
    return ", ".join(parts[:limit]) + rest
