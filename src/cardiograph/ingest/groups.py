"""Groups of a cohort, and its split: the table's own, or one drawn by group."""

from __future__ import annotations

import numpy as np

from cardiograph.cohort.duplicates import find_groups
from cardiograph.cohort.split import draw_split, given_split
from cardiograph.config import RunConfig
from cardiograph.containers import Cohort, Groups, Split
from cardiograph.features.clinical import clinical_table
from cardiograph.ingest.page_index import PageIndex


def group_records(cohort: Cohort, page_index: PageIndex | None, config: RunConfig) -> Groups:
    """The records that must not be parted: one patient, or copies of one page."""
    return find_groups(
        patient_ids=list(cohort.table["patient_id"]),
        pixel_hashes=[None] * len(cohort) if page_index is None else page_index.pixel_hashes,
        perceptual_hashes=None if page_index is None else page_index.perceptual_hashes,
        values=clinical_table(cohort).values,
        near_copies=config.pages.near_copies,
    )


def split_records(cohort: Cohort, groups: Groups, config: RunConfig) -> Split:
    """Train, validation and test: the table's own where it has them, or whole groups drawn by the run's seed."""
    if has_split(cohort):
        return given_split(list(cohort.table["split"]), cohort.labels, groups)
    return draw_groups(cohort, groups, config)


def draw_groups(cohort: Cohort, groups: Groups, config: RunConfig) -> Split:
    """Whole groups drawn by the run's seed: labels, the classes behind them, and sites, are shared out evenly."""
    rng = np.random.default_rng([config.seed, 0])
    return draw_split(cohort.labels, groups, config.split, rng, strata=strata_of(cohort))


def strata_of(cohort: Cohort) -> list[list[str]]:
    """What is shared out like the label: the class behind it, and the site where the table has one."""
    return [list(cohort.table[name]) for name in ("class_name", "site") if name in cohort.table]


def split_rows(cohort: Cohort, config: RunConfig) -> Split:
    """What must not be done, to be judged or measured: rows drawn one by one, whatever they have in common."""
    alone = Groups(np.arange(len(cohort), dtype=np.int64))
    return draw_groups(cohort, alone, config)


def has_split(cohort: Cohort) -> bool:
    """Whether the table brings its own split."""
    return bool(cohort.table["split"].notna().any())
