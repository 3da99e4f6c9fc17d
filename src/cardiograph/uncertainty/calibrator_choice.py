"""Choice of the calibration method by log loss on held-out groups."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

from cardiograph.uncertainty.calibrators import KINDS, Calibrator, Kind, fit_kind
from cardiograph.uncertainty.inputs import checked_labels, checked_scores

Choice = Kind | Literal["auto"]
MIN_RECORDS, MIN_CLASS_RECORDS = 20, 5
"""Minimum number of records, and of records of each class, for any calibration."""
MIN_FLEXIBLE_RECORDS, MIN_FLEXIBLE_CLASS_RECORDS = 200, 50
"""The same minimum for the :data:`FLEXIBLE` methods, whose steps follow chance with fewer records."""
MAX_FOLDS = 5
Name = TypeVar("Name", bound=str)
FLEXIBLE: tuple[Kind, ...] = ("isotonic", "venn_abers")


@dataclass(frozen=True)
class CalibratorChoice:
    """A fitted calibrator and the reason for its kind.

    Args:
        calibrator: Calibrator fitted on all records.
        requested: The configured kind, or ``auto``.
        reason: Sentence for the report on why this kind was chosen.
        log_loss: Kind -> mean log loss in nats on held-out groups, for each kind compared; empty if there were too few
            records to hold any out.
        folds: Number of cross-validation folds; 0 if no groups were held out.
        records: Number of records.
        positives: Number of positive records.
    """

    calibrator: Calibrator
    requested: Choice
    reason: str
    log_loss: dict[Kind, float]
    folds: int
    records: int
    positives: int


@dataclass(frozen=True, eq=False)
class _Rows:
    scores: NDArray[np.float64]
    labels: NDArray[np.int64]
    groups: NDArray[np.int64]

    @property
    def smaller_class(self) -> int:
        return int(min(self.labels.sum(), len(self.labels) - self.labels.sum()))

    @property
    def enough(self) -> bool:
        return len(self.labels) >= MIN_RECORDS and self.smaller_class >= MIN_CLASS_RECORDS

    @property
    def flexible(self) -> bool:
        return len(self.labels) >= MIN_FLEXIBLE_RECORDS and self.smaller_class >= MIN_FLEXIBLE_CLASS_RECORDS


def fit_calibrator(
    scores: NDArray[np.float64],
    labels: NDArray[np.int64],
    groups: NDArray[np.int64],
    *,
    kind: Choice = "auto",
    rng: np.random.Generator,
) -> CalibratorChoice:
    """Fit a calibrator of a given kind, or of the kind with the best log loss in cross-validation over groups.

    ``auto`` selects the simplest kind that the best kind does not beat by more than one standard error of their paired
    difference over groups: within one standard error the kinds are tied, and a tie goes to the simpler kind.

    Args:
        scores: [n] difference of the two logits, of records that the network was not trained on.
        labels: [n] 0 or 1.
        groups: [n] group of each record; a group is never on both sides of a fold.
        kind: Kind of calibrator, or ``auto``. With fewer than 20 records, or fewer than 5 of a class, nothing is
            fitted.
        rng: Random generator that assigns groups to folds.

    Raises:
        ValueError: If lengths differ, a score is not finite, a label is not 0 or 1, or the kind is unknown.

    Source: the one-standard-error rule of Breiman, Friedman, Olshen, Stone, "Classification and Regression Trees",
        1984.
    """
    if kind != "auto" and kind not in KINDS:
        message = f"kind is {kind!r}, allowed are auto, {', '.join(KINDS)}"
        raise ValueError(message)
    rows = _checked(scores, labels, groups)
    fold = _folds(rows, rng) if rows.enough else np.zeros(0, dtype=np.int64)
    losses = _held_out(rows, fold, _candidates(rows, kind)) if len(fold) else {}
    means = {name: float(loss.mean()) for name, loss in losses.items()}
    if not losses:
        chosen, reason = _without_folds(rows, kind)
    elif kind == "auto":
        chosen = simplest_within_error(rows.groups, losses)
        reason = _reason_of_auto(rows, chosen, means)
    else:
        chosen, reason = kind, _reason_of_configured(rows, kind)
    calibrator = fit_kind(rows.scores, rows.labels, chosen) if chosen != "none" else Calibrator("none", {})
    folds = int(fold.max()) + 1 if len(fold) else 0
    return CalibratorChoice(calibrator, kind, reason, means, folds, len(rows.labels), int(rows.labels.sum()))


def _checked(scores: NDArray[np.float64], labels: NDArray[np.int64], groups: NDArray[np.int64]) -> _Rows:
    scores = checked_scores(scores)
    labels = checked_labels(labels, len(scores))
    if np.shape(groups) != scores.shape:
        message = f"groups have shape {np.shape(groups)}, allowed is one group per score: {scores.shape}"
        raise ValueError(message)
    return _Rows(scores, labels, np.unique(groups, return_inverse=True)[1].astype(np.int64))


def _candidates(rows: _Rows, kind: Choice) -> tuple[Kind, ...]:
    return tuple(name for name in KINDS if name not in FLEXIBLE or rows.flexible or name == kind)


def _folds(rows: _Rows, rng: np.random.Generator) -> NDArray[np.int64]:
    """Assign whole groups to folds, balanced by the classes in a group; empty if a class occurs in one group only.

    Returns:
        [n] fold of each record.
    """
    size = np.bincount(rows.groups)
    positive = np.bincount(rows.groups, weights=rows.labels)
    mixture = np.where(positive == 0, 0, np.where(positive == size, 2, 1))
    folds = min(MAX_FOLDS, int((positive > 0).sum()), int((positive < size).sum()))
    if folds < 2:
        return np.zeros(0, dtype=np.int64)
    return deal_groups(rows.groups, mixture, folds, rng)


def deal_groups(
    groups: NDArray[np.integer[Any]], kinds: NDArray[np.integer[Any]], folds: int, rng: np.random.Generator
) -> NDArray[np.int64]:
    """Deal whole groups to folds, so that each fold has about as many groups of each kind.

    Args:
        groups: [n] group of each record, numbered from 0.
        kinds: [groups] kind of each group, any integers.
        folds: Number of folds.
        rng: Random generator.

    Returns:
        [n] fold of each record.
    """
    order = rng.permutation(len(kinds))
    order = order[np.argsort(kinds[order], kind="stable")]
    fold_of_group = np.empty(len(kinds), dtype=np.int64)
    fold_of_group[order] = np.arange(len(kinds)) % folds
    dealt: NDArray[np.int64] = fold_of_group[groups]
    return dealt


def _held_out(rows: _Rows, fold: NDArray[np.int64], candidates: tuple[Kind, ...]) -> dict[Kind, NDArray[np.float64]]:
    """Compute kind -> [n] log loss of each record by the calibrator fitted on the other folds."""
    losses = {}
    for kind in candidates:
        probability = np.empty(len(fold))
        for held in range(int(fold.max()) + 1):
            out = fold == held
            probability[out] = fit_kind(rows.scores[~out], rows.labels[~out], kind).apply(rows.scores[out])
        losses[kind] = -np.log(np.where(rows.labels == 1, probability, 1 - probability))
    return losses


def simplest_within_error(groups: NDArray[np.int64], losses: Mapping[Name, NDArray[np.float64]]) -> Name:
    """Return the first kind, from simple to flexible, that the best does not beat by more than one standard error.

    Args:
        groups: [n] group of each record, numbered from 0.
        losses: Kind -> [n] log loss of each record, simple kinds first.
    """
    best = min(losses, key=lambda name: float(losses[name].mean()))
    for kind, loss in losses.items():
        gain = loss - losses[best]
        if gain.mean() <= _standard_error(groups, gain):
            return kind
    return best


def _standard_error(groups: NDArray[np.int64], values: NDArray[np.float64]) -> float:
    """Compute the standard error of a mean over records, where only groups are independent."""
    totals = np.bincount(groups, weights=values - values.mean())
    count = len(totals)
    return float(np.sqrt(count / (count - 1) * (totals**2).sum()) / len(values)) if count > 1 else float("inf")


def _counts(rows: _Rows) -> str:
    return f"{len(rows.labels)} records, {int(rows.labels.sum())} of them positive"


def _without_folds(rows: _Rows, kind: Choice) -> tuple[Kind, str]:
    if not rows.enough:
        configured = "" if kind in ("auto", "none") else f"; {kind} is the configured kind"
        needed = f"{MIN_RECORDS} records and {MIN_CLASS_RECORDS} of each class are needed"
        return "none", f"not calibrated: {_counts(rows)}, and {needed}{configured}"
    if kind == "auto":
        return "none", f"not calibrated: {_counts(rows)}, but one class is in a single group, so none can be held out"
    return kind, _reason_of_configured(rows, kind)


def _reason_of_configured(rows: _Rows, kind: Kind) -> str:
    reason = f"{kind} is the configured kind ({_counts(rows)})"
    if kind in FLEXIBLE and not rows.flexible:
        effect = "its steps are coarse" if kind == "venn_abers" else "its steps follow chance"
        minimum = f"{MIN_FLEXIBLE_RECORDS} records or {MIN_FLEXIBLE_CLASS_RECORDS} of a class"
        reason += f"; with fewer than {minimum} {effect}"
    return reason


def reason_of_choice(chosen: Name, means: Mapping[Name, float], counts: str) -> str:
    """Say how the chosen kind compares with the best and with simpler kinds.

    Args:
        chosen: Result of :func:`simplest_within_error`.
        means: Kind -> mean log loss on held-out groups.
        counts: Numbers of records, in words.
    """
    best = min(means, key=lambda name: means[name])
    reason = f"{chosen} has a log loss of {means[chosen]:.3f} on held-out groups ({counts})"
    if chosen != best:
        return (
            f"{reason}; {best} has {means[best]:.3f}, which is within one standard error, and a tie goes to the simpler"
        )
    lowest = (
        ", the lowest of all kinds" if chosen == "none" else ", more than one standard error below every simpler kind"
    )
    return reason + lowest


def _reason_of_auto(rows: _Rows, chosen: Kind, means: dict[Kind, float]) -> str:
    reason = reason_of_choice(chosen, means, _counts(rows))
    if not rows.flexible:
        needed = f"{MIN_FLEXIBLE_RECORDS} records and {MIN_FLEXIBLE_CLASS_RECORDS} of each class"
        reason += f"; {' and '.join(FLEXIBLE)} were not considered, they want {needed}"
    return reason
