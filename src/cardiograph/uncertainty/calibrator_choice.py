"""Which calibration map these rows can bear, by log loss on groups that it was not fitted on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from cardiograph.uncertainty.calibrator_fits import fit_kind
from cardiograph.uncertainty.calibrators import KINDS, Calibrator, Kind
from cardiograph.uncertainty.inputs import checked_labels, checked_scores

Choice = Literal["auto", "none", "temperature", "platt", "isotonic", "venn_abers"]
SMALLEST_ROWS, SMALLEST_CLASS = 20, 5
"""Fewer records, or fewer of a class, and nothing is fitted: the score keeps its own probability."""
FLEXIBLE_ROWS, FLEXIBLE_CLASS = 200, 50
"""From so many records, and so many of each class, ``isotonic`` and ``venn_abers`` are considered: with fewer, their steps
follow chance."""
FOLDS = 5
FLEXIBLE: tuple[Kind, ...] = ("isotonic", "venn_abers")


@dataclass(frozen=True)
class CalibratorChoice:
    """A fitted map and why it is this one.

    Args:
        calibrator: Fitted on all the rows.
        requested: The kind that was asked for, or ``auto``.
        reason: Why this kind, in a sentence for the report.
        log_loss: Kind -> mean log loss in nats on held-out groups, for each kind that was compared; empty where the rows
            were too few to hold any out.
        folds: Into how many parts the groups were dealt; 0 where none were held out.
        records: How many records there were.
        positives: How many of them are positive.
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
        return len(self.labels) >= SMALLEST_ROWS and self.smaller_class >= SMALLEST_CLASS

    @property
    def flexible(self) -> bool:
        return len(self.labels) >= FLEXIBLE_ROWS and self.smaller_class >= FLEXIBLE_CLASS


def fit_calibrator(
    scores: NDArray[np.float64],
    labels: NDArray[np.int64],
    groups: NDArray[np.int64],
    *,
    kind: Choice = "auto",
    rng: np.random.Generator,
) -> CalibratorChoice:
    """The map of a kind, or of the kind that does best on groups that it was not fitted on.

    Taken is the simplest kind that the best one does not beat by more than one standard error of their paired difference,
    counted over groups: within that it is a tie, and a tie goes to the simpler.

    Args:
        scores: [n] difference of the two logits, of records that the network did not learn from.
        labels: [n] 0 or 1.
        groups: [n] records of one group are never on both sides of a fold.
        kind: Which, or ``auto``. A kind asked for is given, and its reason says so, except where there are fewer than 20
            records or 5 of a class.
        rng: Deals the groups into folds.

    Raises:
        ValueError: Lengths differ, a score is not finite, a label is not 0 or 1, the kind is unknown.

    Source: the rule of one standard error of Breiman, Friedman, Olshen, Stone, "Classification and Regression Trees", 1984.
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
        chosen = _simplest_as_good(rows.groups, losses)
        reason = _told(rows, chosen, means)
    else:
        chosen, reason = kind, _asked_for(rows, kind)
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
    """[n] fold of each record, whole groups, kinds of group dealt evenly; empty where a class is in one group only."""
    size = np.bincount(rows.groups)
    positive = np.bincount(rows.groups, weights=rows.labels)
    mixture = np.where(positive == 0, 0, np.where(positive == size, 2, 1))
    folds = min(FOLDS, int((positive > 0).sum()), int((positive < size).sum()))
    if folds < 2:
        return np.zeros(0, dtype=np.int64)
    dealt = rng.permutation(len(size))
    dealt = dealt[np.argsort(mixture[dealt], kind="stable")]
    fold_of_group = np.empty(len(size), dtype=np.int64)
    fold_of_group[dealt] = np.arange(len(size)) % folds
    return fold_of_group[rows.groups]


def _held_out(rows: _Rows, fold: NDArray[np.int64], candidates: tuple[Kind, ...]) -> dict[Kind, NDArray[np.float64]]:
    """Kind -> [n] log loss of each record under the map of the other folds."""
    losses = {}
    for kind in candidates:
        probability = np.empty(len(fold))
        for held in range(int(fold.max()) + 1):
            out = fold == held
            probability[out] = fit_kind(rows.scores[~out], rows.labels[~out], kind).apply(rows.scores[out])
        losses[kind] = -np.log(np.where(rows.labels == 1, probability, 1 - probability))
    return losses


def _simplest_as_good(groups: NDArray[np.int64], losses: dict[Kind, NDArray[np.float64]]) -> Kind:
    """The first kind, from simple to flexible, that the best does not beat by more than one standard error."""
    best = min(losses, key=lambda name: float(losses[name].mean()))
    for kind, loss in losses.items():
        gain = loss - losses[best]
        if gain.mean() <= _standard_error(groups, gain):
            return kind
    return best


def _standard_error(groups: NDArray[np.int64], values: NDArray[np.float64]) -> float:
    """Of a mean over records whose groups, not records, are independent."""
    totals = np.bincount(groups, weights=values - values.mean())
    count = len(totals)
    return float(np.sqrt(count / (count - 1) * (totals**2).sum()) / len(values)) if count > 1 else float("inf")


def _counts(rows: _Rows) -> str:
    return f"{len(rows.labels)} records, {int(rows.labels.sum())} of them positive"


def _without_folds(rows: _Rows, kind: Choice) -> tuple[Kind, str]:
    if not rows.enough:
        asked = "" if kind in ("auto", "none") else f"; {kind} is the configured kind"
        needed = f"{SMALLEST_ROWS} records and {SMALLEST_CLASS} of each class are needed"
        return "none", f"not calibrated: {_counts(rows)}, and {needed}{asked}"
    if kind == "auto":
        return "none", f"not calibrated: {_counts(rows)}, but one class is in a single group, so none can be held out"
    return kind, _asked_for(rows, kind)


def _asked_for(rows: _Rows, kind: Kind) -> str:
    reason = f"{kind} is the configured kind ({_counts(rows)})"
    if kind in FLEXIBLE and not rows.flexible:
        effect = "its steps are coarse" if kind == "venn_abers" else "its steps follow chance"
        reason += f"; with fewer than {FLEXIBLE_ROWS} records or {FLEXIBLE_CLASS} of a class {effect}"
    return reason


def _told(rows: _Rows, chosen: Kind, means: dict[Kind, float]) -> str:
    best = min(means, key=lambda name: means[name])
    reason = f"{chosen} has a log loss of {means[chosen]:.3f} on held-out groups ({_counts(rows)})"
    if chosen == best:
        simpler = KINDS[: KINDS.index(chosen)]
        reason += ", more than one standard error below every simpler kind" if simpler else ", the lowest of all kinds"
    else:
        reason += f"; {best} has {means[best]:.3f}, which is within one standard error, and a tie goes to the simpler"
    if not rows.flexible:
        wanted = f"{FLEXIBLE_ROWS} records and {FLEXIBLE_CLASS} of each class"
        reason += f"; {' and '.join(FLEXIBLE)} were not considered, they want {wanted}"
    return reason
