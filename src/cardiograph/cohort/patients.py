"""Reading of a table of patients to be scored, in chunks: valid records, and refused rows with their faults."""

from __future__ import annotations

import dataclasses
import re
from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import NoReturn

import numpy as np
from numpy.typing import NDArray

from cardiograph.cohort.cells import counted_cells, fitting_units
from cardiograph.cohort.draft import Draft, draft_of
from cardiograph.cohort.folder import read_folder
from cardiograph.cohort.identity import page_paths
from cardiograph.cohort.manifest import absent_notes, headline, is_synthetic
from cardiograph.cohort.measurements import (
    column_issues,
    column_notes,
    decimal_evidence,
    emptied,
    emptied_notes,
    read_values,
)
from cardiograph.cohort.table_context import TableContext
from cardiograph.cohort.tables import Cell, expected_rows, read_chunks
from cardiograph.config_reading import CohortConfig
from cardiograph.containers import Origin
from cardiograph.errors import CohortError, Issue
from cardiograph.progress import NoProgress, Progress
from cardiograph.schema import Unit

CHUNK_ROWS = 8192
"""Number of rows of a table that are held in memory at a time."""

MAX_ROWS = 10_000_000
"""Largest number of rows of a table; the check of so many takes about 1 GB."""

_SPLIT = "{rows:,} can be scored at a time; split it into several tables"

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
    """A chunk of a table of patients to be scored.

    Args:
        draft: The rows as written.
        rows: [records] position of each record without faults among the rows.
        record_ids: [records] ids, as written or generated.
        patient_ids: [records] ids of patients, None if not given.
        pages: [records] absolute paths of pages, None without a page.
        values: Clinical variable -> [records] values in its unit, NaN if missing.
        refused: Rows with faults.
        located: Whether a record has a row in a table; False for a folder of ECG files.
    """

    draft: Draft
    rows: NDArray[np.int64]
    record_ids: list[str]
    patient_ids: list[str | None]
    pages: list[str | None]
    values: dict[str, NDArray[np.float64]]
    refused: tuple[Refused, ...]
    located: bool

    @property
    def lines(self) -> list[int]:
        """[records] row number of each record in the file."""
        return [self.draft.raw.lines[row] for row in self.rows]

    def origin(self, record: int) -> Origin | None:
        """Return the position of a record in the table."""
        return self.draft.origin(int(self.rows[record])) if self.located else None


