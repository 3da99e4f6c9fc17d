"""The scaler is fitted on training rows only, and agrees with scikit-learn."""

import json
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from cardiograph.containers import ClinicalTable
from cardiograph.errors import CohortError
from cardiograph.features.scaler import ClinicalScaler
from cardiograph.features.simulate import simulate_from_label
from cardiograph.schema import DEFAULT_VARIABLES

TRAIN = np.arange(0, 60)


def measured(values):
    return ClinicalTable(values, DEFAULT_VARIABLES, ("measured",) * 5)


@pytest.fixture
def table():
    rng = np.random.default_rng(0)
    values = simulate_from_label(rng.integers(0, 2, 90), rng).values.copy()
    values[rng.random(90) < 0.2, 1] = np.nan
    values[rng.random(90) < 0.1, 4] = np.nan
    return measured(values)


@given(st.integers(0, 10_000), st.floats(0, 0.6))
def test_it_equals_scikit_learn(seed, gaps):
    rng = np.random.default_rng(seed)
    values = simulate_from_label(rng.integers(0, 2, 90), rng).values.copy()
    values[rng.random(values.shape) < gaps] = np.nan
    values[:2] = [[0.4, 90, 2, 120, 60], [0.5, 80, 3, 110, 50]]
    values[np.isnan(values).all(1), 4] = 70  # a record without any value has no block, which scikit-learn does not know
    transformed = values.copy()
    transformed[:, 1] = np.log(transformed[:, 1])
    scaler = ClinicalScaler.fit(measured(values), TRAIN)
    imputer = SimpleImputer(strategy="median", add_indicator=True)
    values_only = [("values", StandardScaler(), slice(0, 5))]
    oracle = make_pipeline(imputer, ColumnTransformer(values_only, remainder=StandardScaler(with_std=False)))
    oracle.fit(transformed[TRAIN])
    np.testing.assert_allclose(scaler.transform(values[TRAIN]), oracle.transform(transformed[TRAIN]), atol=1e-12)
    rest = values[60:].copy()
    rest[:, ~scaler.has_gaps] = np.where(np.isnan(rest), values[0], rest)[:, ~scaler.has_gaps]
    log_rest = rest.copy()
    log_rest[:, 1] = np.log(log_rest[:, 1])
    np.testing.assert_allclose(scaler.transform(rest), oracle.transform(log_rest), atol=1e-12)


def test_training_rows_have_mean_zero_and_values_unit_variance(table):
    scaled = ClinicalScaler.fit(table, TRAIN).transform(table.values[TRAIN])
    np.testing.assert_allclose(scaled.mean(axis=0), 0, atol=1e-12)
    np.testing.assert_allclose(scaled[:, :5].std(axis=0), 1, atol=1e-12)


def test_a_rare_gap_does_not_decide_who_is_similar(table):
    scaled = ClinicalScaler.fit(table, TRAIN).transform(table.values[TRAIN])
    np.testing.assert_allclose(np.ptp(scaled[:, 5:], axis=0), 1)


def test_a_variable_with_gaps_has_an_indicator_behind_the_variables(table):
    scaler = ClinicalScaler.fit(table, TRAIN)
    assert scaler.names == ("ef", "bnp", "nyha", "sbp", "age", "bnp_missing", "age_missing")
    scaled = scaler.transform(table.values)
    assert len(np.unique(scaled[:, 5])) == 2
    assert ((scaled[:, 5] > 0) == np.isnan(table.values[:, 1])).all()


def test_complete_training_rows_give_no_indicator_and_a_missing_value_the_median(table):
    table.values[TRAIN] = np.where(np.isnan(table.values[TRAIN]), 50.0, table.values[TRAIN])
    scaler = ClinicalScaler.fit(table, TRAIN)
    assert len(scaler.names) == 5
    query = np.array([[0.4, np.nan, 2, 120, 60]])
    filled = np.array([[0.4, np.exp(np.median(np.log(table.values[TRAIN, 1]))), 2, 120, 60]])
    np.testing.assert_allclose(scaler.transform(query), scaler.transform(filled), atol=1e-12)
    assert scaler.missing(query[0]) == ("bnp",)


