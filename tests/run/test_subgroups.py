import json
from types import SimpleNamespace

import numpy as np
import pandas as pd

from cardiograph.containers import ClinicalTable
from cardiograph.run.subgroups import MAX_COLUMNS, subgroup_columns
from cardiograph.schema import DEFAULT_VARIABLES

ROWS = np.arange(0, 60, 2)


def dataset(unread=None, provenance="measured", **table):
    clinical = ClinicalTable(np.arange(60.0)[:, None], DEFAULT_VARIABLES[:1], (provenance,))
    cohort = SimpleNamespace(unread=None if unread is None else pd.DataFrame(unread), table=pd.DataFrame(table))
    return SimpleNamespace(cohort=cohort, inputs=SimpleNamespace(clinical=clinical))


def test_columns_are_those_that_can_name_a_subgroup_at_the_requested_rows():
    unread = {
        "ward": ["a", "b", "c"] * 20,
        "note": [f"text {n}" for n in range(60)],
        "study": ["one"] * 60,
        "sex": ["f", "f", "m"] * 20,
    }
    found = subgroup_columns(dataset(unread, site=["x", "y"] * 30), ROWS)
    assert list(found) == ["sex", "ward", "site", "ef"]
    assert found["ef"].tolist() == ROWS.astype(float).tolist()
    assert found["sex"].tolist() == [unread["sex"][row] for row in ROWS]


def test_simulated_values_name_no_subgroup():
    assert subgroup_columns(dataset(provenance="simulated from the label"), ROWS) == {}


def test_a_wide_table_is_not_searched_for_differences():
    unread = {f"column {n:02d}": ["a", "b", "c"] * 20 for n in range(40)} | {"Sex": ["f", "f", "m"] * 20}
    names = list(subgroup_columns(dataset(unread, provenance="simulated from the label"), ROWS))
    assert len(names) == MAX_COLUMNS
    assert names[0] == "Sex"


def test_subgroups_of_a_run_part_its_test_records(finished_run):
    metrics = json.loads((finished_run / "metrics.json").read_text())
    assert metrics["subgroups"]
    for found in metrics["subgroups"].values():
        for key, whole in (("records", "records"), ("positive", "positive")):
            assert sum(level[key] for level in found["levels"]) == metrics["counts"]["test"][whole]


def test_a_run_writes_what_a_paper_takes(finished_run):
    figures = {path.name for path in (finished_run / "figures").iterdir()}
    assert {"decision_curve.svg", "decision_curve.pdf", "calibration.pdf", "graph.svg"} <= figures
    assert (finished_run / "tripod_ai.md").exists() and (finished_run / "methods.md").exists()
