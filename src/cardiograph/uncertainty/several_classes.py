"""Calibration and conformal sets for an outcome with several classes.

The two classes here have the interface of :class:`~cardiograph.uncertainty.calibrators.Calibrator` and
:class:`~cardiograph.uncertainty.conformal.ConformalSets`, with one logit per class in place of the difference of two.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from cardiograph.uncertainty.conformal import DIGITS, MIN_CLASS_RECORDS, smoothed_p_values
from cardiograph.uncertainty.inputs import checked_share

Floats = NDArray[np.float64]
Labels = NDArray[np.int64]

ClassKind = Literal["none", "temperature", "vector"]
CLASS_KINDS: tuple[ClassKind, ...] = get_args(ClassKind)
"""All kinds, from the simplest to the one that needs the most records."""

RIDGE = 1e-3
"""Weight of the squared parameters next to the mean log loss: without it they have no finite optimum where the logits
separate a class, and a constant shift of all classes would be free."""

MAX_LOG_SCALE = 3.0
"""Largest absolute logarithm of a scale; a temperature lies between 0.05 and 20."""

SetAnswer = Literal["one class", "several classes", "unlike all"]


@dataclass(frozen=True, eq=False)
class ClassCalibrator:
    """Softmax of ``logits * scales + shifts``; :func:`fit_class_kind` fits it.

    Args:
        kind: ``none``: scales 1 and shifts 0. ``temperature``: one scale for all classes. ``vector``: a scale and a shift
            for each class.
        scales: [classes] above 0.
        shifts: [classes].

    Raises:
        ValueError: If the kind is unknown, or lengths or values are not allowed.

    Source: Guo, Pleiss, Sun and Weinberger, On Calibration of Modern Neural Networks, ICML 2017, section 4.2.
    """

    kind: ClassKind
    scales: Floats
    shifts: Floats

    def __post_init__(self) -> None:
        finite = np.isfinite(self.scales).all() and np.isfinite(self.shifts).all()
        if (
            self.kind not in CLASS_KINDS
            or self.scales.shape != self.shifts.shape
            or not finite
            or self.scales.min() <= 0
        ):
            message = f"calibrator {self.kind}: scales {self.scales} above 0 and as many finite shifts {self.shifts}"
            raise ValueError(message)

    @classmethod
    def uncalibrated(cls, classes: int) -> ClassCalibrator:
        """Return the calibrator that changes nothing."""
        return cls("none", np.ones(classes), np.zeros(classes))

    @property
    def classes(self) -> int:
        """Number of classes."""
        return len(self.scales)

    def apply(self, logits: Floats) -> Floats:
        """Return [n, classes] probabilities of [n, classes] logits."""
        return np.exp(log_softmax(logits * self.scales + self.shifts))

    def interval(self, logits: Floats) -> tuple[Floats, Floats]:
        """Return NaN for both ends: no kind for several classes has an interval."""
        return np.full(len(logits), np.nan), np.full(len(logits), np.nan)

    def to_dict(self) -> dict[str, Any]:
        """Return plain lists and strings, without loss of precision."""
        return {"kind": self.kind, "scales": self.scales.tolist(), "shifts": self.shifts.tolist()}

    @classmethod
    def from_dict(cls, content: dict[str, Any]) -> ClassCalibrator:
        """Restore a calibrator from :meth:`to_dict`."""
        scales, shifts = (np.asarray(content[name], dtype=np.float64) for name in ("scales", "shifts"))
        return cls(content["kind"], scales, shifts)


def log_softmax(logits: Floats) -> Floats:
    """Return the log of the softmax of each row of [n, classes] logits."""
    shifted = logits - logits.max(axis=1, keepdims=True)
    result: Floats = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return result


def fit_class_kind(logits: Floats, labels: Labels, kind: ClassKind) -> ClassCalibrator:
    """Fit a calibrator of a given kind by its log loss.

    Args:
        logits: [n, classes] of records that the network was not trained on.
        labels: [n] labels from 0.
        kind: Kind of calibrator.
    """
    from scipy.optimize import minimize

    classes = logits.shape[1]
    if kind == "none":
        return ClassCalibrator.uncalibrated(classes)
    count = 1 if kind == "temperature" else classes

    def parts(values: Floats) -> tuple[Floats, Floats]:
        scales = np.exp(np.clip(values[:count], -MAX_LOG_SCALE, MAX_LOG_SCALE)) * np.ones(classes)
        return scales, values[count:] if len(values) > count else np.zeros(classes)

    def loss(values: Floats) -> float:
        scales, shifts = parts(values)
        chosen = log_softmax(logits * scales + shifts)[np.arange(len(labels)), labels]
        return float(RIDGE * (values**2).sum() - chosen.mean())

    start = np.zeros(count if kind == "temperature" else 2 * classes)
    return ClassCalibrator(kind, *parts(minimize(loss, start, method="L-BFGS-B").x))


@dataclass(frozen=True, eq=False)
class ClassSets:
    """Conformal sets over several classes; :meth:`fit` creates them.

    A class is left out of the set of a record if at most a tenth (at confidence 0.90) of the calibration records of that
    class have a smaller probability of their own class than the record has of it. Where a class has fewer than 50
    calibration records, all calibration records are pooled: then the coverage holds over all patients, and not in each
    class.

    Args:
        own: For each class the ascending log probabilities that its calibration records have of it.
        confidence: Coverage of the true class, between 0 and 1.

    Source: Vovk, Gammerman, Shafer, "Algorithmic Learning in a Random World", 2005; the score: Sadinle, Lei and Wasserman,
        Least Ambiguous Set-Valued Classifiers with Bounded Error Levels, JASA 114, 2019.
    """

    own: tuple[Floats, ...]
    confidence: float

    def __post_init__(self) -> None:
        checked_share(self.confidence, name="confidence")
        if any(not np.isfinite(each).all() or (np.diff(each) < 0).any() for each in self.own):
            message = "calibration scores of conformal sets are finite and ascending"
            raise ValueError(message)

    @classmethod
    def fit(cls, logits: Floats, labels: Labels, confidence: float = 0.90) -> ClassSets:
        """Create the sets from [n, classes] uncalibrated logits and [n] labels of calibration records."""
        scores = log_softmax(logits)
        return cls(tuple(np.sort(scores[labels == each, each]) for each in range(logits.shape[1])), confidence)

    @property
    def pooled(self) -> bool:
        """Whether the calibration records of all classes are pooled."""
        return min(len(each) for each in self.own) < MIN_CLASS_RECORDS

    @property
    def enough(self) -> bool:
        """Whether there are enough calibration records."""
        return sum(len(each) for each in self.own) >= MIN_CLASS_RECORDS

    @property
    def statement(self) -> str:
        """Number of calibration records, and what the coverage refers to, in words for a report."""
        counts = [len(each) for each in self.own]
        total = f"{sum(counts)} calibration records"
        if not self.enough:
            return f"too few: {total}, {MIN_CLASS_RECORDS} are needed"
        if self.pooled:
            rule = (
                f"the rarest class has {min(counts)}, {MIN_CLASS_RECORDS} of each are needed for coverage in each class"
            )
            return f"{total}; coverage holds over all patients, not in each class: {rule}"
        return f"{total}, at least {min(counts)} of each class; coverage holds in each class"

    def sets(self, logits: Floats, u: Floats) -> tuple[NDArray[np.bool_], Floats]:
        """Compute the prediction set of each record.

        Args:
            logits: [n, classes] uncalibrated logits.
            u: [n] uniform numbers in [0, 1) that break ties.

        Returns:
            Sets [n, classes], which contain a class if its p-value exceeds ``1 - confidence``; and the p-values.
        """
        scores, own = log_softmax(logits), self.own
        if self.pooled:
            own = (np.sort(np.concatenate(own)),) * len(own)
        columns = [smoothed_p_values(each, scores[:, label], u) for label, each in enumerate(own)]
        p = np.column_stack(columns)
        return p > round(1 - self.confidence, DIGITS), p

    @staticmethod
    def answer(included: NDArray[np.bool_]) -> SetAnswer:
        """Name a prediction set by its size."""
        size = int(included.sum())
        return "one class" if size == 1 else "several classes" if size else "unlike all"

    def to_dict(self) -> dict[str, Any]:
        """Return plain lists and numbers, without loss of precision."""
        return {"own": [each.tolist() for each in self.own], "confidence": self.confidence}

    @classmethod
    def from_dict(cls, content: dict[str, Any]) -> ClassSets:
        """Restore the sets from :meth:`to_dict`."""
        return cls(tuple(np.asarray(each, dtype=np.float64) for each in content["own"]), float(content["confidence"]))
