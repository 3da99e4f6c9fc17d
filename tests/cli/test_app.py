"""The commands as a user meets them: help, results, errors and what they exit with."""

import html
import io
import json
import os
import re
import shutil
import stat
import subprocess
import sys
import tomllib
from contextlib import redirect_stdout

import numpy as np
import pandas as pd
import pytest

from cardiograph.audit.findings import Audit, Finding, Probe
from cardiograph.cli import console
from cardiograph.cli.app import main
from cardiograph.cli.config_template import commented_toml
from cardiograph.cli.options import config_overrides
from cardiograph.config import RunConfig, load_config
from cardiograph.errors import ConfigError


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


@pytest.mark.parametrize("command", ["synth", "audit", "run", "predict", "report", "config", "demo"])
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


def test_options_become_settings_and_what_is_not_given_overrides_nothing():
    given = {"positive": "a, b", "map_": ["bnp=NT=x"], "accept": ["late_column"], "skip_bad_pages": True, "seed": 0}
    assert config_overrides({**given, "out": "x", "as_json": True}) == {
        "cohort": {"positive": ["a, b"], "map": {"bnp": "NT=x"}},
        "audit": {"accept": ["late_column"]},
        "pages": {"skip_bad": True},
        "seed": 0,
    }
    nothing = {"positive": None, "missing": [], "map_": (), "skip_bad_pages": False, "seed": None}
    assert config_overrides(nothing) == {}
    assert config_overrides({"decimal": "", "seed": 0}) == {"cohort": {"decimal": ""}, "seed": 0}


def test_an_option_lies_over_the_file_and_the_rest_of_the_file_holds(table, tmp_path):
    renamed = pd.read_csv(table).rename(columns={"ef": "EF", "label": "Death"})
    renamed.to_csv(tmp_path / "renamed.csv", index=False)
    config = config_file(tmp_path, cohort={"map": {"ef": "EF", "label": "Death"}, "missing": ["7"]})
    status, found = audited(tmp_path / "renamed.csv", "--out", tmp_path, "--config", config, "--seed", "0")
    assert (status, found["records"]) == (0, 120)
    assert audited(tmp_path / "renamed.csv", "--out", tmp_path, "--config", config, "--map", "ef=EF")[0] == 1


def audited(*arguments):
    """Exit status of an audit and its JSON."""
    status, told = call("audit", *arguments, "--json")
    return status, json.loads(told)


def test_an_audit_is_one_json_object_and_two_files(table, tmp_path):
    out = tmp_path / "audit"
    out.mkdir()
    (out / "audit.html").write_text("an older one")
    status, found = audited(table, "--out", out)
    assert status == 0
    assert (found["files"], found["records"]) == (0, 120)
    assert all({"code", "severity", "rows", "text", "action"} <= finding.keys() for finding in found["findings"])
    assert found == json.loads((out / "audit.json").read_text())
    page = (out / "audit.html").read_text()
    assert "Nothing blocks" in page and all(finding["code"] in page for finding in found["findings"])


def test_files_and_different_images_are_told_by_class(cohort_table, tmp_path):
    _, found = audited(cohort_table, "--out", tmp_path)
    rows = pd.read_csv(cohort_table)
    assert found["files"] == len(rows)
    assert sum(count["files"] for count in found["classes"].values()) == len(rows)
    assert all(1 <= count["different"] <= count["files"] for count in found["classes"].values())


