"""The MAGGIC score of the records of a cohort that has its variables, by their names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cardiograph.containers import Cohort
from cardiograph.schema import ClinicalVariable
from cardiograph.survival.maggic import MaggicValues, maggic_risk, maggic_score

if TYPE_CHECKING:
    import pandas as pd

Floats = NDArray[np.float64]

UNITS: dict[str, dict[str, float]] = {
    "ef": {"fraction": 100.0, "percent": 1.0, "%": 1.0},
    "age": {"years": 1.0},
    "sbp": {"mmHg": 1.0},
    "bmi": {"kg/m2": 1.0},
    "creatinine": {"umol/L": 1.0, "µmol/L": 1.0, "mg/dL": 88.4},
    "nyha": {"": 1.0},
}
"""Measured variable -> its possible units with their factor to the unit of the score."""

SEX = ("female", "male")
"""Categories of ``sex``."""

RAAS = ("ace_inhibitor", "angiotensin_receptor_blocker")
"""Drugs of which one counts; a cohort needs at least one of the two columns."""

OPTIONAL = {"smoker": "smoking", "copd": "COPD", "hf_over_18_months": "heart failure for 18 months or longer"}
"""Item that a cohort may lack -> its name in words. It then counts as absent in all records; if it counted as present in
all, their order would be the same, and a note states what this would change."""


@dataclass(frozen=True)
class MaggicScores:
    """MAGGIC scores of records.

    Args:
        points: [records] points.
        notes: How missing items and values were treated, one sentence each.
    """

    points: Floats
    notes: tuple[str, ...]


def maggic_scores(cohort: Cohort, rows: NDArray[np.int64], *, train: pd.DataFrame) -> MaggicScores | None:
    """Return the scores of some records; None if the cohort lacks a variable of the score, or has another unit or code.

    A missing value becomes the median of the training records, rounded where the variable has whole values.

    Args:
        cohort: Records with clinical variables.
        rows: Records to score.
        train: Values of the training records of the run, in the units of the cohort.
    """
    variables = {variable.name: variable for variable in cohort.variables}
    factors = {name: _factor(variables.get(name), units) for name, units in UNITS.items()}
    needed = {"sex": getattr(variables.get("sex"), "words", ()) == SEX}
    needed |= {name: name in variables for name in ("diabetes", "beta_blocker")}
    raas = [name for name in RAAS if name in variables]
    if None in factors.values() or not all(needed.values()) or not raas:
        return None
    flags = ["sex", "diabetes", "beta_blocker", *raas, *(name for name in OPTIONAL if name in variables)]
    values, filled = {}, {}
    for name in (*factors, *flags):
        known, given = (
            table[name].to_numpy(np.float64) * (factors.get(name) or 1.0) for table in (train, cohort.table.iloc[rows])
        )
        codes = np.concatenate([known, given])
        if np.isnan(known).all() or (name in flags and not np.isin(codes[~np.isnan(codes)], (0, 1)).all()):
            return None
        median = float(np.nanmedian(known))
        filled[name] = int(np.isnan(given).sum())
        values[name] = np.where(np.isnan(given), round(median) if name in ("nyha", *flags) else median, given)
    unknown = [name for name in OPTIONAL if name not in variables]
    drug = np.max([values[name] for name in raas], axis=0)
    absent, present = (_points(values | dict.fromkeys(unknown, np.full(len(rows), each)), drug) for each in (0.0, 1.0))
    notes = [*_notes(filled, raas), *([_extremes(unknown, absent, present)] if unknown else [])]
    return MaggicScores(absent.astype(np.float64), tuple(notes))


def _points(values: Mapping[str, Floats], drug: Floats) -> NDArray[np.int64]:
    return maggic_score(
        MaggicValues(
            ejection_fraction=values["ef"].round(6),
            age=values["age"],
            systolic=values["sbp"],
            bmi=values["bmi"],
            creatinine=values["creatinine"],
            nyha=values["nyha"],
            male=values["sex"],
            smoker=values["smoker"],
            diabetes=values["diabetes"],
            copd=values["copd"],
            long_known=values["hf_over_18_months"],
            beta_blocker=values["beta_blocker"],
            acei_or_arb=drug,
        )
    )


def _factor(variable: ClinicalVariable | None, units: Mapping[str, float]) -> float | None:
    return None if variable is None else units.get(variable.unit)


def _notes(filled: Mapping[str, int], raas: list[str]) -> list[str]:
    notes = ["MAGGIC is compared by its order only: its risks are those of death from any cause within 1 and 3 years."]
    if len(raas) < len(RAAS):
        notes.append(f"MAGGIC: of ACE inhibitors and angiotensin receptor blockers, the cohort has {raas[0]} only.")
    counts = ", ".join(f"{name} {count}" for name, count in filled.items() if count)
    if counts:
        notes.append(f"MAGGIC: missing values of scored records became the median of the training records: {counts}.")
    return notes


def _extremes(unknown: list[str], absent: NDArray[np.int64], present: NDArray[np.int64]) -> str:
    """Describe the scores with the unknown items absent, and present, in all records."""
    items = ", ".join(OPTIONAL[name] for name in unknown)
    means = [
        f"{points.mean():.1f} points and a risk of {maggic_risk(points, years=1).mean():.1%} within 1 year and "
        f"{maggic_risk(points, years=3).mean():.1%} within 3 years"
        for points in (absent, present)
    ]
    return (
        f"MAGGIC: the cohort lacks {items}. These items count as absent in all records, which gives {means[0]} on "
        f"average; present in all, they would give {means[1]}, in the same order."
    )
