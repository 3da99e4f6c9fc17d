"""The bench on which models are compared: one cohort embedded once, in each modality, and its folds."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field

from cardiograph.cohort.manifest import read_cohort
from cardiograph.cohort.split import given_split
from cardiograph.config import RunConfig
from cardiograph.containers import TEST, TRAIN, VAL, Split
from cardiograph.errors import CohortError, ConfigError
from cardiograph.ingest.groups import strata_of
from cardiograph.studies.compare.folds import VALIDATION_PARTS, fold_split
from cardiograph.studies.faults.switches import Faults
from cardiograph.studies.shared_cohort import Modality, SharedCohort
from cardiograph.train.balance import class_weights
from cardiograph.train.data import Dataset
from cardiograph.train.trial import nameless

RICHEST_FIRST: tuple[Modality, ...] = ("both", "image", "clinical")

Place = tuple[int, int]
"""Repeat and fold, from 0."""


@dataclass(frozen=True)
class FoldData:
    """A cohort ready to be compared on; small enough to be handed to other processes.

    Args:
        config: Settings of the default; its seed is that of the folds.
        datasets: Modality -> embeddings and values, without names, pages and encoder.
        folds: In each repeat.
        given: The table's own split, or None where folds are drawn.
    """

    config: RunConfig
    datasets: Mapping[Modality, Dataset]
    folds: int
    given: Split | None = None
    _drawn: dict[Place, Split] = field(default_factory=dict, compare=False)

    @property
    def richest(self) -> Modality:
        """The modality that knows most."""
        return next(name for name in RICHEST_FIRST if name in self.datasets)

    @property
    def shares(self) -> tuple[float, float]:
        """Of training and of test records. What validates counts as neither: intervals rather wider than narrower."""
        test = 1 / self.folds
        return (1 - test) * (1 - 1 / VALIDATION_PARTS), test

    @property
    def any_dataset(self) -> Dataset:
        """Labels and groups are those of every modality."""
        return self.datasets[self.richest]

    def split(self, place: Place) -> Split:
        """The parts of a fold."""
        if self.given is not None:
            return self.given
        if place not in self._drawn:
            dataset = self.any_dataset
            labels, groups = dataset.cohort.labels, dataset.split.groups
            strata = strata_of(dataset.cohort)
            self._drawn[place] = fold_split(labels, groups, self.folds, place, seed=self.config.seed, strata=strata)
        return self._drawn[place]

    def dataset(self, modality: Modality, place: Place) -> Dataset:
        """The cohort as one modality sees it, split into the parts of a fold."""
        dataset, split = self.datasets[modality], self.split(place)
        labels = dataset.cohort.labels
        weights = class_weights(labels[split.rows(TRAIN)]) if self.config.balance.mode != "none" else None
        inputs = dataclasses.replace(dataset.inputs, split=split, copies=None, class_weights=weights)
        return dataclasses.replace(dataset, split=split, inputs=inputs, augmented=None)


def make_fold_data(shared_cohort: SharedCohort, folds: int, *, own_split: bool = False) -> FoldData:
    """Read and embed the pages of a cohort, once.

    Args:
        shared_cohort: Shared cohort of the cohort.
        folds: In each repeat.
        own_split: Whether the table's split is used in place of folds.

    Raises:
        ConfigError: Values would have to be simulated, or the own split cannot be used.
    """
    if shared_cohort.config.clinical.simulate != "none":
        message = (
            f"clinical.simulate is {shared_cohort.config.clinical.simulate!r}, and a comparison reads what was measured; "
            "set it to 'none', and models read the pages alone"
        )
        raise ConfigError(message)
    kept = shared_cohort.config.cohort.modality
    modalities: list[Modality] = []
    if shared_cohort.cohort.has_pages and kept != "clinical":
        modalities.append("image")
    if shared_cohort.cohort.variables and kept != "image":
        modalities.append("clinical")
    if len(modalities) == 2:
        modalities.append("both")
    plain = shared_cohort.config.model_copy(
        update={"balance": shared_cohort.config.balance.model_copy(update={"mode": "none"})}
    )
    datasets = {
        name: nameless(shared_cohort.build_dataset(shared_cohort.settings(plain, Faults(), name, plain.seed))[0])
        for name in modalities
    }
    fold_data = FoldData(shared_cohort.config, datasets, folds)
    return (
        dataclasses.replace(fold_data, given=_own_split(shared_cohort, fold_data.any_dataset))
        if own_split
        else fold_data
    )


def _own_split(shared_cohort: SharedCohort, dataset: Dataset) -> Split:
    if not shared_cohort.had_split:
        message = (
            "--own-split: the table has no column `split` (train, val, test); leave the option out to have folds drawn"
        )
        raise ConfigError(message)
    table = read_cohort(shared_cohort.source, shared_cohort.config.cohort, outcome=shared_cohort.config.outcome).table
    part_of = dict(zip(table["record_id"], table["split"], strict=True))
    groups = dataset.split.groups
    split = given_split([part_of[name] for name in dataset.cohort.record_ids], dataset.cohort.labels, groups)
    found = {part: groups.index[split.rows(part)] for part in (TRAIN, VAL, TEST)}
    for first, second in ((TRAIN, TEST), (VAL, TEST), (TRAIN, VAL)):
        shared = len(set(found[first].tolist()) & set(found[second].tolist()))
        if shared:
            message = (
                f"--own-split: {shared} group(s) of one patient or of copies of a page are in both {first} and {second}; "
                "fix the column `split`, or leave the option out"
            )
            raise CohortError(message)
    if len(set(found[TEST].tolist())) < len(found[TEST]):
        message = (
            f"--own-split: the test part has {len(found[TEST])} records in {len(set(found[TEST].tolist()))} groups, and "
            "DeLong's test needs one record of each; keep one record of each group in the test part, or leave the option out"
        )
        raise ConfigError(message)
    return split
