"""Data of a comparison: one cohort, embedded once, in each modality, and its folds."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field

from cardiograph.cohort.manifest import read_cohort
from cardiograph.cohort.split import given_split
from cardiograph.config import RunConfig
from cardiograph.containers import TEST, TRAIN, VAL, Split
from cardiograph.errors import CohortError, ConfigError
from cardiograph.evaluate.class_metrics import CLASS_METRICS
from cardiograph.evaluate.metrics import METRICS, Metric
from cardiograph.ingest.groups import strata_of
from cardiograph.studies.compare.folds import VALIDATION_PARTS, fold_split
from cardiograph.studies.faults.switches import Faults
from cardiograph.studies.shared_cohort import Modality, SharedCohort
from cardiograph.train.balance import class_weights
from cardiograph.train.data import Dataset
from cardiograph.train.trial import nameless

RICHEST_FIRST: tuple[Modality, ...] = ("both", "image", "clinical")
"""Modalities, the one with the most information first."""

FoldPlace = tuple[int, int]
"""Repeat and fold, from 0."""


@dataclass(frozen=True)
class FoldData:
    """Embedded cohort with its folds; small enough to be sent to other processes.

    Args:
        config: Settings of the default model; its seed is also the seed of the folds.
        datasets: Modality -> embeddings and values, without patient IDs, pages and encoder.
        folds: Number of folds per repeat.
        given: Split of the table; None if folds are drawn.
    """

    config: RunConfig
    datasets: Mapping[Modality, Dataset]
    folds: int
    given: Split | None = None
    _drawn: dict[FoldPlace, Split] = field(default_factory=dict, compare=False)

    @property
    def richest(self) -> Modality:
        """Modality with the most information."""
        return next(name for name in RICHEST_FIRST if name in self.datasets)

    @property
    def shares(self) -> tuple[float, float]:
        """Shares of training and test records; validation records count as neither, which widens intervals."""
        test = 1 / self.folds
        return (1 - test) * (1 - 1 / VALIDATION_PARTS), test

    @property
    def any_dataset(self) -> Dataset:
        """Dataset of one modality; labels and groups are the same in all."""
        return self.datasets[self.richest]

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes of an outcome with several classes; empty for a binary outcome."""
        return self.any_dataset.cohort.classes

    @property
    def metrics(self) -> Mapping[str, Metric]:
        """Name -> metric of the kind of outcome."""
        return CLASS_METRICS if self.classes else METRICS

    def split(self, place: FoldPlace) -> Split:
        """Return the split of a fold."""
        if self.given is not None:
            return self.given
        if place not in self._drawn:
            dataset = self.any_dataset
            labels, groups = dataset.cohort.labels, dataset.split.groups
            strata = strata_of(dataset.cohort)
            self._drawn[place] = fold_split(labels, groups, self.folds, place, seed=self.config.seed, strata=strata)
        return self._drawn[place]

    def dataset(self, modality: Modality, place: FoldPlace) -> Dataset:
        """Return the dataset of a modality with the split of a fold."""
        dataset, split = self.datasets[modality], self.split(place)
        labels = dataset.cohort.labels
        weights = class_weights(labels[split.rows(TRAIN)]) if self.config.balance.mode != "none" else None
        inputs = dataclasses.replace(dataset.inputs, split=split, copies=None, class_weights=weights)
        return dataclasses.replace(dataset, split=split, inputs=inputs, augmented=None)


def make_fold_data(shared_cohort: SharedCohort, folds: int, *, own_split: bool = False) -> FoldData:
    """Read and embed the pages of a cohort.

    Args:
        shared_cohort: Cohort to compare on.
        folds: Number of folds per repeat.
        own_split: Whether to use the split of the table instead of folds.

    Raises:
        ConfigError: If values would have to be simulated, or the split of the table cannot be used.
    """
    if shared_cohort.config.clinical.simulate != "none":
        message = (
            f"clinical.simulate is {shared_cohort.config.clinical.simulate!r}, but a comparison needs measured values; "
            "set it to 'none' to compare on pages alone"
        )
        raise ConfigError(message)
    allowed = shared_cohort.config.cohort.modality
    modalities: list[Modality] = []
    if shared_cohort.cohort.has_pages and allowed != "clinical":
        modalities.append("image")
    if shared_cohort.cohort.variables and allowed != "image":
        modalities.append("clinical")
    if len(modalities) == 2:
        modalities.append("both")
    unbalanced = shared_cohort.config.model_copy(
        update={"balance": shared_cohort.config.balance.model_copy(update={"mode": "none"})}
    )
    datasets = {
        name: nameless(
            shared_cohort.build_dataset(shared_cohort.settings(unbalanced, Faults(), name, unbalanced.seed))[0]
        )
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
        message = "--own-split: the table has no column `split` (train, val, test); leave the option out to draw folds"
        raise ConfigError(message)
    if dataset.cohort.classes:
        message = (
            f"--own-split: DeLong's test is for a binary outcome, and there are {len(dataset.cohort.classes)} classes; "
            "leave the option out to draw folds, or make the outcome binary (--positive CLASS,...)"
        )
        raise ConfigError(message)
    table = read_cohort(
        shared_cohort.source, shared_cohort.config.cohort, outcome=shared_cohort.config.outcome.name
    ).table
    part_of = dict(zip(table["record_id"], table["split"], strict=True))
    groups = dataset.split.groups
    split = given_split([part_of[name] for name in dataset.cohort.record_ids], dataset.cohort.labels, groups)
    found = {part: groups.index[split.rows(part)] for part in (TRAIN, VAL, TEST)}
    for first, second in ((TRAIN, TEST), (VAL, TEST), (TRAIN, VAL)):
        shared = len(set(found[first].tolist()) & set(found[second].tolist()))
        if shared:
            message = (
                f"--own-split: {shared} group(s) of one patient or of copies of a page are in both {first} and "
                f"{second}; fix the column `split`, or leave the option out"
            )
            raise CohortError(message)
    groups_of_test = len(set(found[TEST].tolist()))
    if groups_of_test < len(found[TEST]):
        message = (
            f"--own-split: the test part has {len(found[TEST])} records in {groups_of_test} groups, but DeLong's test needs "
            "one record per group; keep one record per group in the test part, or leave the option out"
        )
        raise ConfigError(message)
    return split
