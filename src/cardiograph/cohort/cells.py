"""Parsing of the cells of a clinical column: the value, or the fault and the option that fixes it."""

from __future__ import annotations

import dataclasses
import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from cardiograph.cohort.columns import option
from cardiograph.cohort.tables import Cell
from cardiograph.schema import KNOWN_BY_NAME, NT_PROBNP, ClinicalVariable, Unit


def units_of(variable: ClinicalVariable) -> tuple[Unit, ...]:
    """Return the units from which ``variable`` can be converted; the first is its own.

    A known variable whose unit the configuration changes has only its own unit, because the factors do not apply.
    """
    own = Unit(variable.unit or "number", aliases=(variable.unit.lower().replace(" ", ""),))
    known = KNOWN_BY_NAME.get(variable.name)
    return (own, *known.units) if known and known.variable.unit == variable.unit else (own,)


def find_unit(variable: ClinicalVariable, text: str) -> Unit | None:
    """Return the unit of ``variable`` that ``text`` spells, or None."""
    return next((unit for unit in units_of(variable) if text and unit.spells(text)), None)


def unit_in_header(variable: ClinicalVariable, header: str) -> Unit | None:
    """Return the unit other than the variable's own that a column name contains, or None."""
    words = header.lower().replace("_", " ")
    return next((unit for unit in units_of(variable)[1:] if unit.header and re.search(unit.header, words)), None)


SENTINELS = frozenset({-1, -9, -99, -999, -9999, 99, 999, 9999, 99999, 888, 8888, 777, 7777})
"""Numbers that often mean "not measured"."""

SPREADSHEET_ERRORS = ("#n/a", "#ref!", "#value!", "#name?", "#div/0!", "#num!", "#null!")

MISSING_WORDS = frozenset(
    {"na", "n/a", "<na>", "n.a.", "nan", "null", "none", "nil", "missing", "unknown", "nd", "-", "--", "?", "."}
    | set(SPREADSHEET_ERRORS)
)
"""Words that often mean "not measured", and errors of spreadsheet programs, in lower case."""

_NUMBER = {
    ".": re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?"),
    ",": re.compile(r"[+-]?([0-9]+(,[0-9]*)?|,[0-9]+)([eE][+-]?[0-9]+)?"),
}


_ROMAN = re.compile(r"(?:nyha|class|\s|:|-)*(i{1,3}|iv|[1-4])", re.IGNORECASE)


_PRESSURE = re.compile(r"([0-9]{1,3}(?:[.,][0-9])?)\s*/\s*([0-9]{1,3}(?:[.,][0-9])?)")


_CODED_AGE = 300
"""Code for an age over 89 in PTB-XL. Source: Wagner et al., Scientific Data 7:154 (2020)."""


_ROMAN_CLASS = {"i": 1.0, "ii": 2.0, "iii": 3.0, "iv": 4.0}


@dataclass(frozen=True)
class CellFault:
    """Fault of a cell that is not a valid value of its variable.

    Args:
        code: Stable name, such as ``decimal_comma``.
        rule: Allowed values.
        remedy: How to fix the fault, with the option that does so.
    """

    code: str
    rule: str
    remedy: str


@dataclass(frozen=True)
class Reading:
    """Rules for reading the cells of one column.

    Args:
        variable: Clinical variable of the column.
        unit: Unit of the column; the variable's own unit unless the user declared another.
        declared: Whether the user declared the unit, so that cells may contain it after the number.
        decimal: Decimal mark of text cells.
        missing: Texts or numbers that mean "not measured".
        candidates: Other units in which the whole column is plausible; remedies propose them.
        column: Name of the column in the table.
    """

    variable: ClinicalVariable
    unit: Unit
    declared: bool = False
    decimal: str = "."
    missing: frozenset[str] = frozenset()
    candidates: tuple[Unit, ...] = ()
    column: str = ""

    def means_missing(self, cell: Cell) -> bool:
        """Return whether ``cell`` equals one of ``missing``, as text or as a number."""
        if not self.missing:
            return False
        number = parse_number(cell) if isinstance(cell, str) else cell
        return str(cell) in self.missing or number in self._missing_numbers

    @cached_property
    def _missing_numbers(self) -> frozenset[float]:
        numbers = (parse_number(text) for text in self.missing)
        return frozenset(number for number in numbers if number is not None)


def read_value(cell: Cell, reading: Reading) -> float | CellFault:
    """Parse a cell.

    Args:
        cell: Stripped text, or a number from a typed column.
        reading: Rules for reading the column.

    Returns:
        The value in the variable's unit (NaN: missing) or the fault; limits are not checked.
    """
    if cell == "" or reading.means_missing(cell):
        return math.nan
    if reading.variable.categories:
        return _category(cell, reading)
    if not isinstance(cell, str):
        if math.isinf(cell):
            return CellFault("not_finite", "a finite number", _leave_empty())
        return float(cell) * reading.unit.factor
    if reading.unit.form == "roman" and (match := _ROMAN.fullmatch(cell)):
        text = match.group(1).lower()
        return _ROMAN_CLASS.get(text) or float(text)
    if reading.unit.form == "pressure" and (match := _PRESSURE.fullmatch(cell)):
        return _systolic(match, reading)
    value = parse_number(_without_unit(cell, reading), reading.decimal)
    return diagnose(cell, reading) if value is None else value * reading.unit.factor


