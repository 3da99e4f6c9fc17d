"""Spelling variants of one id are equal; different ids stay different."""

import unicodedata

import numpy as np
import pytest

from cardiograph.containers import class_key, identifier, is_shortened


@pytest.mark.parametrize(
    ("written", "compared"),
    [
        ("5.0", "5"),
        ("5.00", "5"),
        ("5,0", "5"),
        (5.0, "5"),
        (5, "5"),
        (np.float64(5), "5"),
        ("'007", "007"),
        ('="007"', "007"),
        ("１２３", "123"),
        ("Mu\u0308ller", "Müller"),
        ("\ufeffp1\u200b", "p1"),
        ("p\u00a01", "p 1"),
        ("", ""),
        (None, ""),
        (float("nan"), ""),
    ],
)
def test_one_id_has_one_form(written, compared):
    assert identifier(written) == compared
    assert identifier(identifier(written)) == compared


@pytest.mark.parametrize("name", ["007", "p1", "P1", "1.5", "1.000", "12.34.0", "a-b", "O'Neill", "0"])
def test_what_distinguishes_patients_is_kept(name):
    assert identifier(name) == name


@pytest.mark.parametrize("value", ["1.2345E+11", "1,2345E+11", "'1E+05", 2.0**60])
def test_an_id_that_a_spreadsheet_shortened_is_known(value):
    assert is_shortened(value)


@pytest.mark.parametrize("value", ["1E5", "123450000000", 123450000000.0, "E+11", "1.5", None, float("nan")])
def test_a_whole_id_is_not_shortened(value):
    assert not is_shortened(value)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("HF", "hf"),
        ("heart failure", "Heart_Failure"),
        ("heart-failure", "heartfailure"),
        ("Café", unicodedata.normalize("NFD", "café")),
        ("ＨＦ", "HF"),
        ("Straße", "STRASSE"),
    ],
)
def test_spellings_of_one_class_share_a_key(first, second):
    assert class_key(first) == class_key(second)


@pytest.mark.parametrize(("first", "second"), [("1", "-1"), ("EF+", "EF-"), ("HF", "HF?"), ("A", "B")])
def test_classes_that_differ_in_more_have_their_own_key(first, second):
    assert class_key(first) != class_key(second)
