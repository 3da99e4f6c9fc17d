"""The contracts hold for a time-to-event outcome, for the model that is served and for those that it is compared with."""

import numpy as np
import pandas as pd
import pytest
from tests.run.survival_cohort import rows_of, scored_state, write

from cardiograph.inference import Query
from cardiograph.inference.survival import load_predictor
from cardiograph.inference.table import score_table

TEST_ROWS = np.arange(4, 180, 5)
"""Rows of the test part of ``rows_of``."""


def run_on(folder, rows):
    return scored_state(write(folder / "cohort.csv", rows), folder / "run").directory


def poisoned(rows):
    """Other values, times and ends of follow-up in the given rows."""
    found = rows_of()
    for row in rows:
        event = "1" if found[row]["event"] == "0" else "0"
        found[row] |= {"ef": "0.9", "age": "99", "time": f"{1000 + row}", "event": event}
    return found


def files_of(folder):
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


@pytest.fixture(scope="module")
def clean(tmp_path_factory):
    return run_on(tmp_path_factory.mktemp("clean"), rows_of())


def test_poisoned_test_rows_move_nothing_that_is_served_and_no_other_prediction(clean, tmp_path):
    dirty = run_on(tmp_path, poisoned(TEST_ROWS[::2]))
    before, after = (files_of(each.path / "bundle") for each in (clean, dirty))
    assert before.keys() == after.keys()
    assert [name for name in before if before[name] != after[name]] == []
    before, after = (each.read_table("predictions.parquet") for each in (clean, dirty))
    pd.testing.assert_frame_equal(before[1::2], after[1::2])
    assert (before["risk_sign:400"][::2] != after["risk_sign:400"][::2]).all()


@pytest.mark.parametrize("column", ["time", "event"])
def test_the_outcome_of_training_rows_does_move_it(clean, tmp_path, column):
    rows = rows_of()
    changed = {"time": "300", "event": "1"}
    for row in range(0, len(rows), 5):
        rows[row][column] = changed[column]
    dirty = run_on(tmp_path, rows)
    weights = [(each.path / "bundle" / "model.safetensors").read_bytes() for each in (clean, dirty)]
    assert weights[0] != weights[1]


def test_alone_in_a_table_and_as_test_record_a_patient_gets_the_same_answer(clean):
    stored = clean.read_table("predictions.parquet").set_index("record_id")
    table = score_table(clean.path, clean.path.parent / "cohort.csv").set_index("record_id").loc[stored.index]
    for horizon in (200, 400):
        np.testing.assert_allclose(table[f"risk_{horizon}_days"], stored[f"risk_sign:{horizon}"], atol=1e-9)
    predictor, rows = load_predictor(clean.path), rows_of()
    queries = [
        Query(clinical={name: float(rows[row][name]) for name in ("ef", "age")}, patient_id=rows[row]["patient_id"])
        for row in TEST_ROWS[:6]
    ]
    together = list(predictor.predict_many(queries))
    for query, found in zip(queries, together, strict=True):
        alone = predictor.predict(None, query.clinical, patient_id=query.patient_id)
        for name in ("risk", "low", "high"):
            mine, theirs = ([getattr(point, name) for point in each.curve] for each in (alone, found))
            assert mine == pytest.approx(theirs, abs=1e-9)
        assert alone.risks[-1].low == pytest.approx(table.loc[query.patient_id, "low_400_days"], abs=1e-9)
        assert alone.probability == pytest.approx(stored.loc[query.patient_id, "risk_sign:400"], abs=1e-9)


def c_of_every_model(folder, seed, *, shuffled):
    """Uno's C on test records of one run; shuffled, whole follow-ups are exchanged between patients."""
    rows = rows_of(seed)
    order = np.random.default_rng(seed).permutation(len(rows)) if shuffled else np.arange(len(rows))
    ends = [{name: rows[other][name] for name in ("time", "event")} for other in order]
    metrics = run_on(folder, [row | end for row, end in zip(rows, ends, strict=True)]).read_json("metrics.json")
    return [metrics["scores"][name]["uno_c"]["value"] for name in ("sign", "sign_cox", "mlp", "cox_clinical")]


def test_shuffled_follow_up_cannot_be_predicted(tmp_path):
    found = np.array([c_of_every_model(tmp_path / str(seed), seed, shuffled=True) for seed in range(5)])
    error = found.std(axis=0, ddof=1) / np.sqrt(len(found))
    assert (abs(found.mean(axis=0) - 0.5) < 3 * error).all()


def test_the_shuffling_test_can_fail(tmp_path):
    assert min(c_of_every_model(tmp_path, 0, shuffled=False)) > 0.65