def parse_number(text: str, decimal: str = ".") -> float | None:
    """Parse a plain number; None for any other text, such as separators, units, bounds, ``nan`` or ``inf``."""
    if not _NUMBER[decimal].fullmatch(text):
        return None
    value = float(text.replace(",", "."))
    return value if math.isfinite(value) else None


def out_of_range(cell: Cell, value: float, reading: Reading) -> CellFault:
    """Return the fault of a number outside the variable's limits, with the most likely remedy."""
    variable = reading.variable
    number = round(value / reading.unit.factor, 6)
    rule = f"allowed {variable.allowed}"
    if number in SENTINELS:
        return CellFault("sentinel", rule, _declare(reading, cell))
    remedy = _propose(cell, reading)
    if variable.name == "age" and number == _CODED_AGE:
        coded = "300 means 'over 89' in PTB-XL: write 90, or empty these cells with --missing age=300"
        return CellFault("sentinel", rule, f"{coded}; {remedy}" if remedy else coded)
    if remedy:
        return CellFault("other_unit", rule, remedy)
    return CellFault("out_of_range", rule, _check_value(number, reading))


def not_whole(reading: Reading) -> CellFault:
    """Return the fault of a fraction in a column of whole numbers."""
    rule = f"a whole number, allowed {reading.variable.allowed}"
    return CellFault("not_whole", rule, "correct it or leave the cell empty")


def diagnose(text: str, reading: Reading) -> CellFault:
    """Return the fault of a text that is not a plain number."""
    variable = reading.variable
    number = f"a plain number, {variable.allowed}"
    plain = text.lower()
    if plain in MISSING_WORDS:
        return CellFault("missing_word", number, _declare(reading, text))
    if plain.lstrip("+-") in {"inf", "infinity", "∞"}:
        return CellFault("not_finite", number, _leave_empty())
    if plain[0] in "<>≤≥~≈":
        return CellFault("bound", number, "a bound is not a value: write the measured value or leave the cell empty")
    if variable.name == "nyha" and _ROMAN.fullmatch(text):
        return CellFault("nyha_text", number, "if it is the class: --convert nyha=roman")
    if variable.name == "sbp" and _PRESSURE.fullmatch(text):
        remedy = _propose(text, reading) or "no unit fits the whole column: write the systolic pressure alone, in mmHg"
        return CellFault("two_pressures", number, remedy)
    if plain in {"true", "false", "yes", "no", "y", "n"}:
        return CellFault("boolean", number, "write 1 or 0 if that is what the variable is")
    return _diagnose_digits(text, reading, number)


def _diagnose_digits(text: str, reading: Reading, number: str) -> CellFault:
    if re.fullmatch(r"[0-9]{1,4}([-/.])[0-9]{1,2}\1[0-9]{1,4}([T ].*)?", text):
        return CellFault("date", number, "this is a date: check that the right column is read (--map)")
    separated = r"[+-]?[1-9][0-9]{0,2}([,.' \u00a0\u202f’])[0-9]{3}(\1[0-9]{3})*([.,][0-9]+)?"
    if re.fullmatch(separated, text):
        remedy = "write it without thousands separators"
        mark = {",": ".", ".": ","}[reading.decimal]
        if mark in text:
            remedy += f", or if '{mark}' is the decimal mark: --decimal {mark}"
        return CellFault("thousands", number, remedy)
    other = {",": ".", ".": ","}[reading.decimal]
    if parse_number(text, other) is not None:
        code = "decimal_comma" if other == "," else "decimal_point"
        return CellFault(code, number, f"if '{other}' is the decimal mark of this table: --decimal {other}")
    match = re.fullmatch(r"([+-]?[0-9.,]*[0-9])\s*((?![eE][0-9])[^\W\d_].*|[%/°].*)", text)
    if match and any(parse_number(match.group(1), mark) is not None for mark in ".,"):
        unit = find_unit(reading.variable, match.group(2))
        name = reading.variable.name
        if unit and (unit in reading.candidates or unit.name == units_of(reading.variable)[0].name):
            return CellFault("unit_in_cell", number, f"if the column is in {unit.name}: --convert {name}={unit.name}")
        remedy = f"write the number alone, in {reading.variable.unit or 'plain digits'}"
        if unit and unit.form == "number":
            own = reading.variable.unit
            remedy = f"the column as a whole is not in {unit.name}: write the value in {own} (times {unit.factor:.4g})"
        return CellFault("unit_in_cell", number, remedy)
    return CellFault("not_a_number", number, "correct it or leave the cell empty")


