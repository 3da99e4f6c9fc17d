"""Malformed files are refused with the line and the remedy."""

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from cardiograph.cohort import tables
from cardiograph.cohort.manifest import read_cohort
from cardiograph.config_reading import CohortConfig
from cardiograph.errors import CohortError


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"  \n \n", "is empty"),
        (b"patient_id,label,ef\n", "no rows"),
        ("label,ef\n1,0.4\n0,0.5\n".encode("utf-16"), "is UTF-16"),
        (b"label,ef,site\n1,0.4,Orl\xe9ans\n", "row 2 is byte 0xe9"),
        (b"label,ef\n1,0.4\0\n", "zero bytes"),
        ('label,ef\n1,"0.4\n0,0.5\n', "row 2"),
        ("label,ef\n1,0.4,7\n0,0.5\n", "row 2 is 3 cells long; each row needs 2 cells"),
        ("label,ef\n1,0.4\n,\n0,0.5\n", "row 3 is empty"),
        ("label,ef,ef\n1,0.4,0.4\n0,0.5,0.4\n", "header: ef is present 2 times"),
    ],
)
def test_a_file_that_is_no_clean_table_is_refused(faults, content, message):
    assert message in str(faults(content))


@pytest.mark.parametrize(
    ("content", "name"),
    [
        ("label;ef\n1;0,4\n0;0,5\n", "c.csv"),
        ("label\tef\n1\t0.4\n0\t0.5\n", "c.csv"),
        ("label|ef\n1|0.4\n0|0.5\n", "c.csv"),
        ("label,ef\n1,0.4\n0,0.5\n", "c.tsv"),
        ("sep=;\nlabel;ef\n1;0,4\n0;0,5\n", "c.csv"),
        ('label;ef;"a, b"\n1;0,4;"x, y"\n0;0,5;z\n', "c.csv"),
        ('label,ef,"a;b"\n1,"0,4",x;y\n0,"0,5",z\n', "c.csv"),
    ],
)
def test_the_separator_is_the_one_that_fits_every_row(read, content, name):
    assert read(content, name).table["ef"].tolist() == [0.4, 0.5]


def test_a_separator_that_is_not_the_usual_one_is_noted(read):
    notes = read("label;ef\n1;0,4\n0;0,5\n").table.attrs["notes"]
    assert "columns are separated by semicolons" in notes
    assert any("decimal comma" in note for note in notes)


def test_two_separators_that_both_fit_are_a_fault(faults, read):
    text = "label;ef,x\n1;0.4,1\n0;0.5,1\n"
    assert "columns may be separated by commas or semicolons; add a first line" in str(faults(text))
    text = "label;ef;a,b\n1;0.4;1,1\n0;0.5;1,1\n"
    assert read(f"sep=;\n{text}").table["ef"].tolist() == [0.4, 0.5]


def test_lines_are_counted_from_the_line_that_names_the_separator(faults):
    (issue,) = faults("sep=;\r\nlabel;ef\r\n1;0,4\r\n0;45\r\n").issues
    assert issue.where == "row 4"


def test_empty_rows_and_columns_at_the_end_are_no_fault(read, faults):
    cohort = read("label,ef,,\n1,0.4,,\n0,0.5\n,,,\n,\n")
    assert cohort.table["ef"].tolist() == [0.4, 0.5]
    assert cohort.table.attrs["ignored_columns"] == []
    assert "row 3 is empty" in str(faults("label,ef,,\n1,0.4,,\n,,,\n0,0.5,,\n"))
    assert "row 2 is 3 cells long" in str(faults("label,ef\n1,0.4,7\n0,0.5,\n"))


@pytest.mark.parametrize(("name", "rows"), [("semi_comma.csv", 60), ("excel_tail.csv", 60)])
def test_what_a_spreadsheet_writes_is_read(shared, name, rows):
    cohort = read_cohort(shared.parent / "cases" / name, CohortConfig(), outcome="heart failure")
    assert len(cohort) == rows
    assert cohort.table["ef"][:2].tolist() == [0.51, 0.39]
    assert cohort.table["bnp"][0] == 167.8


@pytest.mark.parametrize("name", ["cohort.xls", "cohort.ods", "cohort.txt", "cohort"])
def test_another_kind_of_file_is_refused(faults, name):
    assert "give CSV, TSV, Excel (.xlsx), Parquet or a folder" in str(faults("x", name))


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


def test_tsus(shared):
    with pytest.raises(CohortError) as caught:
        read_cohort(shared.parent / "cases" / "tsus.parquet", CohortConfig(), outcome="heart failure")
    first = caught.value.issues[0]
    assert (first.where, first.column, first.code) == ("row 1", "acquired_at", "parquet_value")
    assert "timestamp[us]" in first.value


def test_a_zero_byte_in_a_path_is_named(tmp_path):
    path = tmp_path / "c.parquet"
    pd.DataFrame({"ecg": ["a\0.png", "b.png"], "label": [1, 0]}).to_parquet(path)
    with pytest.raises(CohortError) as caught:
        read_cohort(path, CohortConfig(), outcome="heart failure")
    assert [(each.where, each.column, each.code) for each in caught.value.issues] == [("row 1", "ecg", "zero_byte")]


def test_a_parquet_file_that_claims_billions_of_cells_is_refused(tmp_path, monkeypatch):
    path = tmp_path / "c.parquet"
    pd.DataFrame({"label": [1, 0] * 50, "ef": 0.5}).to_parquet(path)
    monkeypatch.setattr(tables, "MAX_CELLS", 100)
    with pytest.raises(CohortError, match="more than 100 cells"):
        tables.read_table(path)


