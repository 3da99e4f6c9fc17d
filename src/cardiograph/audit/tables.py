"""Check of the clinical table: constant columns, repeated rows, converted units and remarks of the reader."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from cardiograph.audit.audit_input import AuditInput
from cardiograph.audit.findings import Finding

MIN_VARIABLES = 3
"""Minimum number of variables for a search for near-copies of rows."""

MAX_DIFFERENCE_STD = 1e-3
"""Maximum difference of nearly equal values, in standard deviations of the column."""

SHUFFLES = 5
MAX_SHUFFLED_ROWS = 500_000
"""Rows of all shuffled tables together, but at least one table: the more rows, the less their number depends on chance."""
MIN_CHANCE_RATIO = 5
"""Near-copies are reported if there are this many times more than in a table with shuffled columns."""


def check_table(audited: AuditInput) -> Iterator[Finding]:
    """Yield findings about the clinical table."""
    yield from _remarks(audited)
    if audited.clinical is None or not len(audited.clinical.variables):
        return
    for column, variable in enumerate(audited.clinical.variables):
        values = audited.clinical.values[:, column]
        known = values[~np.isnan(values)]
        if len(np.unique(known)) < 2 and len(values) > 1:
            state = "is never given" if not len(known) else f"is {known[0]:g} in every record that has it"
            yield Finding(
                "constant_column",
                "warn",
                f"{variable.name} {state}: it cannot distinguish patients.",
                "leave the column out",
                column=variable.name,
            )
    if set(audited.clinical.provenance) <= {"measured", "synthetic patient"}:
        yield from _near_rows(audited, audited.clinical.values)


def _remarks(audited: AuditInput) -> Iterator[Finding]:
    """Yield the remarks of the table reader."""
    for note in audited.cohort.table.attrs.get("notes", []):
        sentinel = "if it means 'not measured'" in note
        if sentinel:
            remedy = "declare it with --missing, or leave it if it is a measurement"
            yield Finding("sentinel_values", "warn", f"{note}.", remedy)
        else:
            yield Finding("table_note", "note", f"{note}.", "no action is needed if this is intended")
    for each in audited.cohort.table.attrs.get("conversions", []):
        yield Finding(
            "unit_converted",
            "note",
            f"{each['variable']} is read from column {each['column']!r} in {each['unit']}, times {each['factor']:g}.",
            "check one value by hand",
            column=each["variable"],
        )


def _near_rows(audited: AuditInput, values: NDArray[np.float64]) -> Iterator[Finding]:
    """Warn about records of different groups with nearly equal values if there are more than by chance."""
    spread = np.array([column[~np.isnan(column)].std() if (~np.isnan(column)).any() else 0.0 for column in values.T])
    varying = spread > 0
    if varying.sum() < MIN_VARIABLES:
        return
    scaled = values[:, varying] / spread[varying]
    rows = np.flatnonzero(~np.isnan(scaled).any(axis=1))
    if len(rows) < 2:
        return
    known = scaled[rows]
    steps = np.column_stack([_steps(column) for column in known.T])
    near = _rows_with_twin(known, steps, audited.groups.index[rows])
    rng = np.random.default_rng(audited.seed)
    alone = np.arange(len(rows))
    tables = max(1, min(SHUFFLES, MAX_SHUFFLED_ROWS // len(rows)))
    expected = np.mean([len(_rows_with_twin(*_shuffled(known, steps, rng), alone)) for _ in range(tables)])
    if len(near) >= 2 and len(near) > MIN_CHANCE_RATIO * expected:
        yield Finding(
            "near_copies_of_rows",
            "warn",
            f"{len(near)} records have the clinical values of another patient to within a thousandth of the standard "
            f"deviation; in shuffled columns {expected:.1f} have.",
            "check whether they are copies with new IDs; copies must share one patient_id",
            audited.ids(rows[near]),
        )


def _steps(column: NDArray[np.float64]) -> NDArray[np.int64]:
    """Number the values of a column in which nearly equal values are equal; 0 for all values of any other column."""
    values, number = np.unique(column, return_inverse=True)
    apart = len(values) > 1 and np.diff(values).min() > np.nextafter(MAX_DIFFERENCE_STD, 1)
    return number.astype(np.int64) if apart else np.zeros(len(column), np.int64)


def _rows_with_twin(
    scaled: NDArray[np.float64], steps: NDArray[np.int64], groups: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Return the rows that have a near-copy in another group.

    Args:
        scaled: [rows, columns] values in standard deviations of their column.
        steps: [rows, columns] result of :func:`_steps`; rows that differ in it are no near-copies of each other.
        groups: [rows] group of each row.
    """
    from scipy.spatial import cKDTree

    factors = np.random.default_rng(0).integers(1 << 62, size=steps.shape[1])
    _, number, count = np.unique(steps @ factors, return_inverse=True, return_counts=True)  # equal rows, equal sums
    rows = np.flatnonzero(count[number] > 1)
    if len(rows) < 2:
        return rows
    k = min(len(rows), 1 + int(np.bincount(groups).max()))
    bound = np.nextafter(MAX_DIFFERENCE_STD, 1)
    distance, index = cKDTree(scaled[rows]).query(scaled[rows], k=k, p=np.inf, distance_upper_bound=bound)
    others = np.append(groups[rows], -1)[index]  # the tree gives one row too many where it finds none near
    near = (distance <= MAX_DIFFERENCE_STD) & (others != groups[rows][:, None])
    found: NDArray[np.int64] = rows[near.any(axis=1)]
    return found


def _shuffled(
    scaled: NDArray[np.float64], steps: NDArray[np.int64], rng: np.random.Generator
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return copies of both arrays with each column in a random order of its own."""
    orders = np.stack([rng.permutation(len(scaled)) for _ in scaled.T], axis=1)
    return np.take_along_axis(scaled, orders, axis=0), np.take_along_axis(steps, orders, axis=0)
