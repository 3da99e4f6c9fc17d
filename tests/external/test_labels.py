"""A second cohort is scored by every label of a run, with a summary."""

import json

import numpy as np
import pandas as pd
import pytest
from tests.run.labels_cohort import HEADER, rows_of, run_on, write
from typer.testing import CliRunner

from cardiograph.artifacts.run import RunDirectory
from cardiograph.cli.app import app
from cardiograph.errors import CohortError, ConfigError, RunError
from cardiograph.external.evaluate import evaluate_cohort
from cardiograph.external.labels import evaluate_labels


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return run_on(tmp_path_factory.mktemp("labels"), rows_of())


def other_rows():
    return [[f"other {row[0]}", *row[1:]] for row in rows_of(seed=1)]


@pytest.fixture(scope="module")
def other(run):
    return evaluate_labels(run, write(run.parent / "other.csv", other_rows()), run.parent / "other")


def test_test_records_get_the_scores_of_the_run(run, tmp_path):
    table = write(tmp_path / "own.csv", [row for row in rows_of() if row[-1] == "test"])
    content = evaluate_labels(run, table, tmp_path / "own").content
    summary = RunDirectory(run).read_json("labels.json")
    for name, label in content["labels"].items():
        own = summary["labels"][name]
        assert label["counts"]["records"] == own["known"]
        assert label["counts"]["positive"] == own["positive"]
        assert label["threshold"] == own["threshold"]
        found, stored = label["scores"]["auroc"]["value"], own["scores"]["sign"]["auroc"]["value"]
        assert found == pytest.approx(stored, abs=1e-6)
        assert "are not new to the run" in label["cautions"][0]
    macro = summary["macro_auroc"]["sign"]
    assert content["macro_auroc"] == {end: pytest.approx(macro[end], abs=1e-6) for end in ("value", "low", "high")}
    assert content["internal_macro_auroc"] == macro


def test_a_label_is_scored_on_the_records_where_it_is_known(run, other):
    labels = other.content["labels"]
    unknown = sum(row[2] == "" for row in rows_of(seed=1))
    assert (labels["A"]["counts"]["records"], labels["B"]["counts"]["records"]) == (120, 120 - unknown)
    assert f"left out: {unknown} records without a known value of B" in labels["B"]["notes"]
    assert labels["A"]["met"]["records"] == 0
    alone = evaluate_cohort(run / "A", run.parent / "other.csv", run.parent / "alone").content
    for key in ("scores", "net_benefit", "conformal", "novelty"):
        assert json.loads((other.path / "A" / "evaluation.json").read_text())[key] == alone[key]


def test_the_summary_holds_what_the_folders_hold(other):
    assert json.loads((other.path / "evaluation.json").read_text()) == other.content
    joined = pd.read_csv(other.path / "predictions.csv").set_index("record_id")
    assert joined["label_B"].isna().sum() == joined["probability_B"].isna().sum() > 0
    one = pd.read_csv(other.path / "A" / "predictions.csv").set_index("record_id")
    np.testing.assert_array_equal(joined.loc[one.index, "probability_A"], one["probability"])
    page = (other.path / "evaluation.html").read_text()
    assert 'href="A/evaluation.html"' in page and (other.path / "A" / "evaluation.html").is_file()
    assert f"{other.content['macro_auroc']['value']:.3f}" in page


def test_some_labels_suffice_and_another_is_named(run, tmp_path):
    header = [HEADER[0], HEADER[1], *HEADER[3:]]
    table = write(tmp_path / "c.csv", [[row[0], row[1], *row[3:]] for row in other_rows()], header)
    with pytest.raises(CohortError) as caught:
        evaluate_labels(run, table, tmp_path / "all")
    assert "map_missing_column" in [issue.code for issue in caught.value.issues]
    assert "'B'" in str(caught.value)
    shown = CliRunner().invoke(app, ["evaluate", str(run), str(table), "--out", str(tmp_path / "out"), "--label", "A"])
    assert shown.exit_code == 0, shown.output
    assert "of 120" in shown.output
    with pytest.raises(ConfigError, match=r"--label C: run .* predicts A, B"):
        evaluate_labels(run, table, tmp_path / "c", labels=["C"])


def test_a_label_with_one_class_is_named(run, tmp_path):
    table = write(tmp_path / "c.csv", [[*row[:2], "0", *row[3:]] for row in other_rows()])
    with pytest.raises(CohortError) as caught:
        evaluate_labels(run, table, tmp_path / "out")
    assert [(issue.column, issue.code) for issue in caught.value.issues] == [("B", "one_class")]


def test_a_record_without_any_label_is_named_or_left_out(run, tmp_path):
    rows = other_rows()
    rows[5][1:3] = ["", ""]
    table = write(tmp_path / "c.csv", rows)
    with pytest.raises(CohortError) as caught:
        evaluate_labels(run, table, tmp_path / "out")
    assert [issue.code for issue in caught.value.issues] == ["unlabelled"]
    found = evaluate_labels(run, table, tmp_path / "out", skip_unlabelled=True).content
    assert "left out: 1 record without a label" in found["labels"]["A"]["notes"]


def test_options_of_another_kind_of_outcome_are_refused(run, tmp_path):
    table = write(tmp_path / "c.csv", other_rows())
    with pytest.raises(ConfigError, match="does not predict the time to an event"):
        evaluate_cohort(run / "A", table, tmp_path / "out", overrides={"outcome": {"time": "age"}})
    with pytest.raises(RunError, match="does not predict several labels"):
        evaluate_labels(run / "A", table, tmp_path / "out", labels=["A"])
    with pytest.raises(RunError, match="give the folder of a label"):
        evaluate_cohort(run, table, tmp_path / "out")
