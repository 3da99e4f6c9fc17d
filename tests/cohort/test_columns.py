"""Columns are matched by their exact names; near misses are proposed, never assumed."""

import pytest

from cardiograph.cohort.columns import FIXED, match_columns, suggestion

NT = "ntprobnp"
OURS = (*FIXED, "ef", "bnp", "nyha", "sbp", "age", NT)


def test_exact_names_and_mapped_ones_are_found():
    columns = match_columns(["patient_id", "Death", "ef", "ward"], OURS, {"label": "Death"})
    assert columns.source == {"patient_id": "patient_id", "ef": "ef", "label": "Death"}
    assert columns.ignored == ("ward",)
    assert columns.issues == ()


@pytest.mark.parametrize(
    ("mapping", "code", "message"),
    [
        ({"efx": "A"}, "map_unknown_name", "did you mean --map ef=A?"),
        ({"glucose": "A"}, "map_unknown_name", "[[cohort.variables]]"),
        ({"bnp": "NT proBNP blod"}, "map_missing_column", "did you mean 'NT proBNP blood'?"),
        ({"ef": "A", "bnp": "A"}, "map_twice", "ef and bnp"),
        ({"label": "A"}, "map_target_present", "the table already has a column 'label'"),
    ],
)
def test_a_map_that_cannot_be_followed_is_a_fault(mapping, code, message):
    columns = match_columns(["label", "A", "NT proBNP blood"], OURS, mapping)
    assert {issue.code for issue in columns.issues} == {code}
    assert message in str(columns.issues[0])


def test_a_column_that_the_outcome_names_wins_over_one_of_the_standard_name():
    columns = match_columns(["label", "died"], OURS, {"label": "died"}, {"label"})
    assert (columns.source, columns.ignored, columns.issues) == ({"label": "died"}, ("label",), ())


def test_a_column_that_is_mapped_is_not_read_under_its_own_name_as_well():
    assert match_columns(["label", "bnp"], OURS, {"ntprobnp": "bnp"}).source == {"label": "label", "ntprobnp": "bnp"}


def test_mapping_a_name_to_itself_is_no_fault():
    assert match_columns(["label", "ef"], OURS, {"ef": "ef"}).issues == ()


@pytest.mark.parametrize(
    ("column", "name"),
    [("EF", "ef"), ("Patient ID", "patient_id"), ("Sbp", "sbp"), ("Label", "label"), ("NTproBNP", NT)],
)
def test_a_name_in_other_letters_is_a_fault_with_the_option(column, name):
    (issue,) = match_columns([column], OURS, {}).issues
    assert issue.code == "column_name"
    assert f"{name}={column}" in issue.remedy


@pytest.mark.parametrize(
    ("column", "hint"),
    [
        ("Ejection_Fraction", "--map ef=Ejection_Fraction"),
        ("proBNP", "--map ntprobnp=proBNP"),
        ("NT-proBNP (pmol/L)", '--map "ntprobnp=NT-proBNP (pmol/L)"'),
        ("BNP (pmol/L)", '--map "bnp=BNP (pmol/L)"'),
        ("subject_id", "--map patient_id=subject_id"),
        ("image", "--map ecg=image"),
    ],
)
def test_a_name_of_the_same_meaning_is_hinted_at(column, hint):
    columns = match_columns([column], OURS, {})
    assert columns.issues == ()
    assert hint in columns.notes[0]


def test_a_resemblance_to_a_column_that_is_there_says_nothing():
    assert match_columns(["ecg", "image", "file"], OURS, {}).notes == ()


def test_a_missing_column_is_suggested_from_what_is_there():
    columns = match_columns(["Death_Event", "x"], OURS, {})
    assert suggestion("label", columns) == "did you mean --map label=Death_Event?"
    assert "the columns are: Death_Event, x" in suggestion("ecg", columns)
