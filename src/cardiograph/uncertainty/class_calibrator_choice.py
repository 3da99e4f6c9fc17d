"""Choice of the calibration method for several classes by log loss on held-out groups."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cardiograph.uncertainty.calibrator_choice import (
    MAX_FOLDS,
    MIN_CLASS_RECORDS,
    MIN_RECORDS,
    deal_groups,
    reason_of_choice,
    simplest_within_error,
)
from cardiograph.uncertainty.several_classes import CLASS_KINDS, ClassCalibrator, ClassKind, fit_class_kind


@dataclass(frozen=True)
class ClassCalibratorChoice:
    """A fitted calibrator and the reason for its kind.

    Args:
        calibrator: Calibrator fitted on all records.
        reason: Sentence for the report on why this kind was chosen.
        log_loss: Kind -> mean log loss in nats on held-out groups; empty if no groups could be held out.
    """

    calibrator: ClassCalibrator
    reason: str
    log_loss: dict[str, float]


def fit_class_calibrator(
    logits: NDArray[np.float64],
    labels: NDArray[np.int64],
    groups: NDArray[np.int64],
    *,
    kind: str = "auto",
    rng: np.random.Generator,
) -> ClassCalibratorChoice:
    """Fit a calibrator of a given kind, or of the simplest kind within one standard error of the best.

    Args:
        logits: [n, classes] of records that the network was not trained on.
        labels: [n] labels from 0.
        groups: [n] group of each record; a group is never on both sides of a fold.
        kind: ``none``, ``temperature`` or ``vector``; every other kind is for two classes and means ``auto``.
        rng: Random generator that assigns groups to folds.
    """
    classes = logits.shape[1]
    counts = np.bincount(labels, minlength=classes)
    words = f"{len(labels)} records, {counts.min()} of the rarest class"
    if kind == "none":
        return ClassCalibratorChoice(
            ClassCalibrator.uncalibrated(classes), f"none is the configured kind ({words})", {}
        )
    fold = _folds(labels, np.unique(groups, return_inverse=True)[1], classes, rng)
    if len(labels) < MIN_RECORDS or not len(fold):
        needed = f"{MIN_RECORDS} records in at least two groups of each class are needed"
        return ClassCalibratorChoice(
            ClassCalibrator.uncalibrated(classes), f"not calibrated: {words}, and {needed}", {}
        )
    enough = counts.min() >= MIN_CLASS_RECORDS
    losses = {each: _held_out(logits, labels, fold, each) for each in CLASS_KINDS if enough or each != "vector"}
    means: dict[str, float] = {name: float(loss.mean()) for name, loss in losses.items()}
    if kind in losses:
        chosen: ClassKind = next(each for each in losses if each == kind)
        reason = f"{chosen} is the configured kind ({words})"
    else:
        chosen = simplest_within_error(np.unique(groups, return_inverse=True)[1], losses)
        reason = reason_of_choice(chosen, means, words)
    if not enough:
        reason += f"; vector was not considered, it wants {MIN_CLASS_RECORDS} records of each class"
    if kind not in ("auto", *CLASS_KINDS):
        reason += f"; {kind.replace('_', '-')}, the configured kind, is for two classes"
    return ClassCalibratorChoice(fit_class_kind(logits, labels, chosen), reason, means)


def _folds(
    labels: NDArray[np.int64], groups: NDArray[np.intp], classes: int, rng: np.random.Generator
) -> NDArray[np.int64]:
    """Return [n] folds of whole groups, balanced by the highest label of a group; empty if a class has one group."""
    holders = [len(np.unique(groups[labels == label])) for label in range(classes)]
    folds = min(MAX_FOLDS, *holders)
    if folds < 2:
        return np.zeros(0, dtype=np.int64)
    highest = np.zeros(int(groups.max()) + 1, dtype=np.int64)
    np.maximum.at(highest, groups, labels)
    return deal_groups(groups, highest, folds, rng)


def _held_out(
    logits: NDArray[np.float64], labels: NDArray[np.int64], fold: NDArray[np.int64], kind: ClassKind
) -> NDArray[np.float64]:
    """Return the [n] log loss of each record by the calibrator fitted on the other folds."""
    likelihood = np.empty(len(labels))
    for held in range(int(fold.max()) + 1):
        out = fold == held
        found = fit_class_kind(logits[~out], labels[~out], kind).apply(logits[out])
        likelihood[out] = found[np.arange(int(out.sum())), labels[out]]
    return -np.log(np.clip(likelihood, 1e-15, None))
