"""The decimal mark is found where every number agrees, and never guessed."""

import pytest

from cardiograph.cohort.decimal_mark import find_decimal


@pytest.mark.parametrize(
    ("columns", "mark"),
    [
        ([["0,45", "0,5"], ["120", ""]], ","),
        ([["1260,5"]], ","),
        ([["0,451"]], ","),
        ([[",5"]], ","),
        ([["0,45"], ["167.8"]], "."),
        ([["0,45"], ["1.250"]], "."),
        ([["1,250", "2,300"]], "."),
        ([["12,5"], ["1,234,567"]], "."),
        ([["12"], ["n.k."]], "."),
        ([[0.5, 3], ["0,5"]], ","),
        ([], "."),
    ],
)
def test_a_comma_is_the_mark_where_nothing_speaks_against_it(columns, mark):
    assert find_decimal(columns) == mark


def test_an_ambiguous_table_names_the_option(faults):
    issues = faults("label;bnp\n1;1,250\n0;2,300\n").issues
    assert [issue.code for issue in issues] == ["thousands"] * 2
    assert "--decimal ," in issues[0].remedy


def test_the_mark_of_the_settings_wins(faults):
    assert [issue.code for issue in faults("label;ef\n1;0,4\n0;0,5\n", decimal=".").issues] == ["decimal_comma"] * 2
