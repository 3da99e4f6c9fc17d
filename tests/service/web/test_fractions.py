"""Fractions that are written in percent."""

import pytest

from cardiograph.schema import KNOWN_BY_NAME
from cardiograph.service.web.fractions import fault_of, in_chosen_unit, of_percent, percent_text, range_text

EF = KNOWN_BY_NAME["ef"].variable


@pytest.mark.parametrize("text", ["34.1", "7", "55.55", "3e1"])
def test_percent_is_the_same_number_as_the_fraction(text):
    assert float(of_percent(text)) == pytest.approx(float(text) / 100, rel=1e-15)
    assert percent_text(float(of_percent(text))) == f"{float(text):g}"


def test_a_value_is_shown_in_the_unit_that_is_preferred():
    assert in_chosen_unit(0.341, "fraction", percent=True) == ("34.1", "%")
    assert in_chosen_unit(0.341, "fraction", percent=False) == ("0.341", "fraction")
    assert in_chosen_unit(70.0, "years", percent=True) == ("70", "years")


def test_a_text_that_is_no_number_stays_as_it_is():
    assert [of_percent(each) for each in ("", "high", "34,1")] == ["", "high", "34,1"]


def test_ranges_are_given_in_both_units():
    assert range_text(EF, percent=False) == "0.05 to 0.9"
    assert range_text(EF, percent=True) == "5 to 90\N{NO-BREAK SPACE}%"


@pytest.mark.parametrize(
    ("text", "percent", "message"),
    [
        ("45", False, "“45” is not within 0.05 to 0.9. If it is in percent, choose “%” next to the field."),
        ("0.45", True, "“0.45 %” is not within 5 to 90 %. If it is a fraction, choose “fraction” next to the field."),
        ("1.5", False, "“1.5” fits neither 0.05 to 0.9 nor 5 to 90 %; check the value, or leave the field empty."),
        ("450", True, "“450 %” fits neither 0.05 to 0.9 nor 5 to 90 %; check the value, or leave the field empty."),
    ],
)
def test_a_fault_says_which_unit_would_fit(text, percent, message):
    value = float(of_percent(text) if percent else text)
    assert fault_of(EF, text, value, percent=percent).replace("\N{NO-BREAK SPACE}", " ") == message
