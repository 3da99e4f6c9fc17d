"""Reading of clinical columns: values, their limits, and faults and notes of cells and columns."""

from __future__ import annotations

import dataclasses
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, cast

import numpy as np

from cardiograph.cohort.cells import (
    SENTINELS,
    CellFault,
    Reading,
    counted_cells,
    find_unit,
    fitting_units,
    not_whole,
    out_of_range,
    read_value,
    unit_in_header,
    units_of,
)
from cardiograph.cohort.columns import option
from cardiograph.cohort.tables import Cell, all_texts
from cardiograph.config_reading import CohortConfig
from cardiograph.errors import Issue
from cardiograph.schema import NT_PROBNP, ClinicalVariable, Unit

if TYPE_CHECKING:
    import pandas as pd


Breach = Literal["out_of_range", "not_whole"]


def breaches(values: pd.DataFrame, variables: Sequence[ClinicalVariable]) -> Iterator[tuple[int, str, Breach]]:
    """Find values that violate the limits of their variable.

    Args:
        values: [records, variables] float64 columns in the variables' units, NaN if missing, index 0..n-1.
        variables: Clinical variable of each column.

    Yields:
        Row, variable name and violated rule; a value that violates both rules is reported once, as out of range.
    """
    for variable in variables:
        column = values[variable.name].to_numpy(np.float64)
        outside = (column < variable.low) | (column > variable.high)
        fractional = (column % 1 != 0) & ~np.isnan(column) & ~outside if variable.whole else np.zeros(len(column), bool)
        for row in np.flatnonzero(outside | fractional).tolist():
            yield row, variable.name, "out_of_range" if outside[row] else "not_whole"


MIN_VALUES_TO_JUDGE_UNIT = 5
"""Minimum number of values of a column before its unit is questioned."""

MIN_SENTINELS = 3
"""Minimum number of rows with a valid value such as 99 before a note questions it."""

MIN_BNP_MEDIAN = 5.0
"""Minimum plausible median of a BNP column, in pg/mL; clinical assays measure from about 5 to 10 pg/mL."""


_POINT = re.compile(r"[0-9]*\.[0-9]|[0-9]\.")
_COMMA = re.compile(r"[+-]?([0-9]*),([0-9]+)")
_GROUPS = re.compile(r"[+-]?[0-9]+(,[0-9]{3}){2,}")


def find_decimal(columns: Iterable[Sequence[Cell]]) -> str:
    """Return the decimal mark of text cells, a point where :func:`decimal_evidence` finds none."""
    return decimal_evidence(columns) or "."


