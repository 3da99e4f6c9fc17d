"""``cardiograph predict`` returns the same from a run and from a service."""

import json
import shutil
from pathlib import Path

import pandas as pd
import pytest
from tests.cli.commands import call, failed

from cardiograph.cli import predict, predict_table
from cardiograph.cli.app import main
from cardiograph.errors import ConfigError, PartialError, ServiceError


@pytest.fixture
def page(cohort_table):
    return next((cohort_table.parent / "pages").iterdir())


@pytest.fixture
def new_patients(cohort_table, tmp_path):
    """The first patients of the cohort, one without a page and one with a gap."""
    table = pd.read_csv(cohort_table).drop(columns="label").head(20)
    table["ecg"] = [str(cohort_table.parent / path) for path in table["ecg"]]
    table.loc[3, "ecg"] = None
    table.loc[4, "bnp"] = None
    path = tmp_path / "twenty.csv"
    table.to_csv(path, index=False)
    return path


def test_one_patient_gets_the_same_prediction(finished_run, service_url, page):
    given = ("--ecg", page, "--ef", "0.34", "--bnp", "463", "--patient-id", "p1")
    assert call("predict", "--url", service_url, *given) == call("predict", finished_run, *given)
    here, there = (
        json.loads(call("predict", *who, *given, "--json")[1]) for who in ((finished_run,), ("--url", service_url))
    )
    assert here == there


def test_a_table_gets_the_same_predictions(finished_run, service_url, new_patients):
    status, there = call("predict", "--url", service_url, "--table", new_patients, "--json")
    here = call("predict", finished_run, "--table", new_patients, "--json")[1]
    assert status == 0
    here, there = (json.loads(each)["predictions"] for each in (here, there))
    assert len(there) == 20
    assert here == there


@pytest.mark.parametrize(
    ("value", "remedy"), [("nan", "leave out"), ("-inf", "leave out"), ("low", "leave out"), ("0,35", "decimal point")]
)
def test_a_value_that_is_no_number_is_refused_and_not_taken_for_a_missing_one(finished_run, value, remedy):
    status, error = failed("predict", finished_run, f"--ef={value}", "--bnp", "463")
    assert status == 2
    assert f"--ef {value}: not a number; " in json.dumps(error)
    assert remedy in json.dumps(error)


def test_faults_have_the_same_messages(finished_run, service_url, page, tmp_path):
    broken = tmp_path / "scan.jpg"
    broken.write_bytes(page.read_bytes()[:3000])
    for given in (
        ("--ef", "45"),
        ("--ecg", broken),
        ("--ecg", broken, "--value", "height=3"),
        (),
        ("--ecg", tmp_path / "no.jpg"),
    ):
        here = call("predict", finished_run, *given, "--json")
        there = call("predict", "--url", service_url, *given, "--json")
        assert here[0] == there[0] != 0
        assert json.loads(here[1])["issues"] == json.loads(there[1])["issues"]


def test_a_run_and_a_service_exclude_each_other(finished_run):
    for given, text in (
        ((finished_run, "--url", "https://host"), "give one of them"),
        ((), "--url of a service"),
        ((finished_run, "--key-file", "key"), "goes with --url"),
        (("--url", "https://host", "--key-file", "absent"), "cannot be read"),
    ):
        status, output = call("predict", *given, "--ef", "0.4", "--json")
        assert status == 2
        assert text in json.loads(output)["error"]


def test_the_key_comes_from_a_file_or_the_environment(tmp_path, monkeypatch):
    def sent():
        service = predict.run_or_service(None, "https://host", file)
        return service._http.headers.get("authorization")

    file = None
    monkeypatch.delenv(predict.KEY_VARIABLE, raising=False)
    assert sent() is None
    monkeypatch.setenv(predict.KEY_VARIABLE, "of-the-environment")
    assert sent() == "Bearer of-the-environment"
    file = tmp_path / "key"
    file.write_text("of-the-file\n")
    assert sent() == "Bearer of-the-file"


def test_a_key_file_without_end_is_refused():
    with pytest.raises(ConfigError, match="longer than 4096 bytes"):
        predict.run_or_service(None, "https://host", Path("/dev/zero"))


def test_a_service_that_is_not_there_has_a_status_of_its_own():
    status, output = call("predict", "--url", "http://127.0.0.1:9", "--ef", "0.4", "--json")
    assert status == ServiceError.exit_code == 9
    assert "http://127.0.0.1:9: no response" in json.loads(output)["error"]


def test_a_model_described_in_another_form_is_an_error():
    with pytest.raises(ServiceError, match="compare the versions"):
        predict_table.cohort_config({"variables": [{"name": "ef"}]})


@pytest.fixture
def some_at_fault(new_patients):
    """Twenty patients: one with a value out of range, one whose page is not there, one with an id like a formula."""
    table = pd.read_csv(new_patients, dtype=str, keep_default_na=False)
    table.loc[0, "sbp"] = "999"
    table.loc[1, "ecg"] = "Scans/none.png"
    table.loc[2, "record_id"] = "=1+1"
    table.to_csv(new_patients, index=False)
    return new_patients


