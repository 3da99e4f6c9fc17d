"""Stratified split into training, validation and test by whole groups, drawn or taken from the table."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from cardiograph.config import SplitConfig
from cardiograph.containers import EXCLUDED, PARTS, TEST, TRAIN, VAL, Groups, Split
from cardiograph.errors import CohortError
from cardiograph.schema import UNLABELLED

Counts = NDArray[np.int64]


BINARY = ("0", "1")
"""Names of the labels of a binary outcome in messages."""

_VIOLATION_WEIGHT = 1e6
"""Cost of a violated rule, relative to the cost of uneven shares."""


def draw_split(
    labels: NDArray[np.int64],
    groups: Groups,
    config: SplitConfig,
    rng: np.random.Generator,
    *,
    strata: Sequence[Iterable[object]] = (),
    classes: Sequence[str] = BINARY,
) -> Split:
    """Draw a split, group by group.

    Groups are placed in random order, the largest first. Each group is assigned to a part with room for all its
    labelled records, of each label and stratum, with a probability proportional to the room. If no part has room, the
    group is assigned to the part whose shares it exceeds least. Groups without labelled records are training rows. An
    unlabelled record whose group is in the validation or test part is excluded.

    Args:
        labels: [records] labels from 0, or -1 (unlabelled).
        groups: Groups of records that stay in one part.
        config: Shares of the labelled records.
        rng: Random generator; the same state gives the same split.
        strata: Stratum names, each [records], such as the class behind the label or the site; the shares hold within
            each stratum. Empty names and strata with fewer than three groups are ignored.
        classes: Name of each label.

    Raises:
        CohortError: If fewer than three groups have a label, so that not every part can have all labels.
    """
    kinds = len(classes)
    counts = group_counts(labels, groups.index, strata, kinds=kinds)
    _require_three(counts[:, :kinds], classes)
    targets = np.stack([_targets(total, config) for total in counts.sum(axis=0)], axis=1)
    order = rng.permutation(len(counts))
    order = order[np.argsort(-counts[order, :kinds].sum(axis=1), kind="stable")]
    chosen = _place(counts, targets, order, rng)
    if not _covered(counts, chosen):
        chosen = _place(counts, targets, order, rng, seeds=_one_each(counts, order, rng, kinds))
    _settle(chosen, counts, np.outer([config.train, config.val, config.test], counts.sum(axis=0)), kinds)
    chosen[counts.sum(axis=1) == 0] = PARTS.index(TRAIN)
    part = np.array(PARTS)[chosen][groups.index]
    _require_all(part, labels, classes, "the drawn split", "add patients of this class, or leave the class out")
    return Split(_exclude(part, labels), groups, "drawn")


def given_split(
    parts: Sequence[str], labels: NDArray[np.int64], groups: Groups, classes: Sequence[str] = BINARY
) -> Split:
    """Return the split given in the table; the audit checks whether it keeps groups together.

    Args:
        parts: [records] ``train``, ``val`` or ``test``.
        labels: [records] labels from 0, or -1 (unlabelled).
        groups: Groups of records that should be in one part.
        classes: Name of each label.

    Raises:
        CohortError: If a part lacks a class.
    """
    part = np.array(parts, dtype=str)
    _require_all(part, labels, classes, "the given split", "fix the column, or remove it to have a split drawn")
    return Split(_exclude(part, labels), groups, "given")


def _require_all(
    part: NDArray[np.str_], labels: NDArray[np.int64], classes: Sequence[str], split: str, remedy: str
) -> None:
    """Raise CohortError if a part lacks a class."""
    for name in PARTS:
        absent = [each for label, each in enumerate(classes) if not (labels[part == name] == label).any()]
        if absent:
            every = "both" if len(classes) == 2 else "all"
            message = (
                f"{split} has no labelled record of class {', '.join(absent)} in {name!r}; train, val and test need {every} "
                f"classes: {remedy}"
            )
            raise CohortError(message)


def group_counts(
    labels: NDArray[np.int64],
    member: NDArray[np.int64],
    strata: Sequence[Iterable[object]],
    *,
    kinds: int = 2,
) -> Counts:
    """Count labelled records in each group.

    Args:
        labels: [records] labels from 0, or -1 (unlabelled).
        member: [records] group number of each record, from 0.
        strata: Stratum names, each [records]; see :func:`draw_split`.
        kinds: Number of different labels.

    Returns:
        [groups, columns] numbers of records with each label, and of each stratum with at least three groups.
    """
    labelled, size = labels >= 0, int(member.max()) + 1
    counts = [np.bincount(member[labels == label], minlength=size) for label in range(kinds)]
    for names in strata:
        texts = ["" if name is None or name != name else str(name) for name in names]
        known = sorted(set(texts))
        numbers = {name: each for each, name in enumerate(known)}
        number = np.array([numbers[text] for text in texts], np.int64)
        for each in (numbers[name] for name in known if name):
            count = np.bincount(member[labelled & (number == each)], minlength=size)
            redundant = any(np.array_equal(count, other) for other in counts)
            if (count > 0).sum() >= len(PARTS) and not redundant:
                counts.append(count)
    return np.stack(counts, axis=1).astype(np.int64)


def _require_three(counts: Counts, classes: Sequence[str]) -> None:
    holders = (counts > 0).sum(axis=0)
    few = [f"class {name} is in {count} group(s)" for name, count in zip(classes, holders, strict=True) if count < 3]
    if few and len(classes) == 2:
        message = (
            f"the cohort cannot be split: label 0 is in {holders[0]} group(s) and label 1 in {holders[1]}; at least "
            "3 groups of each are needed, so that train, val and test all have both: add patients of the rarer class"
        )
        raise CohortError(message)
    if few:
        message = (
            f"the cohort cannot be split: {', '.join(few)}; at least 3 groups of each class are needed, so that train, "
            "val and test all have it: add patients, check the spelling, or leave the class out"
        )
        raise CohortError(message)


def _targets(total: int, config: SplitConfig) -> Counts:
    """Return [parts] record counts closest to the shares (largest remainders), at least 1 each."""
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
    """Return [groups] part numbers; the groups of ``seeds`` are placed before all others."""
    seeds = seeds or {}
    chosen = [0] * len(counts)
    room = targets.tolist()  # plain lists: for a handful of columns they are ten times as fast as arrays

    where, columns = np.nonzero(counts)
    entries = list(zip(columns.tolist(), counts[where, columns].tolist(), strict=True))
    ends = np.searchsorted(where, np.arange(len(counts) + 1)).tolist()
    for group, part in seeds.items():
        chosen[group] = part
        for column, size in entries[ends[group] : ends[group + 1]]:
            room[part][column] -= size
    chances = rng.random(len(order)).tolist()
    for group, chance in zip(order.tolist(), chances, strict=True):
        own = entries[ends[group] : ends[group + 1]]
        if not own or group in seeds:
            continue
        weights = []
        for held in room:  # the room of a part in the columns of the group; 0 if the group does not fit
            weight = 0
            for column, size in own:
                if held[column] < size:
                    weight = 0
                    break
                weight += held[column]
            weights.append(weight)
        total = sum(weights)
        if total:
            at = chance * total
            part = 0 if at < weights[0] else 1 if at < total - weights[2] else 2
        else:
            part = int(np.argmin(_overshoot(np.array(room), counts[group], targets)))
        chosen[group] = part
        for column, size in own:
            room[part][column] -= size
    return np.array(chosen, np.int64)


def _overshoot(room: Counts, size: Counts, targets: Counts) -> NDArray[np.float64]:
    """Return [parts] increase of the relative squared distance to the targets if a group of ``size`` is added."""
    growth = (room - size) ** 2 - room**2
    return np.asarray((growth / targets).sum(axis=1))


def _covered(counts: Counts, chosen: Counts) -> bool:
    return all((counts[chosen == part] > 0).any(axis=0).all() for part in range(len(PARTS)))


def _one_each(counts: Counts, order: Counts, rng: np.random.Generator, kinds: int) -> dict[int, int]:
    """Choose small groups that give every part a record of each label and then of each stratum, the rarest first.

    Both labels of a binary outcome are always covered, as are strata whose groups have no other stratum. If groups have
    several strata or several of many labels, it can be impossible to cover all of them.

    Returns:
        Group -> part.
    """
    parts = [int(part) for part in rng.permutation([PARTS.index(VAL), PARTS.index(TEST)])] + [PARTS.index(TRAIN)]
    rarest_first = np.argsort((counts[:, kinds:] > 0).sum(axis=0), kind="stable")
    seeds: dict[int, int] = {}
    labels = (1, 0) if kinds == 2 else np.argsort((counts[:, :kinds] > 0).sum(axis=0), kind="stable")
    for column in (*labels, *(kinds + rarest_first)):
        having = {part for group, part in seeds.items() if counts[group, column]}
        lacking = [part for part in parts if part not in having]
        free = [int(group) for group in order[::-1] if counts[group, column] and int(group) not in seeds]
        seeds |= dict(zip(free, lacking, strict=False))
    return seeds


def _settle(chosen: Counts, counts: Counts, wanted: NDArray[np.float64], kinds: int) -> None:
    """Move or exchange groups until each part has all strata and deviates from its shares by at most the largest group.

    Args:
        chosen: [groups] part of each group; changed in place.
        counts: [groups, columns] labelled records.
        wanted: [parts, columns] target numbers of labelled records.
        kinds: Number of different labels, whose columns come first.
    """
    limit = np.full(counts.shape[1], counts[:, :kinds].sum(axis=1).max())
    limit[:kinds] *= max(
        1, counts.shape[1] - kinds
    )  # the deviation of a label is the sum of the deviations of its strata

    def cost(held: Counts, part: int) -> NDArray[np.float64]:
        deviation = np.abs(held - wanted[part])
        violation = np.maximum(deviation - limit, 0) + len(counts) * (held == 0)
        unevenness = deviation**2 / np.maximum(wanted[part], 1)
        total: NDArray[np.float64] = (violation * _VIOLATION_WEIGHT + unevenness).sum(axis=-1)
        return total

    alike = _number_rows(counts)
    while True:
        held = np.stack([counts[chosen == part].sum(axis=0) for part in range(len(PARTS))])
        if (held > 0).all() and (np.abs(held - wanted) <= limit).all():
            return
        _, tried = np.unique(chosen * len(counts) + alike, return_index=True)
        change = _best_change(chosen, counts, held, tried, cost)
        if not change:
            return
        for group, part in change.items():
            chosen[group] = part


def _number_rows(counts: Counts) -> Counts:
    """Return [groups] number of each row among the different rows in ascending order; equal rows have one number."""
    order = np.lexsort(counts.T[::-1])
    new = (np.diff(counts[order], axis=0) != 0).any(axis=1)
    numbers = np.empty(len(counts), np.int64)
    numbers[order] = np.concatenate([[0], np.cumsum(new)])
    return numbers


def _best_change(
    chosen: Counts, counts: Counts, held: Counts, kinds: Counts, cost: Callable[[Counts, int], NDArray[np.float64]]
) -> dict[int, int]:
    """Return group -> new part for the move or exchange that lowers the cost most; empty if none does.

    Groups with equal counts in one part are interchangeable, so ``kinds`` has one group of each kind in each part.
    """
    best, change = -1e-9, dict[int, int]()
    for group in kinds:
        part = int(chosen[group])
        for other in {*range(len(PARTS))} - {part}:
            back = kinds[chosen[kinds] == other]
            moved = counts[group] - np.vstack([np.zeros_like(held[:1]), counts[back]])  # the first is a plain move
            gain = cost(held[part] - moved, part) + cost(held[other] + moved, other)
            gain -= cost(held[part], part) + cost(held[other], other)
            at = int(gain.argmin())
            if gain[at] < best:
                best, change = gain[at], {int(group): other} | ({int(back[at - 1]): part} if at else {})
    return change


def _exclude(part: NDArray[np.str_], labels: NDArray[np.int64]) -> NDArray[np.str_]:
    return np.where((labels == UNLABELLED) & (part != TRAIN), EXCLUDED, part).astype(str)


MIN_HELD_OUT_GROUPS = 2
"""Minimum number of groups of each label in a validation part; with fewer, no group is held out."""


def split_groups(
    labels: NDArray[np.int64],
    groups: Groups,
    share: float,
    rng: np.random.Generator,
    *,
    strata: Sequence[Iterable[object]] = (),
) -> Split:
    """Hold out whole groups for validation.

    The share holds among groups with each combination of labels, and approximately within each combination of strata. No
    group is held out if either part would have fewer than :data:`MIN_HELD_OUT_GROUPS` groups of a label. Groups without a
    label stay in the training part; an unlabelled record of a held-out group is excluded.

    Args:
        labels: [records] labels from 0, or -1 (unlabelled).
        groups: Groups of records that stay in one part.
        share: Share of the groups to hold out, 0..1.
        rng: Random generator.
        strata: Stratum names, each [records]; see :func:`draw_split`.
    """
    kinds = max(2, int(labels.max()) + 1)
    holds = group_counts(labels, groups.index, (), kinds=kinds) > 0
    kind = np.where(holds.any(axis=1), np.unique(holds[:, ::-1], axis=0, return_inverse=True)[1], -1)
    counts = group_counts(labels, groups.index, strata, kinds=kinds)
    stratum = np.unique(counts > 0, axis=0, return_inverse=True)[1]
    drawn = rng.permutation(len(groups))
    held = np.zeros(len(groups), dtype=bool)
    for each in np.unique(kind[kind >= 0]):
        of_kind = drawn[kind[drawn] == each]
        of_kind = of_kind[np.argsort(_spread_keys(stratum[of_kind]), kind="stable")]
        held[of_kind[: int(np.floor(share * len(of_kind) + 0.5))]] = True
    if min(holds[held].sum(0).min(), holds[~held].sum(0).min()) < MIN_HELD_OUT_GROUPS:
        held[:] = False
    part = np.where(held[groups.index], np.where(labels == UNLABELLED, EXCLUDED, VAL), TRAIN)
    return Split(part, groups, "drawn")


def _spread_keys(stratum: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return [groups] sort keys 0..1 that spread the groups of each stratum evenly."""
    keys = np.zeros(len(stratum))
    for each in np.unique(stratum):
        own = stratum == each
        keys[own] = (np.arange(own.sum()) + 0.5) / own.sum()
    return keys
