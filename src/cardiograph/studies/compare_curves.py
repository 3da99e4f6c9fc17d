"""The same cohort with fewer labels, or with fewer measurements: what the two curves are made on."""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray

from cardiograph.containers import TRAIN
from cardiograph.errors import ConfigError
from cardiograph.schema import UNLABELLED
from cardiograph.stages.studied import Studied

LABEL_SHARES = (0.05, 0.10, 0.25, 0.50, 1.0)
"""Of the training labels that are kept."""

GONE_SHARES = (0.0, 0.25, 0.50, 0.75)
"""Of the measurements that are blanked."""

BLANKED = ("bnp", "ef")
_MISSING_WITH = {"ntprobnp": "bnp"}
"""NT-proBNP is measured in the place of BNP, and blanked as BNP is."""

"""The two that cost most to measure."""

FEWEST = 2
"""Groups of a class whose labels are kept, at least."""


def keep_labels(studied: Studied, share: float, rng: np.random.Generator) -> Studied:
    """Take the labels of training groups away until a share of each class is left; the records stay, unlabelled.

    With the same state of ``rng`` the labels of a smaller share are among those of a larger one. Validation and test records
    keep theirs.

    Args:
        studied: Split.
        share: Of the labelled training records of each class; 1 changes nothing.
        rng: Source of chance.
    """
    labels, groups = studied.material.labels, studied.split.groups.index
    rows = studied.split.rows(TRAIN)
    rows = rows[labels[rows] >= 0]
    members, of_row = np.unique(groups[rows], return_inverse=True)
    sick = np.bincount(of_row, weights=labels[rows], minlength=len(members)) > 0
    size = np.bincount(of_row, minlength=len(members))
    order = rng.permutation(len(members))
    kept = np.zeros(len(members), bool)
    for kind in (True, False):
        each = order[sick[order] == kind]
        before = np.cumsum(size[each]) - size[each]
        enough = int((before < share * size[each].sum() - 1e-9).sum())
        kept[each[: max(FEWEST, enough)]] = True
    scarce = labels.copy()
    scarce[rows[~kept[of_row]]] = UNLABELLED
    return dataclasses.replace(studied, material=dataclasses.replace(studied.material, labels=scarce))


def blank_values(studied: Studied, share: float, rng: np.random.Generator) -> Studied:
    """Take measurements away at random, blind to the label, in all parts; what is gone at a share is gone at a larger one.

    Args:
        studied: With clinical values.
        share: Of the values of each blanked variable.
        rng: Source of chance.
    """
    table = studied.material.clinical
    if table is None:
        return studied
    chance: NDArray[np.float64] = rng.random((len(table.values), len(BLANKED)))
    values = table.values.copy()
    for column, name in enumerate(BLANKED):
        for place, variable in enumerate(table.variables):
            if _MISSING_WITH.get(variable.name, variable.name) == name:
                values[chance[:, column] < share, place] = np.nan
    clinical = dataclasses.replace(table, values=values)
    return dataclasses.replace(studied, material=dataclasses.replace(studied.material, clinical=clinical))


def refuse_without_blanked(studied: Studied) -> None:
    """Say that there is nothing to be blanked.

    Raises:
        ConfigError: The cohort has none of :data:`BLANKED`.
    """
    table = studied.material.clinical
    names = () if table is None else tuple(variable.name for variable in table.variables)
    if not {_MISSING_WITH.get(name, name) for name in names} & set(BLANKED):
        message = (
            f"--missingness: the cohort has neither {' nor '.join(BLANKED)}, which are what is blanked "
            f"(it has {', '.join(names) or 'no clinical value'}); leave the option out, or map a column with --map"
        )
        raise ConfigError(message)
