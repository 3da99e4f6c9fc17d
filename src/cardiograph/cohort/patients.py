"""A table of patients to be scored: those that can be, and the reasons of the others."""

from __future__ import annotations

import dataclasses
import re
from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from cardiograph.cohort.manifest import draft_cohort, headline
from cardiograph.config import CohortConfig
from cardiograph.containers import Cohort
from cardiograph.errors import CohortError, Issue

_ROWS = ("ragged_row", "empty_row")
"""Codes of faults of the file that concern a row alone."""

_REMEDIES = {
    "sentinel": "leave the cell empty if it means 'not measured'",
    "missing_word": "leave the cell empty if it means 'not measured'",
    "decimal_comma": "write the number with the decimal mark that the model's table has",
    "decimal_point": "write the number with the decimal mark that the model's table has",
    "thousands": "write it without thousands separators",
    "out_of_range": "check the value and its unit; NT-proBNP is another peptide than BNP, and needs a model that reads it",
    "column_name": "write the name so, or rename the column if it is something else",
    "label": "remove the column",
}
"""Code -> what to do where there are no options that say how a table is written."""


@dataclass(frozen=True)
class Refused:
    """A row that cannot be scored.

    Args:
        line: Its place in the file.
        record_id: As written, or made as for a cohort.
        issues: All that is wrong with it.
    """

    line: int
    record_id: str
    issues: tuple[Issue, ...]


@dataclass(frozen=True)
class Patients:
    """A table of patients to be scored.

    Args:
        cohort: The records without a fault.
        lines: [records] place of each in the file.
        refused: The other rows.
    """

    cohort: Cohort
    lines: tuple[int, ...]
    refused: tuple[Refused, ...] = ()


def read_patients(path: Path, config: CohortConfig, *, outcome: str, reads: Collection[str]) -> Patients:
    """Read patients who are to be scored; a fault of a row does not stop the others.

    Args:
        path: As in :func:`~cardiograph.cohort.manifest.read_cohort`.
        config: Config of the model's run.
        outcome: What label 1 is called.
        reads: Names of the variables of the model.

    Raises:
        CohortError: The table as a whole cannot be read, or no row of it can be scored.
    """
    draft = draft_cohort(path, config, labelled=False, reads=reads)
    table, whole, located = draft.build()
    faults: dict[int, list[Issue]] = defaultdict(list)
    refused: list[Refused] = []
    for issue in [issue for issue in whole if issue.code in _ROWS]:
        line = int(re.sub(r"\D", "", issue.where))
        refused.append(Refused(line, f"row-{line}", (issue,)))
    for row, issue in located:
        faults[row].append(_without_options(issue, draft.config))
    for row, issues in faults.items():
        if row >= 0:
            line = draft.raw.lines[row]
            refused.append(Refused(line, table["record_id"][row] or f"row-{line}", tuple(issues)))
    whole = [_without_options(issue, draft.config) for issue in whole if issue.code not in _ROWS] + faults.get(-1, [])
    good = [row for row in range(len(table)) if row not in faults]
    if whole or not good:
        every = [*whole, *(issue for each in refused for issue in each.issues)]
        raise CohortError(headline(draft.raw.name, every).replace("used as a cohort", "scored"), every)
    kept = table.iloc[good].reset_index(drop=True)
    kept.attrs = table.attrs
    draft = dataclasses.replace(
        draft,
        raw=dataclasses.replace(
            draft.raw,
            rows=tuple(draft.raw.rows[row] for row in good),
            lines=tuple(draft.raw.lines[row] for row in good),
        ),
    )
    return Patients(draft.cohort(path, kept, outcome), draft.raw.lines, tuple(refused))


def _without_options(issue: Issue, config: CohortConfig) -> Issue:
    """An issue whose remedy is no option that says how a table is written: the model's run has settled that."""
    if "--" not in issue.remedy:
        return issue
    remedy = _REMEDIES.get(issue.code, "write the column as the model reads it")
    if issue.code == "column_name":
        rule = f"the model reads the column {config.map.get(issue.column, issue.column)!r}"
        return dataclasses.replace(issue, rule=rule, remedy=remedy)
    return dataclasses.replace(issue, remedy=remedy)
