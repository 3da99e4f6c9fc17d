"""The MAGGIC score of a cohort that has its variables under their names and in their units."""

import numpy as np
import pandas as pd
import pytest

from cardiograph.containers import Cohort
from cardiograph.schema import ClinicalVariable
from cardiograph.survival.evaluation import PartCounts, SurvivalTest, evaluate_survival
from cardiograph.survival.maggic_cohort import maggic_scores
from cardiograph.survival.outcome import SurvivalOutcome

UNITS = {"ef": "fraction", "age": "years", "sbp": "mmHg", "bmi": "kg/m2", "creatinine": "umol/L", "nyha": ""}
FLAGS = ["diabetes", "beta_blocker", "ace_inhibitor"]
# ejection fraction, age, systolic, bmi, creatinine, nyha, male, diabetes, beta blocker, ACE inhibitor
MIDDLE = (0.32, 68, 125, 27, 115, 3, 1, 0, 1, 0)
"""24 points on paper, of which 2 for a disease known for 18 months."""
WORST = (0.18, 82, 95, 14, 260, 4, 1, 1, 0, 0)
"""57 points, of which 1 for smoking, 2 for COPD and 2 for the duration."""


def cohort_of(*rows, without=(), units=None, **more):
    units = UNITS | (units or {})
    variables = [ClinicalVariable(name, name, unit, 0, 1000) for name, unit in units.items()]
    variables.append(ClinicalVariable("sex", "sex", "", 0, 1, whole=True, categories=("female|f", "male|m")))
    variables += [ClinicalVariable(name, name, "", 0, 1) for name in [*FLAGS, *more]]
    table = pd.DataFrame(np.array(rows, float), columns=[*UNITS, "sex", *FLAGS]).assign(**more)
    table["record_id"] = [f"r{row}" for row in range(len(rows))]
    table = table.assign(patient_id=None, label=0, class_name="", ecg=None, split=None)
    return Cohort(table, tuple(each for each in variables if each.name not in without))


def points(cohort, rows=None):
    every = np.arange(len(cohort))
    return maggic_scores(cohort, every if rows is None else np.array(rows), train=cohort.table)


def test_items_that_the_cohort_lacks_count_as_absent():
    found = points(cohort_of(MIDDLE, WORST))
    assert found.points.tolist() == [22, 52]
    assert "the cohort lacks smoking, COPD, heart failure for 18 months or longer" in found.notes[-1]


def test_the_note_on_missing_items_states_both_extremes():
    found = points(cohort_of(MIDDLE, smoker=0.0))
    # 22 and 26 points in the published table of risks
    assert "22.0 points and a risk of 12.2% within 1 year and 29.2% within 3 years on average" in found.notes[-1]
    assert "26.0 points and a risk of 17.5% within 1 year and 39.7% within 3 years" in found.notes[-1]
    assert "lacks COPD, heart failure" in found.notes[-1]


def test_a_cohort_with_every_item_has_all_points():
    found = points(cohort_of(MIDDLE, WORST, smoker=0.0, copd=0.0, hf_over_18_months=1.0))
    assert found.points.tolist() == [24, 54]


def test_creatinine_in_mg_per_dl_gives_the_same_points():
    row = list(MIDDLE)
    row[4] = 115 / 88.4
    assert points(cohort_of(row, units={"creatinine": "mg/dL"})).points.tolist() == [22]


def test_the_medians_are_those_of_the_training_records_given():
    gap = list(MIDDLE)
    gap[1] = np.nan
    other = cohort_of(WORST).table  # age 82
    assert maggic_scores(cohort_of(gap), np.array([0]), train=other).points.tolist() == [22 - 6 + 13]


def test_a_missing_value_is_the_median_of_training_records_and_is_counted():
    gap = list(WORST)
    gap[1] = np.nan
    found = points(cohort_of(MIDDLE, MIDDLE, gap), rows=[2])
    assert found.points.tolist() == [52 - 10 + 4]  # age 68 in place of 82, ejection fraction below 30
    assert any("training records: age 1." in note for note in found.notes)


@pytest.mark.parametrize("lacking", [*UNITS, "sex", *FLAGS])
def test_without_a_variable_there_is_no_score(lacking):
    assert points(cohort_of(MIDDLE, without=(lacking,))) is None


def test_another_unit_or_code_gives_no_score():
    assert points(cohort_of(MIDDLE, units={"creatinine": "mmol/L"})) is None
    row = list(MIDDLE)
    row[7] = 2
    assert points(cohort_of(row)) is None


def test_the_score_is_judged_by_its_order_and_has_no_brier_score():
    rng = np.random.default_rng(0)
    risk = rng.uniform(0.1, 0.9, 80)
    outcome = SurvivalOutcome(np.ceil(100 * (1.05 - risk)), (np.arange(80) % 4 > 0).astype(np.int64))
    times = np.array([0.0, 20.0, 60.0])
    constant = np.tile([0.0, 0.2, 0.5], (80, 1))
    models = {"sign": risk[:, None] * times / 60, "cox_clinical": constant, "shuffled": constant}
    metrics = evaluate_survival(
        SurvivalTest(outcome, np.arange(80), times, models, {"maggic": np.round(10 * risk)}),
        primary="sign",
        horizons=(20.0, 60.0),
        unit="days",
        counts={"train": PartCounts(80, 80, 60, 0, 20)},
        features={"sign": 2},
        resamples=50,
        confidence=0.95,
        rng=rng,
    )
    found = metrics.scores["maggic"]
    assert found["uno_c"].value > 0.9 and found["auroc_20"].value > 0.9
    assert np.isnan([found[name].value for name in ("integrated_brier", "brier_20", "brier_60")]).all()
    assert "maggic" not in metrics.observed_to_expected
    assert "The graph model beats Cox regression, clinical values" in metrics.verdict
    assert "The graph model beats MAGGIC score" in metrics.verdict or "to beat MAGGIC score" in metrics.verdict
