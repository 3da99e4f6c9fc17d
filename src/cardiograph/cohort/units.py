"""Units a column may be written in, and what turns them into ours; used only when the user names one."""

from __future__ import annotations

import re
from dataclasses import dataclass
from types import MappingProxyType

from cardiograph.schema import ClinicalVariable


@dataclass(frozen=True)
class Unit:
    """How a column is written.

    Args:
        name: As in ``--convert bnp=pmol/L``.
        factor: Our value is the written number times this.
        aliases: Other spellings that may follow a number, lower case.
        header: Pattern that finds the unit in a column name, or an empty string.
        form: ``number``, ``roman`` (NYHA classes as I to IV) or ``pressure`` (``140/80``, of which the first is taken; a
            plain number is read, too).
    """

    name: str
    factor: float = 1.0
    aliases: tuple[str, ...] = ()
    header: str = ""
    form: str = "number"

    def spells(self, text: str) -> bool:
        """Whether ``text`` is this unit, whatever its case and spaces."""
        plain = text.replace(" ", "").lower()
        return plain == self.name.lower() or plain in self.aliases


OURS = MappingProxyType(
    {"ef": "fraction", "bnp": "pg/mL", "nyha": "", "sbp": "mmHg", "age": "years", "ntprobnp": "pg/mL"}
)

UNITS: MappingProxyType[str, tuple[Unit, ...]] = MappingProxyType(
    {
        "ef": (Unit("percent", 0.01, ("%", "pct"), r"%|percent|pct"),),
        "bnp": (
            Unit("pmol/L", 3.464, ("pmol/l", "pmoll-1"), r"pmol"),
            Unit("ng/mL", 1000.0, ("ng/ml", "µg/l", "ug/l"), r"ng[^a-z]*ml|[uµ]g[^a-z]*l\b"),
            Unit("ng/L", 1.0, ("ng/l",)),
        ),
        "nyha": (Unit("roman", form="roman"),),
        "sbp": (
            Unit("systolic/diastolic", form="pressure", header=r"sys\w*[ /_-]+dia|\bbp\b.*/"),
            Unit("cmHg", 10.0, ("cm",), r"cm ?hg", form="pressure"),
            Unit("kPa", 7.500617, ("kpa",), r"kpa"),
        ),
        "age": (Unit("months", 1 / 12, ("month", "mo"), r"month"),),
        "ntprobnp": (
            Unit("pmol/L", 8.457, ("pmol/l", "pmoll-1"), r"pmol"),
            Unit("ng/mL", 1000.0, ("ng/ml", "µg/l", "ug/l"), r"ng[^a-z]*ml|[uµ]g[^a-z]*l\b"),
            Unit("ng/L", 1.0, ("ng/l",)),
        ),
    }
)
"""Source: human BNP-32 has a molar mass of 3464 g/mol, so 1 pmol/L = 3.464 pg/mL; NT-proBNP (1-76) one of 8457 g/mol;
1 mmHg = 133.322 Pa (NIST SP 811)."""


def units_of(variable: ClinicalVariable) -> tuple[Unit, ...]:
    """The units ``variable`` can be converted from; the first is its own.

    A variable of the five whose unit the config changed has its own unit only: the factors lead to ours.
    """
    own = Unit(variable.unit or "number", aliases=(variable.unit.lower().replace(" ", ""),))
    if variable.name not in UNITS or variable.unit != OURS[variable.name]:
        return (own,)
    return (own, *UNITS[variable.name])


def find_unit(variable: ClinicalVariable, text: str) -> Unit | None:
    """The unit of ``variable`` that ``text`` spells, or None."""
    return next((unit for unit in units_of(variable) if text and unit.spells(text)), None)


def unit_in_header(variable: ClinicalVariable, header: str) -> Unit | None:
    """The foreign unit that a column name speaks of, or None."""
    words = header.lower().replace("_", " ")
    return next((unit for unit in units_of(variable)[1:] if unit.header and re.search(unit.header, words)), None)
