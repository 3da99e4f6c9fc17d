"""The clinical block of a cohort as it was recorded: values in their units, and where they come from."""

from __future__ import annotations

import numpy as np

from cardiograph.containers import ClinicalTable, Cohort
from cardiograph.schema import Provenance


def clinical_table(cohort: Cohort, provenance: Provenance | None = None) -> ClinicalTable:
    """Take the clinical values of a cohort.

    Args:
        cohort: Checked cohort; may have no clinical variable.
        provenance: Of every column; by default ``measured``, or ``synthetic patient`` for a synthetic cohort.

    Returns:
        [records, variables] values, NaN where missing.
    """
    origin: Provenance = provenance or ("synthetic patient" if cohort.synthetic else "measured")
    columns = [cohort.table[variable.name].to_numpy(np.float64) for variable in cohort.variables]
    values = np.stack(columns, axis=1) if columns else np.empty((len(cohort), 0))
    return ClinicalTable(values, cohort.variables, (origin,) * len(cohort.variables))
