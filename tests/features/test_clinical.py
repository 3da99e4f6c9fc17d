"""Clinical values have their provenance."""

import numpy as np
import pandas as pd
import pytest

from cardiograph.containers import Cohort
from cardiograph.features.clinical import clinical_table
from cardiograph.schema import DEFAULT_VARIABLES


def cohort(synthetic=False, variables=DEFAULT_VARIABLES[:2]):
    table = pd.DataFrame(
        {
            "record_id": ["a", "b"],
            "patient_id": [None, None],
            "label": [0, 1],
            "class_name": ["0", "1"],
            "ecg": [None, None],
            "split": [None, None],
            "bnp": [80.0, np.nan],
            "ef": [0.6, 0.3],
        }
    )
    return Cohort(table, variables, synthetic=synthetic)


def test_values_come_in_the_order_of_the_variables_with_their_gaps():
    table = clinical_table(cohort())
    np.testing.assert_array_equal(table.values, [[0.6, 80.0], [0.3, np.nan]])


@pytest.mark.parametrize(
    ("synthetic", "given", "expected"),
    [(False, None, "measured"), (True, None, "synthetic patient"), (False, "synthetic patient", "synthetic patient")],
)
def test_provenance_is_that_of_the_cohort_unless_given(synthetic, given, expected):
    assert clinical_table(cohort(synthetic), given).provenance == (expected, expected)


def test_a_cohort_of_pages_has_an_empty_block():
    assert clinical_table(cohort(variables=())).values.shape == (2, 0)