class PatientTable:
    """A table of patients to be scored: checked as a whole when it is opened, and then read chunk by chunk.

    Rows with faults do not affect the others. Beyond a chunk, the check keeps the clinical values and three hashes of each
    row, about 70 bytes with five variables, and the faults.

    Args:
        path: Table or folder, as in :func:`~cardiograph.cohort.manifest.read_cohort`.
        config: Cohort configuration of the model's run.
        reads: Names of the model's clinical variables.
        size: Largest number of rows of a chunk.
        progress: Callback that receives the progress of the check.

    Raises:
        CohortError: If the table cannot be read, or has faults that are not those of single rows; the error then names
            the faults of all rows, too.
    """

    def __init__(
        self,
        path: Path,
        config: CohortConfig,
        *,
        reads: Collection[str],
        size: int = CHUNK_ROWS,
        progress: Progress | None = None,
    ) -> None:
        self._path, self._size = path, size
        self._draft = partial(draft_of, config=config, labelled=False, reads=reads)
        self._folder = read_folder(path) if path.is_dir() else None
        self.has_pages = False
        """Whether a record without faults has a page, among those that were read."""
        found = self._check("." if config.decimal == "auto" else config.decimal, progress or NoProgress())
        if config.decimal == "auto" and found == ",":
            self._check(found, progress or NoProgress())

    def _drafts(self) -> Iterator[Draft]:
        if self._folder is not None:
            chunks = self._folder.in_chunks(self._size)
        else:
            chunks = read_chunks(self._path, size=self._size, max_rows=MAX_ROWS, remedy=_SPLIT)
        return map(self._draft, chunks)

    def _check(self, decimal: str, progress: Progress) -> str:
        """Read all rows once for what no chunk shows alone, and return the decimal mark that they prove.

        Raises:
            CohortError: If the table cannot be used as a whole.
        """
        import pandas as pd

        context, values, at_fault = TableContext(decimal, {}), list[pd.DataFrame](), set[str]()
        emptied_cells, raw_issues, proof, count = Counter[str](), list[Issue](), "", 0
        for draft in self._drafts():
            if not count:
                expected = len(draft.raw.rows) if self._folder is not None else expected_rows(self._path)
                progress.start("checking the table", expected, unit="rows")
            proof = proof if proof == "." else decimal_evidence(draft.clinical_cells()) or proof
            draft.add_to(context)
            readings, issues = draft.plan(decimal)
            cells = draft.cells_of(readings)
            read, located = read_values(cells, readings, draft.places(), {})
            values.append(read)
            at_fault |= {issue.column for _, issue in located}
            emptied_cells.update(emptied(cells, readings))
            raw_issues += draft.raw.issues
            count += len(draft.raw.rows)
            progress.advance(len(draft.raw.rows))
        if not count:
            raise CohortError(headline(self._path.name, raw_issues), raw_issues)
        if proof == "," != decimal and draft.config.decimal == "auto":
            return proof
        whole, source = pd.concat(values, ignore_index=True), draft.columns.source
        self.rows = count + sum(issue.code in _ROW_CODES for issue in raw_issues)
        """Number of rows, refused ones included."""
        self._readings, self._context = readings, context
        context.candidates = self._fitting(at_fault)
        self._column_notes = [*emptied_notes(emptied_cells), *column_notes(whole, readings, source)]
        faults = [issue for issue in raw_issues if issue.code not in _ROW_CODES]
        faults += [*draft.columns.issues, *issues, *draft.absent_columns(), *column_issues(whole, readings, source)]
        faults = [_without_options(issue, draft.config) for issue in faults]
        faults += [_without_options(issue, draft.config) for row, issue in draft.page_faults(context) if row < 0]
        if faults:
            self.refuse(faults)
        return decimal

    def _fitting(self, names: Collection[str]) -> dict[str, tuple[Unit, ...]]:
        """Return variable -> other units in which its whole column is plausible."""
        if not names:
            return {}
        counts = {name: Counter[tuple[type, Cell]]() for name in names}
        for draft in self._drafts():
            for name, count in counts.items():
                count.update(counted_cells(draft.cells(name)))
        return {name: fitting_units(count, self._readings[name]) for name, count in counts.items()}

    def __iter__(self) -> Iterator[Patients]:
        """Yield the rows chunk by chunk.

        Raises:
            CohortError: If no row can be scored.
        """
        some = False
        for patients in self._chunks():
            some = some or len(patients.rows) > 0
            yield patients
        if not some:
            self.refuse()

    def _chunks(self) -> Iterator[Patients]:
        self._context.restart()
        self.has_pages = False
        for draft in self._drafts():
            self._last = draft
            yield self._read(draft)

    def _read(self, draft: Draft) -> Patients:
        values, located = draft.read_rows(self._readings, self._context)
        ids = draft.record_ids(self._context)
        faults: dict[int, list[Issue]] = defaultdict(list)
        refused: list[Refused] = []
        for issue in [issue for issue in draft.raw.issues if issue.code in _ROW_CODES]:
            line = int(re.sub(r"\D", "", issue.where))
            refused.append(Refused(line, f"row-{line}", (issue,)))
        for row, issue in draft.in_order(located):
            if row >= 0:
                faults[row].append(_without_options(issue, draft.config))
        for row, issues in faults.items():
            line = draft.raw.lines[row]
            refused.append(Refused(line, ids[row] or f"row-{line}", tuple(issues)))
        good = np.array([row for row in range(len(ids)) if row not in faults], np.int64)
        pages = page_paths([draft.texts("ecg")[row] for row in good], draft.raw.folder)
        self.has_pages = self.has_pages or any(pages)
        return Patients(
            draft,
            good,
            [ids[row] for row in good],
            [draft.patients[row] or None for row in good],
            pages,
            {name: values[name].to_numpy()[good] for name in values.columns},
            tuple(refused),
            located=self._folder is None,
        )

    def refuse(self, faults: Sequence[Issue] = ()) -> NoReturn:
        """Raise CohortError with the faults of the table and those of all rows."""
        refused = sorted(
            (each for patients in self._chunks() for each in patients.refused),
            key=lambda each: each.issues[0].code not in _ROW_CODES,
        )
        every = [*faults, *(issue for each in refused for issue in each.issues)]
        raise CohortError(headline(self._path.name, every).replace("used as a cohort", "scored"), every)

    def notes(self, variables: Collection[str], *, takes_pages: bool) -> list[str]:
        """Return what the reader should know of the table; complete once all rows were read.

        Args:
            variables: Names of the clinical variables that the model reads.
            takes_pages: Whether the model reads pages.
        """
        draft = self._last
        unused = [variable.name for variable in draft.variables if variable.name not in variables]
        unused += ["ecg"] if self.has_pages and not takes_pages else []
        found = [
            *draft.notes(self._context),
            *self._column_notes,
            *absent_notes(draft.config, draft.columns),
            *is_synthetic(self._path)[1],
        ]
        return [*found, f"the model does not read these columns: {', '.join(unused)}"] if unused else found


def _without_options(issue: Issue, config: CohortConfig) -> Issue:
    """Replace a remedy that names a reading option, because the model's run determines how the table is read."""
    if "--" not in issue.remedy:
        return issue
    remedy = _REMEDIES.get(issue.code, "write the column as in the table of the model")
    if issue.code == "column_name":
        rule = f"the model uses the column {config.map.get(issue.column, issue.column)!r}"
        return dataclasses.replace(issue, rule=rule, remedy=remedy)
    return dataclasses.replace(issue, remedy=remedy)