def test_rows_that_are_not_for_training_change_nothing(table):
    before = ClinicalScaler.fit(table, TRAIN).to_dict()
    poisoned = table.values.copy()
    poisoned[60:] = [[0.9, 10_000, 4, 300, 120]] * 30
    poisoned[75:] = np.nan
    assert ClinicalScaler.fit(measured(poisoned), TRAIN).to_dict() == before


def test_one_row_alone_is_scaled_as_among_others(table):
    scaler = ClinicalScaler.fit(table, TRAIN)
    together = scaler.transform(table.values)
    alone = np.concatenate([scaler.transform(table.values[row : row + 1]) for row in range(90)])
    np.testing.assert_array_equal(alone, together)


def test_it_survives_json_to_the_last_bit(table):
    scaler = ClinicalScaler.fit(table, TRAIN)
    again = ClinicalScaler.from_dict(json.loads(json.dumps(scaler.to_dict())))
    assert again.variables == scaler.variables
    assert again.names == scaler.names
    np.testing.assert_array_equal(again.transform(table.values), scaler.transform(table.values))
    assert again.outside(np.array([0.1, 1, 1, 60, 5])) == scaler.outside(np.array([0.1, 1, 1, 60, 5]))


def test_a_column_that_does_not_vary_is_recorded_and_scaled_to_zero(table):
    table.values[:, 3] = 120.1
    scaler = ClinicalScaler.fit(table, TRAIN)
    assert scaler.constant.tolist() == [False, False, False, True, False, False, False]
    assert scaler.stds[3] == 1
    np.testing.assert_allclose(scaler.transform(table.values)[:, 3], 0, atol=1e-12)


def test_a_variable_without_any_training_value_is_refused(table):
    table.values[TRAIN, 3] = np.nan
    with pytest.raises(CohortError, match="'sbp' has no value in the 60 training rows"):
        ClinicalScaler.fit(table, TRAIN)


@pytest.mark.parametrize("value", [0.0, -3.0, np.inf])
def test_a_value_that_has_no_logarithm_is_refused(table, value):
    scaler = ClinicalScaler.fit(table, TRAIN)
    with pytest.raises(ValueError, match="bnp ranges"):
        scaler.transform(np.array([[0.4, value, 2, 120, 60]]))
    table.values[0, 1] = value
    with pytest.raises(CohortError, match="bnp ranges"):
        ClinicalScaler.fit(table, TRAIN)


def test_values_outside_the_training_rows_are_reported_in_their_units(table):
    table.values[TRAIN, 0] = np.clip(table.values[TRAIN, 0], 0.25, 0.7)
    scaler = ClinicalScaler.fit(table, TRAIN)
    record = np.array([0.08, np.nan, 2, np.nanmax(table.values[TRAIN, 3]), 60])
    low, high = table.values[TRAIN, 0].min(), table.values[TRAIN, 0].max()
    assert scaler.outside(record) == (f"ef is 0.08 fraction; training records had {low:g}-{high:g} fraction",)


def test_a_cohort_without_clinical_variables_has_an_empty_block():
    scaler = ClinicalScaler.fit(ClinicalTable(np.empty((3, 0)), (), ()), np.arange(3))
    assert scaler.transform(np.empty((2, 0))).shape == (2, 0)
    assert scaler.names == ()


def test_serving_it_needs_numpy_only():
    code = (
        "import sys, cardiograph.features.scaler\n"
        "sys.exit(bool({'pandas', 'sklearn', 'scipy', 'torch'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_variable_that_never_varied_says_nothing_of_anyone(table):
    values = table.values.copy()
    values[TRAIN, 3] = 120
    scaler = ClinicalScaler.fit(measured(values), TRAIN)
    other = values[:1].copy()
    other[0, 3] = 200
    np.testing.assert_array_equal(scaler.transform(other)[:, 3], [0])
    assert any("sbp is 200" in warning for warning in scaler.outside(other[0]))