def _category(cell: Cell, reading: Reading) -> float | CellFault:
    """Return the value of a category. Numbers are faults unless the settings list them, since 1 is ambiguous."""
    text = f"{cell:g}" if isinstance(cell, float) else str(cell)
    value = reading.variable.category(text)
    if value is not None:
        return value
    rule = f"one of the words {', '.join(reading.variable.categories).replace('|', ' or ')}"
    if text.lower() in MISSING_WORDS:
        return CellFault("missing_word", rule, _declare(reading, text))
    remedy = "correct it, leave the cell empty, or add the spelling to the variable's categories"
    return CellFault("category", rule, remedy)


def _without_unit(text: str, reading: Reading) -> str:
    """Remove a declared unit after a number; return any other text unchanged."""
    match = re.fullmatch(r"([+-]?[0-9.,eE+-]*[0-9.,])\s*([^0-9.,\s].*)", text)
    if match and reading.declared and reading.unit.spells(match.group(2)):
        return match.group(1)
    return text


def _systolic(pair: re.Match[str], reading: Reading) -> float | CellFault:
    first, second = (float(text.replace(",", ".")) for text in pair.groups())
    if first > second:
        return first * reading.unit.factor
    rule = "systolic/diastolic, the first number larger"
    return CellFault("pressures_swapped", rule, "correct it or leave the cell empty")


CellCounts = Mapping[tuple[type, Cell], int]
"""Type and cell -> number of cells: 1 and 1.0 are equal, but written otherwise."""


def counted_cells(cells: Sequence[Cell]) -> Counter[tuple[type, Cell]]:
    """Count equal cells."""
    return Counter(zip(map(type, cells), cells, strict=True))


def fitting_units(cells: CellCounts, reading: Reading) -> tuple[Unit, ...]:
    """Return the units, other than that of ``reading``, in which a whole column is plausible.

    In a plausible unit every number of the column is within the variable's limits. If at least half of the numbers are
    already within the limits, a unit with a factor is not plausible: two ages of 300 among adults do not make a column
    of months.

    Args:
        cells: Cells of the column, counted.
        reading: Rules for reading the column.
    """
    inside = sum(count for (_, cell), count in cells.items() if _in_limits(cell, reading))
    found = []
    for unit in units_of(reading.variable)[1:]:
        if unit == reading.unit:
            continue
        other = dataclasses.replace(reading, unit=unit, declared=True)
        fits = {key: _in_limits(key[1], other) for key in cells}
        numbers = sum(cells[key] for key, fit in fits.items() if fit is not None)
        changed = unit.factor != 1 and 2 * inside >= numbers
        if numbers and False not in fits.values() and not changed:
            found.append(unit)
    return tuple(found)


def _in_limits(cell: Cell, reading: Reading) -> bool | None:
    """Return whether a cell is within the limits; None if it is missing, a sentinel, or not a number in this unit."""
    value = read_value(cell, reading)
    if isinstance(value, CellFault) or math.isnan(value) or round(value / reading.unit.factor, 6) in SENTINELS:
        return None
    return reading.variable.low <= value <= reading.variable.high


def _propose(cell: Cell, reading: Reading) -> str:
    """Return the options for the candidate units in which a cell is valid; empty if there are none."""
    name, units = reading.variable.name, list[Unit]()
    for unit in reading.candidates:
        value = read_value(cell, dataclasses.replace(reading, unit=unit, declared=True))
        if not isinstance(value, CellFault) and reading.variable.low <= value <= reading.variable.high:
            units.append(unit)
    if [unit.name for unit in units] == ["systolic/diastolic"]:
        return f"to take the first number: --convert {name}=systolic/diastolic"
    factors = [f" (times {unit.factor:.3g})" if len(units) > 1 else "" for unit in units]
    return "; ".join(
        f"if it is in {unit.name}{factor}: --convert {name}={unit.name}"
        for unit, factor in zip(units, factors, strict=True)
    )


def _check_value(number: float, reading: Reading) -> str:
    """Return the remedy for a number that fits no unit; a high natriuretic peptide is a finding and is kept."""
    name = reading.variable.name
    if name == NT_PROBNP.name or (name == "bnp" and number > reading.variable.high):
        limits = "check the value and its unit; if it is correct, raise the limit under [[cohort.variables]]"
        mapped = f"{option(NT_PROBNP.name, reading.column)} instead of bnp (allowed {NT_PROBNP.allowed})"
        return limits if name == NT_PROBNP.name else f"if it is NT-proBNP, a separate variable: {mapped}; else {limits}"
    return "check the unit or leave the cell empty"


def _leave_empty() -> str:
    return "leave the cell empty if the value is unknown"


def as_option(cell: Cell) -> str:
    """Return a cell as it is typed after an option."""
    text = f"{cell:g}" if isinstance(cell, float) else str(cell)
    return text if re.fullmatch(r"[\w.,/%+-]+", text) else f"'{text}'"


def _declare(reading: Reading, cell: Cell) -> str:
    return f"if it means 'not measured': --missing {reading.variable.name}={as_option(cell)}"
