"""The MAGGIC score against sums on paper."""

import numpy as np
import pytest

from cardiograph.errors import InputError
from cardiograph.survival.maggic import ONE_YEAR, THREE_YEARS, MaggicValues, maggic_risk, maggic_score

NAMES = list(MaggicValues.__dataclass_fields__)


def values(*rows):
    return MaggicValues(*np.array(rows, float).T)


# ejection fraction, age, systolic, bmi, creatinine, nyha, male, smoker, diabetes, copd, known 18 months, beta, acei
LOWEST = (55, 45, 160, 32, 80, 1, 0, 0, 0, 0, 0, 1, 1)
HIGHEST = (18, 82, 95, 14, 260, 4, 1, 1, 1, 1, 1, 0, 0)


def test_the_extremes_of_the_score():
    # 7 + 10 + 5 + 6 + 8 + 8 + 1 + 1 + 3 + 2 + 2 + 3 + 1
    assert list(maggic_score(values(LOWEST, HIGHEST))) == [0, 57]


def test_a_patient_in_the_middle():
    # EF 32: 3; age 68: 6; 125 mmHg: 1; BMI 27: 2; creatinine 115: 2; NYHA III: 6; male 1; known 2; no ACEI or ARB 1
    assert maggic_score(values((32, 68, 125, 27, 115, 3, 1, 0, 0, 0, 1, 1, 0)))[0] == 24


@pytest.mark.parametrize(("age", "points"), [(54, 0), (55, 3), (59, 3), (60, 5), (74, 9), (75, 12), (80, 15)])
def test_points_of_age_with_preserved_ejection_fraction(age, points):
    assert maggic_score(values((LOWEST[0], age, *LOWEST[2:])))[0] == points


def test_three_years_of_a_score_are_about_one_year_of_ten_more():
    """In the published table the odds are parallel, so a typing error in one number shows."""
    assert np.allclose(THREE_YEARS[:41], ONE_YEAR[10:], atol=0.0011)
    assert (np.diff(ONE_YEAR) > 0).all()
    assert (np.diff(THREE_YEARS) > 0).all()


def test_risk_of_published_scores():
    assert list(maggic_risk(np.array([0, 20, 50, 57]), years=1)) == [0.015, 0.102, 0.842, 0.842]
    assert maggic_risk(np.array([25]), years=3)[0] == 0.369
    with pytest.raises(InputError, match="allowed are 1 and 3"):
        maggic_risk(np.array([20]), years=4)


@pytest.mark.parametrize(("name", "value"), [("age", np.nan), ("nyha", 5), ("copd", 2), ("creatinine", np.inf)])
def test_a_value_that_cannot_be_scored_is_named(name, value):
    row = list(LOWEST)
    row[NAMES.index(name)] = value
    with pytest.raises(InputError) as raised:
        maggic_score(values(row))
    assert [issue.column for issue in raised.value.issues] == [name]
