"""The clinical table itself: columns that do not vary, rows that repeat others, what was converted or looks odd."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from cardiograph.audit.findings import Finding
from cardiograph.audit.subject import AuditInput

FEWEST_VARIABLES = 3
"""Variables that have to agree before two rows are called near-copies."""

NEAR = 1e-3
"""Difference, in spreads of the column, up to which two values are nearly equal."""

SHUFFLES = 5
ABOVE_CHANCE = 5
"""Near-copies are told where there are so many times more than in tables whose columns are shuffled."""


def check_table(audited: AuditInput) -> Iterator[Finding]:
    """Findings about the clinical table."""
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
                f"{variable.name} {state}: it cannot tell patients apart.",
                "leave the column out",
                column=variable.name,
            )
    if set(audited.clinical.provenance) <= {"measured", "synthetic patient"}:
        yield from _near_rows(audited, audited.clinical.values)


def _remarks(audited: AuditInput) -> Iterator[Finding]:
    """What the reader of the table had to say."""
    for note in audited.cohort.table.attrs.get("notes", []):
        sentinel = "if it means 'not measured'" in note
        if sentinel:
            remedy = "declare it by --missing, or leave it if it is a measurement"
            yield Finding("sentinel_values", "warn", f"{note}.", remedy)
        else:
            yield Finding("table_note", "note", f"{note}.", "nothing, if that is as it should be")
    for each in audited.cohort.table.attrs.get("conversions", []):
        yield Finding(
            "unit_converted",
            "note",
            f"{each['variable']} is read from column {each['column']!r} in {each['unit']}, times {each['factor']:g}.",
            "check one value by hand",
            column=each["variable"],
        )


def _near_rows(audited: AuditInput, values: NDArray[np.float64]) -> Iterator[Finding]:
    """Records of different groups whose values are all nearly equal, more of them than chance explains."""
    spread = np.array([column[~np.isnan(column)].std() if (~np.isnan(column)).any() else 0.0 for column in values.T])
    varying = spread > 0
    if varying.sum() < FEWEST_VARIABLES:
        return
    scaled = values[:, varying] / spread[varying]
    rows = np.flatnonzero(~np.isnan(scaled).any(axis=1))
    if len(rows) < 2:
        return
    near = _repeated(scaled[rows], audited.groups.index[rows])
    rng = np.random.default_rng(audited.seed)
    alone = np.arange(len(rows))
    by_chance = np.mean([len(_repeated(_shuffled(scaled[rows], rng), alone)) for _ in range(SHUFFLES)])
    if len(near) >= 2 and len(near) > ABOVE_CHANCE * by_chance:
        yield Finding(
            "near_copies_of_rows",
            "warn",
            f"{len(near)} records have the clinical values of another patient to within a thousandth of the spread, where "
            f"shuffled columns give {by_chance:.1f}.",
            "see whether they are copies under new ids; copies belong to one patient_id",
            audited.ids(rows[near]),
        )


def _repeated(scaled: NDArray[np.float64], groups: NDArray[np.int64]) -> NDArray[np.int64]:
    """Rows that have a near neighbour in another group."""
    from scipy.spatial import cKDTree

    k = min(len(scaled), 1 + int(np.bincount(groups).max()))
    distance, index = cKDTree(scaled).query(scaled, k=k, p=np.inf)
    near = (distance <= NEAR) & (groups[index] != groups[:, None])
    return np.flatnonzero(near.any(axis=1)).astype(np.int64)


def _shuffled(scaled: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
    return np.stack([rng.permutation(column) for column in scaled.T], axis=1)
