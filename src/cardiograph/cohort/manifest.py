"""Reading of a table or a folder of ECG files as a checked cohort; all faults are reported in one error."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from cardiograph.cohort.columns import FIXED, Columns, columns_read, suggestion
from cardiograph.cohort.folder import read_folder
from cardiograph.cohort.follow_up import FOLLOW_UP, read_follow_up
from cardiograph.cohort.identity import (
    RowIssue,
    Where,
    name_records,
    page_issues,
    page_paths,
    patient_issues,
    patient_notes,
    record_issues,
    respelled_note,
    split_issues,
    unknown_issues,
)
from cardiograph.cohort.labels import class_names, read_classes, read_labels, several_classes
from cardiograph.cohort.measurements import (
    column_issues,
    column_notes,
    emptied_notes,
    find_decimal,
    missing_values,
    plan_readings,
    read_values,
)
from cardiograph.cohort.tables import Cell, RawTable, as_text, read_table
from cardiograph.config_outcome import UNNAMED_OUTCOME, OutcomeConfig, OutcomeKind
from cardiograph.config_reading import CohortConfig
from cardiograph.containers import Cohort, Origin, identifier
from cardiograph.errors import CohortError, ConfigError, Issue
from cardiograph.issue_groups import counted
from cardiograph.schema import DEFAULT_VARIABLES, KNOWN_VARIABLES, ClinicalVariable

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
    draft = draft_cohort(path, config, labelled=labelled, outcome=named, reads=reads)
    table, issues, located = draft.build()
    issues += [issue for _, issue in located]
    if one_class:
        issues = [issue for issue in issues if issue.code not in ("one_class", "no_labels", "no_events")]
    if issues:
        raise CohortError(headline(draft.raw.name, issues), issues)
    return draft.cohort(path, table, named.name)


def draft_cohort(
    path: Path,
    config: CohortConfig,
    *,
    labelled: bool,
    outcome: OutcomeConfig | None = None,
    reads: Collection[str] | None = None,
) -> _Draft:
    """Read a table and match its columns without interpreting cells; arguments as in :func:`read_cohort`."""
    raw = read_folder(path) if path.is_dir() else read_table(path, max_rows=config.max_rows)
    if not raw.rows:
        raise CohortError(headline(raw.name, raw.issues), raw.issues)
    if not labelled:
        config = _for_queries(config, raw.header)
    outcome = outcome or OutcomeConfig(kind="binary")
    variables = known_variables(config, reads)
    fixed: tuple[str, ...] = FIXED
    # an outcome with the name of the column that is mapped to the label leaves no doubt which column is meant
    chosen = {"label"} if config.map.get("label") == outcome.name else set()
    if outcome.kind == "survival" and labelled:
        followed = {name: column for name in FOLLOW_UP if (column := getattr(outcome, name)) != name}
        config = config.model_copy(update={"map": {**config.map, **followed}})
        fixed, chosen = (*(name for name in FIXED if name != "label"), *FOLLOW_UP), set(FOLLOW_UP)
    names = [*fixed, *(variable.name for variable in variables)]
    columns = columns_read(raw.header, names, config, labelled=labelled, chosen=chosen)
    return _Draft(raw, columns, tuple(v for v in variables if v.name in columns.source), config, labelled, outcome)


def _for_queries(config: CohortConfig, header: Sequence[str]) -> CohortConfig:
    """Remove settings for columns that a table of patients to be scored does not have."""
    mapping = {name: column for name, column in config.map.items() if column in header}
    present = {*mapping, *header}
    convert = {name: unit for name, unit in config.convert.items() if name in present}
    return config.model_copy(update={"map": mapping, "convert": convert})


def known_variables(config: CohortConfig, reads: Collection[str] | None = None) -> tuple[ClinicalVariable, ...]:
    """Return the default variables, those of the configuration, and then the other known variables.

    Args:
        config: Configuration that can add variables or change the limits of known ones.
        reads: Names of the variables of a trained model; other optional variables are not read.

    Raises:
        CohortError: If a variable has the name of a fixed column, or is described twice.
    """
    names = [variable.name for variable in config.variables]
    for name, count in Counter(names).items():
        if name in FIXED or count > 1:
            message = (
                f"variable {name!r} of the configuration is a fixed column or is described twice; choose another name"
            )
            raise CohortError(message)
    given = {variable.name: variable.variable() for variable in config.variables}
    defaults = [given.pop(variable.name, variable) for variable in DEFAULT_VARIABLES]
    for variable in KNOWN_VARIABLES:
        if variable not in DEFAULT_VARIABLES and (reads is None or variable.name in reads):
            given.setdefault(variable.name, variable)
    return (*defaults, *given.values())


@dataclass(frozen=True)
class _Draft:
    """A table that becomes a cohort: raw cells, matched columns and clinical variables."""

    raw: RawTable
    columns: Columns
    variables: tuple[ClinicalVariable, ...]
    config: CohortConfig
    labelled: bool
    outcome: OutcomeConfig

    def build(self) -> tuple[pd.DataFrame, list[Issue], list[RowIssue]]:
        """Return the table of the cohort, the faults of file, header and columns, and the faults of rows."""
        where = self.places()
        decimal = self.decimal()
        readings, issues = plan_readings(self.variables, self.config.model_copy(update={"decimal": decimal}))
        source = self.columns.source
        cells = {name: self.raw.column(source[name]) for name in readings}
        values, located = read_values(cells, readings, where)
        located += list(self.unknown_records(values, located, where))
        outcome, classes, label_issues = self.labels(where)
        located += label_issues
        located += self.text_issues(where)
        issues += [*self.absent_columns(), *column_issues(values, readings, source)]
        order = {name: position for position, name in enumerate(source)}
        located.sort(key=lambda pair: (pair[0], order.get(pair[1].column, -1)))
        table = self.assemble(outcome)
        table[list(values.columns)] = values
        table.attrs = {
            "conversions": [
                {"variable": name, "column": source[name], "unit": reading.unit.name, "factor": reading.unit.factor}
                for name, reading in readings.items()
                if reading.declared
            ],
            "ignored_columns": list(self.columns.ignored),
            "classes": list(classes),
            "notes": [
                *_class_notes(classes, self.outcome.kind),
                *self.notes(),
                *emptied_notes(cells, readings),
                *column_notes(values, readings, source),
            ],
        }
        return table, [*self.raw.issues, *self.columns.issues, *issues], located

    def labels(self, where: Where) -> tuple[dict[str, Any], tuple[str, ...], list[RowIssue]]:
        """Return the columns of the outcome, the names of several classes, and the faults of its cells."""
        if self.outcome.kind == "survival":
            times, events = self.cells("time"), self.cells("event")
            found, issues = read_follow_up(times, events, where, config=self.outcome, decimal=self.decimal(times))
            return found.columns, (), issues if set(FOLLOW_UP) <= set(self.columns.source) else []
        names = class_names(self.cells("label"), missing_values(self.config, "label") - {"0", "1"})
        classes = several_classes(names, self.config.positive, self.outcome.kind)
        labels, issues = (
            read_classes(names, classes, where) if classes else read_labels(names, self.config.positive, where)
        )
        return {"label": labels, "class_name": names}, classes, issues if "label" in self.columns.source else []

    def cohort(self, path: Path, table: pd.DataFrame, outcome: str) -> Cohort:
        """Return the cohort of a table in which :meth:`build` found no faults."""
        synthetic, notes = _synthetic(path)
        table.attrs["notes"] += [*_absent_notes(self.config, self.columns), *notes]
        classes = tuple(table.attrs.pop("classes"))
        if outcome == UNNAMED_OUTCOME:
            outcome = "class" if classes else "the event" if "time" in table else outcome
        origins = {} if path.is_dir() else self.origins(table)
        return Cohort(table, self.variables, outcome, synthetic, self.unread(), origins, classes)

    def origins(self, table: pd.DataFrame) -> dict[str, Origin]:
        """Return record id -> position in the file."""
        where, pages = self.places(), self.texts("ecg")
        return {
            name: Origin(where(row), pages[row], self.raw.folder)
            for row, name in enumerate(table["record_id"].tolist())
        }

    def assemble(self, outcome: Mapping[str, Any]) -> pd.DataFrame:
        """Return the columns of a cohort that are not clinical; missing texts are None."""
        import pandas as pd

        patients, pages, ids = self.patients, self.texts("ecg"), self.texts("record_id")
        if "record_id" not in self.columns.source:
            ids = name_records(patients, pages, self.raw.lines)
        columns: dict[str, Sequence[str | None]] = {
            "record_id": ids,
            "patient_id": patients,
            "class_name": outcome["class_name"],
            "ecg": page_paths(pages, self.raw.folder),
            "split": self.texts("split"),
            **{name: self.texts(name) for name in ("site", "acquired_at") if name in self.columns.source},
        }
        optional = set(columns) - {"record_id", "class_name"}
        table = pd.DataFrame(
            {
                name: pd.Series([text or None if name in optional else text for text in texts], dtype=object)
                for name, texts in columns.items()
            }
        )
        table.insert(2, "label", outcome["label"])
        return table.assign(**{name: outcome[name] for name in FOLLOW_UP if name in outcome})

    def unread(self) -> pd.DataFrame | None:
        """Return the columns that are not read, as written; None if there are none."""
        import pandas as pd

        names = [name for name in self.columns.ignored if name in self.raw.header]
        columns = {name: pd.Series(self.raw.column(name), dtype=object) for name in names}
        return pd.DataFrame(columns) if columns else None

    def notes(self) -> Iterator[str]:
        """Yield observations that are not faults."""
        yield from (*self.raw.notes, *self.columns.notes)
        if self.config.decimal == "auto" and self.decimal() == ",":
            yield "numbers are read with a decimal comma, as detected in the table"
        repeated = len(self.raw.rows) - len(set(self.raw.rows))
        if repeated:
            yield f"{repeated} row(s) equal an earlier row in every column; all are kept"
        yield from respelled_note(self.cells("patient_id"))
        yield from patient_notes(self.patients)

    def text_issues(self, where: Where) -> list[RowIssue]:
        """Return the faults of record ids, split, patient ids and pages."""
        found: list[RowIssue] = []
        checks = {"record_id": record_issues, "split": split_issues}
        for name, check in checks.items():
            if name in self.columns.source:
                found += check(self.texts(name), where)
        found += patient_issues(self.cells("patient_id"), where)
        if "ecg" in self.columns.source and (self.labelled or not self.variables):
            modality = "image" if self.config.modality == "image" else "both" if self.variables else "pages"
            found += page_issues(self.texts("ecg"), where, modality=modality)
        return found

    def unknown_records(self, values: pd.DataFrame, located: Sequence[RowIssue], where: Where) -> Iterator[RowIssue]:
        """Yield faults of rows with neither page nor clinical value, if the cohort has clinical variables."""
        if not self.variables:
            return
        known = values.notna().any(axis=1).to_numpy(bool) | np.array([bool(page) for page in self.texts("ecg")])
        known[[row for row, _ in located]] = True  # an invalid cell is already reported
        names = [variable.name for variable in self.variables]
        yield from unknown_issues(known, where, variables=names, with_pages="ecg" in self.columns.source)

    def absent_columns(self) -> Iterator[Issue]:
        """Yield faults of missing columns that a cohort needs."""
        needed = FOLLOW_UP if self.outcome.kind == "survival" else ("label",)
        for name in needed if self.labelled else ():
            if name not in self.columns.source:
                remedy = suggestion(name, self.columns) if name == "label" else f"name it: --{name} COLUMN"
                yield Issue("header", name, "absent", "a cohort needs the outcome of each record", remedy, "no_label")
        if "ecg" not in self.columns.source and not self.variables:
            rule = "a cohort needs pages, clinical values or both"
            clinical = ", ".join(variable.name for variable in known_variables(self.config))
            remedy = f"{suggestion('ecg', self.columns)} (clinical columns: {clinical})"
            yield Issue("header", "ecg", "absent, as is every clinical column", rule, remedy, "no_modality")

    def cells(self, name: str) -> list[Cell]:
        """Return the cells of a standard column; all empty if the table lacks it."""
        column = self.columns.source.get(name)
        return [""] * len(self.raw.rows) if column is None else self.raw.column(column)

    def texts(self, name: str) -> list[str]:
        """Return the cells of a standard column as texts."""
        if name not in self._texts:
            self._texts[name] = [as_text(cell) for cell in self.cells(name)]
        return self._texts[name]

    @cached_property
    def _texts(self) -> dict[str, list[str]]:
        return {}

    def decimal(self, *more: list[Cell]) -> str:
        """Return the configured or detected decimal mark of the clinical cells, and of other numbers."""
        if self.config.decimal != "auto":
            return self.config.decimal
        return find_decimal([*(self.cells(variable.name) for variable in self.variables), *more])

    @cached_property
    def patients(self) -> list[str]:
        """The normalised patient id of each row; empty if not given."""
        return [identifier(cell) for cell in self.cells("patient_id")]

    def places(self) -> Where:
        """Return a function that describes the place of a row: its number in the file, and its record id if given."""
        names, lines = self.texts("record_id"), self.raw.lines

        def where(row: int) -> str:
            return f"row {lines[row]} (record {names[row]!r})" if names[row] else f"row {lines[row]}"

        return where


def _class_notes(classes: Sequence[str], kind: OutcomeKind) -> Iterator[str]:
    if classes and kind == "auto":
        yield (
            f"the label has {len(classes)} classes ({', '.join(classes)}), and none was named as positive: the model "
            "predicts one of them (outcome.kind = 'multiclass'); --positive CLASS,... makes the outcome binary"
        )


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


def _absent_notes(config: CohortConfig, columns: Columns) -> Iterator[str]:
    if "patient_id" not in columns.source:
        yield "no patient_id: each row is treated as a different patient, unless its page is a copy of another"
    for variable in config.variables:
        if variable.name not in columns.source and config.modality != "image":
            yield f"variable {variable.name!r} of the configuration has no column in the table"


def _synthetic(path: Path) -> tuple[bool, list[str]]:
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
