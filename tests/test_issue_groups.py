"""Faults of one kind are summarised in one line with count, row ranges and the complete remedy."""

import csv
import json
import re
from pathlib import Path

import pytest

from cardiograph.cli.app import main
from cardiograph.errors import Issue
from cardiograph.issue_groups import group_issues


def issues(rows, remedy="write it in mmHg", value="16/8"):
    return [Issue(f"row {row} (record 'p{row}')", "sbp", value, "allowed 50-300 mmHg", remedy, "x") for row in rows]


def test_rows_of_one_kind_are_ranges_with_their_count():
    (group,) = group_issues(issues([2, 3, 4, 9, 7, 8]))
    assert str(group) == "sbp, 6 faults: rows 2-4, 7-9 (16/8); allowed 50-300 mmHg; write it in mmHg [x]"


def test_another_remedy_is_another_kind_and_a_single_fault_is_shown_completely():
    first, second = group_issues([*issues([2]), *issues([3], remedy="leave it")])
    assert str(first) == "row 2 (record 'p2'): sbp is 16/8; allowed 50-300 mmHg; write it in mmHg [x]"
    assert second.issues[0].remedy == "leave it"


def test_places_that_are_no_rows_are_listed_as_they_are():
    (group,) = group_issues([Issue(f"page {name}.png", "", "", "a file", "check", "missing") for name in "abcdefgh"])
    assert group.places == "page a.png, page b.png, page c.png, page d.png, page e.png, page f.png and 2 more"


def error_of(capsys, *arguments):
    with pytest.raises(SystemExit):
        main([str(argument) for argument in arguments])
    return capsys.readouterr()


@pytest.fixture
def faulty(tmp_path):
    rows = [f"p{n},{n % 2},16/8,{'x' if n == 3 else 60}" for n in range(200)]
    path = tmp_path / "faulty.csv"
    path.write_text("\n".join(["patient_id,label,sbp,age", *rows, "=1,0", ""]))
    return path


def test_hundreds_of_faults_are_a_few_lines_and_a_file_that_is_named(faulty, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    text = error_of(capsys, "run", faulty, "--out", tmp_path / "run").err
    lines = [line for line in text.splitlines() if line.strip()]
    assert len(lines) == 5
    assert "202 faults (200 in sbp, 1 in whole rows, 1 in age)" in lines[0]
    assert "sbp, 200 faults: rows 2-201 (16/8)" in text
    assert "--convert sbp=cmHg [two_pressures]" in text
    named = re.search(r"every fault: (\S+)", text)[1]
    with Path(named).open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 202
    assert rows[1] | {"where": ""} == rows[2] | {"where": ""}


def test_json_lists_every_fault(faulty, tmp_path, capsys):
    assert len(json.loads(error_of(capsys, "run", faulty, "--out", tmp_path / "run", "--json").out)["issues"]) == 202
