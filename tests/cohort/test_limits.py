"""Every value outside its limits is found, once, and nothing else."""

import numpy as np
import pandas as pd
from hypothesis import given
from hypothesis import settings as options
from hypothesis import strategies as st

from cardiograph.cohort.measurements import breaches
from cardiograph.schema import DEFAULT_VARIABLES

FIVE = {variable.name: variable for variable in DEFAULT_VARIABLES}


@given(st.lists(st.tuples(st.floats(-1, 8), st.floats(0, 1)), min_size=1, max_size=12))
@options(deadline=None, max_examples=25)
def test_breaches_are_the_values_outside_the_limits(rows):
    frame = pd.DataFrame(rows, columns=["nyha", "ef"], dtype=float)
    frame.iloc[0, 1] = np.nan
    found = {(row, name): breach for row, name, breach in breaches(frame, [FIVE["nyha"], FIVE["ef"]])}
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
    frame = pd.DataFrame({name: [variable.low, variable.high] for name, variable in FIVE.items()}, dtype=float)
    assert list(breaches(frame, DEFAULT_VARIABLES)) == []
