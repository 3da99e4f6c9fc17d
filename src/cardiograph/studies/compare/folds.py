"""Repeated k-fold cross-validation in which whole groups are dealt, class by class, and each fold has its own validation."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from cardiograph.cohort.split import group_counts
from cardiograph.containers import EXCLUDED, TEST, TRAIN, VAL, Groups, Split
from cardiograph.errors import ConfigError
from cardiograph.schema import UNLABELLED
from cardiograph.train.data import Dataset

Labels = NDArray[np.int64]


VALIDATION_PARTS = 5
"""What is not tested is dealt into so many parts; the first that has both labels and most strata validates: 20 % of it."""


def deal_groups(
    labels: Labels,
    groups: NDArray[np.int64],
    count: int,
    rng: np.random.Generator,
    *,
    strata: Sequence[NDArray[np.object_]] = (),
) -> Labels:
    """Deal whole groups into folds of about equally many labelled records of each label and stratum.

    Groups come in random order, the large ones first; each goes to the fold whose labels and strata it fills least beyond
    the others (smallest growth of the summed squared shares), ties by chance. A group without a labelled record is dealt
    to none.

    Args:
        labels: [records] 0, 1 or -1 (unlabelled).
        groups: [records] group of each, any integers.
        count: Folds.
        rng: Source of chance.
        strata: Each [records], see :func:`cardiograph.cohort.split.draw_split`.

    Returns:
        [records] fold of each, -1 where its group has no labelled record.
    """
    _, member = np.unique(groups, return_inverse=True)
    sizes = group_counts(labels, member, strata)
    shares = sizes / np.maximum(sizes.sum(axis=0), 1)
    order = rng.permutation(len(sizes))
    order = order[np.argsort(-sizes[order, :2].sum(axis=1), kind="stable")]
    held = np.zeros((count, sizes.shape[1]))
    fold = np.full(len(sizes), -1, np.int64)
    for group, chance in zip(order, rng.random((len(order), count)), strict=True):
        if not sizes[group].any():
            continue
        growth = ((held + shares[group]) ** 2 - held**2).sum(axis=1)
        fold[group] = np.lexsort((chance, np.round(growth, 12)))[0]
        held[fold[group]] += shares[group]
    dealt: Labels = fold[member]
    return dealt


def fold_split(
    labels: Labels,
    groups: Groups,
    folds: int,
    place: tuple[int, int],
    *,
    seed: int,
    strata: Sequence[Sequence[object]] = (),
) -> Split:
    """The parts of one fold: it is the test part, a fifth of the rest validates, what is left teaches.

    Unlabelled records teach where their group has no labelled one, or is taught from; else they are excluded.

    Args:
        labels: [records] 0, 1 or -1 (unlabelled).
        groups: Rows that must not be parted.
        folds: In each repeat.
        place: Repeat and fold, both from 0.
        seed: Seed of all repeats; the same seed, the same folds, whatever else is asked for.
        strata: Each [records], shared out like the label; see :func:`cardiograph.cohort.split.draw_split`.

    Raises:
        ConfigError: A part would lack a class.
    """
    repeat, number = place
    names = [np.array(each, dtype=object) for each in strata]
    dealt = deal_groups(labels, groups.index, folds, np.random.default_rng([seed, repeat, 8]), strata=names)
    part = np.full(len(labels), TRAIN, dtype="<U8")
    rest = np.flatnonzero(dealt != number)
    rng, names = np.random.default_rng([seed, repeat, number, 9]), [each[rest] for each in names]
    inner = deal_groups(labels[rest], groups.index[rest], VALIDATION_PARTS, rng, strata=names)
    part[dealt == number] = TEST
    part[rest[inner == _validating(labels[rest], inner, names)]] = VAL
    for name in (TRAIN, VAL, TEST):
        found = set(labels[part == name].tolist()) - {UNLABELLED}
        if found != {0, 1}:
            holders = [len(np.unique(groups.index[labels == label])) for label in (0, 1)]
            message = (
                f"--folds {folds}: a fold has no labelled record of both classes in its {name} part; label 0 is in "
                f"{holders[0]} group(s) and label 1 in {holders[1]}, and {folds + VALIDATION_PARTS} of each are enough: "
                "choose fewer folds or add patients of the rarer class"
            )
            raise ConfigError(message)
    part[(labels == UNLABELLED) & (part != TRAIN)] = EXCLUDED
    return Split(part.astype(str), groups, "drawn")


def _validating(labels: Labels, inner: Labels, strata: Sequence[NDArray[np.object_]]) -> int:
    """The first of the parts with both labels that hold the most strata."""

    def variety(number: int) -> tuple[bool, int]:
        rows = inner == number
        return {0, 1} <= set(labels[rows].tolist()), sum(len(set(names[rows].tolist())) for names in strata)

    return max(range(VALIDATION_PARTS), key=variety)


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


def keep_labels(dataset: Dataset, share: float, rng: np.random.Generator) -> Dataset:
    """Take the labels of training groups away until a share of each class is left; the records stay, unlabelled.

    With the same state of ``rng`` the labels of a smaller share are among those of a larger one. Validation and test records
    keep theirs.

    Args:
        dataset: Split.
        share: Share of the labelled training records of each class; 1 changes nothing.
        rng: Source of chance.
    """
    labels, groups = dataset.inputs.labels, dataset.split.groups.index
    rows = dataset.split.rows(TRAIN)
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
    return dataclasses.replace(dataset, inputs=dataclasses.replace(dataset.inputs, labels=scarce))


def blank_values(dataset: Dataset, share: float, rng: np.random.Generator) -> Dataset:
    """Take measurements away at random, blind to the label, in all parts; what is gone at a share is gone at a larger one.

    Args:
        dataset: With clinical values.
        share: Share of the values of each blanked variable.
        rng: Source of chance.
    """
    table = dataset.inputs.clinical
    if table is None:
        return dataset
    chance: NDArray[np.float64] = rng.random((len(table.values), len(BLANKED)))
    values = table.values.copy()
    for column, name in enumerate(BLANKED):
        for place, variable in enumerate(table.variables):
            if _MISSING_WITH.get(variable.name, variable.name) == name:
                values[chance[:, column] < share, place] = np.nan
    clinical = dataclasses.replace(table, values=values)
    return dataclasses.replace(dataset, inputs=dataclasses.replace(dataset.inputs, clinical=clinical))


def refuse_without_blanked(dataset: Dataset) -> None:
    """Say that there is nothing to be blanked.

    Raises:
        ConfigError: The cohort has none of :data:`BLANKED`.
    """
    table = dataset.inputs.clinical
    names = () if table is None else tuple(variable.name for variable in table.variables)
    if not {_MISSING_WITH.get(name, name) for name in names} & set(BLANKED):
        message = (
            f"--missingness: the cohort has neither {' nor '.join(BLANKED)}, which are what is blanked "
            f"(it has {', '.join(names) or 'no clinical value'}); leave the option out, or map a column with --map"
        )
        raise ConfigError(message)
