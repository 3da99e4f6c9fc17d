"""Reading of a table of patients to be scored: valid records, and refused rows with their faults."""

from __future__ import annotations

import dataclasses
import re
from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from cardiograph.cohort.manifest import draft_cohort, headline
from cardiograph.config_reading import CohortConfig
from cardiograph.containers import Cohort
from cardiograph.errors import CohortError, Issue

_ROW_CODES = ("ragged_row", "empty_row")
"""Codes of file faults that affect a single row."""

_REMEDIES = {
    "sentinel": "leave the cell empty if it means 'not measured'",
    "missing_word": "leave the cell empty if it means 'not measured'",
    "decimal_comma": "use the decimal mark of the model's table",
    "decimal_point": "use the decimal mark of the model's table",
    "thousands": "write it without thousands separators",
    "out_of_range": "check the value and its unit; NT-proBNP differs from BNP and needs a model that uses it",
    "column_name": "use this name, or rename the column if it is something else",
    "label": "remove the column",
}
"""Issue code -> remedy for a table whose format the model determines, so that reading options do not apply."""


@dataclass(frozen=True)
class Refused:
    """A row that cannot be scored.

    Args:
        line: Row number in the file.
        record_id: Record id as written, or generated as for a cohort.
        issues: All faults of the row.
    """

    line: int
    record_id: str
    issues: tuple[Issue, ...]


@dataclass(frozen=True)
class Patients:
    """A table of patients to be scored.

    Args:
        cohort: Records without faults.
        lines: [records] row number of each record in the file.
        refused: Rows with faults.
    """

    cohort: Cohort
    lines: tuple[int, ...]
    refused: tuple[Refused, ...] = ()


def read_patients(path: Path, config: CohortConfig, *, outcome: str, reads: Collection[str]) -> Patients:
    """Read patients to be scored; rows with faults do not affect the others.

    Args:
        path: Table or folder, as in :func:`~cardiograph.cohort.manifest.read_cohort`.
        config: Cohort configuration of the model's run.
        outcome: Name of label 1.
        reads: Names of the model's clinical variables.

    Raises:
        CohortError: If the table cannot be read, or no row can be scored.
    """
    draft = draft_cohort(path, config, labelled=False, reads=reads)
    table, whole, located = draft.build()
    faults: dict[int, list[Issue]] = defaultdict(list)
    refused: list[Refused] = []
    for issue in [issue for issue in whole if issue.code in _ROW_CODES]:
        line = int(re.sub(r"\D", "", issue.where))
        refused.append(Refused(line, f"row-{line}", (issue,)))
    for row, issue in located:
        faults[row].append(_without_options(issue, draft.config))
    for row, issues in faults.items():
        if row >= 0:
            line = draft.raw.lines[row]
            refused.append(Refused(line, table["record_id"][row] or f"row-{line}", tuple(issues)))
    whole = [_without_options(issue, draft.config) for issue in whole if issue.code not in _ROW_CODES] + faults.get(
        -1, []
    )
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
    """Replace a remedy that names a reading option, because the model's run determines how the table is read."""
    if "--" not in issue.remedy:
        return issue
    remedy = _REMEDIES.get(issue.code, "write the column as in the table of the model")
    if issue.code == "column_name":
        rule = f"the model uses the column {config.map.get(issue.column, issue.column)!r}"
        return dataclasses.replace(issue, rule=rule, remedy=remedy)
    return dataclasses.replace(issue, remedy=remedy)
