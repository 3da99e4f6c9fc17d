"""A spreadsheet program that opens our CSV runs nothing of what users wrote, and nothing of it is lost."""

import csv
import io
import re

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cardiograph.artifacts.spreadsheet import csv_of, csv_of_frame, original_text, safe_text

IDS = ["=cmd|'/C calc'!A0", "+1+1", "-2+3", "@SUM(1)", "\t=1+1", "\r=1", " =1+1", "'quoted", "a;=1+1", "a; @b", "＝1"]


@pytest.mark.parametrize("text", IDS)
def test_no_cell_begins_like_a_formula_whatever_separates_cells(text):
    for cell in re.split(r"[;\t\r\n]", safe_text(text)):
        assert cell.lstrip()[:1] not in ("=", "+", "-", "@", "＝")
    assert original_text(safe_text(text)) == text


@pytest.mark.parametrize("text", ["S11P000004-1", "p1:2", "Müller", "", "0.5; 0.6", "row-12"])
def test_a_plain_text_stays_as_it_is(text):
    assert safe_text(text) == text


@given(st.text(alphabet=st.sampled_from("'=+-@;, \t\r\nab"), max_size=12))
def test_every_text_is_recovered(text):
    assert original_text(safe_text(text)) == text


def test_numbers_stay_numbers():
    table = pd.DataFrame({"record_id": ["-2+3"], "change": [-0.5], "low": [None]})
    assert csv_of_frame(table) == "record_id,change,low\n'-2+3,-0.5,\n"
    assert csv_of(("=head", "x"), [("@a", -1)]) == "'=head,x\n'@a,-1\n"


def test_the_ids_of_a_table_with_formulas_come_back(shared):
    table = pd.read_csv(shared / "cases" / "inj.csv", dtype=str, keep_default_na=False)
    written = [row["record_id"] for row in csv.DictReader(io.StringIO(csv_of_frame(table)))]
    assert [each[0] for each in written[:6]] == ["'"] * 6
    assert [original_text(each) for each in written] == table["record_id"].tolist()
