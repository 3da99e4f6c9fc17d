"""An Excel workbook is read with its stored values; malicious and damaged workbooks are refused."""

import datetime
import re
import zipfile

import numpy as np
import openpyxl
import pytest

from cardiograph.cohort import workbook
from cardiograph.cohort.tables import read_table
from cardiograph.errors import CohortError

ROWS = [["patient_id", "label", "ef"], ["p1", 1, 0.3], ["p2", 0, 0.6]]


@pytest.fixture
def save(tmp_path):
    """Write a workbook of sheets (name -> rows)."""

    def write(rows=ROWS, **sheets):
        book = openpyxl.Workbook()
        book.remove(book.active)
        for name, cells in ({"Sheet1": rows} | sheets).items():
            sheet = book.create_sheet(name)
            for row in cells:
                sheet.append(row)
        path = tmp_path / "cohort.xlsx"
        book.save(path)
        return path

    return write


def edit(path, part, change):
    """Change the XML of one part of a workbook."""
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    parts[part] = change(parts[part].decode()).encode()
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return path


SHEET1 = "xl/worksheets/sheet1.xml"


def test_ids_dates_numbers_and_decimal_commas_of_a_sheet(read, save):
    rows = [
        ["patient_id", "label", "ef", "acquired_at", "ward"],
        ["'007", 1, "0,3", datetime.datetime(2024, 3, 1), True],
        [8, 0, "0,6", datetime.datetime(2024, 3, 1, 12, 30), None],
    ]
    table = read(save(rows).read_bytes(), "c.xlsx").table
    assert table["patient_id"].tolist() == ["007", "8"]
    assert table["ef"].tolist() == [0.3, 0.6]
    assert table["acquired_at"].tolist() == ["2024-03-01", "2024-03-01T12:30:00"]


def test_the_same_table_is_the_same_cohort_in_every_kind_of_file(read, save):
    text = "\n".join(",".join(map(str, row)) for row in ROWS)
    csv, excel = read(text).table, read(save().read_bytes(), "c.xlsx").table
    for column in ("patient_id", "label", "ef"):
        assert csv[column].tolist() == excel[column].tolist()


def test_faults_are_named_by_the_row_of_the_sheet(faults, save):
    rows = [[], *ROWS, ["p3", 1, "#N/A"], ["p4", 0, datetime.date(2024, 5, 11)], ["p5", 0, 45], [], ["p6", 1, 0.5]]
    issues = faults(save(rows).read_bytes(), "c.xlsx").issues
    assert [(issue.where, issue.code) for issue in issues] == [
        ("row 8", "empty_row"),
        ("row 5", "missing_word"),
        ("row 6", "date"),
        ("row 7", "out_of_range"),
    ]


def test_empty_rows_and_columns_around_the_values_are_no_fault(read, save):
    rows = [[], *([*row, None, ""] for row in ROWS), [None, None], [""]]
    assert len(read(save(rows).read_bytes(), "c.xlsx")) == 2


def test_an_id_with_more_digits_than_a_spreadsheet_keeps_is_a_fault(faults, save):
    rows = [ROWS[0], [1234567890123450, 1, 0.3], ["p2", 0, 0.6]]
    assert [issue.code for issue in faults(save(rows).read_bytes(), "c.xlsx").issues] == ["id_shortened"]


def test_a_formula_counts_with_its_stored_value(faults, read, save):
    path = save([[*ROWS[0], "age"], ["p1", 1, "=0.1+0.2", 50], ["p2", 0, 0.6, 60]])
    (issue,) = faults(path.read_bytes(), "c.xlsx").issues
    assert (issue.where, issue.column, issue.value, issue.code) == ("row 2", "C", "=0.1+0.2", "formula")
    edit(path, SHEET1, lambda text: re.sub(r"(<f>.*?</f>)<v ?/>", r"\1<v>0.3</v>", text.replace("<v></v>", "<v />")))
    assert read(path.read_bytes(), "c.xlsx").table["ef"].tolist() == [0.3, 0.6]


def test_a_formula_that_gives_an_empty_text_is_an_empty_cell(read, save):
    path = save([[*ROWS[0], "age"], ["p1", 1, '=""', 50], ["p2", 0, 0.6, 60]])
    edit(path, SHEET1, lambda text: text.replace('<c r="C2"', '<c r="C2" t="str"'))
    assert np.isnan(read(path.read_bytes(), "c.xlsx").table["ef"][0])


def test_one_sheet_with_values_is_read_whatever_its_name(read, save):
    cohort = read(save(Empty=[]).read_bytes(), "c.xlsx")
    assert "sheet 'Sheet1' of 2 visible sheets is read" in cohort.table.attrs["notes"]


def test_of_several_sheets_the_one_named_cohort_is_read(faults, read, save):
    path = save([["x"], [1]], Other=[["y"], [2]])
    assert "2 sheets have values ('Sheet1', 'Other'); name the cohort sheet 'cohort'" in str(
        faults(path.read_bytes(), "c.xlsx")
    )
    assert len(read(save([["x"], [1]], Cohort=ROWS).read_bytes(), "c.xlsx")) == 2


def test_hidden_sheets_are_noted_and_not_read(read, save):
    path = save(secret=[["x"], [1]])
    book = openpyxl.load_workbook(path)
    book["secret"].sheet_state = "hidden"
    book.save(path)
    cohort = read(path.read_bytes(), "c.xlsx")
    assert any("hidden sheet" in note for note in cohort.table.attrs["notes"])