@pytest.mark.parametrize("suffix", [".csv", ".parquet", ".xlsx"])
def test_a_table_with_too_many_rows_is_refused_with_the_setting_that_allows_them(tmp_path, suffix):
    path, table = tmp_path / f"c{suffix}", pd.DataFrame({"label": [1, 0] * 50, "ef": 0.5})
    {".csv": table.to_csv, ".parquet": table.to_parquet, ".xlsx": table.to_excel}[suffix](path, index=False)
    assert len(read_cohort(path, CohortConfig(max_rows=100), outcome="heart failure")) == 100
    with pytest.raises(
        CohortError, match=r"100 rows or more, and cohort\.max_rows allows 99; .*cohort\.max_rows=1000$"
    ):
        read_cohort(path, CohortConfig(max_rows=99), outcome="heart failure")


INTEGERS = st.integers(-(2**63), 2**63 - 1)
ODD_COLUMNS = st.one_of(
    *(
        st.tuples(st.just(pa.timestamp(unit, zone)), st.lists(INTEGERS, min_size=2, max_size=2))
        for unit in ("s", "ms", "us", "ns")
        for zone in (None, "UTC", "Europe/Berlin", "+02:00")
    ),
    *(
        st.tuples(st.just(pa.duration(unit)), st.lists(INTEGERS, min_size=2, max_size=2))
        for unit in ("s", "ms", "us", "ns")
    ),
    st.tuples(st.just(pa.date32()), st.lists(st.integers(-(2**31), 2**31 - 1), min_size=2, max_size=2)),
    st.tuples(st.just(pa.time64("ns")), st.lists(st.integers(0, 86_399 * 10**9), min_size=2, max_size=2)),
    st.tuples(st.just(pa.uint64()), st.lists(st.integers(0, 2**64 - 1), min_size=2, max_size=2)),
    st.tuples(st.just(pa.decimal256(76, 0)), st.lists(st.integers(-(10**75), 10**75), min_size=2, max_size=2)),
    st.tuples(st.just(pa.float32()), st.lists(st.floats(width=32), min_size=2, max_size=2)),
    st.tuples(st.just(pa.binary()), st.lists(st.binary(max_size=8), min_size=2, max_size=2)),
    st.tuples(st.just(pa.string()), st.lists(st.text(max_size=8), min_size=2, max_size=2)),
    st.tuples(st.just(pa.list_(pa.int64())), st.lists(st.lists(INTEGERS, max_size=3), min_size=2, max_size=2)),
    st.tuples(
        st.just(pa.struct([("a", pa.int64())])),
        st.lists(st.fixed_dictionaries({"a": INTEGERS}), min_size=2, max_size=2),
    ),
    st.tuples(st.just(pa.map_(pa.string(), pa.int64())), st.just([[("a", 1)], []])),
    st.tuples(st.just(pa.null()), st.just([None, None])),
    st.tuples(st.just(pa.bool_()), st.just([True, None])),
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    odd=ODD_COLUMNS,
    name=st.sampled_from(["ef", "patient_id", "record_id", "label", "acquired_at", "ward"]),
    dictionary=st.booleans(),
)
def test_no_type_of_a_parquet_column_makes_a_traceback(tmp_path, odd, name, dictionary):
    kind, values = odd
    column = (
        pa.array(values, pa.int64()).cast(kind) if pa.types.is_timestamp(kind) or pa.types.is_duration(kind) else None
    )
    column = pa.array(values, pa.int32()).cast(kind) if pa.types.is_date32(kind) else column
    column = pa.array(values, kind) if column is None else column
    if dictionary and (pa.types.is_string(kind) or pa.types.is_binary(kind)):
        column = column.dictionary_encode()
    columns = {"label": pa.array([1, 0]), "age": pa.array([50, 60]), name: column}
    path = tmp_path / "c.parquet"
    try:
        pq.write_table(pa.table(columns), path)
    except pa.ArrowInvalid:
        assume(False)  # a value that the format cannot hold
    try:
        cohort = read_cohort(path, CohortConfig(), outcome="heart failure")
    except CohortError as error:
        assert str(error)
    else:
        assert len(cohort) == 2


@pytest.mark.parametrize(
    "content",
    [
        "label,ef\n1,0.4\n0,0.5\n1,0.6\n0,0.7\n",
        "\n,,\nlabel,ef,,\n1,0.4\n,\n,,,\n0,0.5,7\n0,0.5,,\n1,0.6,,,\n,,\n\n",
        'sep=;\nlabel;ef;ef\n1;"0,4";2\n;;\n0;0,5;2\n1;"0',
        "label,ef\n1\n0\n",
    ],
)
def test_chunks_hold_the_rows_and_faults_of_the_whole(tmp_path, content):
    path = tmp_path / "c.csv"
    path.write_text(content)
    whole = tables.read_table(path)
    for size in (1, 2, 3):
        chunks = list(tables.read_chunks(path, size=size))
        assert all((each.header, each.notes) == (whole.header, whole.notes) for each in chunks)
        assert max(len(each.rows) for each in chunks) <= size
        assert sum((each.rows for each in chunks), ()) == whole.rows
        assert sum((each.lines for each in chunks), ()) == whole.lines
        assert set(sum((each.issues for each in chunks), ())) == set(whole.issues)


def test_a_text_that_breaks_off_or_is_no_text_is_refused_in_chunks_too(tmp_path):
    path = tmp_path / "c.csv"
    for end, message in ((b"1,\xe9\n", "byte 0xe9"), (b"1,\0\n", "zero bytes")):
        path.write_bytes(b"label,ef\n" + b"1,0.4\n" * 30_000 + end)
        with pytest.raises(CohortError, match=r"row 30002|zero bytes") as caught:
            list(tables.read_chunks(path, size=1000))
        assert message in str(caught.value)
