"""The commands as a user meets them: help, results, errors and what they exit with."""

import io
import json
import re
import subprocess
import sys
import tomllib
from contextlib import redirect_stdout

import numpy as np
import pandas as pd
import pytest

from cardiograph.cli import main
from cardiograph.config import RunConfig, load_config
from cardiograph.config_text import commented_toml


def call(*arguments):
    """Exit status and stdout of a command."""
    told = io.StringIO()
    with redirect_stdout(told), pytest.raises(SystemExit) as ended:
        main([str(argument) for argument in arguments])
    return ended.value.code or 0, told.getvalue()


def failed(*arguments):
    """Exit status and the error as JSON."""
    status, told = call(*arguments, "--json")
    return status, json.loads(told)


@pytest.fixture
def table(tmp_path):
    """A clinical-only table with a clear signal."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 120)
    ef = np.clip(0.6 - 0.15 * labels + rng.normal(0, 0.08, 120), 0.1, 0.85)
    frame = pd.DataFrame({"patient_id": [f"p{i}" for i in range(120)], "label": labels, "ef": ef.round(3)})
    frame["age"] = rng.integers(40, 90, 120)
    path = tmp_path / "cohort.csv"
    frame.to_csv(path, index=False)
    return path


def config_file(tmp_path, **sections):
    import tomli_w

    path = tmp_path / "quick.toml"
    path.write_text(tomli_w.dumps({"model": {"epochs": 30}, "evaluation": {"bootstrap": 100}, **sections}))
    return path


@pytest.mark.parametrize("command", ["synth", "run", "predict", "report", "config", "demo"])
def test_every_command_has_help_that_says_what_it_does(command):
    status, told = call(command, "--help")
    assert status == 0
    assert "Usage:" in told
    assert len(told.splitlines()) > 8


def test_help_loads_nothing_heavy():
    code = (
        "import sys\ntry:\n    from cardiograph.cli import main; main(['--help'])\nexcept SystemExit: pass\n"
        "print([m for m in ('torch', 'numpy', 'pandas', 'sklearn', 'pydantic', 'matplotlib', 'PIL') if m in sys.modules])"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert told.splitlines()[-1] == "[]"


def test_config_writes_what_config_reads(tmp_path):
    status, told = call("config")
    assert status == 0
    assert RunConfig.model_validate(tomllib.loads(told)) == RunConfig()
    chosen = load_config(
        None,
        {
            "cohort": {"map": {"bnp": "NTproBNP"}, "variables": [{"name": "creatinine", "low": 0.1, "high": 20}]},
            "pages": {"view": "box", "box": [0, 0, 300, 300]},
        },
    )
    assert RunConfig.model_validate(tomllib.loads(commented_toml(chosen))) == chosen


def test_config_does_not_overwrite(tmp_path):
    (tmp_path / "mine.toml").write_text("# mine")
    assert failed_status("config", "--out", tmp_path / "mine.toml") == 2
    assert (tmp_path / "mine.toml").read_text() == "# mine"


def failed_status(*arguments):
    return call(*arguments)[0]


def test_clinical_only_run_report_and_predict(table, tmp_path):
    out = tmp_path / "run"
    status, told = call("run", table, "--out", out, "--config", config_file(tmp_path), "--json")
    assert status == 0
    result = json.loads(told)
    assert result["metrics"]["test"]["auroc"]["value"] > 0.75
    assert {"gat", "mlp", "logistic"} == set(result["metrics"]["baselines"])
    again, told = call("run", table, "--out", out, "--config", config_file(tmp_path), "--json")
    assert again == 0 and json.loads(told) == result
    (out / "report.html").unlink()
    assert call("report", out)[0] == 0
    assert "<html" in (out / "report.html").read_text()
    status, told = call("predict", out, "--ef", "0.30", "--age", "70", "--json")
    assert status == 0
    assert json.loads(told)["probability"] > 0.5
    status, told = call("predict", out, "--table", table, "--json")
    answers = {row["record_id"]: row["probability"] for row in json.loads(told)["predictions"]}
    used = pd.read_parquet(out / "predictions.parquet")
    np.testing.assert_allclose([answers[i] for i in used["record_id"]], used["probability_gcn"], atol=1e-5)


def test_predict_table_writes_a_file_and_needs_no_labels(table, finished_run, tmp_path, cohort_table):
    frame = pd.read_csv(cohort_table).head(6).drop(columns="label")
    frame["ecg"] = [str(cohort_table.parent / path) for path in frame["ecg"]]
    frame.to_csv(tmp_path / "new.csv", index=False)
    assert call("predict", finished_run, "--table", tmp_path / "new.csv", "--out", tmp_path / "answers.csv")[0] == 0
    answers = pd.read_csv(tmp_path / "answers.csv")
    assert list(answers["record_id"]) == list(frame["record_id"])
    assert answers["probability"].between(0, 1).all()


def test_faults_of_a_table_come_all_at_once_with_the_way_out(tmp_path):
    rows = ["patient_id,label,ef,bnp,nyha,sbp,age", "a,1,45,463,3,132,70", "b,0,0.6,134 pmol/L,II,140/80,61"]
    rows += ['c,1,"0,45",100,2,999,50', "d,0,0.55,50,1,120,-9"]
    (tmp_path / "bad.csv").write_text("\n".join(rows))
    status, error = failed("run", tmp_path / "bad.csv", "--out", tmp_path / "run")
    assert status == error["exit_code"] == 3
    found = {(issue["where"].split()[1], issue["column"]): issue["remedy"] for issue in error["issues"]}
    for place, remedy in {
        ("2", "ef"): "--convert ef=percent",
        ("3", "bnp"): "--convert bnp=pmol/L",
        ("3", "nyha"): "--convert nyha=roman",
        ("3", "sbp"): "--convert sbp=systolic/diastolic",
        ("4", "ef"): "--decimal ,",
        ("4", "sbp"): "--missing sbp=999",
        ("5", "age"): "--missing age=-9",
    }.items():
        assert remedy in found[place], place
    assert not (tmp_path / "run").exists()


def test_faults_are_shown_as_a_table(tmp_path, capsys):
    (tmp_path / "bad.csv").write_text("patient_id,label,ef\na,1,45\nb,0,0.5\n")
    with pytest.raises(SystemExit) as ended:
        main(["run", str(tmp_path / "bad.csv"), "--out", str(tmp_path / "run")])
    assert ended.value.code == 3
    told = re.sub(r"\s+", " ", capsys.readouterr().err)
    assert "error:" in told and "row 2" in told and "what to do" in told


@pytest.mark.parametrize(
    ("arguments", "status", "text"),
    [
        (["--map", "bnp"], 2, "expected NAME=VALUE"),
        (["--map", "bnp=a", "--map", "bnp=b"], 2, "given twice"),
        (["--model", "transformer"], 2, "model.name"),
        (["--config", "nowhere.toml"], 2, "nowhere.toml"),
        (["--seed", "-1"], 2, "seed"),
        (["--simulate", "label"], 2, "clinical columns (ef, age)"),
        (["--balance", "augment"], 2, "this cohort has none"),
        (["--modality", "image"], 3, "ecg"),
    ],
)
def test_settings_that_cannot_be_used_exit_with_a_reason(table, tmp_path, arguments, status, text):
    code, error = failed("run", table, "--out", tmp_path / "run", *arguments)
    assert code == status
    assert text in json.dumps(error, ensure_ascii=False)


def test_a_missing_cohort_and_a_missing_run_say_so(tmp_path):
    assert failed("run", tmp_path / "nowhere.csv")[0] == 3
    assert failed("predict", tmp_path / "nowhere", "--ef", "0.4")[0] == 5
    assert failed("report", tmp_path / "nowhere")[0] == 5


def test_predict_refuses_what_the_model_does_not_know(finished_run, cohort_table):
    page = next((cohort_table.parent / "pages").glob("*.jpg"))
    status, error = failed("predict", finished_run, "--ecg", page, "--ef", "45", "--value", "creatinine=1.1")
    assert status == 3
    assert {issue["code"] for issue in error["issues"]} == {"out_of_range", "unknown_variable"}
    assert failed("predict", finished_run, "--ef", "0.4")[1]["issues"][0]["code"] == "missing_page"
    assert failed("predict", finished_run, "--ecg", page, "--table", "t.csv")[0] == 2


def test_an_unreadable_page_is_named(finished_run, tmp_path):
    (tmp_path / "scan.jpg").write_bytes(b"not a picture")
    status, error = failed("predict", finished_run, "--ecg", tmp_path / "scan.jpg")
    assert status == 4
    assert error["issues"][0]["where"] == "page scan.jpg"
    assert error["issues"][0]["code"] == "not_an_image"