def test_an_audit_that_blocks_exits_with_1_until_its_code_is_accepted(table, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    status, found = audited(table, "--label-definition", "ef")
    assert status == 1
    assert [f["column"] for f in found["findings"] if f["severity"] == "block"] == ["ef"]
    assert json.loads((tmp_path / "audits" / "cohort" / "audit.json").read_text()) == found
    status, accepted = audited(table, "--label-definition", "ef", "--accept", "defines_label")
    assert status == 0
    assert accepted["accepted"] == ["defines_label"]
    assert "defines_label" in [finding["code"] for finding in accepted["findings"]]


def test_a_table_that_cannot_be_read_is_an_audit_that_blocks(tmp_path):
    (tmp_path / "bad.csv").write_text("patient_id,label,ef\na,1,45\nb,0,60\nc,x,0.5\n")
    status, found = audited(tmp_path / "bad.csv", "--out", tmp_path)
    assert status == 1
    faults = {(finding["column"], finding["code"]): finding["rows"] for finding in found["findings"]}
    assert faults == {("ef", "out_of_range"): ["row 2", "row 3"], ("label", "label"): ["row 4"]}
    assert "cannot be read until this is fixed" in (tmp_path / "audit.html").read_text()


@pytest.mark.parametrize(
    ("arguments", "status", "text"),
    [
        (["--accept", "exact_copies"], 2, "split_parts_groups"),
        (["--decimal", "x"], 2, "cohort.decimal"),
    ],
)
def test_an_audit_refuses_settings_it_cannot_use(table, tmp_path, arguments, status, text):
    code, error = audited(table, "--out", tmp_path / "audit", *arguments)
    assert code == status
    assert text in error["error"]
    assert not (tmp_path / "audit").exists()


def test_an_audit_does_not_write_into_the_folder_it_reads(tmp_path):
    (tmp_path / "pages" / "ill").mkdir(parents=True)
    status, error = audited(tmp_path / "pages", "--out", tmp_path / "pages" / "audit")
    assert status == 2
    assert "inside the cohort" in error["error"]


def test_a_run_that_the_audit_stops_tells_the_findings_and_leaves_nothing(table, tmp_path, capsys):
    arguments = ["run", table, "--out", tmp_path / "run", "--label-definition", "ef"]
    status, error = failed(*arguments)
    assert status == error["exit_code"] == 1
    assert [(issue["code"], issue["column"]) for issue in error["issues"]] == [("defines_label", "ef")]
    assert "--accept defines_label" in error["error"]
    assert not (tmp_path / "run" / "run.json").exists()
    capsys.readouterr()
    assert call(*arguments)[0] == 1
    told = capsys.readouterr().err
    assert "defines_label" in told and "what to do:" in told and "cardiograph audit" in told


def test_what_was_accepted_stands_at_the_top_of_terminal_report_and_model_card(table, tmp_path):
    arguments = ["--label-definition", "ef", "--accept", "defines_label", "--config", config_file(tmp_path)]
    status, told = call("run", table, "--out", tmp_path / "run", *arguments)
    assert status == 0
    assert told.startswith("caution: Accepted:")
    assert "nothing to inflate" in told
    caution = json.loads(call("report", tmp_path / "run", "--json")[1])["cautions"][0]
    for name, first in {"report.html": "What this is</h2>", "model_card.md": "Outcome (label 1)"}.items():
        text = html.unescape((tmp_path / "run" / name).read_text()).replace("\\", "")
        assert 0 < text.index(caution) < text.index(first)
        assert "defines_label" in text


def test_a_report_tells_the_inflation_meter_and_the_audit(finished_run):
    told = json.loads(call("report", finished_run, "--json")[1])
    text = html.unescape((finished_run / "report.html").read_text())
    assert told["metrics"]["inflation"]["sentence"] in text
    assert 'id="audit"' in text and "drawn by this run" in text
    assert told["cautions"] == []


def test_the_terminal_shows_all_of_an_audit_and_no_control_characters(capsys):
    hostile = "\x1b[31m[red]a\nb\r|"
    finding = Finding("late_column", "block", f"Text {hostile}", f"Do {hostile}", (hostile, *"bcdefg"), "x")
    probe = Probe(f"probe {hostile}", 0.7, 0.6, 0.8, 12, f"how {hostile}", shortcut=True)
    classes = {f"class {hostile}": {"files": 5, "different": 3}}
    split = f"split {hostile}"
    console.show_audit(Audit("c", 5, 5, 3, classes, split, (finding,), (probe,)), f"out/{hostile}")
    told = capsys.readouterr().out
    assert "\x1b" not in told and "\r" not in told
    assert told.count("[red]a b") == 8
    for text in ("late_column", "blocks", "what to do: Do", "and 3 more", "0.700 (0.600 to 0.800)", "1 finding blocks"):
        assert text in told, text


def test_the_seconds_of_stages_add_up(capsys):
    console.show_seconds({"reading pages": 1.25, "training sign": 2.5}, {"reading pages": 36.04})
    told = capsys.readouterr().err
    assert "reading pages" in told and "2.5" in told
    *_, together, _, pace = told.splitlines()
    assert together.split() == ["together", "3.8"]
    assert pace == "reading pages: 36.0 images per second"


def test_a_bar_of_images_tells_its_pace_and_others_do_not(capsys):
    shown, seconds = console.ProgressBars(), [0.0]
    shown.progress.get_time = lambda: seconds[0]
    for stage, unit in (("reading pages", "images"), ("training sign", "")):
        shown.start(stage, 50, unit=unit)
        shown.advance(40)  # known before: what came at once is no pace
        for _ in range(10):
            seconds[0] += 0.25
            shown.advance()
    shown.progress.console.width = 150
    shown.progress.console.print(shown.progress.get_renderable())
    reading, training = capsys.readouterr().err.splitlines()
    assert reading.split()[-2:] == ["4.0", "images/s"]
    assert "/s" not in training


def test_an_error_keeps_its_lines_and_loses_control_characters(capsys):
    console.show_error(ConfigError("first \x1b[31m\n  second"), as_json=False)
    assert capsys.readouterr().err == "error: first  [31m\n  second\n"


def test_clinical_only_run_report_and_predict(table, tmp_path):
    out = tmp_path / "run"
    status, told = call("run", table, "--out", out, "--config", config_file(tmp_path), "--json")
    assert status == 0
    result = json.loads(told)
    assert result["metrics"]["test"]["auroc"]["value"] > 0.75
    assert {"gcn", "mlp", "logistic", "knn_vote"} == set(result["metrics"]["baselines"])
    assert {"audit", "linking patients", "training sign", "scoring", "inflation", "report"} <= set(result["seconds"])
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
    np.testing.assert_allclose([answers[i] for i in used["record_id"]], used["probability_sign"], atol=1e-5)


def test_predict_table_writes_a_file_and_needs_no_labels(table, finished_run, tmp_path, cohort_table):
    frame = pd.read_csv(cohort_table).head(6).drop(columns="label")
    frame["ecg"] = [str(cohort_table.parent / path) for path in frame["ecg"]]
    frame.to_csv(tmp_path / "new.csv", index=False)
    assert call("predict", finished_run, "--table", tmp_path / "new.csv", "--out", tmp_path / "answers.csv")[0] == 0
    answers = pd.read_csv(tmp_path / "answers.csv")
    assert list(answers["record_id"]) == list(frame["record_id"])
    assert answers["probability"].between(0, 1).all()


def command(*arguments, **options):
    """A command as a process of its own."""
    words = [sys.executable, "-m", "cardiograph", *map(str, arguments)]
    return subprocess.run(words, stderr=subprocess.PIPE, text=True, timeout=120, check=False, **options)


def test_answers_do_not_overwrite_what_is_read_the_run_or_a_picture(finished_run, cohort_table, tmp_path):
    table = tmp_path / "new.csv"
    shutil.copy(cohort_table, table)
    (tmp_path / "link.csv").symlink_to(table)
    (tmp_path / "hard.csv").hardlink_to(table)
    picture = next((cohort_table.parent / "pages").iterdir())
    run = shutil.copytree(finished_run, tmp_path / "run")
    outs = [
        table,
        tmp_path / "link.csv",
        tmp_path / "hard.csv",
        picture,
        run / "metrics.json",
        run / "bundle" / "bundle.json",
    ]
    before = {out: out.read_bytes() for out in outs}
    for out in outs:
        status, error = failed("predict", run, "--table", table, "--out", out)
        assert (status, "choose another name" in error["error"]) == (2, True)
    assert before == {out: out.read_bytes() for out in outs}


def test_an_output_that_takes_no_more_is_named():
    with open("/dev/full", "w") as full:  # noqa: PTH123 - a device
        for arguments in (["config"], ["audit", "no_such.csv", "--json"]):
            done = command(*arguments, stdout=full)
            assert done.returncode == 1
            assert done.stderr.strip() == (
                "error: the output cannot be written (No space left on device); make room or write it elsewhere"
            )


def test_config_goes_into_a_device():
    assert command("config", "--out", "/dev/null").returncode == 0
    done = command("config", "--out", "/dev/full")
    assert (done.returncode, "/dev/full: cannot be written (No space left" in done.stderr) == (5, True)


@pytest.mark.parametrize("kind", ["device", "fifo"])
def test_a_device_or_fifo_is_not_a_file_for_any_command(finished_run, tmp_path, kind):
    names = [tmp_path / "table.csv", tmp_path / "page.jpg", tmp_path / "settings.toml"]
    for name in names:
        if kind == "device":
            name.symlink_to("/dev/zero")
        else:
            os.mkfifo(name)
    table, page, toml = names
    for arguments in (
        *(["audit", table], ["run", table], ["ladder", table], ["compare", table]),
        *(
            ["evaluate", finished_run, table],
            ["extend", finished_run, table],
            ["predict", finished_run, "--table", table],
        ),
        *(["predict", finished_run, "--ecg", page], ["config", "--check", toml], ["run", table, "--weights", page]),
    ):
        out = [] if arguments[0] in ("predict", "config") else ["--out", tmp_path / "out"]
        status, error = failed(*arguments, *out) if arguments[0] != "config" else (2, {"error": "not a file"})
        assert status in (2, 3, 4)
        assert "not a file" in json.dumps(error)
    with pytest.raises(ConfigError, match="not a file"):
        load_config(toml)


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


def test_faults_are_a_line_for_each_kind(tmp_path, capsys):
    (tmp_path / "bad.csv").write_text("patient_id,label,ef\na,1,45\nb,0,0.5\n")
    with pytest.raises(SystemExit) as ended:
        main(["run", str(tmp_path / "bad.csv"), "--out", str(tmp_path / "run")])
    assert ended.value.code == 3
    told = re.sub(r"\s+", " ", capsys.readouterr().err)
    assert "error:" in told and "row 2: ef is 45; allowed 0.05-0.9 fraction" in told


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
    assert failed("predict", finished_run)[1]["issues"][0]["code"] == "nothing_known"
    status, told = call("predict", finished_run, "--ef", "0.4", "--json")
    assert (status, json.loads(told)["missing"]) == (0, ["image"])
    assert failed("predict", finished_run, "--ecg", page, "--table", "t.csv")[0] == 2


def test_an_unreadable_page_is_named(finished_run, tmp_path):
    (tmp_path / "scan.jpg").write_bytes(b"not a picture")
    status, error = failed("predict", finished_run, "--ecg", tmp_path / "scan.jpg")
    assert status == 4
    assert error["issues"][0]["where"] == "page scan.jpg"
    assert error["issues"][0]["code"] == "not_an_image"
