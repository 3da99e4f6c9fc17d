"""A table is scored in chunks with the answers, faults and notes that it has as a whole, and written whole or not at all."""

import json
from functools import partial

import pandas as pd
import pytest
from tests.cli.commands import call, failed
from tests.run.labels_cohort import run_on, write

from cardiograph.errors import CohortError
from cardiograph.inference.table import open_scores, score_table
from cardiograph.workers import work_on

HEADER = ["record_id", "patient_id", "label", "A", "ef", "age", "ward"]
ROWS = [
    ["a", "P1", "0", "1", "0.41", "61", "x"],
    ["b", "p 2", "1", "", "0.52", "70", "y"],
    ["c", "P1", "0", "1", "", "61", "x"],
    ["d", "P 2", "1", "0", "0.33", "NA", "x"],
    ["c", "P1", "0", "1", "", "61", "x"],
    ["e", "=P1", "0", "0", "0.61", "55", ""],
    ["f", "", "0", "0", "", "", ""],
    ["a", "P4", "0", "0", "0.47", "48", "x"],
    ["g", "P5", "1", "1", "47", "48", "x"],
]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("labels")
    rows = [
        [
            f"q{number}",
            str(number % 2),
            str(number % 3 % 2),
            f"{0.3 + number % 2 * 0.2 + number / 1000:.3f}",
            str(40 + number % 40),
            ("train", "train", "train", "val", "test")[number % 5],
        ]
        for number in range(120)
    ]
    return run_on(folder, rows)


@pytest.fixture
def table(tmp_path):
    return write(tmp_path / "new.csv", ROWS, HEADER)


def scored(run, table, size):
    scores = open_scores(run, table, size=size)
    frame = scores.frame([row for rows in scores for row in rows])
    return frame, scores.issues, scores.refused, scores.notes


@pytest.mark.parametrize("kind", ["csv", "parquet"])
@pytest.mark.parametrize("label", ["", "A"])
def test_a_table_in_chunks_gives_the_answers_faults_and_notes_of_the_whole(run, table, kind, label):
    if kind == "parquet":
        typed = pd.read_csv(table, dtype={"record_id": str, "patient_id": str, "age": str}, keep_default_na=False)
        table = table.with_suffix(".parquet")
        typed.assign(ef=pd.to_numeric(typed["ef"])).to_parquet(table, row_group_size=4)
    frame, issues, refused, notes = scored(run / label, table, 100)
    assert frame["not_scored"].ne("").tolist() == [False, False, False, True, True, False, True, True, True]
    assert [issue.code for issue in issues] == [
        "missing_word",
        "record_id_twice",
        "nothing_known",
        "record_id_twice",
        "out_of_range",
    ]
    assert "1 row(s) equal an earlier row in every column; all are kept" in notes
    assert "'p 2' and 'P 2' are treated as two patients; if they are one, use one spelling" in notes
    assert refused == 5
    for size in (1, 2, 7):
        again, *rest = scored(run / label, table, size)
        pd.testing.assert_frame_equal(again, frame, check_exact=True)
        assert rest == [issues, refused, notes]
    pd.testing.assert_frame_equal(score_table(run / label, table), frame, check_exact=True)


def test_an_outcome_column_is_ignored_and_named(run, table):
    notes = score_table(run, table).attrs["notes"]
    assert any(note.startswith("column 'A' is not used: patients are scored without") for note in notes)
    answers = score_table(run, write(table, [[*row[:2], *row[4:]] for row in ROWS], [*HEADER[:2], *HEADER[4:]]))
    assert answers["probability_A"].equals(score_table(run, write(table, ROWS, HEADER))["probability_A"])


def test_ids_are_generated_as_for_the_whole_table(run, table):
    patients = ["p", "", "p", "p:2", "row-3", "p", ""]
    write(table, [[name, f"0.{41 + number}"] for number, name in enumerate(patients)], ["patient_id", "ef"])
    expected = ["p", "row-3", "p:3", "p:2", "row-3:2", "p:4", "row-8"]
    for size in (1, 2, 100):
        assert scored(run, table, size)[0]["record_id"].tolist() == expected


def test_a_decimal_comma_that_only_the_last_rows_prove_holds_for_all(run, table):
    table.write_text("record_id;ef;age\na;;61\nb;1,250;62\nc;0,45;60\n")
    for size in (1, 100):
        frame, issues, _, notes = scored(run, table, size)
        assert [issue.code for issue in issues] == ["out_of_range"]
        assert frame["not_scored"].ne("").tolist() == [False, True, False]
        assert any("decimal comma" in note for note in notes)


def test_a_remedy_names_the_unit_that_fits_the_whole_column(run, table):
    rows = [["a", "45 %"], ["b", "47"], ["c", "0.5"], ["d", "51 %"]]
    found = [scored(run, write(table, rows, ["record_id", "ef"]), size)[1] for size in (1, 3, 100)]
    assert found[0] == found[1] == found[2]
    assert len(found[0]) == 3


def test_faults_of_the_whole_table_are_named_with_those_of_all_rows_before_any_is_scored(run, table):
    write(table, [["a", "0.4", "61"], ["b", "0.5", "444"], ["c", "0.5"]], ["record_id", "EF", "age"])
    messages = set()
    for size in (1, 2, 100):
        with pytest.raises(CohortError) as caught:
            open_scores(run, table, size=size)
        messages.add(str(caught.value))
        assert {issue.code for issue in caught.value.issues} == {"column_name", "out_of_range", "ragged_row"}
    assert len(messages) == 1


def test_answers_are_written_whole_or_not_at_all(run, table, tmp_path, monkeypatch):
    monkeypatch.setattr("cardiograph.inference.table.open_scores", partial(open_scores, size=2))
    out = tmp_path / "answers" / "answers.csv"
    out.parent.mkdir()
    status, output = call("predict", run, "--table", table, "--out", out, "--strict", "--json")
    assert (status, len(json.loads(output)["issues"]), list(out.parent.iterdir())) == (3, 5, [])
    assert call("predict", run, "--table", table, "--out", out)[0] == 10
    assert call("predict", run, "--table", table)[1].startswith(out.read_text())
    assert pd.read_csv(out)["record_id"].tolist() == [row[0] for row in ROWS]
    assert list(out.parent.iterdir()) == [out]


@pytest.mark.slow
def test_workers_score_a_table_as_this_process_does(run, table):
    expected = scored(run, table, 100)
    for size in (3, 100):
        with work_on("processes:2"):
            frame, *rest = scored(run, table, size)
        pd.testing.assert_frame_equal(frame, expected[0], check_exact=True)
        assert rest == list(expected[1:])


def test_workers_are_refused_where_they_have_nothing_to_score(run):
    status, error = failed("predict", run, "--ef", "0.4", "--on", "processes")
    assert status == 2 and "--on processes: workers score the patients of --table" in error["error"]
