"""Several labels at once: a label matrix in place of classes."""

import numpy as np
import pandas as pd
import pytest
from tests.run.labels_cohort import HEADER, rows_of, run_on

from cardiograph.artifacts.run import RunDirectory
from cardiograph.cohort.label_columns import LabelColumns
from cardiograph.containers import EXCLUDED, TRAIN, VAL, Groups, Split
from cardiograph.estimator import PatientGraphClassifier, classifier
from cardiograph.estimator.labels import split_labels

SHORT = {"epochs": 5, "random_state": 3}


@pytest.fixture(scope="module")
def problem():
    """[150, 6] values, and three labels of which each has columns of its own; the second is often unknown."""
    rng = np.random.default_rng(0)
    y = (rng.random((150, 3)) < 0.4).astype(float)
    x = rng.normal(0, 0.5, (150, 6)) + np.repeat(y, 2, axis=1)
    y[rng.random(150) < 0.3, 1] = np.nan
    return x, y


def test_it_predicts_what_a_run_predicts_on_the_same_split(tmp_path, monkeypatch):
    path = run_on(tmp_path, rows_of())
    table = pd.DataFrame(rows_of(), columns=HEADER).replace("", np.nan)
    rest = table[table["split"] != "test"]
    split = Split(rest["split"].to_numpy(dtype=str), Groups(np.arange(len(rest))), "given")
    monkeypatch.setattr(classifier, "split_labels", lambda *_: split)
    found = PatientGraphClassifier()
    monkeypatch.setattr(found, "_config", RunDirectory(path / "A").config)
    found.fit(rest[["ef", "age"]].astype(float), rest[["A", "B"]].astype(float))
    for place, name in enumerate(("A", "B")):
        scored = RunDirectory(path / name).read_table("predictions.parquet").query("part == 'test'")
        rows = table.set_index("patient_id").loc[scored["record_id"]]
        chances = found.predict_proba(rows[["ef", "age"]].astype(float))
        np.testing.assert_allclose(chances[:, place], scored["probability_sign"], atol=1e-9)
        assert found.threshold_[place] == found.predictor_.by_label[name].bundle.served.threshold


@pytest.mark.parametrize("model", ["sign", "logistic"])
def test_each_label_has_a_probability_and_unknown_ones_do_not_count(problem, model):
    x, y = problem
    names = ["MI", "NORM", "HYP"]
    labels = PatientGraphClassifier(model, **SHORT | {"epochs": 100}).fit(x, pd.DataFrame(y, columns=names))
    chances = labels.predict_proba(x)
    assert labels.classes_.tolist() == names
    assert chances.shape == (150, 3)
    known = ~np.isnan(y)
    assert ((chances > 0.5) == y)[known].mean() > 0.85
    np.testing.assert_array_equal(labels.predict(x), chances > 0.5)
    assert labels.score(x[known.all(1)], y[known.all(1)]) > 0.6


def test_rows_without_any_known_label_are_neighbours_only(problem):
    x, y = problem
    unknown = y.copy()
    unknown[:20] = np.nan
    labels = PatientGraphClassifier(**SHORT).fit(x, unknown)
    assert not labels.held_out_[:20].any()
    for each in labels.predictor_.by_label.values():
        kept = {int(name.removeprefix("row ")): label for name, label in zip(*_labels(each), strict=True)}
        assert all(kept[row] == -1 for row in range(20))


def _labels(predictor):
    reference = predictor.bundle.reference
    return reference.record_ids, reference.labels.tolist()


def test_held_out_groups_have_rows_with_and_without_each_label():
    rng = np.random.default_rng(4)
    values = np.where(rng.random((90, 2)) < [0.3, 0.5], 1, 0)
    values[80:] = -1
    columns = LabelColumns(("a", "b"), values, np.arange(90).astype(object))
    groups = Groups(np.repeat(np.arange(45), 2))
    part = split_labels(columns, groups, 0.2, np.random.default_rng(0)).part
    assert {TRAIN, VAL} <= set(part) <= {TRAIN, VAL, EXCLUDED}
    assert all((part[::2] == part[1::2])[:40])
    for each in (TRAIN, VAL):
        assert all(set(values[(part == each) & (values[:, 0] >= 0), label]) == {0, 1} for label in (0, 1))
    rare = values.copy()
    rare[:, 1] = 0
    rare[:2, 1] = 1
    columns = LabelColumns(("a", "b"), rare, np.arange(90).astype(object))
    assert set(split_labels(columns, groups, 0.2, np.random.default_rng(0)).part) == {TRAIN}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda y: y.__setitem__((4, 2), 2), r"row 4: label '2' is 2.0; allowed are 1, 0 and NaN"),
        (lambda y: y.__setitem__((slice(None), 0), 1), r"label '0' has only 1; give rows with 1 and with 0"),
        (lambda y: y.__setitem__((slice(None), 1), np.nan), r"label '1' has no known value"),
    ],
)
def test_labels_that_cannot_be_used_are_a_value_error(problem, change, message):
    x, y = problem[0], problem[1].copy()
    change(y)
    with pytest.raises(ValueError, match=message):
        PatientGraphClassifier(**SHORT).fit(x, y)


def test_votes_are_those_of_one_label(problem):
    with pytest.raises(ValueError, match="votes are those of one label"):
        PatientGraphClassifier(votes=True, **SHORT).fit(*problem)


def test_labels_that_pandas_marks_as_missing_are_unknown(problem):
    x, y = problem
    frame = pd.DataFrame({name: pd.array(y[:, column], dtype="Int64") for column, name in enumerate("abc")})
    fitted = PatientGraphClassifier(**SHORT).fit(x, frame)
    same = PatientGraphClassifier(**SHORT).fit(x, pd.DataFrame(y, columns=list("abc")))
    np.testing.assert_array_equal(fitted.predict_proba(x), same.predict_proba(x))