def test_a_table_is_scored_as_far_as_it_can_be(finished_run, service_url, some_at_fault, tmp_path, capsys):
    tables = []
    for who in ((str(finished_run),), ("--url", service_url)):
        out = tmp_path / "answers.csv"
        with pytest.raises(SystemExit) as ended:
            main(["predict", *who, "--table", str(some_at_fault), "--out", str(out)])
        assert ended.value.code == PartialError.exit_code == 10
        output = capsys.readouterr().err
        assert "2 of 20 patients were not scored" in output
        assert "page Scans/none.png (row 3, record " in output
        assert "row 2 (record " in output
        tables.append(pd.read_csv(out))
    here, there = tables
    assert here["not_scored"].equals(there["not_scored"])
    assert len(here) == 20
    assert here["probability"].isna().tolist() == [True, True, *[False] * 18]
    assert here["record_id"][2] == "'=1+1"
    assert "sbp is 999" in here["not_scored"][0]
    assert "Scans/none.png" in here["not_scored"][1]
    assert here["not_scored"][2:].isna().all()


def test_json_of_a_partly_scored_table_lists_every_fault(finished_run, some_at_fault):
    status, output = call("predict", finished_run, "--table", some_at_fault, "--json")
    content = json.loads(output)
    assert status == 10
    assert [issue["code"] for issue in content["issues"]] == ["sentinel", "missing"]
    assert [bool(row["not_scored"]) for row in content["predictions"]] == [True, True, *[False] * 18]
    assert content["predictions"][2]["record_id"] == "=1+1"


def test_strict_is_all_or_none(finished_run, some_at_fault, tmp_path):
    out = tmp_path / "answers.csv"
    status, output = call("predict", finished_run, "--table", some_at_fault, "--out", out, "--strict", "--json")
    assert status == 3
    assert len(json.loads(output)["issues"]) == 2
    assert not out.exists()


def test_a_table_of_which_nobody_can_be_scored_ends_with_every_fault(finished_run, shared, tmp_path):
    status, output = call("predict", finished_run, "--table", shared / "cases" / "paths.csv", "--json")
    assert status == 4
    issues = json.loads(output)["issues"]
    assert len(issues) == 15
    assert issues[1]["where"] == "page pages/b2.png (row 3, record 'p2')"


def test_predict_table_writes_a_file_and_needs_no_labels(table, finished_run, tmp_path, cohort_table):
    frame = pd.read_csv(cohort_table).head(6).drop(columns="label")
    frame["ecg"] = [str(cohort_table.parent / path) for path in frame["ecg"]]
    frame.to_csv(tmp_path / "new.csv", index=False)
    assert call("predict", finished_run, "--table", tmp_path / "new.csv", "--out", tmp_path / "answers.csv")[0] == 0
    answers = pd.read_csv(tmp_path / "answers.csv")
    assert list(answers["record_id"]) == list(frame["record_id"])
    assert answers["probability"].between(0, 1).all()


def test_answers_do_not_overwrite_what_is_read_the_run_or_a_picture(finished_run, cohort_table, tmp_path):
    table = tmp_path / "new.csv"
    shutil.copy(cohort_table, table)
    (tmp_path / "link.csv").symlink_to(table)
    (tmp_path / "hard.csv").hardlink_to(table)
    image = next((cohort_table.parent / "pages").iterdir())
    run = shutil.copytree(finished_run, tmp_path / "run")
    outs = [
        table,
        tmp_path / "link.csv",
        tmp_path / "hard.csv",
        image,
        run / "metrics.json",
        run / "bundle" / "bundle.json",
    ]
    before = {out: out.read_bytes() for out in outs}
    for out in outs:
        status, error = failed("predict", run, "--table", table, "--out", out)
        assert (status, "choose another name" in error["error"]) == (2, True)
    assert before == {out: out.read_bytes() for out in outs}


def test_predict_refuses_what_the_model_does_not_know(finished_run, cohort_table):
    page = next((cohort_table.parent / "pages").glob("*.jpg"))
    status, error = failed("predict", finished_run, "--ecg", page, "--ef", "45", "--value", "creatinine=1.1")
    assert status == 3
    assert {issue["code"] for issue in error["issues"]} == {"out_of_range", "unknown_variable"}
    assert failed("predict", finished_run)[1]["issues"][0]["code"] == "nothing_known"
    status, output = call("predict", finished_run, "--ef", "0.4", "--json")
    assert (status, json.loads(output)["missing"]) == (0, ["image"])
    assert failed("predict", finished_run, "--ecg", page, "--table", "t.csv")[0] == 2


def test_an_unreadable_page_is_named(finished_run, tmp_path):
    (tmp_path / "scan.jpg").write_bytes(b"not a picture")
    status, error = failed("predict", finished_run, "--ecg", tmp_path / "scan.jpg")
    assert status == 4
    assert error["issues"][0]["where"] == "page scan.jpg"
    assert error["issues"][0]["code"] == "not_an_image"


@pytest.mark.parametrize(
    ("options", "words"),
    [(("--map", "map.svg"), "add --explain"), (("--map", "map.txt", "--explain"), ".svg, .png, .pdf")],
)
def test_a_map_needs_an_explanation_and_a_known_format(tmp_path, options, words):
    status, error = failed("predict", tmp_path / "run", "--age", 60, *options)
    assert status == 2
    assert words in error["error"]
