"""Chooses columns that define subgroups, and scores the primary model in them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cardiograph.config import RunConfig
from cardiograph.containers import TEST
from cardiograph.evaluate.predictions import ModelRoles, PartPredictions
from cardiograph.evaluate.results import Subgroups
from cardiograph.evaluate.subgroups import MAX_LEVELS, groupings_of, subgroup_scores
from cardiograph.train.data import Dataset

PREFERRED_COLUMNS = ("sex", "gender", "race", "ethnicity", "age", "site", "hospital", "centre", "center", "device")
"""Unread columns that come before all others."""
MAX_COLUMNS = 12
"""Maximum number of unread columns: among many levels some differ by chance."""


def score_subgroups(
    dataset: Dataset, test: PartPredictions, roles: ModelRoles, config: RunConfig
) -> dict[str, Subgroups]:
    """Score the primary model in subgroups of the test records, see :func:`subgroup_scores`.

    Args:
        dataset: Dataset of the run.
        test: Predictions for its labelled test rows, in their order.
        roles: Roles of the models, with the threshold of the primary model.
        config: Number of resamples, confidence level and seed.

    Returns:
        Column -> subgroups; none with several classes, whose subgroups have too few records of each.
    """
    if test.classes:
        return {}
    return subgroup_scores(
        test.labels,
        test.probabilities[roles.primary],
        test.groups,
        groupings_of(subgroup_columns(dataset, dataset.rows(TEST))),
        threshold=roles.thresholds[roles.primary],
        resamples=config.evaluation.for_records(len(test)).bootstrap,
        confidence=config.evaluation.confidence,
        seed=config.seed,
    )


def subgroup_columns(dataset: Dataset, rows: NDArray[np.int64]) -> dict[str, NDArray[Any]]:
    """Return columns that may define subgroups: name -> values of ``rows``.

    These are unread columns with few different cells (such as sex), the site, and clinical variables that were not
    simulated.
    """
    cohort, clinical = dataset.cohort, dataset.inputs.clinical
    columns: dict[str, NDArray[Any]] = {}
    if cohort.unread is not None:
        names = sorted(map(str, cohort.unread.columns), key=_rank)
        few = (name for name in names if _defines_groups(name, cohort.unread[name].iloc[rows].to_numpy(object)))
        for name, _ in zip(few, range(MAX_COLUMNS), strict=False):
            columns[name] = cohort.unread[name].iloc[rows].to_numpy(object)
    if "site" in cohort.table:
        columns["site"] = cohort.table["site"].iloc[rows].to_numpy(object)
    if clinical is not None:
        for place, (variable, kind) in enumerate(zip(clinical.variables, clinical.provenance, strict=True)):
            if not kind.startswith("simulated"):
                columns[variable.name] = clinical.values[rows, place]
    return columns


def _rank(name: str) -> int:
    return PREFERRED_COLUMNS.index(name.lower()) if name.lower() in PREFERRED_COLUMNS else len(PREFERRED_COLUMNS)


def _defines_groups(name: str, cells: NDArray[Any]) -> bool:
    return name.lower() == "age" or 1 < len({str(cell) for cell in cells}) <= MAX_LEVELS + 1
