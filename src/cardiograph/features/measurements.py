"""ECG measurements of a cohort as a table of variables, the third block of node features."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from cardiograph.containers import ClinicalTable
from cardiograph.ecg.ecg import Ecg
from cardiograph.ecg.measure.measure import MEASUREMENT_VERSION, measure
from cardiograph.ecg.measure.reference import MEASUREMENTS
from cardiograph.ecg.pages import LEADS_VERSION
from cardiograph.errors import CohortError
from cardiograph.schema import ClinicalVariable, Provenance

MEASUREMENT_PREPARATION = f"measurements={MEASUREMENT_VERSION} leads={LEADS_VERSION}"
"""Versions that determine the measurements of a file."""

MIN_MEASURED = 0.5
"""Smallest share of the training records with readable leads in which a measurement must exist to be a feature."""

_LIMIT = 1e6
"""Measurements have no range of allowed values: they come from the program, not from a table."""


def measurement_vector(leads: Ecg | None) -> NDArray[np.float64]:
    """Return all measurements of an ECG, in the order of the registry; all NaN for None.

    Values are rounded to float32, so that they are the same from the cache and computed again.
    """
    if leads is None:
        return np.full(len(MEASUREMENTS), np.nan)
    return measure(leads).vector(list(MEASUREMENTS)).astype(np.float32).astype(np.float64)


def measurement_variable(name: str) -> ClinicalVariable:
    """Return the variable of a measurement.

    Args:
        name: Key of :data:`cardiograph.ecg.measure.reference.MEASUREMENTS`.
    """
    spec = MEASUREMENTS[name]
    return ClinicalVariable(name, spec.title, spec.unit, -_LIMIT, _LIMIT)


def measurement_table(values: NDArray[np.float64], rows: NDArray[np.int64]) -> ClinicalTable:
    """Return the measurements that are frequent enough in the training rows.

    Args:
        values: [records, measurements] in the order of :data:`cardiograph.ecg.measure.reference.MEASUREMENTS`, NaN where
            a value could not be measured; all NaN for a record without readable leads.
        rows: Training rows.

    Raises:
        CohortError: If no measurement exists in enough training rows.
    """
    train = values[rows]
    train = train[~np.isnan(train).all(1)]
    frequent = np.mean(~np.isnan(train), axis=0) >= MIN_MEASURED if len(train) else np.zeros(values.shape[1], bool)
    if not frequent.any():
        message = (
            f"no ECG measurement exists in half of the {len(rows)} training records, so fusion.measurements must be 0; "
            "look at some files with `cardiograph ecg measure FILE`"
        )
        raise CohortError(message)
    names = [name for name, used in zip(MEASUREMENTS, frequent, strict=True) if used]
    return named_measurements(values, names)


def named_measurements(values: NDArray[np.float64], names: Sequence[str]) -> ClinicalTable:
    """Return some measurements as a table.

    Args:
        values: [records, measurements], all in the order of the registry.
        names: Names of the measurements of the table.
    """
    columns = [list(MEASUREMENTS).index(name) for name in names]
    variables = tuple(measurement_variable(name) for name in names)
    origin: Provenance = "measured from the ECG"
    return ClinicalTable(values[:, columns], variables, (origin,) * len(variables))
