"""Medians of signals with gaps against numpy's."""

from __future__ import annotations

import numpy as np
import pytest

from cardiograph.ecg.medians import median


@pytest.mark.parametrize("kind", [np.float32, np.float64])
@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.filterwarnings("ignore:All-NaN slice")
def test_medians_are_numpys_to_the_bit(kind, axis):
    rng = np.random.default_rng(axis)
    values = rng.normal(size=(5, 8, 7)).astype(kind)
    values[rng.random(values.shape) < 0.3] = np.nan
    values[0], values[:, 0], values[:, :, 0] = np.nan, np.nan, np.nan
    found = median(values, axis)
    assert found.dtype == kind
    np.testing.assert_array_equal(found, np.nanmedian(values, axis=axis, keepdims=True))


def test_an_empty_axis_has_no_median():
    assert np.isnan(median(np.zeros((3, 0)), 1)).all()
