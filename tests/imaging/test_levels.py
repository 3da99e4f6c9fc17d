"""Percentiles from a histogram are those of numpy, to the last digit."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from cardiograph.imaging.hashing import percentiles

SHARES = st.floats(0, 100)


@given(arrays(np.uint8, array_shapes(max_dims=2, max_side=30)), SHARES, SHARES)
def test_percentiles_are_those_of_numpy(tones, low, high):
    assert percentiles(tones, low, high) == tuple(np.percentile(tones, [low, high]))


def test_percentiles_between_two_values():
    assert percentiles(np.array([10, 20, 30], np.uint8), 25, 50) == (15.0, 20.0)
