"""The clinical values that a model reads: the cohort's own, or simulated ones."""

from __future__ import annotations

import numpy as np

from cardiograph.clinical.features import clinical_table
from cardiograph.clinical.simulate import simulate_blind, simulate_from_label
from cardiograph.config import RunConfig
from cardiograph.containers import TRAIN, ClinicalTable, Cohort, Split


def clinical_values(cohort: Cohort, split: Split, config: RunConfig) -> ClinicalTable | None:
    """The cohort's clinical values, or simulated ones; None for pages alone."""
    rng = np.random.default_rng([config.seed, 1])
    if config.clinical.simulate == "label":
        return simulate_from_label(cohort.labels, rng)
    if config.clinical.simulate == "blind":
        labels = cohort.labels[split.rows(TRAIN)]
        return simulate_blind(len(cohort), float((labels[labels >= 0] == 1).mean()), rng)
    return clinical_table(cohort) if cohort.variables else None
