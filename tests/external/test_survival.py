"""A second cohort with follow-up gets the risks that are served, and the scores of a run's test records."""

import json

import numpy as np
import pandas as pd
import pytest
from tests.run.survival_cohort import SETTINGS, rows_of, scored_state, write
from typer.testing import CliRunner

from cardiograph.cli.app import app
from cardiograph.errors import CohortError, ConfigError
from cardiograph.external.evaluate import evaluate_cohort
from cardiograph.inference.survival import load_predictor
from cardiograph.survival.maggic_cohort import MaggicScores


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("survival")
    return scored_state(write(folder / "cohort.csv", rows_of()), folder / "run", SETTINGS).directory


@pytest.fixture(scope="module")
def own_tests(run):
    folder = run.path.parent
    table = write(folder / "own.csv", [row for row in rows_of() if row["split"] == "test"])
    return evaluate_cohort(run.path, table, folder / "own")


def other_rows(seed=1, count=90):
    return [row | {"patient_id": f"other {row['patient_id']}"} for row in rows_of(seed, count)]


@pytest.fixture(scope="module")
def other(run):
    folder = run.path.parent
    return evaluate_cohort(run.path, write(folder / "other.csv", other_rows()), folder / "other")


def test_test_records_get_the_risks_and_scores_of_the_run(run, own_tests):
    here = pd.read_csv(own_tests.path / "predictions.csv").set_index("record_id")
    there = run.read_table("predictions.parquet").set_index("record_id")
    for horizon in (200, 400):
        np.testing.assert_allclose(here[f"risk_{horizon}_days"], there[f"risk_sign:{horizon}"], atol=1e-9)
    metrics = run.read_json("metrics.json")
    for key in ("scores", "observed_to_expected"):
        for name, found in metrics[key]["sign"].items():
            for end in ("value", "low", "high"):
                assert own_tests.content[key][name][end] == pytest.approx(found[end], abs=1e-6), name
        assert own_tests.content["internal"][key] == metrics[key]["sign"]
    for name, found in metrics["scores"]["kaplan_meier"].items():
        assert own_tests.content["without_features"][name]["value"] == pytest.approx(found["value"], abs=1e-9)
    assert own_tests.content["counts"] == metrics["counts"]["test"]
    assert own_tests.content["met"]["records"] == own_tests.content["counts"]["records"]
    assert "are not new to the run" in own_tests.content["cautions"][0]


def test_a_cohort_that_is_scored_in_parts_gets_the_same_risks(run, other, tmp_path, monkeypatch):
    monkeypatch.setattr("cardiograph.inference.predictor.SCORED_AT_ONCE", 13)
    monkeypatch.setattr("cardiograph.external.survival.QUERIES_AT_ONCE", 11)
    found = evaluate_cohort(run.path, write(tmp_path / "other.csv", other_rows()), tmp_path / "parts")
    tables = [pd.read_csv(each.path / "predictions.csv") for each in (found, other)]
    pd.testing.assert_frame_equal(*tables, rtol=1e-9, atol=1e-12)
    assert found.content["scores"] == other.content["scores"]


def test_other_patients_are_new_and_get_the_risks_that_are_served(run, other):
    content = other.content
    assert content["met"] == {"records": 0, "reasons": {}, "scores_without": None}
    assert content["scores"]["uno_c"]["low"] > 0.5
    assert content["scores"]["brier_400"]["value"] < content["without_features"]["brier_400"]["value"]
    here, row = pd.read_csv(other.path / "predictions.csv"), other_rows()[7]
    values = {name: float(row[name]) for name in ("ef", "age")}
    alone = load_predictor(run.path).predict(None, values, patient_id=row["patient_id"])
    assert here.loc[7, ["low_400_days", "risk_400_days", "high_400_days"]].tolist() == pytest.approx(
        [alone.low, alone.probability, alone.high], abs=1e-9
    )


def test_the_page_holds_what_the_files_hold(other):
    assert {path.name for path in other.path.iterdir()} == {"evaluation.html", "evaluation.json", "predictions.csv"}
    assert json.loads((other.path / "evaluation.json").read_text()) == other.content
    page = (other.path / "evaluation.html").read_text()
    assert f"{other.content['observed_to_expected']['400']['value']:.3f}" in page
    assert "://" not in page.replace("http://www.w3.org", "") and "<script src" not in page
    assert page.count("<figure") == 2 and ">nan" not in page


