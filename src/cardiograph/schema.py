"""Clinical variables: name, unit, allowed range and transform, and the list of variables that the package knows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Transform = Literal["identity", "log"]
Provenance = Literal["measured", "simulated blind to the label", "simulated from the label", "synthetic patient"]

UNLABELLED = -1
"""Label of a record with an unknown outcome, in every integer label array."""


@dataclass(frozen=True)
class ClinicalVariable:
    """A clinical variable and its allowed values.

    Args:
        name: Column name in lower case.
        title: Display name.
        unit: UCUM-like unit shown with values; empty for a class or a count.
        low: Smallest allowed value, in ``unit``.
        high: Largest allowed value, in ``unit``.
        transform: Transform applied before scaling; ``log`` needs ``low > 0``.
        whole: Whether only whole numbers are allowed (NYHA class).
        categories: Ordered categories of a column that holds words instead of numbers; the value of a category is its
            position, from 0. Bars separate the spellings of one category, and the first spelling is displayed:
            ``("female|f", "male|m")``.
    """

    name: str
    title: str
    unit: str
    low: float
    high: float
    transform: Transform = "identity"
    whole: bool = False
    categories: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "categories", tuple(self.categories))  # JSON contains lists

    @property
    def words(self) -> tuple[str, ...]:
        """Displayed spelling of each category."""
        return tuple(category.split("|")[0].strip() for category in self.categories)

    def category(self, text: str) -> float | None:
        """Return the value of a word, ignoring case; None if it is not a category."""
        plain = text.strip().casefold()
        for number, category in enumerate(self.categories):
            if plain in (spelling.strip().casefold() for spelling in category.split("|")):
                return float(number)
        return None

    def word(self, value: float | None) -> str:
        """Return the category of a value; an empty string if the value has no category."""
        places: dict[float, str] = dict(enumerate(self.words))
        return "" if value is None else places.get(value, "")

    def unit_of(self, value: float) -> str:
        """Return the text to print after a value: the unit, or the category in brackets."""
        word = self.word(value)
        return f"({word})" if word else self.unit

    @property
    def allowed(self) -> str:
        """Allowed values as text, such as ``50-300 mmHg`` or ``0 = female, 1 = male``."""
        if self.categories:
            return ", ".join(f"{number} = {word}" for number, word in enumerate(self.words))
        return f"{self.low:g}-{self.high:g} {self.unit}".rstrip()

    @property
    def rule(self) -> str:
        """Allowed values as text, including whether numbers must be whole."""
        return f"{self.allowed}{', whole numbers' if self.whole and not self.categories else ''}"


DEFAULT_VARIABLES: tuple[ClinicalVariable, ...] = (
    ClinicalVariable("ef", "ejection fraction", "fraction", 0.05, 0.90),
    ClinicalVariable("bnp", "brain natriuretic peptide", "pg/mL", 1, 10_000, transform="log"),
    ClinicalVariable("nyha", "NYHA class", "", 1, 4, whole=True),
    ClinicalVariable("sbp", "systolic blood pressure", "mmHg", 50, 300),
    ClinicalVariable("age", "age", "years", 0, 120),
)
"""Variables of the reference pipeline.

The limits describe possible measurements, not healthy values: a value outside them is a typing error, has another unit
or is a code for "missing".
"""

NT_PROBNP = ClinicalVariable("ntprobnp", "NT-proBNP", "pg/mL", 5, 70_000, transform="log")
"""A different peptide from BNP: both come from the same prohormone, but NT-proBNP values are several times higher.

It is used if the table has the column, and never simulated. Source of the limits: clinical assays measure 5 to 35,000
pg/mL, and twice that in a sample diluted 1:2.
"""

KNOWN_VARIABLES: tuple[ClinicalVariable, ...] = (*DEFAULT_VARIABLES, NT_PROBNP)
"""Variables that are read without configuration; each has units, aliases and FHIR codes."""
