"""Arrays in, a predictor out: records without a table, learnt from and scored by the code of a run."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from cardiograph.cohort.split import group_counts
from cardiograph.config import RunConfig
from cardiograph.containers import EXCLUDED, TRAIN, VAL, ClinicalTable, Cohort, Groups, Split
from cardiograph.inference import Predictor, Queries
from cardiograph.schema import UNLABELLED, ClinicalVariable, Provenance
from cardiograph.stages.fitting import Material, prepare
from cardiograph.stages.studied import Studied
from cardiograph.stages.trial import fit_predictor

FEWEST_HELD_OUT = 2
"""Groups of each label that a validation part has at least; with fewer none is held out."""

Floats = NDArray[np.float64]


@dataclasses.dataclass(frozen=True)
class Blocks:
    """Which columns of a matrix are the image block, and which are clinical values.

    Args:
        image: How many columns, from the first, are the image block.
        clinical: The columns of the clinical block.
        names: One for each clinical column.
    """

    image: int
    clinical: NDArray[np.int64]
    names: tuple[str, ...]

    @classmethod
    def of(cls, columns: Sequence[str], image: int) -> Blocks:
        """The first ``image`` columns, and all the rest."""
        return cls(image, np.arange(image, len(columns)), tuple(columns[image:]))

    def known(self, values: Floats) -> tuple[Blocks, tuple[str, ...]]:
        """Without clinical columns that are empty in all of ``values``, of which nothing can be learnt; and their names."""
        empty = np.isnan(values[:, self.clinical]).all(0)
        names = np.array(self.names, dtype=object)
        return Blocks(self.image, self.clinical[~empty], tuple(names[~empty])), tuple(names[empty])

    def image_of(self, values: Floats) -> NDArray[np.float32] | None:
        """[records, image] embeddings, NaN throughout where any is missing; None without an image block."""
        if not self.image:
            return None
        image = values[:, : self.image].astype(np.float32)
        image[np.isnan(image).any(1)] = np.nan
        return image

    def clinical_of(self, values: Floats) -> ClinicalTable | None:
        """Values that may be any finite number, NaN where missing; None without a clinical block."""
        if not len(self.clinical):
            return None
        variables = tuple(ClinicalVariable(name, name, "", -np.inf, np.inf) for name in self.names)
        origin: Provenance = "measured"
        return ClinicalTable(values[:, self.clinical], variables, (origin,) * len(variables))

    def queries(self, values: Floats) -> Queries:
        """Rows as patients that nobody knows by name."""
        nobody = [None] * len(values)
        return Queries(self.image_of(values), values[:, self.clinical], nobody, nobody, nobody)


def split_groups(
    labels: NDArray[np.int64],
    groups: Groups,
    share: float,
    rng: np.random.Generator,
    *,
    strata: Sequence[Sequence[object]] = (),
) -> Split:
    """Hold out whole groups for validation: the share of those with label 1 only, with 0 only, and with both.

    Within these, the groups of each combination of strata are held out in about the same share.

    No group is held out where that would leave either part with fewer than :data:`FEWEST_HELD_OUT` groups of a label. Groups
    without a label stay with the training records; an unlabelled record of a held-out group is excluded.

    Args:
        labels: [records] 0, 1 or -1.
        groups: Rows that must not be parted.
        share: Of the groups, 0 to 1; 0 holds nothing out.
        rng: Draws them.
        strata: Each [records], see :func:`cardiograph.cohort.split.draw_split`.
    """
    holds = np.stack(
        [np.bincount(groups.index[labels == label], minlength=len(groups)) > 0 for label in (0, 1)], axis=1
    )
    kind = holds @ np.array([1, 2])
    stratum = np.unique(group_counts(labels, groups.index, strata) > 0, axis=0, return_inverse=True)[1]
    drawn = rng.permutation(len(groups))
    held = np.zeros(len(groups), dtype=bool)
    for each in (1, 2, 3):
        of_kind = drawn[kind[drawn] == each]
        of_kind = of_kind[np.argsort(_turns(stratum[of_kind]), kind="stable")]
        held[of_kind[: int(np.floor(share * len(of_kind) + 0.5))]] = True
    if min(holds[held].sum(0).min(), holds[~held].sum(0).min()) < FEWEST_HELD_OUT:
        held[:] = False
    part = np.where(held[groups.index], np.where(labels == UNLABELLED, EXCLUDED, VAL), TRAIN)
    return Split(part, groups, "drawn")


def _turns(stratum: NDArray[np.int64]) -> NDArray[np.float64]:
    """[groups] 0..1, by which groups of each stratum come at even distances."""
    turns = np.zeros(len(stratum))
    for each in np.unique(stratum):
        own = stratum == each
        turns[own] = (np.arange(own.sum()) + 0.5) / own.sum()
    return turns


def study_arrays(values: Floats, labels: NDArray[np.int64], split: Split, blocks: Blocks) -> Studied:
    """Records as a run knows them, by number alone.

    Args:
        values: [records, columns] NaN where missing.
        labels: [records] 0, 1 or -1.
        split: Parts and groups.
        blocks: What the columns are.
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
    material = Material(blocks.image_of(values), blocks.clinical_of(values), labels, split)
    return Studied(Cohort(table, ()), None, split, material)


def learn_arrays(studied: Studied, config: RunConfig) -> Predictor:
    """The configured model of such records, by the steps of a run.

    Without validation records the training records stand in for them when epoch and penalty are chosen, which is then no
    safeguard at all; and nothing is calibrated, since scores of training records say nothing about those of others.
    """
    prepared = prepare(studied.material, config)
    if not len(studied.rows(VAL)):
        prepared = dataclasses.replace(prepared, val_set=prepared.train_set)
    return fit_predictor(config.model.name, studied, prepared, config)