def decimal_evidence(columns: Iterable[Sequence[Cell]]) -> str:
    """Return the decimal mark that text cells prove: a comma only if no cell contradicts it; empty without proof.

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
    return "," if found else ""


def plan_readings(
    variables: Sequence[ClinicalVariable], config: CohortConfig
) -> tuple[dict[str, Reading], list[Issue]]:
    """Determine how each column is read, and check the configured conversions.

    Args:
        variables: Clinical variables of the cohort.
        config: Decimal mark, conversions and missing values.

    Returns:
        Variable name -> rules for reading its column, and the faults of the conversions.
    """
    readings: dict[str, Reading] = {}
    issues: list[Issue] = []
    for variable in variables:
        units = units_of(variable)
        named = config.convert.get(variable.name)
        unit = find_unit(variable, named) if named else units[0]
        if unit is None:
            known = ", ".join(unit.name for unit in units)
            remedy = f"{variable.name} can be written in: {known}"
            issues.append(_option_issue(variable.name, str(named), "no such unit", remedy, "convert_unknown_unit"))
        readings[variable.name] = Reading(
            variable,
            unit or units[0],
            named is not None,
            config.decimal,
            missing_values(config, variable.name),
            column=config.map.get(variable.name, variable.name),
        )
    unread = set(config.convert) - set(readings) if config.modality != "image" else set()
    for name in sorted(unread):
        remedy = f"the clinical columns are: {', '.join(readings) or 'none'}"
        rule = "no such clinical column in this cohort"
        issues.append(_option_issue(name, config.convert[name], rule, remedy, "convert_unknown_variable"))
    return readings, issues


def missing_values(config: CohortConfig, name: str) -> frozenset[str]:
    """Return the codes for "not measured" of a column: those for the column (``sbp=999``) and those for all columns."""
    named = [text.partition("=") for text in config.missing]
    return frozenset(value if equals else column for column, equals, value in named if not equals or column == name)


def read_values(
    cells: Mapping[str, Sequence[Cell]],
    readings: Mapping[str, Reading],
    where: Callable[[int], str],
    candidates: Mapping[str, tuple[Unit, ...]] | None = None,
) -> tuple[pd.DataFrame, list[tuple[int, Issue]]]:
    """Read the values of all clinical columns.

    Args:
        cells: Variable -> its cells as written.
        readings: Variable -> rules for reading its column.
        where: Function that describes the place of a row.
        candidates: Variable -> other units in which the whole column is plausible, if the cells are only part of it;
            None to find them in the cells.

    Returns:
        [records, variables] float64 values in the variables' units (NaN: missing or invalid), and the faults of cells
        with their rows.
    """
    import pandas as pd

    columns: dict[str, list[float]] = {}
    keys: Sequence[Any]
    unread: list[tuple[int, str]] = []
    for name, reading in readings.items():
        # 1 and 1.0 are equal, but written otherwise
        keys = cells[name] if all_texts(cells[name]) else list(zip(map(type, cells[name]), cells[name], strict=True))
        known = {key: read_value(key if isinstance(key, str) else key[1], reading) for key in set(keys)}
        faulty = {key for key, result in known.items() if isinstance(result, CellFault)}
        unread += [(row, name) for row, key in enumerate(keys) if key in faulty] if faulty else []
        numbers = {key: np.nan if isinstance(result, CellFault) else result for key, result in known.items()}
        columns[name] = list(map(numbers.__getitem__, keys))
    values = pd.DataFrame(columns, dtype=np.float64)
    broken = list(breaches(values, [reading.variable for reading in readings.values()]))
    judged = {
        name: dataclasses.replace(
            readings[name],
            candidates=fitting_units(counted_cells(cells[name]), readings[name])
            if candidates is None
            else candidates.get(name, ()),
        )
        for name in {name for _, name in unread} | {name for _, name, _ in broken}
    }
    faults = [(row, name, cast(CellFault, read_value(cells[name][row], judged[name]))) for row, name in unread]
    for row, name, breach in broken:
        reading, cell = judged[name], cells[name][row]
        fault = not_whole(reading) if breach == "not_whole" else out_of_range(cell, columns[name][row], reading)
        faults.append((row, name, fault))
    return values, [(row, _cell_issue(where(row), name, cells[name][row], fault)) for row, name, fault in faults]


def column_issues(values: pd.DataFrame, readings: Mapping[str, Reading], source: Mapping[str, str]) -> Iterator[Issue]:
    """Yield faults of whole columns: another unit in the name, or values too small for the unit.

    Args:
        values: [records, variables] values in the variables' units.
        readings: Variable -> rules for reading its column; a declared unit is not questioned.
        source: Variable -> column name in the table.
    """
    for name, reading in readings.items():
        header, variable = source[name], reading.variable
        unit = unit_in_header(variable, header)
        if unit and not reading.declared:
            rule = f"the name contains {unit.name}; {name} is read in {variable.unit or 'plain numbers'}"
            remedy = f"--convert {name}={unit.name}, or --convert {name}={units_of(variable)[0].name} if it is in that"
            yield Issue("header", name, header, rule, remedy, "unit_in_header")
        present = values[name].dropna()
        judged = name == "bnp" and variable.unit == "pg/mL" and len(present) >= MIN_VALUES_TO_JUDGE_UNIT
        if judged and not reading.declared and present.median() < MIN_BNP_MEDIAN:
            rule = "half of the values are below the range of BNP assays in pg/mL"
            remedy = "if the column is in ng/mL: --convert bnp=ng/mL; if it is in pg/mL: --convert bnp=pg/mL"
            yield Issue("column", name, f"{present.median():g} in the median", rule, remedy, "unit_of_column")


def column_notes(values: pd.DataFrame, readings: Mapping[str, Reading], source: Mapping[str, str]) -> Iterator[str]:
    """Yield notes about possible misreadings: repeated sentinel values within the limits, NT-proBNP read as BNP."""
    for name in readings:
        counts = values[name].value_counts()
        for value in sorted(SENTINELS & set(counts.index)):
            if counts[value] >= MIN_SENTINELS:
                found = f"{name} is {value} in {counts[value]} rows, which is within its limits"
                yield f"{found}; if it means 'not measured': --missing {name}={value}"
        if name == "bnp" and "pro" in source[name].lower():
            remedy = f"if it is NT-proBNP: {option(NT_PROBNP.name, source[name])}"
            yield f"column {source[name]!r} is read as BNP, a different peptide from NT-proBNP; {remedy}"


def emptied(cells: Mapping[str, Sequence[Cell]], readings: Mapping[str, Reading]) -> Counter[str]:
    """Count the cells of each variable that hold a declared code for "not measured"."""
    return Counter(
        {
            name: sum(cell != "" and reading.means_missing(cell) for cell in cells[name]) if reading.missing else 0
            for name, reading in readings.items()
        }
    )


def emptied_notes(counts: Mapping[str, int]) -> Iterator[str]:
    """Yield a note for each variable with cells that hold a declared code for "not measured"."""
    for name, count in counts.items():
        if count:
            yield f"{name}: {count} cells hold a value that --missing declares as 'not measured'"


def _cell_issue(where: str, name: str, cell: Cell, fault: CellFault) -> Issue:
    text = f"{cell:g}" if isinstance(cell, float) else str(cell)
    return Issue(where, name, text if len(text) <= 40 else f"{text[:37]}...", fault.rule, fault.remedy, fault.code)


def _option_issue(name: str, value: str, rule: str, remedy: str, code: str) -> Issue:
    return Issue(f"--convert {name}={value}", "", "", rule, remedy, code)
