"""Clinical variables: name, unit, allowed range and transform, and the list of variables that the package knows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

Transform = Literal["identity", "log"]
Provenance = Literal[
    "measured",
    "measured from the ECG",
    "simulated blind to the label",
    "simulated from the label",
    "synthetic patient",
]

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


@dataclass(frozen=True)
class Unit:
    """Unit or notation of a column.

    Args:
        name: Name of the unit, as in ``--convert bnp=pmol/L``.
        factor: Factor by which a number in this unit is multiplied to give a value in the variable's own unit.
        aliases: Other spellings of the unit after a number, in lower case.
        header: Pattern that finds the unit in a column name, or an empty string.
        form: ``number``, ``roman`` (NYHA classes I to IV) or ``pressure`` (``140/80``, read as its first number; plain
            numbers are accepted).
    """

    name: str
    factor: float = 1.0
    aliases: tuple[str, ...] = ()
    header: str = ""
    form: str = "number"

    def spells(self, text: str) -> bool:
        """Return whether ``text`` is this unit, ignoring case and spaces."""
        plain = text.replace(" ", "").lower()
        return plain == self.name.lower() or plain in self.aliases


@dataclass(frozen=True)
class KnownVariable:
    """A clinical variable that the package reads without configuration.

    Args:
        variable: Name, unit and allowed range.
        aliases: Other column names, in lower case and without punctuation, for which a message proposes this variable.
        units: Other units in which a column may be given.
        default: Whether the reference pipeline has the variable, so that it can be simulated.
    """

    variable: ClinicalVariable
    aliases: frozenset[str]
    units: tuple[Unit, ...] = ()
    default: bool = True


_NG_ML = Unit("ng/mL", 1000.0, ("ng/ml", "µg/l", "ug/l"), r"ng[^a-z]*ml|[uµ]g[^a-z]*l\b")
_NG_L = Unit("ng/L", 1.0, ("ng/l",))

KNOWN: tuple[KnownVariable, ...] = (
    KnownVariable(
        ClinicalVariable("ef", "ejection fraction", "fraction", 0.05, 0.90),
        frozenset({"lvef", "ejectionfraction", "efpercent", "lvefpercent", "efpct"}),
        (Unit("percent", 0.01, ("%", "pct"), r"%|percent|pct"),),
    ),
    KnownVariable(
        ClinicalVariable("bnp", "brain natriuretic peptide", "pg/mL", 1, 10_000, transform="log"),
        frozenset({"bnppgml", "bnppmoll", "bnpngl", "bnpngml", "brainnatriureticpeptide"}),
        (Unit("pmol/L", 3.464, ("pmol/l", "pmoll-1"), r"pmol"), _NG_ML, _NG_L),
    ),
    KnownVariable(
        ClinicalVariable("nyha", "NYHA class", "", 1, 4, whole=True),
        frozenset({"nyhaclass", "nyhafc", "functionalclass"}),
        (Unit("roman", form="roman"),),
    ),
    KnownVariable(
        ClinicalVariable("sbp", "systolic blood pressure", "mmHg", 50, 300),
        frozenset({"systolic", "systolicbp", "systolicbloodpressure", "sbpmmhg", "bpsystolic", "bp", "bloodpressure"}),
        (
            Unit("systolic/diastolic", form="pressure", header=r"sys\w*[ /_-]+dia|\bbp\b.*/"),
            Unit("cmHg", 10.0, ("cm",), r"cm ?hg", form="pressure"),
            Unit("kPa", 7.500617, ("kpa",), r"kpa"),
        ),
    ),
    KnownVariable(
        ClinicalVariable("age", "age", "years", 0, 120),
        frozenset({"ageyears", "patientage", "ageatecg"}),
        (Unit("months", 1 / 12, ("month", "mo"), r"month"),),
    ),
    KnownVariable(
        ClinicalVariable("ntprobnp", "NT-proBNP", "pg/mL", 5, 70_000, transform="log"),
        frozenset({"probnp", "ntprobnppgml", "ntprobnppmoll", "ntprobnpngl", "ntprobnpngml"}),
        (Unit("pmol/L", 8.457, ("pmol/l", "pmoll-1"), r"pmol"), _NG_ML, _NG_L),
        default=False,
    ),
)
"""Clinical variables that are read without configuration; a new one needs an entry here and a FHIR code.

The limits describe possible measurements, not healthy values: a value outside them is a typing error, has another unit
or is a code for "missing". NT-proBNP is a different peptide from BNP: both come from the same prohormone, but NT-proBNP
values are several times higher.

Source of the NT-proBNP limits: clinical assays measure 5 to 35,000 pg/mL, and twice that in a sample diluted 1:2.
Source of the factors: the molar mass of human BNP-32 is 3464 g/mol, so 1 pmol/L = 3.464 pg/mL; that of NT-proBNP (1-76)
is 8457 g/mol; 1 mmHg = 133.322 Pa (NIST SP 811).
"""

KNOWN_BY_NAME: Mapping[str, KnownVariable] = MappingProxyType({each.variable.name: each for each in KNOWN})
KNOWN_VARIABLES: tuple[ClinicalVariable, ...] = tuple(each.variable for each in KNOWN)

DEFAULT_VARIABLES: tuple[ClinicalVariable, ...] = tuple(each.variable for each in KNOWN if each.default)
"""Variables of the reference pipeline."""

NT_PROBNP: ClinicalVariable = KNOWN_BY_NAME["ntprobnp"].variable
