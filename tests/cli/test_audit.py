"""``cardiograph audit``: results, files and exit status."""

import json

import pandas as pd
import pytest
from tests.cli.commands import audited


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


def test_files_and_different_images_are_counted_by_class(cohort_table, tmp_path):
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
