"""Values outside their limits are found once; the decimal mark is detected if all numbers agree, never guessed."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import settings as options
from hypothesis import strategies as st

from cardiograph.cohort.measurements import breaches, find_decimal
from cardiograph.schema import DEFAULT_VARIABLES

DEFAULTS = {variable.name: variable for variable in DEFAULT_VARIABLES}


@given(st.lists(st.tuples(st.floats(-1, 8), st.floats(0, 1)), min_size=1, max_size=12))
@options(deadline=None, max_examples=25)
def test_breaches_are_the_values_outside_the_limits(rows):
    frame = pd.DataFrame(rows, columns=["nyha", "ef"], dtype=float)
    frame.iloc[0, 1] = np.nan
    found = {(row, name): breach for row, name, breach in breaches(frame, [DEFAULTS["nyha"], DEFAULTS["ef"]])}
    expected = {}
    for row, (nyha, ef) in enumerate(frame.itertuples(index=False)):
        if not 1 <= nyha <= 4:
            expected[row, "nyha"] = "out_of_range"
        elif nyha % 1:
            expected[row, "nyha"] = "not_whole"
        if ef < 0.05 or ef > 0.9:
            expected[row, "ef"] = "out_of_range"
    assert found == expected


def test_limits_themselves_are_allowed():
    frame = pd.DataFrame({name: [variable.low, variable.high] for name, variable in DEFAULTS.items()}, dtype=float)
    assert list(breaches(frame, DEFAULT_VARIABLES)) == []


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
def test_a_comma_is_the_mark_unless_a_number_contradicts_it(columns, mark):
    assert find_decimal(columns) == mark


def test_an_ambiguous_table_names_the_option(faults):
    issues = faults("label;bnp\n1;1,250\n0;2,300\n").issues
    assert [issue.code for issue in issues] == ["thousands"] * 2
    assert "--decimal ," in issues[0].remedy


def test_the_mark_of_the_settings_wins(faults):
    assert [issue.code for issue in faults("label;ef\n1;0,4\n0;0,5\n", decimal=".").issues] == ["decimal_comma"] * 2
