"""Train, validation and test: whole groups, stratified, drawn or taken from the table and checked."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from cardiograph.config import SplitConfig
from cardiograph.containers import EXCLUDED, PARTS, TEST, TRAIN, VAL, Groups, Split
from cardiograph.errors import CohortError
from cardiograph.schema import UNLABELLED

Counts = NDArray[np.int64]


def draw_split(labels: NDArray[np.int64], groups: Groups, config: SplitConfig, rng: np.random.Generator) -> Split:
    """Draw the parts, group by group.

    Groups come in random order, the large ones first. Each goes to a part that still has room for all its labelled
    records of either class, chosen with a probability in proportion to that room; where no part has room, to the part
    that it pushes least over its share. Groups without any labelled record are training rows; an unlabelled record
    whose group is validated or tested is excluded.

    Args:
        labels: [records] 0, 1 or -1 (unlabelled).
        groups: Rows that must not be parted.
        config: Shares of the labelled records.
        rng: Source of chance; the same state, the same split.

    Raises:
        CohortError: Fewer than three groups hold a class, so that not every part can have both.
    """
    counts = _group_counts(labels, groups)
    _require_three(counts)
    targets = np.stack([_targets(total, config) for total in counts.sum(axis=0)], axis=1)
    order = rng.permutation(len(counts))
    order = order[np.argsort(-counts[order].sum(axis=1), kind="stable")]
    chosen = _place(counts, targets, order, rng)
    if not _covered(counts, chosen):
        chosen = _place(counts, targets, order, rng, seeds=_one_each(counts, order, rng))
    chosen[counts.sum(axis=1) == 0] = PARTS.index(TRAIN)
    part = np.array(PARTS)[chosen][groups.index]
    return Split(_exclude(part, labels), groups, "drawn")


def given_split(parts: Sequence[str], labels: NDArray[np.int64], groups: Groups) -> Split:
    """Take the split of the table; whether it keeps groups whole is for the audit to say.

    Args:
        parts: [records] ``train``, ``val`` or ``test``.
        labels: [records] 0, 1 or -1 (unlabelled).
        groups: Rows that should not be parted.

    Raises:
        CohortError: A part lacks a class.
    """
    part = np.array(parts, dtype=str)
    for name in PARTS:
        found = set(labels[part == name].tolist()) - {UNLABELLED}
        if found != {0, 1}:
            message = (
                f"the given split has no labelled record of class {', '.join(map(str, sorted({0, 1} - found)))} in "
                f"{name!r}; train, val and test need both classes: mend the column, or remove it to have one drawn"
            )
            raise CohortError(message)
    return Split(_exclude(part, labels), groups, "given")


def _group_counts(labels: NDArray[np.int64], groups: Groups) -> Counts:
    """[groups, 2] labelled records of each class."""
    counts = np.zeros((len(groups), 2), dtype=np.int64)
    labelled = labels >= 0
    np.add.at(counts, (groups.index[labelled], labels[labelled]), 1)
    return counts


def _require_three(counts: Counts) -> None:
    holders = (counts > 0).sum(axis=0)
    if holders.min() < len(PARTS):
        message = (
            f"the cohort cannot be split: label 0 is in {holders[0]} group(s) and label 1 in {holders[1]}; at least "
            "3 groups of each are needed, so that train, val and test all have both: add patients of the rarer class"
        )
        raise CohortError(message)


def _targets(total: int, config: SplitConfig) -> Counts:
    """[parts] whole numbers closest to the shares (largest remainders), at least 1 each."""
    shares = total * np.array([config.train, config.val, config.test])
    targets = np.floor(shares + 1e-9).astype(np.int64)
    for part in np.argsort(-(shares - targets), kind="stable")[: total - int(targets.sum())]:
        targets[part] += 1
    for part in np.flatnonzero(targets == 0):
        targets[np.argmax(targets)] -= 1
        targets[part] = 1
    return targets


def _place(
    counts: Counts, targets: Counts, order: Counts, rng: np.random.Generator, seeds: dict[int, int] | None = None
) -> Counts:
    """[groups] part of each group; ``seeds`` are placed before all others."""
    seeds = seeds or {}
    chosen = np.zeros(len(counts), dtype=np.int64)
    room = targets.copy()
    for group, part in seeds.items():
        chosen[group] = part
        room[part] -= counts[group]
    chances = rng.random(len(order))
    for group, chance in zip(order, chances, strict=True):
        size = counts[group]
        if group in seeds or not size.any():
            continue
        fits = (room >= size).all(axis=1)
        if fits.any():
            weights = np.where(fits, room[:, size > 0].sum(axis=1), 0)
            part = int(np.searchsorted(np.cumsum(weights), chance * weights.sum(), side="right"))
        else:
            part = int(np.argmin(_overshoot(room, size, targets)))
        chosen[group] = part
        room[part] -= size
    return chosen


def _overshoot(room: Counts, size: Counts, targets: Counts) -> NDArray[np.float64]:
    """[parts] growth of the squared distance to the targets, relative to them, if a group of ``size`` came in."""
    growth = (room - size) ** 2 - room**2
    return np.asarray((growth / targets).sum(axis=1))


def _covered(counts: Counts, chosen: Counts) -> bool:
    return all((counts[chosen == part] > 0).any(axis=0).all() for part in range(len(PARTS)))


def _one_each(counts: Counts, order: Counts, rng: np.random.Generator) -> dict[int, int]:
    """Small groups that give every part both classes: three with label 1, then one with label 0 where that lacks."""
    smallest_first = order[::-1]
    parts = [PARTS.index(name) for name in (VAL, TEST)]
    parts = [int(part) for part in rng.permutation(parts)] + [PARTS.index(TRAIN)]
    positive = [int(group) for group in smallest_first if counts[group, 1]][: len(parts)]
    seeds = dict(zip(positive, parts, strict=True))
    lacking = [part for group, part in seeds.items() if not counts[group, 0]]
    negative = [int(group) for group in smallest_first if counts[group, 0] and int(group) not in seeds]
    return seeds | dict(zip(negative, lacking, strict=False))


def _exclude(part: NDArray[np.str_], labels: NDArray[np.int64]) -> NDArray[np.str_]:
    return np.where((labels == UNLABELLED) & (part != TRAIN), EXCLUDED, part).astype(str)
