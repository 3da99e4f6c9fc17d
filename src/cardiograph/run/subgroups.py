"""Which columns of a cohort name subgroups, and the scores of the kept model in them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cardiograph.config import RunConfig
from cardiograph.containers import TEST
from cardiograph.evaluate.predictions import ModelRoles, PartPredictions
from cardiograph.evaluate.subgroups import MAX_LEVELS, groupings_of, subgroup_scores
from cardiograph.train.data import Dataset

ASKED_FIRST = ("sex", "gender", "race", "ethnicity", "age", "site", "hospital", "centre", "center", "device")
"""Unread columns that come before all others."""
MOST_COLUMNS = 12
"""Unread columns that are looked at: each has intervals for all of its levels, and many levels differ by chance."""


def score_subgroups(dataset: Dataset, test: PartPredictions, roles: ModelRoles, config: RunConfig) -> dict[str, Any]:
    """Scores of the kept model in subgroups of the test records, see :func:`subgroup_scores`.

    Args:
        dataset: The cohort of a run.
        test: Predictions on its labelled test rows, in their order.
        roles: Which model is kept, and its threshold.
        config: Resamples, confidence, seed.
    """
    return subgroup_scores(
        test.labels,
        test.probabilities[roles.primary],
        test.groups,
        groupings_of(subgroup_columns(dataset, dataset.rows(TEST))),
        threshold=roles.thresholds[roles.primary],
        resamples=config.evaluation.bootstrap,
        confidence=config.evaluation.confidence,
        seed=config.seed,
    )


def subgroup_columns(dataset: Dataset, rows: NDArray[np.int64]) -> dict[str, NDArray[Any]]:
    """Columns that may name subgroups: name -> values of ``rows``.

    Unread columns of few different cells (sex), the site, and the clinical variables that were not simulated.
    """
    cohort, clinical = dataset.cohort, dataset.inputs.clinical
    columns: dict[str, NDArray[Any]] = {}
    if cohort.unread is not None:
        names = sorted(map(str, cohort.unread.columns), key=_rank)
        few = (name for name in names if _may_part(name, cohort.unread[name].iloc[rows].to_numpy(object)))
        for name, _ in zip(few, range(MOST_COLUMNS), strict=False):
            columns[name] = cohort.unread[name].iloc[rows].to_numpy(object)
    if "site" in cohort.table:
        columns["site"] = cohort.table["site"].iloc[rows].to_numpy(object)
    if clinical is not None:
        for place, (variable, kind) in enumerate(zip(clinical.variables, clinical.provenance, strict=True)):
            if not kind.startswith("simulated"):
                columns[variable.name] = clinical.values[rows, place]
    return columns


def _rank(name: str) -> int:
    return ASKED_FIRST.index(name.lower()) if name.lower() in ASKED_FIRST else len(ASKED_FIRST)


def _may_part(name: str, cells: NDArray[Any]) -> bool:
    return name.lower() == "age" or 1 < len({str(cell) for cell in cells}) <= MAX_LEVELS + 1
