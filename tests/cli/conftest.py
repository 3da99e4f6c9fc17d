"""Cohorts for tests of commands."""

import numpy as np
import pandas as pd
import pytest


@pytest.fixture
def table(tmp_path):
    """A clinical-only table with a clear signal."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 120)
    ef = np.clip(0.6 - 0.15 * labels + rng.normal(0, 0.08, 120), 0.1, 0.85)
    frame = pd.DataFrame({"patient_id": [f"p{i}" for i in range(120)], "label": labels, "ef": ef.round(3)})
    frame["age"] = rng.integers(40, 90, 120)
    path = tmp_path / "cohort.csv"
    frame.to_csv(path, index=False)
    return path
