"""A row with faults does not affect the others, and its remedy is one that the user can apply."""

import pytest

from cardiograph.cohort.patients import PatientTable
from cardiograph.config_reading import CohortConfig
from cardiograph.errors import CohortError


@pytest.fixture
def patients(tmp_path):
    def read(text, **options):
        (tmp_path / "new.csv").write_text(text)
        (found,) = PatientTable(tmp_path / "new.csv", CohortConfig(**options), reads=["ef", "sbp"])
        return found

    return read


def test_rows_at_fault_are_refused_and_the_others_are_read(patients):
    found = patients("record_id,ef,sbp\na,0.4,120\nb,45,120\nc,0.5\nd,0.6,NA\ne,0.6,\na,0.3,110\n,0.3,110\nf,,\n")
    assert found.record_ids == ["a", "e"]
    assert found.lines == [2, 6]
    refused = {each.line: (each.record_id, [issue.code for issue in each.issues]) for each in found.refused}
    assert refused == {
        3: ("b", ["out_of_range"]),
        4: ("row-4", ["ragged_row"]),
        5: ("d", ["missing_word"]),
        7: ("a", ["record_id_twice"]),
        8: ("row-8", ["record_id_empty"]),
        9: ("f", ["nothing_known"]),
    }


def test_no_remedy_is_an_option_that_predict_does_not_have(patients):
    found = patients("record_id,ef,sbp\na,0.4,120\nb,0.5,140/80\nc,0.5,NA\nd,0.5,999\ne,45 %,120\n")
    remedies = [issue.remedy for each in found.refused for issue in each.issues]
    assert len(remedies) == 4
    assert not any("--" in remedy for remedy in remedies)


def test_a_table_that_cannot_be_read_as_a_whole_is_refused(patients):
    with pytest.raises(CohortError, match="the model uses the column 'ef'"):
        patients("record_id,EF,sbp\na,0.4,120\n")
    with pytest.raises(CohortError, match="2 faults"):
        patients("record_id,ef,sbp\na,4,120\nb,0.4,999\n")
