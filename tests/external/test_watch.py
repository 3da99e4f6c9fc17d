"""Recent patients are scored as they are served, and compared with the run's held-out patients."""

import json

import pandas as pd
import pytest

from cardiograph.cli.app import main
from cardiograph.errors import CohortError, ConfigError
from cardiograph.external.watch import Columns, monitor_table
from cardiograph.monitor.content import AlertRule


@pytest.fixture(scope="module")
def held_out(finished_run, cohort_table):
    """The run's validation and test records, as if they were recent patients."""
    known = pd.read_parquet(finished_run / "predictions.parquet")
    rows = pd.read_csv(cohort_table)
    rows["ecg"] = [str(cohort_table.parent / page) for page in rows["ecg"]]
    return rows[rows["record_id"].isin(known["record_id"])], known


def written(table, folder):
    path = folder / "recent.csv"
    table.to_csv(path, index=False)
    return path


def test_the_same_patients_raise_no_alert_and_get_the_scores_of_the_run(finished_run, held_out, tmp_path, capsys):
    rows, known = held_out
    page = tmp_path / "monitor.html"
    main_arguments = ["monitor", str(finished_run), str(written(rows, tmp_path)), "--site", "site", "--out", str(page)]
    with pytest.raises(SystemExit) as ended:
        main([*main_arguments, "--outcome", "label", "--json", "--fail-on-alert"])
    assert ended.value.code == 0
    found = json.loads(capsys.readouterr().out)
    assert found["alerts"] == []
    assert max(each["effect"] for each in found["comparisons"]) < 0.05
    model = json.loads((finished_run / "metrics.json").read_text())["primary"]
    assert found["all"]["mean_probability"] == pytest.approx(known[f"probability_{model}"].mean(), abs=1e-4)
    assert found["all"]["outcomes"] == len(rows)
    assert sum(each["records"] for each in found["by"]["site"].values()) == len(rows)
    text = page.read_text()
    assert "no alert" in text
    assert "://" not in text.replace("http://www.w3.org", "")


def test_a_few_patients_are_not_reported_as_unchanged(finished_run, held_out, tmp_path, capsys):
    path, page = written(held_out[0].drop(columns="ecg").head(5), tmp_path), tmp_path / "monitor.html"
    with pytest.raises(SystemExit) as ended:
        main(["monitor", str(finished_run), str(path), "--out", str(page)])
    assert ended.value.code == 0
    for text in (capsys.readouterr().out, page.read_text()):
        words = " ".join(text.split())
        assert "nothing compared" in words
        assert "at least 20 patients" in words
        assert "no alert" not in words
        assert "changed most" not in words


def test_the_report_never_replaces_an_input_or_a_file_of_the_run(finished_run, held_out, tmp_path, capsys):
    path = written(held_out[0].drop(columns="ecg"), tmp_path)
    for out in (path, finished_run / "bundle" / "bundle.json"):
        before = out.read_bytes()
        with pytest.raises(SystemExit) as ended:
            main(["monitor", str(finished_run), str(path), "--out", str(out)])
        assert ended.value.code == 2
        assert "choose another name" in capsys.readouterr().err
        assert out.read_bytes() == before


def test_an_outcome_that_the_table_lacks_is_one_fault(finished_run, held_out, tmp_path):
    path = written(held_out[0].drop(columns="ecg"), tmp_path)
    with pytest.raises(CohortError) as raised:
        monitor_table(finished_run, path, columns=Columns(outcome="died"))
    (issue,) = raised.value.issues
    assert (issue.column, issue.code) == ("died", "no_column")
    assert "--outcome" in issue.rule and "label" in issue.rule


def test_a_changed_value_raises_an_alert_that_names_it(finished_run, held_out, tmp_path, capsys):
    rows = held_out[0].drop(columns="ecg")
    path = written(rows.assign(age=(rows["age"] + 25).clip(upper=110)), tmp_path)
    with pytest.raises(SystemExit) as ended:
        main(["monitor", str(finished_run), str(path), "--json", "--fail-on-alert"])
    assert ended.value.code == 1
    found = json.loads(capsys.readouterr().out)
    alerts = found["alerts"]
    assert any(alert.startswith("age (all)") for alert in alerts)
    assert any(alert.startswith("the ECG is missing (all)") for alert in alerts)
    (distance,) = [each for each in found["comparisons"] if each["what"] == "distance to the training records"]
    patients = found["counts"]["groups"]  # each patient counts once
    assert distance["note"].startswith(f"{patients} of {patients} recent patients lack a block")


def test_a_time_that_is_no_date_and_an_absent_column_are_named(finished_run, held_out, tmp_path):
    rows = held_out[0].drop(columns="ecg")
    rows = rows.assign(day=["soon", *rows["acquired_at"][1:]]).drop(columns="acquired_at")
    path = written(rows, tmp_path)
    with pytest.raises(CohortError) as raised:
        monitor_table(finished_run, path, columns=Columns(time="day"))
    (issue,) = raised.value.issues
    assert (issue.column, issue.value, issue.code) == ("day", "'soon'", "not_a_date")
    assert "row 2" in issue.where
    with pytest.raises(CohortError, match="ward"):
        monitor_table(finished_run, path, columns=Columns(site="ward"))


def test_a_rule_out_of_range_is_refused():
    with pytest.raises(ConfigError, match=r"--effect is 1\.5"):
        AlertRule(effect=1.5)
