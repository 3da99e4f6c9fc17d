"""Files that comparisons and ladders share."""

import math

from cardiograph.evaluate.bootstrap import Interval
from cardiograph.studies.report import ENDS, interval_cells


def test_an_undefined_number_is_an_empty_cell():
    assert interval_cells(Interval(0.5, math.nan, math.inf)) == (0.5, None, None)
    assert interval_cells(None) == (None,) * len(ENDS)
