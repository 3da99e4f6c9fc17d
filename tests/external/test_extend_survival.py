"""A run of a time-to-event outcome with more reference records: the same network, the same old records, new neighbours."""

import json

import numpy as np
import pandas as pd
import pytest
from tests.run.survival_cohort import SETTINGS, rows_of, scored_state, write

from cardiograph.artifacts.bundle import ModelBundle
from cardiograph.cli.app import main
from cardiograph.errors import CohortError, ConfigError, RunError
from cardiograph.external.evaluate import evaluate_cohort
from cardiograph.external.extend import extend_run
from cardiograph.external.recalibrate import recalibrate_run
from cardiograph.inference import Query
from cardiograph.inference.survival import load_predictor


def named(prefix, seed, count=60):
    return [row | {"patient_id": f"{prefix} {row['patient_id']}"} for row in rows_of(seed, count)]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("survival")
    directory = scored_state(write(folder / "cohort.csv", rows_of()), folder / "run", SETTINGS).directory
    directory.record({"source": "cohort.csv", "cautions": []})
    return directory


@pytest.fixture(scope="module")
def added():
    rows = named("new", seed=5)
    rows[0] |= {"time": "", "event": ""}
    return rows


@pytest.fixture(scope="module")
def extended(run, added):
    folder = run.path.parent
    return extend_run(run.path, write(folder / "more.csv", added), folder / "larger")


def test_old_records_stay_and_new_ones_bring_their_follow_up(run, extended, added):
    old, new = (ModelBundle.load(path / "bundle") for path in (run.path, extended.path))
    count = len(old.reference)
    for name in ("features", "labels", "degree", "time", "event", "groups", "record_ids"):
        np.testing.assert_array_equal(getattr(new.reference, name)[:count], getattr(old.reference, name))
    for before, after in zip(old.reference.states, new.reference.states, strict=True):
        np.testing.assert_array_equal(after[:count], before)
    times = [float(row["time"] or "nan") for row in added]
    np.testing.assert_array_equal(new.reference.time[count:], times)
    np.testing.assert_array_equal(new.reference.event[count:], [int(row["event"] or -1) for row in added])
    for key, value in old.network.state_dict().items():
        assert (new.network.state_dict()[key] == value).all()
    assert len(new.refits) == len(old.refits) == 2
    assert new.served.follow_up == old.served.follow_up
    assert new.served.provenance == f"{old.served.provenance}; 60 reference records added since"
    assert extended.facts["reference"] == {"before": count, "after": count + 60}
    assert extended.facts["labels"]["none"] == 1
    assert extended.facts["kind"] == "survival"


def test_a_risk_changes_only_with_a_new_neighbour(run, extended):
    old, new = load_predictor(run.path), load_predictor(extended.path)
    changed = 0
    for row in named("asked", seed=7):
        query = Query(clinical={"ef": float(row["ef"]), "age": float(row["age"])})
        before, after = (next(iter(each.predict_many([query]))) for each in (old, new))
        met = [each for each in after.neighbours if each.record_id.startswith("new")]
        if met:
            changed += 1
            assert all(each.time is None or np.isfinite(each.time) for each in met)
        else:
            assert after.curve == before.curve
            assert [each.record_id for each in after.neighbours] == [each.record_id for each in before.neighbours]
        assert after.curve[-1].low <= after.curve[-1].risk <= after.curve[-1].high
        assert after.novelty is not None
        assert after.provenance.endswith("60 reference records added since")
    assert 0 < changed < 60


def test_records_of_the_run_are_refused_and_can_be_skipped(run, tmp_path):
    table = write(tmp_path / "all.csv", [*rows_of()[:5], *named("further", seed=9, count=20)])
    with pytest.raises(CohortError) as caught:
        extend_run(run.path, table, tmp_path / "larger")
    assert {issue.code for issue in caught.value.issues} == {"in_reference", "held_out"}
    found = extend_run(run.path, table, tmp_path / "larger", skip_known=True)
    assert (found.facts["added"], found.facts["left_out"]["in_reference"], found.facts["left_out"]["held_out"]) == (
        20,
        3,
        2,
    )


def test_follow_up_is_checked_and_may_be_of_one_kind(run, tmp_path):
    rows = named("bad", seed=3, count=10)
    with pytest.raises(CohortError) as caught:
        extend_run(run.path, write(tmp_path / "bad.csv", [rows[0] | {"time": "-3"}, *rows[1:]]), tmp_path / "a")
    assert {issue.code for issue in caught.value.issues} == {"bad_time"}
    censored = write(tmp_path / "censored.csv", [row | {"event": "0"} for row in rows])
    assert extend_run(run.path, censored, tmp_path / "b").facts["labels"] == {"0": 10, "1": 0, "none": 0}


def test_an_extended_run_is_evaluated_but_neither_reported_nor_renewed(run, extended, capsys):
    folder = extended.path.parent
    table = write(folder / "third.csv", named("third", seed=11, count=90))
    found = evaluate_cohort(extended.path, table, folder / "third")
    before = run.read_json("metrics.json")
    assert found.content["internal"]["scores"] == before["scores"]["sign"]
    assert any("before it was extended" in note for note in found.content["notes"])
    risks = pd.read_csv(found.path / "predictions.csv")
    patient = risks.iloc[0]
    row = next(each for each in named("third", seed=11, count=90) if each["patient_id"] == patient["record_id"])
    answer = load_predictor(extended.path).predict(clinical={"ef": float(row["ef"]), "age": float(row["age"])})
    assert patient["risk_400_days"] == pytest.approx(answer.risks[-1].risk, abs=1e-9)
    met = evaluate_cohort(extended.path, write(folder / "met.csv", named("new", seed=5)[1:]), folder / "met")
    assert met.content["met"]["records"] == 59
    with pytest.raises(ConfigError, match="no calibration or threshold to fit again"):
        recalibrate_run(extended.path, table, folder / "renewed")
    with pytest.raises(SystemExit) as ended:
        main(["report", str(extended.path)])
    assert ended.value.code == RunError.exit_code
    assert "an extended run has no report" in capsys.readouterr().err


def test_the_command_extends_again_and_says_what_is_void(extended, capsys):
    folder = extended.path.parent
    rows = [{"months" if key == "time" else key: value for key, value in row.items()} for row in named("again", 13, 20)]
    command = ["extend", str(extended.path), str(write(folder / "again.csv", rows)), "--out", str(folder / "again")]
    with pytest.raises(SystemExit) as ended:
        main([*command, "--time", "months"])
    assert ended.value.code == 0
    shown = capsys.readouterr().out
    assert "with the event" in shown
    assert "void: metrics" in shown
    facts = json.loads((folder / "again" / "run.json").read_text())
    assert facts["before"] == json.loads((extended.path / "run.json").read_text())["before"]
