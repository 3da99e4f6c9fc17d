"""Files that are no clean table are refused with the line and the way out."""

import pytest


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "is empty"),
        (b"  \n \n", "is empty"),
        (b"patient_id,label,ef\n", "no rows"),
        ("label;ef\n1;0,4\n0;0,5\n", "separated by semicolons"),
        ("label\tef\n1\t0.4\n", "separated by tabs"),
        ("label,ef\n1,0.4\n0,0.5\n".encode("utf-16"), "is UTF-16"),
        (b"label,ef,site\n1,0.4,Orl\xe9ans\n", "row 2 is byte 0xe9"),
        (b"label,ef\n1,0.4\0\n", "zero bytes"),
        ('label,ef\n1,"0.4\n0,0.5\n', "row 2"),
        ("label,ef\n1,0.4,7\n0,0.5\n", "row 2 is 3 cells long; each row has 2 cells"),
        ("label,ef\n1,0.4\n,\n0,0.5\n", "row 3 is without any value"),
        ("label,ef,ef\n1,0.4,0.4\n0,0.5,0.4\n", "header: ef is there 2 times"),
    ],
)
def test_a_file_that_is_no_clean_table_is_refused(faults, content, told):
    assert told in str(faults(content))


def test_a_table_in_tabs_called_csv_and_the_other_way_round(faults):
    assert "separated by commas, expected tabs" in str(faults("label,ef\n1,0.4\n", "c.tsv"))


@pytest.mark.parametrize("name", ["cohort.xlsx", "cohort.txt", "cohort"])
def test_another_kind_of_file_is_refused(faults, name):
    assert "give CSV, TSV, Parquet or a folder" in str(faults("x", name))


def test_a_damaged_parquet_file_is_refused(faults):
    assert "not a readable Parquet file" in str(faults(b"PAR1nonsense", "c.parquet"))


def test_a_missing_file_is_refused(tmp_path):
    from cardiograph.cohort.tables import read_table
    from cardiograph.errors import CohortError

    for name in ("none.csv", "none.parquet", "none"):
        with pytest.raises(CohortError, match="no such file or folder"):
            read_table(tmp_path / name)
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(CohortError, match="cannot be read"):
        read_table(tmp_path / "folder.csv")


def test_byte_order_mark_line_ends_blank_lines_and_spaces_do_no_harm(read):
    cohort = read("\ufefflabel , ef\r\n1, 0.4 \r\n\r\n0,\u00a00.5\r\n".encode())
    assert cohort.table["ef"].tolist() == [0.4, 0.5]


def test_rows_are_named_by_their_line_in_the_file(faults):
    text = 'label,ef,site\n1,0.4,"two\nlines"\n\n0,45,B\n'
    (issue,) = faults(text).issues
    assert issue.where == "row 5"


def test_an_index_column_without_a_name_is_left_aside(read):
    assert read(",label,ef\n0,1,0.4\n1,0,0.5\n").table.attrs["ignored_columns"] == ["(no name)"]
