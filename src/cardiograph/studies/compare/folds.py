"""Repeated stratified k-fold cross-validation of whole groups, with validation records of its own in each fold."""

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
"""Number of parts of the records that are not tested; one part with both labels and most strata is for validation."""


def deal_groups(
    labels: Labels,
    groups: NDArray[np.int64],
    count: int,
    rng: np.random.Generator,
    *,
    strata: Sequence[NDArray[np.object_]] = (),
) -> Labels:
    """Distribute whole groups to folds with about equal numbers of labelled records of each label and stratum.

    Groups are processed from large to small, in random order within a size. Each goes to the fold with the smallest
    increase of the summed squared shares of labels and strata; ties are random. A group without a labelled record is in
    no fold.

    Args:
        labels: [records] labels from 0, or -1 (unlabelled).
        groups: [records] group of each record, any integers.
        count: Number of folds.
        rng: Random generator.
        strata: [records] arrays of further strata, see :func:`cardiograph.cohort.split.draw_split`.

    Returns:
        [records] fold of each record, -1 if its group has no labelled record.
    """
    _, member = np.unique(groups, return_inverse=True)
    kinds = _kinds(labels)
    sizes = group_counts(labels, member, strata, kinds=kinds)
    shares = sizes / np.maximum(sizes.sum(axis=0), 1)
    order = rng.permutation(len(sizes))
    order = order[np.argsort(-sizes[order, :kinds].sum(axis=1), kind="stable")]
    fold_shares = np.zeros((count, sizes.shape[1]))
    fold = np.full(len(sizes), -1, np.int64)
    for group, tie_break in zip(order, rng.random((len(order), count)), strict=True):
        if not sizes[group].any():
            continue
        growth = ((fold_shares + shares[group]) ** 2 - fold_shares**2).sum(axis=1)
        fold[group] = np.lexsort((tie_break, np.round(growth, 12)))[0]
        fold_shares[fold[group]] += shares[group]
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
    """Return the split of one fold: the fold is the test part, a fifth of the rest is the validation part.

    Unlabelled records are training records unless their group is a validation or test group; then they are excluded.

    Args:
        labels: [records] labels from 0, or -1 (unlabelled).
        groups: Groups of rows that must stay in one part.
        folds: Number of folds per repeat.
        place: Repeat and fold, both from 0.
        seed: Seed of all repeats; equal seeds give equal folds.
        strata: [records] sequences, balanced like the label; see :func:`cardiograph.cohort.split.draw_split`.

    Raises:
        ConfigError: If a part would lack a class.
    """
    repeat, number = place
    names = [np.array(each, dtype=object) for each in strata]
    dealt = deal_groups(labels, groups.index, folds, np.random.default_rng([seed, repeat, 8]), strata=names)
    part = np.full(len(labels), TRAIN, dtype="<U8")
    rest = np.flatnonzero(dealt != number)
    rng, names = np.random.default_rng([seed, repeat, number, 9]), [each[rest] for each in names]
    inner = deal_groups(labels[rest], groups.index[rest], VALIDATION_PARTS, rng, strata=names)
    part[dealt == number] = TEST
    part[rest[inner == _validation_part(labels[rest], inner, names)]] = VAL
    kinds = _kinds(labels)
    for name in (TRAIN, VAL, TEST):
        found = set(labels[part == name].tolist()) - {UNLABELLED}
        if found != set(range(kinds)):
            holders = [len(np.unique(groups.index[labels == label])) for label in range(kinds)]
            others = "".join(f" and label {label} in {count}" for label, count in enumerate(holders) if label)
            held = f"label 0 is in {holders[0]} group(s){others}"
            message = (
                f"--folds {folds}: a fold has no labelled record of {'both' if kinds == 2 else 'all'} classes in its {name} "
                f"part; {held}, and {folds + VALIDATION_PARTS} of each suffice: choose fewer folds or add patients of the "
                "rarer class"
            )
            raise ConfigError(message)
    part[(labels == UNLABELLED) & (part != TRAIN)] = EXCLUDED
    return Split(part.astype(str), groups, "drawn")


def _kinds(labels: Labels) -> int:
    """Return the number of different labels."""
    return max(2, int(labels.max(initial=1)) + 1)


