"""The time to an event over arrays."""

import pickle

import numpy as np
import pandas as pd
import pytest
from sklearn.model_selection import GridSearchCV, KFold
from sklearn.utils.estimator_checks import parametrize_with_checks
from tests.run.survival_cohort import SETTINGS, rows_of, scored_state, write

from cardiograph.containers import Groups, Split
from cardiograph.estimator import PatientGraphSurvival, survival

SHORT = {"epochs": 5, "random_state": 3}


@pytest.fixture(scope="module")
def problem():
    """[180, 2] values of a cohort with competing events, a tenth of them missing, and its follow-up."""
    table = pd.DataFrame(rows_of())
    x = table[["ef", "age"]].to_numpy(float)
    x[np.random.default_rng(0).random(x.shape) < 0.1] = np.nan
    return x, table[["time", "event"]].astype(float)


@parametrize_with_checks([PatientGraphSurvival(epochs=4)])
@pytest.mark.filterwarnings("ignore:y has no events")
def test_scikit_learn_takes_it_for_an_estimator(estimator, check):
    check(estimator)


def test_it_predicts_what_a_run_predicts_on_the_same_split(tmp_path, monkeypatch):
    rows = rows_of()
    state = scored_state(write(tmp_path / "cohort.csv", rows), tmp_path / "run")
    table = pd.DataFrame(rows)
    rest, test = table[table["split"] != "test"], table[table["split"] == "test"]
    split = Split(rest["split"].to_numpy(dtype=str), Groups(np.arange(len(rest))), "given")
    monkeypatch.setattr(survival, "split_groups", lambda *_: split)
    model = PatientGraphSurvival(horizons=SETTINGS["outcome"]["horizons"])
    monkeypatch.setattr(model, "_settings", lambda **_: state.config)
    model.fit(rest[["ef", "age"]].astype(float), rest[["time", "event"]].astype(float))
    scored = state.directory.read_table("predictions.parquet").set_index("record_id").loc[test["patient_id"]]
    free = model.predict_survival_function(test[["ef", "age"]].astype(float))
    for horizon in model.horizons_:
        at = int(np.searchsorted(model.times_, horizon))
        np.testing.assert_allclose(1 - free[:, at], scored[f"risk_sign:{horizon:g}"], atol=1e-9)


def test_a_curve_falls_from_one_and_ends_at_the_risk(problem):
    x, y = problem
    model = PatientGraphSurvival(**SHORT).fit(x, y)
    free, risk = model.predict_survival_function(x), model.predict(x)
    assert free.shape == (180, len(model.times_))
    assert model.times_[0] == 0
    assert model.times_[-1] == model.horizons_[-1]
    assert (free[:, 0] == 1).all()
    assert (np.diff(free, axis=1) <= 0).all()
    np.testing.assert_allclose(risk, 1 - free[:, -1])
    assert np.corrcoef(risk, np.nan_to_num(x[:, 0], nan=0.4))[0, 1] < -0.5
    assert model.score(x, y) > 0.7
    again = pickle.loads(pickle.dumps(model))  # noqa: S301 - our own
    np.testing.assert_array_equal(again.predict(x), risk)


def test_a_structured_array_and_a_table_are_the_same(problem):
    x, y = problem
    plain = y.assign(event=(y["event"] == 1))
    structured = np.array(
        list(zip(plain["event"], plain["time"], strict=True)), dtype=[("event", bool), ("time", float)]
    )
    found = [PatientGraphSurvival(**SHORT).fit(x, each).predict(x) for each in (plain, structured)]
    np.testing.assert_array_equal(*found)
    with_competing = PatientGraphSurvival(**SHORT).fit(x, y).predict(x)
    assert (with_competing < found[0]).mean() > 0.9


def test_rows_without_follow_up_are_neighbours_only(problem):
    x, y = problem[0], problem[1].copy()
    y.loc[:29] = np.nan
    model = PatientGraphSurvival(horizons=(300,), **SHORT).fit(x, y)
    reference = model.predictor_.bundle.reference
    assert not model.held_out_[:30].any()
    assert [int(name.removeprefix("row ")) for name in np.array(reference.record_ids)[reference.event < 0]] == [
        *range(30)
    ]
    assert model.horizons_ == (300,)
    assert model.score(x, y) == model.score(x[30:], y[30:])


def test_groups_stay_together_and_a_grid_takes_the_outcome(problem):
    x, y = problem
    groups = np.arange(180) // 3
    model = PatientGraphSurvival(**SHORT).fit(x, y, groups=groups)
    assert model.held_out_.any()
    assert (model.held_out_.reshape(60, 3) == model.held_out_[::3, None]).all()
    grid = GridSearchCV(PatientGraphSurvival(**SHORT), {"k": [2, 5]}, cv=KFold(2)).fit(x, y)
    assert grid.best_score_ > 0.6


@pytest.mark.parametrize(
    ("row", "value", "message"),
    [
        ((3, "time"), -4, r"record 'row 3': time is -4; allowed are times above 0"),
        ((3, "time"), 0, r"record 'row 3': time is 0; allowed are times above 0"),
        ((3, "time"), np.nan, r"record 'row 3': time is empty; allowed are times above 0"),
        ((5, "event"), 12, r"record 'row 5': event is 12; allowed are 0 \(censored\)"),
        ((5, "event"), np.nan, r"record 'row 5': event is empty"),
        ((slice(None), "event"), 0, "at least one record needs the event"),
    ],
)
def test_an_outcome_that_cannot_be_used_is_a_value_error(problem, row, value, message):
    x, y = problem[0], problem[1].copy()
    y.loc[row] = value
    with pytest.raises(ValueError, match=message):
        PatientGraphSurvival(**SHORT).fit(x, y)


def test_other_forms_and_parameters_that_cannot_be_used_are_a_value_error(problem):
    x, y = problem
    for given, message in (
        (y.rename(columns={"time": "days"}), "y has the columns days, event; it needs time: rename them"),
        (y.assign(event="dead"), "event holds a value that is not a number"),
        (y.to_numpy(), "y should be a 1d array"),
        (y[:5], "inconsistent numbers of samples"),
    ):
        with pytest.raises(ValueError, match=message):
            PatientGraphSurvival(**SHORT).fit(x, given)
    for parameters, message in (
        ({"horizons": (5000,)}, "5000 is after the last follow-up of the training rows"),
        ({"horizons": (400, 200)}, "write increasing times above 0"),
        ({"unit": "hours"}, "outcome.unit"),
        ({"space": "learnt"}, "graph.space"),
    ):
        with pytest.raises(ValueError, match=message):
            PatientGraphSurvival(**parameters).fit(x, y)


def test_times_alone_are_events_with_a_warning(problem):
    x, y = problem
    with pytest.warns(UserWarning, match="every row is taken to have had the event"):
        alone = PatientGraphSurvival(**SHORT).fit(x, y["time"])
    every = PatientGraphSurvival(**SHORT).fit(x, y.assign(event=1))
    np.testing.assert_array_equal(alone.predict(x), every.predict(x))
