"""A second cohort of other patients, for what a finished run does with one."""

import numpy as np
import pandas as pd
import pytest


@pytest.fixture(scope="session")
def other_cohort(tmp_path_factory):
    """Other patients of the same kind, numbered otherwise."""
    from cardiograph.synthesis.cohort import write_cohort

    table = write_cohort(tmp_path_factory.mktemp("other") / "cohort", patients=50, seed=11, workers=2)
    rows = pd.read_csv(table)
    rows["patient_id"] = "other " + rows["patient_id"].astype(str)
    if "record_id" in rows:
        rows["record_id"] = "other " + rows["record_id"].astype(str)
    rows["ward"] = np.where(np.arange(len(rows)) % 2, "east", "west")
    rows.to_csv(table.parent / "renamed.csv", index=False)
    return table.parent / "renamed.csv"
