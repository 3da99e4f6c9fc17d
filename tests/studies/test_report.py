"""Text and files that comparisons and ladders share."""

import math

from cardiograph.evaluate.bootstrap import Interval
from cardiograph.studies.report import ENDS, excludes_zero, interval_cells, interval_text


def test_an_undefined_number_is_an_empty_cell():
    assert interval_cells(Interval(0.5, math.nan, math.inf)) == (0.5, None, None)
    assert interval_cells(None) == (None,) * len(ENDS)


def test_an_interval_is_written_with_three_digits_and_a_difference_with_its_sign():
    assert interval_text(Interval(0.8124, 0.741, 0.874)) == "0.812 (0.741 to 0.874)"
    assert interval_text(Interval(0.05, -0.01, 0.11), sign=True) == "+0.050 (\N{MINUS SIGN}0.010 to +0.110)"


def test_an_interval_excludes_zero_only_if_both_ends_have_one_sign():
    assert excludes_zero(Interval(0.1, 0.05, 0.15))
    assert excludes_zero(Interval(-0.1, -0.15, -0.05))
    assert not excludes_zero(Interval(0.1, -0.05, 0.25))
    assert not excludes_zero(Interval(0.1, float("nan"), float("nan")))
