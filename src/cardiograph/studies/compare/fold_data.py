"""Data of a comparison: one cohort, embedded once, in each modality, and its folds."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from cardiograph.cohort.label_columns import LabelColumns, with_strata
from cardiograph.cohort.manifest import read_cohort
from cardiograph.cohort.split import given_split
from cardiograph.config import RunConfig
from cardiograph.containers import TEST, TRAIN, VAL, Cohort, Groups, Split
from cardiograph.errors import CohortError, ConfigError
from cardiograph.ingest.groups import strata_of
from cardiograph.run.survival import horizons_in
from cardiograph.studies.compare.folds import VALIDATION_PARTS, fold_split
from cardiograph.studies.compare.kinds import KINDS, FollowUp, Kind, OutcomeScores, Truth
from cardiograph.studies.faults.switches import Faults
from cardiograph.studies.shared_cohort import Modality, Relabel, SharedCohort
from cardiograph.survival.outcome import EVENT, SurvivalOutcome
from cardiograph.train.balance import class_weights
from cardiograph.train.data import Dataset
from cardiograph.train.steps import DEFAULT_STEPS
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
        columns: Labels of the records of a multilabel outcome, in the order of the datasets, whose own label is then the
            stratum of the folds; None for another outcome.
        horizon: Time by which risks are predicted; 0 unless the outcome is the time to an event.
    """

    config: RunConfig
    datasets: Mapping[Modality, Dataset]
    folds: int
    given: Split | None = None
    columns: LabelColumns | None = None
    horizon: float = 0.0
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
    def kind(self) -> Kind:
        """Kind of outcome."""
        cohort = self.any_dataset.cohort
        if self.columns is not None:
            return "multilabel"
        return "survival" if "time" in cohort.table else "multiclass" if cohort.classes else "binary"

    @property
    def scores(self) -> OutcomeScores:
        """What is compared for this kind of outcome."""
        return KINDS[self.kind]

    @property
    def label_values(self) -> NDArray[np.int64]:
        """[records, labels] 1, 0 or -1 (unknown) of a multilabel outcome."""
        if self.columns is None:
            message = f"an outcome of the kind {self.kind} has no columns of labels"
            raise ValueError(message)
        return self.columns.values

    @property
    def classes(self) -> dict[str, int]:
        """Class -> number of its records, or label -> number of records that have it; empty for another outcome."""
        if self.columns is not None:
            counts = (self.label_values == 1).sum(axis=0).tolist()
            return dict(zip(self.columns.names, counts, strict=True))
        cohort = self.any_dataset.cohort
        return {name: int((cohort.labels == label).sum()) for label, name in enumerate(cohort.classes)}

    def truth(self, place: FoldPlace) -> Truth:
        """Return the outcome of the labelled test records of a fold."""
        cohort, rows = self.any_dataset.cohort, self.split(place).rows(TEST)
        rows = rows[cohort.labels[rows] >= 0]
        if self.columns is not None:
            return self.label_values[rows]
        if self.kind == "survival":
            time, event = (cohort.table[name].to_numpy()[rows] for name in ("time", "event"))
            return FollowUp(SurvivalOutcome(time.astype(np.float64), event.astype(np.int64)), self.horizon)
        return cohort.labels[rows]

    def require_usable(self, place: FoldPlace) -> None:
        """Check that a fold can be trained on and scored.

        Raises:
            CardiographError: If a part lacks a class or a label, or the horizon is beyond the follow-up of a part.
        """
        split = self.split(place)
        if self.columns is not None:
            self.columns.require_both(split)
        if self.kind == "survival":
            horizons = self.config.outcome.model_copy(update={"horizons": (self.horizon,)})
            horizons_in(self.any_dataset.cohort, split, horizons)

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
        ConfigError: If values would have to be simulated, the encoder would be fine-tuned, or the split of the table cannot
            be used.
    """
    if shared_cohort.config.clinical.simulate != "none":
        message = (
            f"clinical.simulate is {shared_cohort.config.clinical.simulate!r}, but a comparison needs measured values; "
            "set it to 'none' to compare on pages alone"
        )
        raise ConfigError(message)
    if shared_cohort.config.encoder.finetune:
        message = (
            "encoder.finetune adapts the encoder to the labels of training records, but a comparison embeds every record "
            "once for all folds; leave it out"
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
    relabel = None if shared_cohort.columns is None else _strata_of(shared_cohort.columns, folds)
    datasets = {
        name: nameless(
            shared_cohort.build_dataset(
                shared_cohort.settings(unbalanced, Faults(), name, unbalanced.seed),
                steps=DEFAULT_STEPS,
                relabel=relabel,
            )[0]
        )
        for name in modalities
    }
    fold_data = FoldData(shared_cohort.config, datasets, folds)
    cohort = fold_data.any_dataset.cohort
    if shared_cohort.columns is not None:
        fold_data = dataclasses.replace(fold_data, columns=shared_cohort.columns.of(cohort))
    if fold_data.kind == "survival":
        fold_data = dataclasses.replace(fold_data, horizon=_horizon(shared_cohort.config, cohort))
    return dataclasses.replace(fold_data, given=_own_split(shared_cohort, fold_data)) if own_split else fold_data


def _strata_of(columns: LabelColumns, folds: int) -> Relabel:
    """Return a function that makes the rarest label of each record its label, so that folds have all of them."""
    smallest = folds + VALIDATION_PARTS

    def relabel(cohort: Cohort, groups: Groups, _seed: int) -> Cohort:
        return with_strata(cohort, columns.of(cohort).strata(groups, smallest=smallest))

    return relabel


def _horizon(config: RunConfig, cohort: Cohort) -> float:
    """Return the last configured horizon, or the third quartile of the event times, to three digits."""
    if config.outcome.horizons is not None:
        return config.outcome.horizons[-1]
    table = cohort.table
    return float(f"{np.quantile(table['time'][table['event'] == EVENT], 0.75):.3g}")


def _own_split(shared_cohort: SharedCohort, fold_data: FoldData) -> Split:
    dataset = fold_data.any_dataset
    if not shared_cohort.had_split:
        message = "--own-split: the table has no column `split` (train, val, test); leave the option out to draw folds"
        raise ConfigError(message)
    require_binary(fold_data, "--own-split: DeLong's test is for a binary outcome")
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


def require_binary(fold_data: FoldData, why: str) -> None:
    """Raise ConfigError if the outcome is not binary.

    Args:
        fold_data: Cohort with its outcome.
        why: Option, and what it needs.
    """
    outcome = {
        "multiclass": f"this cohort has {len(fold_data.classes)} classes",
        "multilabel": f"this cohort has {len(fold_data.classes)} labels",
        "survival": "this outcome is the time to an event",
    }
    if fold_data.kind != "binary":
        message = f"{why}, and {outcome[fold_data.kind]}; leave it out, or make the outcome binary"
        raise ConfigError(message)