def _validation_part(labels: Labels, inner: Labels, strata: Sequence[NDArray[np.object_]]) -> int:
    """Return the first part with the most strata among those with all labels."""
    every = set(range(_kinds(labels)))

    def variety(number: int) -> tuple[bool, int]:
        rows = inner == number
        return every <= set(labels[rows].tolist()), sum(len(set(names[rows].tolist())) for names in strata)

    return max(range(VALIDATION_PARTS), key=variety)


LABEL_SHARES = (0.05, 0.10, 0.25, 0.50, 1.0)
"""Shares of the training labels that are kept."""


BLANKED_SHARES = (0.0, 0.25, 0.50, 0.75)
"""Shares of the measurements that are blanked."""


BLANKED = ("bnp", "ef")
"""Variables to blank: the two that are most expensive to measure."""

_MISSING_WITH = {"ntprobnp": "bnp"}
"""NT-proBNP is measured instead of BNP and blanked like it."""


MIN_CLASS_GROUPS = 2
"""Minimum number of groups per class that keep their labels."""


def keep_labels(dataset: Dataset, share: float, rng: np.random.Generator) -> Dataset:
    """Remove the labels of training groups until a share of each class remains; the records stay, unlabelled.

    With the same state of ``rng``, a smaller share is a subset of a larger one. Validation and test labels are kept.

    Args:
        dataset: Dataset with a split.
        share: Share of the labelled training records of each class to keep; 1 keeps all.
        rng: Random generator.
    """
    labels, groups = dataset.inputs.labels, dataset.split.groups.index
    rows = dataset.split.rows(TRAIN)
    rows = rows[labels[rows] >= 0]
    members, of_row = np.unique(groups[rows], return_inverse=True)
    kinds = np.zeros(len(members), np.int64)  # a group counts as the highest of its labels
    np.maximum.at(kinds, of_row, labels[rows])
    size = np.bincount(of_row, minlength=len(members))
    order = rng.permutation(len(members))
    kept = np.zeros(len(members), bool)
    for kind in np.unique(kinds)[::-1]:
        each = order[kinds[order] == kind]
        before = np.cumsum(size[each]) - size[each]
        enough = int((before < share * size[each].sum() - 1e-9).sum())
        kept[each[: max(MIN_CLASS_GROUPS, enough)]] = True
    scarce = labels.copy()
    scarce[rows[~kept[of_row]]] = UNLABELLED
    return dataclasses.replace(dataset, inputs=dataclasses.replace(dataset.inputs, labels=scarce))


def blank_values(dataset: Dataset, share: float, rng: np.random.Generator) -> Dataset:
    """Blank measurements at random, independently of the label, in all parts.

    With the same state of ``rng``, the blanked values of a smaller share are a subset of those of a larger one.

    Args:
        dataset: Dataset with clinical values.
        share: Share of the values of each variable to blank.
        rng: Random generator.
    """
    table = dataset.inputs.clinical
    if table is None:
        return dataset
    drawn: NDArray[np.float64] = rng.random((len(table.values), len(BLANKED)))
    values = table.values.copy()
    for column, name in enumerate(BLANKED):
        for place, variable in enumerate(table.variables):
            if _MISSING_WITH.get(variable.name, variable.name) == name:
                values[drawn[:, column] < share, place] = np.nan
    clinical = dataclasses.replace(table, values=values)
    return dataclasses.replace(dataset, inputs=dataclasses.replace(dataset.inputs, clinical=clinical))


def require_blanked_variable(dataset: Dataset) -> None:
    """Check that the cohort has a variable to blank.

    Raises:
        ConfigError: If the cohort has none of :data:`BLANKED`.
    """
    table = dataset.inputs.clinical
    names = () if table is None else tuple(variable.name for variable in table.variables)
    if not {_MISSING_WITH.get(name, name) for name in names} & set(BLANKED):
        message = (
            f"--missingness: the cohort has neither {' nor '.join(BLANKED)}, the variables that this option blanks "
            f"(it has {', '.join(names) or 'no clinical value'}); leave the option out, or map a column with --map"
        )
        raise ConfigError(message)
