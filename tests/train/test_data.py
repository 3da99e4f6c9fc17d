"""Some records of a dataset are those records in every block."""

import numpy as np
import pandas as pd

from cardiograph.containers import ClinicalTable, Cohort, Groups, Split
from cardiograph.schema import ClinicalVariable
from cardiograph.train.data import Dataset, TrainingInputs


def block(name, values):
    return ClinicalTable(values[:, None], (ClinicalVariable(name, name, "1", -100, 100),), ("measured",))


def test_some_records_keep_their_values_in_every_block():
    rows = np.arange(6)
    columns = {"record_id": [f"r{row}" for row in rows], "patient_id": [f"p{row // 2}" for row in rows], "ecg": None}
    table = pd.DataFrame({**columns, "label": rows % 2, "class_name": "c", "split": None})
    split = Split(np.array(["train"] * 4 + ["test"] * 2), Groups(rows // 2), "drawn")
    image = rows[:, None].astype(np.float32)
    clinical, measured = block("age", rows + 10.0), block("qrs_ms", rows + 20.0)
    inputs = TrainingInputs(image, clinical, rows % 2, split, measurements=measured, known=rows < 3)
    some = Dataset(Cohort(table, ()), None, split, inputs).of(np.array([1, 4, 5]))
    assert list(some.cohort.record_ids) == ["r1", "r4", "r5"]
    assert some.split.groups.index.tolist() == [0, 1, 1]
    assert some.inputs.known.tolist() == [True, False, False]
    queries = some.queries(np.array([0, 2]))
    assert queries.image.tolist() == [[1], [5]]
    assert queries.clinical.tolist() == [[11], [15]]
    assert queries.measurements.tolist() == [[21], [25]]
    assert queries.patient_ids == ["p0", "p2"]
    assert some.inputs.labels.tolist() == [1, 0, 1]
