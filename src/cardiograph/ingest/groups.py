"""Group the records of a cohort, and split it: by the table's own split, or at random by group."""

from __future__ import annotations

import numpy as np

from cardiograph.cohort.duplicates import find_groups
from cardiograph.cohort.split import draw_split, given_split
from cardiograph.config import RunConfig
from cardiograph.containers import Cohort, Groups, Split
from cardiograph.features.clinical import clinical_table
from cardiograph.ingest.page_index import PageIndex


def group_records(cohort: Cohort, page_index: PageIndex | None, config: RunConfig) -> Groups:
    """Group records that must stay in one part of the split: the same patient, or copies of the same page."""
    return find_groups(
        patient_ids=list(cohort.table["patient_id"]),
        pixel_hashes=[None] * len(cohort) if page_index is None else page_index.pixel_hashes,
        perceptual_hashes=None if page_index is None else page_index.perceptual_hashes,
        values=clinical_table(cohort).values,
        near_copies=config.pages.near_copies,
    )


def split_records(cohort: Cohort, groups: Groups, config: RunConfig) -> Split:
    """Split into training, validation and test set: the table's own split, or a random split of whole groups."""
    if has_split(cohort):
        return given_split(list(cohort.table["split"]), cohort.labels, groups, cohort.label_names)
    return draw_groups(cohort, groups, config)


def draw_groups(cohort: Cohort, groups: Groups, config: RunConfig) -> Split:
    """Draw a random split of whole groups, stratified by label, class and site, with the seed of the run."""
    rng = np.random.default_rng([config.seed, 0])
    strata, classes = strata_of(cohort), cohort.label_names
    return draw_split(cohort.labels, groups, config.split, rng, strata=strata, classes=classes)


def strata_of(cohort: Cohort) -> list[list[str]]:
    """Return the strata of a split besides the label: the class from which it was made, and the site, if given."""
    return [list(cohort.table[name]) for name in ("class_name", "site") if name in cohort.table]


def split_rows(cohort: Cohort, config: RunConfig) -> Split:
    """Draw a naive split that ignores groups; the audit and studies use it to measure its optimism."""
    alone = Groups(np.arange(len(cohort), dtype=np.int64))
    return draw_groups(cohort, alone, config)


def has_split(cohort: Cohort) -> bool:
    """Return whether the cohort table contains a split."""
    return bool(cohort.table["split"].notna().any())
