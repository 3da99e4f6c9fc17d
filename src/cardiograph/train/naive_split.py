"""Optimism of a naive split: the score of the same model if rows instead of groups were split at random."""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray

from cardiograph.config import RunConfig
from cardiograph.containers import TEST, TRAIN, Split
from cardiograph.evaluate.bootstrap import Interval, resampled_interval
from cardiograph.evaluate.metrics import score
from cardiograph.evaluate.results import Inflation
from cardiograph.ingest.groups import draw_groups, split_rows
from cardiograph.progress import Progress
from cardiograph.train.balance import class_weights
from cardiograph.train.data import Dataset
from cardiograph.train.trial import fit_and_score

SEEDS = 5
"""Number of paired splits."""

MAX_RECORDS = 10_000
"""Records of a larger cohort from which the pairs are drawn: whole groups, at random."""


def measure_optimism(dataset: Dataset, config: RunConfig, progress: Progress) -> Inflation:
    """Train and score the configured model on paired splits: by group, and by row as in much published work.

    Both splits of a pair leave out augmented copies and use class weights instead, so that only the split differs.

    Args:
        dataset: Dataset of the run.
        config: Settings of the run; its seed is the seed of the first pair.
        progress: Callback that receives progress after each split.

    Returns:
        The means and their difference; only a sentence if no group has more than one record.
    """
    groups = dataset.split.groups
    labelled = dataset.cohort.labels >= 0
    sizes = np.bincount(groups.index[labelled], minlength=1)
    if sizes.max() < 2:
        return Inflation(sentence="No group of more than one record: nothing to inflate.")
    progress.start("optimism of a split by rows", 2 * SEEDS)
    drawn = _sample(groups.index, np.random.default_rng(config.seed))
    some = dataset if drawn.all() else dataset.of(np.flatnonzero(drawn))
    found = []
    for number in range(SEEDS):
        each = config.model_copy(update={"seed": config.seed + number})
        pair = []
        for split in (split_rows(some.cohort, each), draw_groups(some.cohort, some.split.groups, each)):
            pair.append(_auroc(some, split, each))
            progress.advance()
        found.append(pair)
    of = "" if drawn.all() else f", {drawn.sum():,} of {len(drawn):,} records"
    return _summary(np.array(found), config, "macro AUROC" if dataset.cohort.classes else "AUROC", of)


def _sample(groups: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.bool_]:
    """Return [records] whether a record is used: all of them, or whole groups up to :data:`MAX_RECORDS` records."""
    sizes = np.bincount(groups)
    order = rng.permutation(len(sizes))
    used = np.zeros(len(sizes), bool)
    used[order[np.cumsum(sizes[order]) <= max(MAX_RECORDS, sizes[order[0]])]] = True
    return np.asarray(used[groups])


def _auroc(dataset: Dataset, split: Split, config: RunConfig) -> float:
    labels = dataset.cohort.labels
    balanced = config.balance.mode != "none"
    weights = class_weights(labels[split.rows(TRAIN)], dataset.cohort.class_count) if balanced else None
    inputs = dataclasses.replace(dataset.inputs, split=split, copies=None, class_weights=weights)
    resplit = dataclasses.replace(dataset, split=split, inputs=inputs, augmented=None)
    found = fit_and_score(resplit, config).test.probabilities
    return score(labels[resplit.rows(TEST)], found, 0.5)["auroc"]


def _summary(found: np.ndarray, config: RunConfig, metric: str, of: str) -> Inflation:
    """Summarise [seeds, 2] AUROC by row and by group; ``of`` says which records the splits were drawn from."""
    confidence = config.evaluation.confidence
    difference: Interval = resampled_interval(
        found[:, 0] - found[:, 1], train=config.split.train, test=config.split.test, confidence=confidence
    )
    by_row, by_group = (float(value) for value in found.mean(axis=0))
    return Inflation(
        by_row=by_row,
        by_group=by_group,
        difference=difference.as_score(),
        model=config.model.name,
        seeds=SEEDS,
        sentence=(
            f"If rows instead of groups were split at random, this model would score {metric} {by_row:.3f} where it "
            f"scores {by_group:.3f} by group (means of {SEEDS} paired splits{of}): {difference.value:+.3f}, "
            f"{confidence * 100:g} % interval {difference.low:+.3f} to {difference.high:+.3f}."
        ),
    )
