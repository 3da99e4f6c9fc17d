"""Several labels at once over arrays: reading the label matrix, splitting the rows and fitting a head for each label."""

from __future__ import annotations

from typing import Any

import numpy as np

from cardiograph.cohort.label_columns import LabelColumns
from cardiograph.cohort.split import split_groups
from cardiograph.config import RunConfig
from cardiograph.containers import TRAIN, VAL, Groups, Split
from cardiograph.estimator.arrays import Blocks, Floats, build_array_dataset, prepare_arrays
from cardiograph.inference.labels import LabelsPredictor
from cardiograph.models.build import Model
from cardiograph.models.examples import History
from cardiograph.run.multilabel import check_label_settings
from cardiograph.schema import UNLABELLED
from cardiograph.train.fit import PreparedGraph
from cardiograph.train.label_heads import LabelHeads
from cardiograph.train.steps import PipelineSteps
from cardiograph.train.trial import fit_predictor


def has_several_labels(y: Any) -> bool:  # noqa: ANN401 - anything that a user may pass
    """Return whether ``y`` has two dimensions and more than one column."""
    shape = y.shape if hasattr(y, "shape") else np.asarray(y, dtype=object).shape
    return len(shape) == 2 and shape[1] > 1


def read_labels(y: Any) -> LabelColumns:  # noqa: ANN401 - an array, a DataFrame or lists
    """Read and check a label matrix.

    Args:
        y: [rows, labels] 1, 0 or NaN (unknown). The columns of a DataFrame name the labels; those of an array are
            numbered from 0.

    Raises:
        ValueError: If a value is not allowed, or a label has no row with 1 or none with 0; all faults are named.
    """
    from pandas import isna

    names = tuple(str(name) for name in getattr(y, "columns", range(np.shape(y)[1])))
    cells = np.asarray(y, dtype=object)
    values = np.full(cells.shape, UNLABELLED, np.int64)
    faults = [f"label {name!r} stands twice" for name in sorted({each for each in names if names.count(each) > 1})]
    for (row, column), cell in np.ndenumerate(cells):
        if isna(cell):
            continue
        if cell in (0, 1):
            values[row, column] = int(cell)
        else:
            faults.append(f"row {row}: label {names[column]!r} is {cell!r}; allowed are 1, 0 and NaN (unknown)")
    for column, name in enumerate(names):
        seen = set(values[:, column].tolist()) - {UNLABELLED}
        if not faults and seen != {0, 1}:
            only = f"only {seen.pop()}" if seen else "no known value"
            faults.append(f"label {name!r} has {only}; give rows with 1 and with 0, or leave the label out")
    if faults:
        message = "y cannot be used as labels:\n  " + "\n  ".join(faults)
        raise ValueError(message)
    return LabelColumns(names, values, np.array([f"row {row}" for row in range(len(values))], dtype=object))


def split_labels(columns: LabelColumns, groups: Groups, share: float, rng: np.random.Generator) -> Split:
    """Hold out whole groups by the rarest label of each record, as a run splits them.

    No group is held out if either part would lack rows with 1 or rows with 0 of a label.
    """
    strata = columns.strata(groups)
    split = split_groups(strata, groups, share, rng)
    for part in (TRAIN, VAL):
        of_part = columns.values[split.part == part]
        if not ((of_part == 1).any(0) & (of_part == 0).any(0)).all():
            return split_groups(strata, groups, 0.0, rng)
    return split


def fit_labels(
    values: Floats, columns: LabelColumns, split: Split, blocks: Blocks, config: RunConfig
) -> LabelsPredictor:
    """Fit one network with a calibrated head for each label; a model without a network is fitted per label.

    Args:
        values: [rows, columns] values, NaN where missing.
        columns: Labels of the rows.
        split: Part and group of each row.
        blocks: Assignment of the columns of ``values`` to blocks.
        config: Settings of the run.

    Raises:
        ConfigError: If a setting is for one label.
    """
    check_label_settings(config)
    heads, found = LabelHeads(columns.values, split, config), {}
    for label, name in enumerate(columns.names):

        def fit(model: str, prepared: PreparedGraph, _: RunConfig, label: int = label) -> tuple[Model, History]:
            return heads.fit(model, prepared, label=label)

        dataset = build_array_dataset(values, columns.values[:, label], split, blocks, known=columns.known)
        prepared = prepare_arrays(dataset, config)
        found[name] = fit_predictor(config.model.name, dataset, prepared, config, PipelineSteps(fit=fit))
    return LabelsPredictor(found)
