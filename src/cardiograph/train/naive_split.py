"""The inflation meter: what the same model would score if rows, not groups, were split."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from cardiograph.config import RunConfig
from cardiograph.containers import TEST, TRAIN, Split
from cardiograph.evaluate.bootstrap import Interval, resampled_interval
from cardiograph.evaluate.metrics import score
from cardiograph.ingest.groups import draw_groups, split_rows
from cardiograph.progress import Progress
from cardiograph.train.balance import class_weights
from cardiograph.train.data import Dataset
from cardiograph.train.trial import fit_and_score

SEEDS = 5
"""Pairs of splits."""


def measure_optimism(dataset: Dataset, config: RunConfig, progress: Progress) -> dict[str, Any]:
    """Learn and score the kept model on pairs of splits: whole groups, and rows one by one as published work does it.

    Augmented copies are left out on both sides (class weights stand in for them): only the split differs in a pair.

    Args:
        dataset: The cohort of a run.
        config: Its settings; its seed is the first of the pairs.
        progress: Callback that receives progress after each split.

    Returns:
        ``sentence``, and where a group has more than one record ``by_row``, ``by_group`` (mean AUROC), ``difference``
        (value, low, high), ``model`` and ``seeds``; plain values.
    """
    groups = dataset.split.groups
    labelled = dataset.cohort.labels >= 0
    sizes = np.bincount(groups.index[labelled], minlength=1)
    if sizes.max() < 2:
        return {"sentence": "No group of more than one record: nothing to inflate."}
    progress.start("inflation meter", 2 * SEEDS)
    found = []
    for number in range(SEEDS):
        each = config.model_copy(update={"seed": config.seed + number})
        by_group = draw_groups(dataset.cohort, groups, each)
        pair = []
        for split in (split_rows(dataset.cohort, each), by_group):
            pair.append(_auroc(dataset, split, each))
            progress.advance()
        found.append(pair)
    return _told(np.array(found), config)


def _auroc(dataset: Dataset, split: Split, config: RunConfig) -> float:
    labels = dataset.cohort.labels
    balanced = config.balance.mode != "none"
    weights = class_weights(labels[split.rows(TRAIN)]) if balanced else None
    inputs = dataclasses.replace(dataset.inputs, split=split, copies=None, class_weights=weights)
    resplit = dataclasses.replace(dataset, split=split, inputs=inputs, augmented=None)
    found = fit_and_score(resplit, config).test.probabilities
    return score(labels[resplit.rows(TEST)], found, 0.5)["auroc"]


def _told(found: np.ndarray, config: RunConfig) -> dict[str, Any]:
    """From [seeds, 2] AUROC by row and by group."""
    confidence = config.evaluation.confidence
    difference: Interval = resampled_interval(
        found[:, 0] - found[:, 1], train=config.split.train, test=config.split.test, confidence=confidence
    )
    by_row, by_group = (float(value) for value in found.mean(axis=0))
    return {
        "by_row": by_row,
        "by_group": by_group,
        "difference": difference.as_dict(),
        "model": config.model.name,
        "seeds": SEEDS,
        "sentence": (
            f"If rows instead of groups were split at random, this model would score AUROC {by_row:.3f} where it scores "
            f"{by_group:.3f} by group (means of {SEEDS} paired splits): {difference.value:+.3f}, {confidence * 100:g} % "
            f"interval {difference.low:+.3f} to {difference.high:+.3f}."
        ),
    }