def test_merged_cells_are_a_fault_where_they_have_a_value(faults, read, save):
    path = save([[*ROWS[0], "age"], ["p1", 1, 0.3, 50], [None, 0, 0.6, 60], ["p3", 0, 0.5, 61]])
    book = openpyxl.load_workbook(path)
    book["Sheet1"].merge_cells("A2:A3")
    book["Sheet1"].merge_cells("F8:G9")
    book.save(path)
    (issue,) = faults(path.read_bytes(), "c.xlsx").issues
    assert (issue.where, issue.column, issue.value, issue.code) == ("row 2", "A", "p1", "merged_cells")
    assert "A2:A3" in issue.rule


def test_hidden_rows_are_read_and_noted(read, save):
    path = save()
    book = openpyxl.load_workbook(path)
    book["Sheet1"].row_dimensions[3].hidden = True
    book.save(path)
    cohort = read(path.read_bytes(), "c.xlsx")
    assert len(cohort) == 2
    assert "1 hidden row of sheet 'Sheet1' is read too" in cohort.table.attrs["notes"]


def test_an_id_that_is_shown_with_leading_zeros_keeps_them(read, save):
    path = save([ROWS[0], [17, 1, 0.3], [2, 0, 0.6]])
    book = openpyxl.load_workbook(path)
    for cell in ("A2", "A3"):
        book["Sheet1"][cell].number_format = "00000"
    book.save(path)
    assert read(path.read_bytes(), "c.xlsx").table["patient_id"].tolist() == ["00017", "00002"]


@pytest.mark.parametrize("word", ["#REF!", "#NAME?", "#DIV/0!"])
def test_an_error_of_a_formula_is_no_patient(faults, save, word):
    path = save([ROWS[0], [word, 1, 0.3], [word, 0, 0.6]])
    assert [issue.code for issue in faults(path.read_bytes(), "c.xlsx").issues] == ["patient_id_word"] * 2


def test_cells_far_outside_the_table_cost_no_memory(faults, save, monkeypatch):
    monkeypatch.setattr(workbook, "MAX_CELLS", 1000)
    path = save([*ROWS, *[[]] * 96, [*[None] * 19, 1]])
    assert "a cell in row 100 and a cell in column T make 2,000 cells" in str(faults(path.read_bytes(), "c.xlsx"))


def test_a_workbook_without_values_is_refused(faults, save):
    assert "no visible sheet has values" in str(faults(save([]).read_bytes(), "c.xlsx"))


def test_a_zip_bomb_is_refused_before_it_is_unpacked(faults, save, tmp_path):
    path = save()
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive, archive.open("xl/bomb.xml", "w") as part:
        for _ in range(257):
            part.write(bytes(1024**2))
    assert path.stat().st_size < 1024**2
    assert "unpacks to 257 MiB" in str(faults(path.read_bytes(), "c.xlsx"))


def test_a_lone_cell_at_the_end_of_the_sheet_costs_no_memory(faults, save, monkeypatch):
    path = edit(save(), SHEET1, lambda text: text.replace('r="C3"', 'r="XFD3"'))
    assert "row 3 is empty" not in str(faults(path.read_bytes(), "c.xlsx"))
    monkeypatch.setattr(workbook, "MAX_CELLS", 10_000)
    assert "more than 10,000 cells" in str(faults(path.read_bytes(), "c.xlsx"))


def test_xml_that_expands_itself_is_refused(faults, save):
    bomb = '<!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;">]>'
    path = edit(save(), SHEET1, lambda text: f"{bomb}{text}".replace("p1", "&b;"))
    assert "not a readable Excel workbook" in str(faults(path.read_bytes(), "c.xlsx"))


def test_an_encrypted_or_older_workbook_is_named(faults):
    assert "without a password" in str(faults(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(100), "c.xlsx"))


def test_a_damaged_workbook_is_refused_by_name(save, tmp_path):
    content = save().read_bytes()
    rng = np.random.default_rng(0)
    path = tmp_path / "damaged.xlsx"
    refused = 0
    for _ in range(60):
        damaged = bytearray(content[: rng.integers(len(content) // 2, len(content) + 1)])
        for place in rng.integers(0, len(damaged), 20):
            damaged[place] = rng.integers(256)
        path.write_bytes(damaged)
        try:
            read_table(path)
        except CohortError:
            refused += 1
    assert refused > 30


@pytest.mark.parametrize(
    ("part", "old", "new"),
    [
        (SHEET1, 't="s"', 't="q"'),
        (SHEET1, "<v>0</v>", "<v>99999</v>"),
        (SHEET1, 'r="A1"', 'r="ZZZZZZZZ1"'),
        (SHEET1, 'r="A1"', 'r="A99999999999"'),
        (SHEET1, "<v>0.3</v>", "<v>zero</v>"),
        (SHEET1, "<v>0.3</v>", f"<v>{'9' * 5000}</v>"),
        (SHEET1, "<v>0.3</v>", "<v>1e999</v>"),
        (SHEET1, "<sheetData>", "<sheet>"),
        ("xl/workbook.xml", "<sheets>", "<cheats>"),
        ("xl/styles.xml", "<cellXfs", "<cells"),
        ("[Content_Types].xml", "worksheet+xml", "chart+xml"),
    ],
)
def test_parts_that_contradict_each_other_make_no_traceback(save, part, old, new):
    path = edit(save(), part, lambda text: text.replace(old, new))
    try:
        table = read_table(path)
    except CohortError:
        return
    assert table.rows
