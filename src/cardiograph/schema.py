"""What a clinical variable is: name, unit, plausible range, transform; the five of the reference pipeline."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Transform = Literal["identity", "log"]
Provenance = Literal["measured", "simulated blind to the label", "simulated from the label", "synthetic patient"]

UNLABELLED = -1
"""The label of a record whose outcome is not known, in every integer label array."""


@dataclass(frozen=True)
class ClinicalVariable:
    """A clinical variable and the values it may take.

    Args:
        name: Column name, lower case.
        title: Name for people.
        unit: UCUM-like unit as printed; empty for a class or a count.
        low: Smallest value allowed, in ``unit``.
        high: Largest value allowed, in ``unit``.
        transform: Applied before scaling; ``log`` needs ``low > 0``.
        whole: True where only whole numbers are allowed (NYHA class).
    """

    name: str
    title: str
    unit: str
    low: float
    high: float
    transform: Transform = "identity"
    whole: bool = False

    @property
    def allowed(self) -> str:
        """The range in words, such as ``50-300 mmHg``."""
        return f"{self.low:g}-{self.high:g} {self.unit}".rstrip()


DEFAULT_VARIABLES: tuple[ClinicalVariable, ...] = (
    ClinicalVariable("ef", "ejection fraction", "fraction", 0.05, 0.90),
    ClinicalVariable("bnp", "brain natriuretic peptide", "pg/mL", 1, 10_000, transform="log"),
    ClinicalVariable("nyha", "NYHA class", "", 1, 4, whole=True),
    ClinicalVariable("sbp", "systolic blood pressure", "mmHg", 50, 300),
    ClinicalVariable("age", "age", "years", 0, 120),
)
"""Limits are of measurement, not of health: outside them a value is a typing error, another unit or a sentinel."""

NT_PROBNP = ClinicalVariable("ntprobnp", "NT-proBNP", "pg/mL", 5, 70_000, transform="log")
"""A peptide of its own, not BNP: split off the same prohormone, with values several times higher.

It is read where a table has the column, and simulated nowhere. Source of the limits: the measuring range of the clinical
assays, 5 to 35,000 pg/mL, and twice that with the sample diluted 1:2.
"""

KNOWN_VARIABLES: tuple[ClinicalVariable, ...] = (*DEFAULT_VARIABLES, NT_PROBNP)
"""Variables whose column, unit and codes the package knows without a word of the configuration."""
