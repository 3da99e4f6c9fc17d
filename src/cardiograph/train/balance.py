"""Class imbalance: loss weights, or a plan of which training rows to copy."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cardiograph.errors import CohortError


@dataclass(frozen=True)
class CopyPlan:
    """Plan of augmented copies.

    Args:
        source: [copies] int64 cohort row from which each copy is made; always a labelled training row.
    """

    source: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.source)


def class_weights(labels: NDArray[np.int64], classes: int = 2) -> NDArray[np.float64]:
    """Return weights that give all classes the same total weight and the training rows a mean weight of 1.

    The weight of class c is ``n / (classes n_c)``. A model trained with these weights predicts probabilities of a balanced
    cohort.

    Args:
        labels: [training rows] labels from 0, or -1; unlabelled rows are ignored.
        classes: Number of different labels.

    Returns:
        [classes] weight of each label.

    Raises:
        CohortError: If a class is absent.
    """
    counts = _class_counts(labels, classes)
    return np.asarray(counts.sum() / (float(classes) * counts))


def plan_copies(
    labels: NDArray[np.int64],
    train_rows: NDArray[np.int64],
    rng: np.random.Generator,
    *,
    paged: NDArray[np.bool_] | None = None,
    classes: int = 2,
) -> CopyPlan:
    """Plan copies that grow the other classes of the training rows to the size of the largest class.

    Each round copies every member of the class once, in a new random order, so the numbers of copies of two members
    differ by at most one.

    Args:
        labels: [records] labels of the whole cohort, from 0, or -1.
        train_rows: Rows of the training part; unlabelled rows are never copied.
        rng: Random generator.
        paged: [records] whether a record has a page that can be copied; all have one if None.
        classes: Number of different labels.

    Returns:
        The plan; it is empty if the classes have the same size.

    Raises:
        CohortError: If a class is absent from the training rows, or no record of a class to be copied has a page.
    """
    counts, source = _class_counts(labels[train_rows], classes), [np.empty(0, np.int64)]
    for label, copies in enumerate((counts.max() - counts).tolist()):
        members = train_rows[labels[train_rows] == label]
        members = members if paged is None else members[paged[members]]
        if copies and not len(members):
            message = f"no training record of label {label} has a page to be copied; use balance.mode = 'weights'"
            raise CohortError(message)
        rounds = [rng.permutation(members) for _ in range(-(-copies // max(len(members), 1)))]
        source.append(np.concatenate([np.empty(0, np.int64), *rounds])[:copies])
    return CopyPlan(np.concatenate(source).astype(np.int64))


def loss_weights(n_train: int, copy_source: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return loss weights: a source and its copies share a total weight of 1.

    Args:
        n_train: Number of labelled training rows.
        copy_source: [copies] position of each copy's source among these rows, 0..n_train-1 (not the row in the cohort).

    Returns:
        [n_train + copies] weights, first of the rows, then of the copies; they sum to ``n_train``.
    """
    family = np.bincount(copy_source, minlength=n_train) + 1.0
    return np.concatenate([1.0 / family, 1.0 / family[copy_source]])


def _class_counts(labels: NDArray[np.int64], classes: int) -> NDArray[np.int64]:
    counts = np.bincount(labels[labels >= 0], minlength=classes)
    if counts.min() == 0:
        every = "both" if classes == 2 else "all"
        message = f"training rows hold no record of label {int(np.argmin(counts))}; balancing needs {every} classes"
        raise CohortError(message)
    return counts
