"""Reading of a table or a folder of ECG files as a checked cohort; all faults are reported in one error."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from cardiograph.cohort.columns import Columns
from cardiograph.cohort.draft import Draft, draft_of
from cardiograph.cohort.folder import read_folder
from cardiograph.cohort.tables import read_table
from cardiograph.config_outcome import UNNAMED_OUTCOME, OutcomeConfig
from cardiograph.config_reading import CohortConfig
from cardiograph.containers import Cohort
from cardiograph.errors import CohortError, ConfigError, Issue
from cardiograph.issue_groups import counted

if TYPE_CHECKING:
    import pandas as pd


def read_cohort(
    path: Path,
    config: CohortConfig,
    *,
    outcome: str | OutcomeConfig,
    labelled: bool = True,
    one_class: bool = False,
    reads: Collection[str] | None = None,
) -> Cohort:
    """Read and check a cohort.

    Units are never guessed, cells are never repaired, and rows are never dropped: every invalid part of the input is an
    issue, and one error contains all issues in the order of the input. If a table has pages and clinical columns, a
    record may lack one of them, but not both.

    Args:
        path: CSV, TSV, Excel or Parquet table with one row per ECG, or a folder with one folder per class.
        config: Column map, conversions, missing values, positive classes, additional variables and modality.
        outcome: Name and kind of the outcome; a text is the name of label 1 of a binary outcome.
        labelled: Whether to read labels and split; False for patients to be scored.
        one_class: Whether to accept records of only one class or without labels, because no model is trained on them.
        reads: Names of the clinical variables of a trained model to which the records are given.

    Returns:
        The cohort. ``table.attrs`` contains ``conversions`` (variable, unit, factor and column), ``ignored_columns``
        (columns that are not kept) and ``notes`` (sentences for the report).

    Raises:
        CohortError: If the input has faults; the issues say how to fix each of them.
        ConfigError: If the outcome has several labels.
    """
    named = OutcomeConfig(name=outcome, kind="binary") if isinstance(outcome, str) else outcome
    if named.columns is not None:
        message = (
            "outcome.columns names several labels, which only `cardiograph run` (cardiograph.run_labels in Python) and "
            "`cardiograph compare` take; "
            f"leave it out and choose one label, such as --map label={named.columns[0]}"
        )
        raise ConfigError(message)
    raw = read_folder(path) if path.is_dir() else read_table(path, max_rows=config.max_rows)
    if not raw.rows:
        raise CohortError(headline(raw.name, raw.issues), raw.issues)
    draft = draft_of(raw, config, labelled=labelled, outcome=named, reads=reads)
    table, issues, located = draft.build()
    issues += [issue for _, issue in located]
    if one_class:
        issues = [issue for issue in issues if issue.code not in ("one_class", "no_labels", "no_events")]
    if issues:
        raise CohortError(headline(draft.raw.name, issues), issues)
    return _cohort(draft, path, table, named.name)


def _cohort(draft: Draft, path: Path, table: pd.DataFrame, outcome: str) -> Cohort:
    """Return the cohort of a table without faults."""
    synthetic, notes = is_synthetic(path)
    table.attrs["notes"] += [*absent_notes(draft.config, draft.columns), *notes]
    classes = tuple(table.attrs.pop("classes"))
    if outcome == UNNAMED_OUTCOME:
        outcome = "class" if classes else "the event" if "time" in table else outcome
    origins = {} if path.is_dir() else draft.origins(table["record_id"].tolist())
    return Cohort(table, draft.variables, outcome, synthetic, draft.unread(), origins, classes)


_SUBJECTS = {
    "row": "whole rows",
    "header": "the header",
    "column": "whole columns",
    "folder": "folders",
    "file": "files",
}
"""First word of the place of an issue without a column -> subject of the issue."""


def headline(name: str, issues: Sequence[Issue]) -> str:
    """Summarise the faults of a table by column."""
    counts = Counter(issue.column or _SUBJECTS.get(issue.where.split()[0], "the options") for issue in issues)
    shares = ", ".join(f"{count} in {part}" for part, count in counts.most_common(8))
    return f"{name} cannot be used as a cohort: {counted(len(issues), 'fault')} ({shares})"


def absent_notes(config: CohortConfig, columns: Columns) -> Iterator[str]:
    """Yield notes about columns that the table does not have."""
    if "patient_id" not in columns.source:
        yield "no patient_id: each row is treated as a different patient, unless its page is a copy of another"
    for variable in config.variables:
        if variable.name not in columns.source and config.modality != "image":
            yield f"variable {variable.name!r} of the configuration has no column in the table"


def is_synthetic(path: Path) -> tuple[bool, list[str]]:
    """Return whether the table is unmodified output of ``cardiograph synth``, and a note if it was modified."""
    description = path.parent / "synthetic.json"
    if path.is_dir() or not description.is_file():
        return False, []
    try:
        recorded = json.loads(description.read_text(encoding="utf-8"))["cohort_sha256"]
    except (OSError, ValueError, KeyError, TypeError):
        recorded = None
    if recorded == hashlib.sha256(path.read_bytes()).hexdigest():
        return True, []
    return False, [f"{description.name} does not match the table, so the table is read as a cohort of real patients"]
