"""A patient is described by a path or bytes and a mapping of values; other types are named."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cardiograph.containers import Query


def test_a_text_is_a_path():
    assert Query("page.jpg").page == Path("page.jpg")


@pytest.mark.parametrize("page", [3, bytearray(b"x"), np.zeros(3), ["page.jpg"]])
def test_a_page_of_another_type_is_named(page):
    with pytest.raises(TypeError, match=f"page is of type {type(page).__name__}; give the path"):
        Query(page)


@pytest.mark.parametrize("values", [[0.3], None, pd.Series({"ef": 0.3})])
def test_values_of_another_type_are_named(values):
    with pytest.raises(TypeError, match=f"clinical is of type {type(values).__name__}; give a dict"):
        Query(None, values)
