"""Clinical values of a cohort in their units, with their provenance."""

from __future__ import annotations

import numpy as np

from cardiograph.config import RunConfig
from cardiograph.containers import TRAIN, ClinicalTable, Cohort, Split
from cardiograph.features.simulate import simulate_blind, simulate_from_label
from cardiograph.schema import Provenance


def clinical_table(cohort: Cohort, provenance: Provenance | None = None) -> ClinicalTable:
    """Return the clinical values of a cohort.

    Args:
        cohort: Checked cohort, with or without clinical variables.
        provenance: Provenance of every column; by default ``measured``, or ``synthetic patient`` for a synthetic
            cohort.

    Returns:
        [records, variables] values, NaN if missing.
    """
    origin: Provenance = provenance or ("synthetic patient" if cohort.synthetic else "measured")
    columns = [cohort.table[variable.name].to_numpy(np.float64) for variable in cohort.variables]
    values = np.stack(columns, axis=1) if columns else np.empty((len(cohort), 0))
    return ClinicalTable(values, cohort.variables, (origin,) * len(cohort.variables))


def clinical_values(cohort: Cohort, split: Split, config: RunConfig) -> ClinicalTable | None:
    """Return measured or, if configured, simulated clinical values; None for a cohort of pages only."""
    rng = np.random.default_rng([config.seed, 1])
    if config.clinical.simulate == "label":
        return simulate_from_label(cohort.labels, rng)
    if config.clinical.simulate == "blind":
        labels = cohort.labels[split.rows(TRAIN)]
        return simulate_blind(len(cohort), float((labels[labels >= 0] == 1).mean()), rng)
    return clinical_table(cohort) if cohort.variables else None
