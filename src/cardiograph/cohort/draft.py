"""A table, or a chunk of one, that becomes a cohort: raw cells, matched columns and clinical variables."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from cardiograph.cohort.cells import Reading
from cardiograph.cohort.columns import FIXED, Columns, columns_read, suggestion
from cardiograph.cohort.follow_up import FOLLOW_UP, read_follow_up
from cardiograph.cohort.identity import (
    RowIssue,
    Where,
    page_issues,
    page_paths,
    patient_issues,
    record_issues,
    split_issues,
    unknown_issues,
)
from cardiograph.cohort.labels import class_names, read_classes, read_labels, several_classes
from cardiograph.cohort.measurements import (
    column_issues,
    column_notes,
    emptied,
    emptied_notes,
    find_decimal,
    missing_values,
    plan_readings,
    read_values,
)
from cardiograph.cohort.table_context import TableContext
from cardiograph.cohort.tables import Cell, RawTable, as_texts
from cardiograph.config_outcome import OutcomeConfig, OutcomeKind
from cardiograph.config_reading import CohortConfig
from cardiograph.containers import Origin, identifiers
from cardiograph.errors import CohortError, Issue
from cardiograph.schema import DEFAULT_VARIABLES, KNOWN_VARIABLES, ClinicalVariable

if TYPE_CHECKING:
    import pandas as pd


def draft_of(
    raw: RawTable,
    config: CohortConfig,
    *,
    labelled: bool,
    outcome: OutcomeConfig | None = None,
    reads: Collection[str] | None = None,
) -> Draft:
    """Match the columns of a table, or of a chunk of one, without interpreting cells.

    Args:
        raw: The table.
        config: Column map, conversions, missing values, additional variables and modality.
        labelled: Whether to read labels and split; False for patients to be scored.
        outcome: Name and kind of the outcome.
        reads: Names of the clinical variables of a trained model to which the records are given.
    """
    if not labelled:
        config = _for_queries(config, raw.header)
    outcome = outcome or OutcomeConfig(kind="binary")
    variables = known_variables(config, reads)
    fixed: tuple[str, ...] = FIXED
    # an outcome with the name of the column that is mapped to the label leaves no doubt which column is meant
    chosen = {"label"} if config.map.get("label") == outcome.name or not labelled else set()
    if outcome.kind == "survival" and labelled:
        followed = {name: column for name in FOLLOW_UP if (column := getattr(outcome, name)) != name}
        config = config.model_copy(update={"map": {**config.map, **followed}})
        fixed, chosen = (*(name for name in FIXED if name != "label"), *FOLLOW_UP), set(FOLLOW_UP)
    names = [*fixed, *(variable.name for variable in variables)]
    columns = columns_read(raw.header, names, config, labelled=labelled, chosen=chosen)
    return Draft(raw, columns, tuple(v for v in variables if v.name in columns.source), config, labelled, outcome)


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
class Draft:
    """A table, or a chunk of one, that becomes a cohort: raw cells, matched columns and clinical variables."""

    raw: RawTable
    columns: Columns
    variables: tuple[ClinicalVariable, ...]
    config: CohortConfig
    labelled: bool
    outcome: OutcomeConfig

    def build(self) -> tuple[pd.DataFrame, list[Issue], list[RowIssue]]:
        """Return the table of the cohort, the faults of file, header and columns, and the faults of rows."""
        where, context = self.places(), TableContext(self.decimal())
        self.add_to(context)
        readings, issues = self.plan(context.decimal)
        values, located = self.read_rows(readings, context)
        outcome, classes, label_issues = self.labels(where)
        located = self.in_order([*located, *label_issues])
        table = self.assemble(outcome, context)
        table[list(values.columns)] = values
        source = self.columns.source
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
                *self.notes(context),
                *emptied_notes(emptied(self.cells_of(readings), readings)),
                *column_notes(values, readings, source),
            ],
        }
        issues += [*self.absent_columns(), *column_issues(values, readings, source)]
        return table, [*self.raw.issues, *self.columns.issues, *issues], located

    def add_to(self, context: TableContext) -> None:
        """Add the rows to the facts about the whole table."""
        ids = self.texts("record_id") if "record_id" in self.columns.source else None
        context.add(self.raw, ids=ids, patients=self.patients, pages=self.texts("ecg"))

    def plan(self, decimal: str) -> tuple[dict[str, Reading], list[Issue]]:
        """Return variable -> rules for reading its column, and the faults of the conversions."""
        return plan_readings(self.variables, self.config.model_copy(update={"decimal": decimal}))

    def read_rows(self, readings: Mapping[str, Reading], context: TableContext) -> tuple[pd.DataFrame, list[RowIssue]]:
        """Return the [records, variables] values, and the faults of rows other than those of the outcome."""
        where = self.places()
        context.visit(self.raw, self.cells("patient_id"), self.patients)
        values, located = read_values(self.cells_of(readings), readings, where, context.candidates)
        located += list(self.unknown_records(values, located, where))
        located += self.text_issues(where, context)
        return values, located

    def in_order(self, located: Sequence[RowIssue]) -> list[RowIssue]:
        """Return faults of rows in the order of rows and columns."""
        order = {name: position for position, name in enumerate(self.columns.source)}
        return sorted(located, key=lambda pair: (pair[0], order.get(pair[1].column, -1)))

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

    def origins(self, record_ids: Sequence[str]) -> Mapping[str, Origin]:
        """Return record id -> position in the file.

        Args:
            record_ids: [records] ids of all records.
        """
        return _Origins(record_ids, self.texts("record_id"), self.raw.lines, self.texts("ecg"), self.raw.folder)

    def origin(self, row: int) -> Origin:
        """Return the position of a record in the file."""
        return Origin(self.places()(row), self.texts("ecg")[row], self.raw.folder)

    def assemble(self, outcome: Mapping[str, Any], context: TableContext) -> pd.DataFrame:
        """Return the columns of a cohort that are not clinical; missing texts are None."""
        import pandas as pd

        columns: dict[str, Sequence[str | None]] = {
            "record_id": self.record_ids(context),
            "patient_id": self.patients,
            "class_name": outcome["class_name"],
            "ecg": page_paths(self.texts("ecg"), self.raw.folder),
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

    def record_ids(self, context: TableContext) -> list[str]:
        """Return the id of each record: as written, or generated for a table without ids."""
        if "record_id" in self.columns.source:
            return self.texts("record_id")
        return context.name_records(self.patients, self.texts("ecg"), self.raw.lines)

    def unread(self) -> pd.DataFrame | None:
        """Return the columns that are not read, as written; None if there are none."""
        import pandas as pd

        names = [name for name in self.columns.ignored if name in self.raw.header]
        columns = {name: pd.Series(self.raw.column(name), dtype=object) for name in names}
        return pd.DataFrame(columns) if columns else None

    def notes(self, context: TableContext) -> Iterator[str]:
        """Yield observations that are not faults."""
        yield from (*self.raw.notes, *self.columns.notes)
        if self.config.decimal == "auto" and context.decimal == ",":
            yield "numbers are read with a decimal comma, as detected in the table"
        yield from context.notes()

    def text_issues(self, where: Where, context: TableContext) -> list[RowIssue]:
        """Return the faults of record ids, split, patient ids and pages."""
        found: list[RowIssue] = []
        if "record_id" in self.columns.source:
            found += record_issues(self.texts("record_id"), where, context)
        if "split" in self.columns.source:
            found += split_issues(self.texts("split"), where)
        found += patient_issues(self.cells("patient_id"), where)
        return [*found, *self.page_faults(context)]

    def page_faults(self, context: TableContext) -> Iterator[RowIssue]:
        """Yield the faults of the column of pages; the row of a fault of the whole column is -1."""
        if "ecg" in self.columns.source and (self.labelled or not self.variables):
            modality = "image" if self.config.modality == "image" else "both" if self.variables else "pages"
            pages, where = self.texts("ecg"), self.places()
            yield from page_issues(pages, where, modality=modality, some_page=context.some_page)

    def unknown_records(self, values: pd.DataFrame, located: Sequence[RowIssue], where: Where) -> Iterator[RowIssue]:
        """Yield faults of rows with neither page nor clinical value, if the cohort has clinical variables."""
        if not self.variables:
            return
        known = values.notna().any(axis=1).to_numpy(bool) | np.array([bool(page) for page in self.texts("ecg")], bool)
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

    def cells_of(self, names: Collection[str]) -> dict[str, list[Cell]]:
        """Return standard column -> its cells."""
        return {name: self.cells(name) for name in names}

    def texts(self, name: str) -> list[str]:
        """Return the cells of a standard column as texts."""
        if name not in self._texts:
            self._texts[name] = as_texts(self.cells(name))
        return self._texts[name]

    @cached_property
    def _texts(self) -> dict[str, list[str]]:
        return {}

    def decimal(self, *more: list[Cell]) -> str:
        """Return the configured or detected decimal mark of the clinical cells, and of other numbers."""
        if self.config.decimal != "auto":
            return self.config.decimal
        return find_decimal([*self.clinical_cells(), *more])

    def clinical_cells(self) -> list[list[Cell]]:
        """Return the cells of each clinical column."""
        return [self.cells(variable.name) for variable in self.variables]

    @cached_property
    def patients(self) -> list[str]:
        """The normalised patient id of each row; empty if not given."""
        return identifiers(self.cells("patient_id"))

    def places(self) -> Where:
        """Return a function that describes the place of a row: its number in the file, and its record id if given."""
        names, lines = self.texts("record_id"), self.raw.lines

        return lambda row: _place(lines[row], names[row])


def _place(line: int, name: str) -> str:
    return f"row {line} (record {name!r})" if name else f"row {line}"


@dataclass(frozen=True)
class _Origins(Mapping[str, Origin]):
    """Position of each record in the file, made when it is asked for."""

    record_ids: Sequence[str]
    written_ids: Sequence[str]
    lines: Sequence[int]
    pages: Sequence[str]
    folder: Path

    @cached_property
    def _rows(self) -> dict[str, int]:
        return {name: row for row, name in enumerate(self.record_ids)}

    def __getitem__(self, name: str) -> Origin:
        row = self._rows[name]
        return Origin(_place(self.lines[row], self.written_ids[row]), self.pages[row], self.folder)

    def __iter__(self) -> Iterator[str]:
        return iter(self.record_ids)

    def __len__(self) -> int:
        return len(self.record_ids)


def _class_notes(classes: Sequence[str], kind: OutcomeKind) -> Iterator[str]:
    if classes and kind == "auto":
        yield (
            f"the label has {len(classes)} classes ({', '.join(classes)}), and none was named as positive: the model "
            "predicts one of them (outcome.kind = 'multiclass'); --positive CLASS,... makes the outcome binary"
        )
