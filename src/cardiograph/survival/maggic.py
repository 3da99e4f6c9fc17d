"""MAGGIC integer score: risk of death within one and three years in heart failure.

Source: Pocock et al., Predicting survival in heart failure: a risk score based on 39 372 patients from 30 studies,
Eur Heart J 34:1404 (2013), figure 2 (points) and table 4 (risks).
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from cardiograph.errors import InputError, Issue

Floats = NDArray[np.float64]

_EF_BOUNDS, _EF_POINTS = (20, 25, 30, 35, 40), (7, 6, 5, 3, 2, 0)
_AGE_BOUNDS = (55, 60, 65, 70, 75, 80)
_AGE_POINTS = ((0, 1, 2, 4, 6, 8, 10), (0, 2, 4, 6, 8, 10, 13), (0, 3, 5, 7, 9, 12, 15))
_SBP_BOUNDS = (110, 120, 130, 140, 150)
_SBP_POINTS = ((5, 4, 3, 2, 1, 0), (3, 2, 1, 1, 0, 0), (2, 1, 1, 0, 0, 0))
_BMI_BOUNDS, _BMI_POINTS = (15, 20, 25, 30), (6, 5, 3, 2, 0)
_CREATININE_BOUNDS, _CREATININE_POINTS = (90, 110, 130, 150, 170, 210, 250), (0, 1, 2, 3, 4, 5, 6, 8)
_NYHA_POINTS = (0, 2, 6, 8)
_EF_COLUMNS = (30, 40)
"""Bounds of the ejection fraction between the rows of the points for age and systolic blood pressure."""


def _per_thousand(*risks: int) -> Floats:
    return np.array(risks) / 1000


ONE_YEAR = _per_thousand(
    15, 16, 18, 20, 22, 24, 27, 29, 32, 36, 39, 43, 48, 52, 58, 63, 70, 77, 84, 93, 102, 111, 122, 134, 147, 160,
    175, 191, 209, 227, 248, 269, 292, 316, 342, 369, 398, 427, 458, 490, 523, 557, 591, 625, 659, 692, 725, 757,
    787, 816, 842,
)  # fmt: skip
"""[51] risk of death within one year by score 0 to 50."""
THREE_YEARS = _per_thousand(
    39, 43, 48, 52, 58, 63, 70, 77, 84, 92, 102, 111, 122, 134, 146, 160, 175, 191, 209, 227, 247, 269, 292, 316,
    342, 369, 397, 427, 458, 490, 523, 556, 590, 625, 658, 692, 725, 756, 787, 815, 842, 866, 889, 908, 926, 941,
    953, 964, 973, 980, 985,
)  # fmt: skip
"""[51] risk of death within three years by score 0 to 50."""


@dataclass(frozen=True)
class MaggicValues:
    """The thirteen variables of the score, [n] each; the last eight are 0 or 1.

    Args:
        ejection_fraction: Percent.
        age: Years.
        systolic: Systolic blood pressure, mmHg.
        bmi: kg/m2.
        creatinine: umol/l.
        nyha: Class 1 to 4.
        male: Male sex.
        smoker: Current smoker.
        diabetes: Diabetes.
        copd: Chronic obstructive pulmonary disease.
        long_known: Heart failure first diagnosed 18 months ago or earlier.
        beta_blocker: Beta blocker prescribed.
        acei_or_arb: ACE inhibitor or angiotensin receptor blocker prescribed.
    """

    ejection_fraction: Floats
    age: Floats
    systolic: Floats
    bmi: Floats
    creatinine: Floats
    nyha: Floats
    male: Floats
    smoker: Floats
    diabetes: Floats
    copd: Floats
    long_known: Floats
    beta_blocker: Floats
    acei_or_arb: Floats


def maggic_score(values: MaggicValues) -> NDArray[np.int64]:
    """Return [n] integer scores, 0 to 57.

    The published bands of age are below 55 and 56 to 59; age 55 counts as 55 to 59.

    Raises:
        InputError: A value is missing, or a class or 0/1 variable has another value.
    """
    _check(values)
    column = np.searchsorted(_EF_COLUMNS, values.ejection_fraction, side="right")
    age, systolic = (
        np.searchsorted(bounds, given, side="right")
        for bounds, given in ((_AGE_BOUNDS, values.age), (_SBP_BOUNDS, values.systolic))
    )
    total = np.array(_AGE_POINTS)[column, age] + np.array(_SBP_POINTS)[column, systolic]
    for bounds, points, given in (
        (_EF_BOUNDS, _EF_POINTS, values.ejection_fraction),
        (_BMI_BOUNDS, _BMI_POINTS, values.bmi),
        (_CREATININE_BOUNDS, _CREATININE_POINTS, values.creatinine),
    ):
        total = total + np.array(points)[np.searchsorted(bounds, given, side="right")]
    total = total + np.array(_NYHA_POINTS)[values.nyha.astype(int) - 1]
    total = total + values.male + values.smoker + 3 * values.diabetes + 2 * values.copd + 2 * values.long_known
    total = total + 3 * (1 - values.beta_blocker) + (1 - values.acei_or_arb)
    score: NDArray[np.int64] = total.astype(np.int64)
    return score


def maggic_risk(score: NDArray[np.int64], *, years: int) -> Floats:
    """Return [n] risks of death within 1 or 3 years; above 50 points, where the table ends, the risk of 50.

    Raises:
        InputError: The score has no table for this number of years.
    """
    tables = {1: ONE_YEAR, 3: THREE_YEARS}
    if years not in tables:
        message = f"MAGGIC has no risk within {years} years; allowed are 1 and 3; use the score for its order only"
        raise InputError(message)
    risk: Floats = tables[years][np.clip(score, 0, len(ONE_YEAR) - 1)]
    return risk


def _check(values: MaggicValues) -> None:
    issues = []
    for number, each in enumerate(fields(values)):
        given = getattr(values, each.name)
        allowed, rule = np.isfinite(given), "a finite number"
        if each.name == "nyha":
            allowed, rule = np.isin(given, (1, 2, 3, 4)), "1, 2, 3 or 4"
        elif number > 5:
            allowed, rule = np.isin(given, (0, 1)), "0 or 1"
        remedy = "enter the value or leave the record out"
        issues += [
            Issue(f"row {row + 1}", each.name, f"{given[row]:g}", f"allowed is {rule}", remedy, "bad_maggic_value")
            for row in np.flatnonzero(~allowed)
        ]
    if issues:
        headline = "the MAGGIC score cannot be computed"
        raise InputError(headline, issues)
