"""``cardiograph run``: results, refusals, and what a run writes."""

import html
import json
import os
import stat

import numpy as np
import pandas as pd
from tests.cli.commands import call, config_file, failed


def test_a_run_that_the_audit_stops_reports_the_findings_and_leaves_nothing(table, tmp_path, capsys):
    arguments = ["run", table, "--out", tmp_path / "run", "--label-definition", "ef"]
    status, error = failed(*arguments)
    assert status == error["exit_code"] == 1
    assert [(issue["code"], issue["column"]) for issue in error["issues"]] == [("defines_label", "ef")]
    assert "--accept defines_label" in error["error"]
    assert not (tmp_path / "run" / "run.json").exists()
    capsys.readouterr()
    assert call(*arguments)[0] == 1
    output = capsys.readouterr().err
    assert "defines_label" in output and "what to do:" in output and "cardiograph audit" in output


def test_what_was_accepted_stands_at_the_top_of_terminal_report_and_model_card(table, tmp_path):
    arguments = ["--label-definition", "ef", "--accept", "defines_label", "--config", config_file(tmp_path)]
    status, output = call("run", table, "--out", tmp_path / "run", *arguments)
    assert status == 0
    assert output.startswith("caution: Accepted:")
    assert "nothing to inflate" in output
    caution = json.loads(call("report", tmp_path / "run", "--json")[1])["cautions"][0]
    for name, first in {"report.html": "What this is</h2>", "model_card.md": "Outcome (label 1)"}.items():
        text = html.unescape((tmp_path / "run" / name).read_text()).replace("\\", "")
        assert 0 < text.index(caution) < text.index(first)
        assert "defines_label" in text


def test_clinical_only_run_report_and_predict(table, tmp_path):
    out = tmp_path / "run"
    status, output = call("run", table, "--out", out, "--config", config_file(tmp_path), "--json")
    assert status == 0
    result = json.loads(output)
    assert result["metrics"]["test"]["auroc"]["value"] > 0.75
    assert {"gcn", "mlp", "logistic", "knn_vote"} == set(result["metrics"]["baselines"])
    assert {"audit", "linking patients", "training sign", "scoring", "inflation", "report"} <= set(result["seconds"])
    again, output = call("run", table, "--out", out, "--config", config_file(tmp_path), "--json")
    assert again == 0 and json.loads(output) == result
    (out / "report.html").unlink()
    assert call("report", out)[0] == 0
    assert "<html" in (out / "report.html").read_text()
    status, output = call("predict", out, "--ef", "0.30", "--age", "70", "--json")
    assert status == 0
    assert json.loads(output)["probability"] > 0.5
    status, output = call("predict", out, "--table", table, "--json")
    answers = {row["record_id"]: row["probability"] for row in json.loads(output)["predictions"]}
    used = pd.read_parquet(out / "predictions.parquet")
    np.testing.assert_allclose([answers[i] for i in used["record_id"]], used["probability_sign"], atol=1e-5)


def test_a_cohort_whose_page_is_a_fifo_is_refused_at_once(tmp_path):
    for name in ("a", "b"):
        (tmp_path / "cohort" / name).mkdir(parents=True)
        os.mkfifo(tmp_path / "cohort" / name / "page.jpg")
    arguments = ["--positive", "a", "--weights", "random", "--out", tmp_path / "run"]
    status, error = failed("run", tmp_path / "cohort", *arguments)
    assert (status, {issue["value"] for issue in error["issues"]}) == (4, {"not a file"})


def test_a_run_does_not_touch_a_folder_that_is_no_run(table, tmp_path):
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter.tex").write_text("mine")
    (tmp_path / "thesis" / ".chapter.partial").write_text("mine")
    status, error = failed("run", table, "--out", tmp_path / "thesis")
    assert (status, "holds files that are not a run's (chapter.tex)" in error["error"]) == (5, True)
    assert sorted(path.name for path in (tmp_path / "thesis").iterdir()) == [".chapter.partial", "chapter.tex"]


def test_all_that_a_run_writes_is_for_its_owner_alone(finished_run, cache_folder):
    for folder in (finished_run, cache_folder):
        for path in folder.rglob("*"):
            mode = 0o700 if path.is_dir() else 0o600
            assert (path, stat.S_IMODE(path.stat().st_mode)) == (path, mode)


def test_faults_of_a_table_come_all_at_once_with_the_way_out(tmp_path):
    rows = ["patient_id,label,ef,bnp,nyha,sbp,age", "a,1,45,463,3,132,70", "b,0,0.6,134 pmol/L,II,140/80,61"]
    rows += ['c,1,"0,45",100,2,999,50', "d,0,0.55,50,1,120,-9"]
    (tmp_path / "bad.csv").write_text("\n".join(rows))
    status, error = failed("run", tmp_path / "bad.csv", "--out", tmp_path / "run")
    assert status == error["exit_code"] == 3
    found = {(issue["where"].split()[1], issue["column"]): issue["remedy"] for issue in error["issues"]}
    for place, remedy in {
        ("2", "ef"): "check the unit",
        ("3", "bnp"): "write the value in pg/mL (times 3.464)",
        ("3", "nyha"): "--convert nyha=roman",
        ("3", "sbp"): "--convert sbp=systolic/diastolic",
        ("4", "ef"): "--decimal ,",
        ("4", "sbp"): "--missing sbp=999",
        ("5", "age"): "--missing age=-9",
    }.items():
        assert remedy in found[place], place
    assert not (tmp_path / "run").exists()
