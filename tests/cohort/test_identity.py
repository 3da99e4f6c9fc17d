"""Spellings of one patient id are recognised as equal, and an empty cell is not a patient."""

import pytest

from cardiograph.cohort.manifest import read_cohort
from cardiograph.config_reading import CohortConfig

ROWS = "patient_id,label,ef\n{},1,0.3\n{},0,0.6\n"


@pytest.fixture
def patients(shared):
    """The patients of a file of the shared cases."""

    def read_case(name):
        cohort = read_cohort(shared.parent / "cases" / name, CohortConfig(), outcome="heart failure")
        return cohort.table["patient_id"], cohort.table.attrs["notes"]

    return read_case


@pytest.mark.parametrize(("name", "count"), [("pid_flt.csv", 30), ("pid_nfd.csv", 30), ("nfc.csv", 112)])
def test_a_patient_written_in_two_ways_is_one(patients, name, count):
    names, notes = patients(name)
    assert names.nunique() == count
    assert (names.value_counts() == 2).all()
    assert any("were normalised" in note for note in notes)


def test_zero_id2(patients):
    names, notes = patients("zero_id2.csv")
    assert names.isna().sum() > 1
    assert not any("treated as two patients" in note for note in notes)


@pytest.mark.parametrize(("first", "second"), [("'0042", "0042"), ("４２", "42"), ("42.0", "42"), ("p 1", "p\u00a01")])
def test_marks_of_a_spreadsheet_make_no_second_patient(read, first, second):
    names = read(ROWS.format(first, second)).table["patient_id"]
    assert names.nunique() == 1


def test_leading_zeros_and_case_are_noted_and_kept(read):
    cohort = read("patient_id,label,ef\n07,1,0.3\n7,0,0.6\na,1,0.3\nA,0,0.6\n0,1,0.4\n00,0,0.5\n")
    assert cohort.table["patient_id"].nunique() == 6
    assert sum("treated as two patients" in note for note in cohort.table.attrs["notes"]) == 3


@pytest.mark.parametrize("column", ["patient_id", "record_id"])
def test_an_id_that_a_spreadsheet_shortened_is_a_fault(faults, column):
    (issue,) = faults(f"{column},label,ef\n1.2345E+11,1,0.3\np2,0,0.6\n").issues
    assert (issue.column, issue.value, issue.code) == (column, "1.2345E+11", "id_shortened")


def test_record_ids_are_compared_in_one_form_and_kept_as_written(read, faults):
    assert list(read("record_id,label,ef\n'1,1,0.3\n2,0,0.6\n").record_ids) == ["'1", "2"]
    (issue,) = faults("record_id,label,ef\n'1,1,0.3\n1,0,0.6\n").issues
    assert issue.code == "record_id_twice"