def test_a_cohort_with_the_variables_of_maggic_is_compared_with_the_score(run, other, tmp_path, monkeypatch):
    def scores(cohort, rows, *, train):
        assert len(rows) == len(cohort) == 90
        assert sorted(train["patient_id"]) == sorted(r["patient_id"] for r in rows_of() if r["split"] == "train")
        return MaggicScores(np.round(40 * (1 - cohort.table["ef"].to_numpy()[rows])), ("MAGGIC: a note.",))

    monkeypatch.setattr("cardiograph.external.survival.maggic_scores", scores)
    found = evaluate_cohort(run.path, write(tmp_path / "other.csv", other_rows()), tmp_path / "out")
    published = found.content["published"]["maggic"]
    assert found.content["notes"][-1] == "MAGGIC: a note."
    assert found.content["scores"] == other.content["scores"]
    assert other.content["published"] == {}
    difference = found.content["scores"]["uno_c"]["value"] - published["scores"]["uno_c"]["value"]
    assert published["differences"]["uno_c"]["value"] == pytest.approx(difference)
    assert published["scores"]["uno_c"]["value"] > 0.6 and published["scores"]["brier_400"]["value"] is None
    assert "MAGGIC score: Uno's C" in published["verdict"]
    page = (found.path / "evaluation.html").read_text()
    assert '<th class="n">MAGGIC score</th>' in page and ">nan" not in page


def test_records_that_the_run_knows_are_left_out_of_a_second_set_of_scores(run, tmp_path):
    table = write(tmp_path / "mixed.csv", [*other_rows(), *rows_of()[:20]])
    met = evaluate_cohort(run.path, table, tmp_path / "out").content["met"]
    assert met["records"] == 20 and "this patient is in the reference" in met["reasons"]
    alone = evaluate_cohort(run.path, write(tmp_path / "new.csv", other_rows()), tmp_path / "new").content
    assert met["scores_without"]["uno_c"]["value"] == pytest.approx(alone["scores"]["uno_c"]["value"])


def test_columns_and_values_of_the_follow_up_can_be_others(run, other, tmp_path):
    words = {"0": "alive", "1": "dead", "2": "other"}
    rows = [
        {"days": row.pop("time"), "end": words[row.pop("event")], **row}
        for row in (dict(each) for each in other_rows())
    ]
    table = write(tmp_path / "renamed.csv", rows)
    command = [
        "evaluate",
        str(run.path),
        str(table),
        "--out",
        str(tmp_path / "out"),
        "--time",
        "days",
        "--event",
        "end",
    ]
    for key, value in {"event": "dead", "censored": "alive", "competing": "other"}.items():
        command += ["--set", f'outcome.{key}_values=["{value}"]']
    shown = CliRunner().invoke(app, command, env={"COLUMNS": "120"})
    assert shown.exit_code == 0, shown.output
    assert "Uno's C" in shown.output and "observed/expected by 400 days" in shown.output
    found = json.loads((tmp_path / "out" / "evaluation.json").read_text())
    assert found["scores"] == other.content["scores"]


def test_a_setting_of_the_training_is_refused(run, tmp_path):
    table = write(tmp_path / "c.csv", other_rows())
    command = ["evaluate", str(run.path), str(table), "--set", "outcome.horizons=[100]"]
    assert isinstance(CliRunner().invoke(app, command).exception, ConfigError)
    with pytest.raises(ConfigError, match=r"outcome\.unit: belongs to the run"):
        evaluate_cohort(run.path, table, tmp_path / "out", overrides={"outcome": {"unit": "months"}})


def test_records_without_follow_up_are_named_or_left_out(run, tmp_path):
    rows = other_rows()
    rows[3] |= {"time": "", "event": ""}
    table = write(tmp_path / "c.csv", rows)
    with pytest.raises(CohortError) as caught:
        evaluate_cohort(run.path, table, tmp_path / "out")
    (issue,) = caught.value.issues
    assert (issue.column, issue.code) == ("event", "unlabelled") and "other p3" in issue.where
    found = evaluate_cohort(run.path, table, tmp_path / "out", skip_unlabelled=True).content
    assert "left out: 1 record without a label" in found["notes"]


def test_a_horizon_beyond_the_follow_up_is_named(run, tmp_path):
    def shortened(longest):
        rows = other_rows()
        for row in rows:
            if float(row["time"]) > longest:
                row |= {"time": str(longest), "event": "0"}
        return write(tmp_path / f"{longest}.csv", rows)

    found = evaluate_cohort(run.path, shortened(300), tmp_path / "some").content
    assert found["horizons"] == [200] and "auroc_400" not in found["scores"]
    assert "the risk by 400 days is not scored" in found["cautions"][-1]
    with pytest.raises(CohortError) as caught:
        evaluate_cohort(run.path, shortened(150), tmp_path / "none")
    assert [issue.code for issue in caught.value.issues] == ["short_follow_up"]
