"""Arrays as the dataset of a run."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import column_or_1d

from cardiograph.config import RunConfig
from cardiograph.containers import VAL, ClinicalTable, Cohort, Groups, Split
from cardiograph.inference import Queries
from cardiograph.schema import ClinicalVariable, Provenance
from cardiograph.survival.outcome import SurvivalOutcome
from cardiograph.train.data import Dataset, TrainingInputs
from cardiograph.train.fit import PreparedGraph, prepare

Floats = NDArray[np.float64]


@dataclasses.dataclass(frozen=True)
class Blocks:
    """Assignment of the columns of a matrix to the image block and the clinical block.

    Args:
        image: Number of leading columns that form the image block.
        clinical: Positions of the columns of the clinical block.
        names: Name of each clinical column.
    """

    image: int
    clinical: NDArray[np.int64]
    names: tuple[str, ...]

    @classmethod
    def of(cls, columns: Sequence[str], image: int) -> Blocks:
        """Assign the first ``image`` columns to the image block and all others to the clinical block."""
        return cls(image, np.arange(image, len(columns)), tuple(columns[image:]))

    def known(self, values: Floats) -> tuple[Blocks, tuple[str, ...]]:
        """Return the blocks without clinical columns that are empty in all of ``values``, and the names of these."""
        empty = np.isnan(values[:, self.clinical]).all(0)
        names = np.array(self.names, dtype=object)
        return Blocks(self.image, self.clinical[~empty], tuple(names[~empty])), tuple(names[empty])

    def image_of(self, values: Floats) -> NDArray[np.float32] | None:
        """Return [records, image] embeddings, all NaN in a row with a gap; None without an image block."""
        if not self.image:
            return None
        image = values[:, : self.image].astype(np.float32)
        image[np.isnan(image).any(1)] = np.nan
        return image

    def clinical_of(self, values: Floats) -> ClinicalTable | None:
        """Return the clinical values, any finite number or NaN where missing; None without a clinical block."""
        if not len(self.clinical):
            return None
        variables = tuple(ClinicalVariable(name, name, "", -np.inf, np.inf) for name in self.names)
        origin: Provenance = "measured"
        return ClinicalTable(values[:, self.clinical], variables, (origin,) * len(variables))

    def queries(self, values: Floats) -> Queries:
        """Return the rows as queries without ids or page hashes."""
        nothing = [None] * len(values)
        return Queries(self.image_of(values), values[:, self.clinical], nothing, nothing, nothing)


def build_array_dataset(  # noqa: PLR0913 - the arrays of a dataset
    values: Floats,
    labels: NDArray[np.int64],
    split: Split,
    blocks: Blocks,
    *,
    classes: tuple[str, ...] = (),
    known: NDArray[np.bool_] | None = None,
    follow_up: SurvivalOutcome | None = None,
) -> Dataset:
    """Return arrays as the dataset of a run, with row numbers as record ids.

    Args:
        values: [records, columns] values, NaN where missing.
        labels: [records] labels from 0, or -1.
        split: Part and group of each record.
        blocks: Assignment of the columns to blocks.
        classes: Names of several classes; empty for two.
        known: [records] whether any of several labels is known; None for one label.
        follow_up: Time, NaN where unknown, and event, -1 where unknown; None for other outcomes.
    """
    import pandas as pd

    table = pd.DataFrame(
        {
            "record_id": [f"row {row}" for row in range(len(labels))],
            "patient_id": pd.Series([None] * len(labels), dtype=object),
            "label": labels,
            "class_name": labels.astype(str),
            "ecg": None,
            "split": None,
        }
    )
    if follow_up is not None:
        table = table.assign(time=follow_up.time, event=follow_up.event)
    cohort = Cohort(table, (), classes=classes)
    blocks_of = (blocks.image_of(values), blocks.clinical_of(values))
    inputs = TrainingInputs(*blocks_of, labels, split, classes=cohort.class_count, known=known)
    return Dataset(cohort, None, split, inputs)


def prepare_arrays(dataset: Dataset, config: RunConfig) -> PreparedGraph:
    """Fit preprocessing and graph by the steps of a run.

    Without validation records, epoch and penalty are chosen on the training records, which is no safeguard against
    overfitting, and nothing is calibrated, because scores of training records do not represent those of other records.
    """
    prepared = prepare(dataset.inputs, config)
    if not len(dataset.rows(VAL)):
        prepared = dataclasses.replace(prepared, val_set=prepared.train_set)
    return prepared


def groups_of(groups: Sequence[Any] | None, rows: int) -> Groups:
    """Return the group of each row, numbered in order of first appearance; each row is its own group if None.

    Raises:
        ValueError: If there is not one group for each row, or a group is missing.
    """
    import pandas as pd

    if groups is None:
        return Groups(np.arange(rows, dtype=np.int64))
    found = np.asarray(column_or_1d(groups))
    if len(found) != rows:
        message = f"groups has {len(found)} values, X has {rows} rows; give one for each"
        raise ValueError(message)
    missing = np.flatnonzero(pd.isna(found))
    if missing.size:
        shown = ", ".join(map(str, missing[:5].tolist())) + (", ..." if missing.size > 5 else "")
        message = f"groups is missing in {missing.size} rows ({shown}); give each a group, or a name of its own"
        raise ValueError(message)
    _, first, inverse = np.unique(found, return_index=True, return_inverse=True)
    return Groups(np.argsort(np.argsort(first)).astype(np.int64)[inverse.ravel()])
