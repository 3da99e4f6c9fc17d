"""Calibrators: monotone maps from a score to a calibrated probability."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from cardiograph.uncertainty.inputs import checked_labels, checked_scores
from cardiograph.uncertainty.venn_abers import FIELDS, VennAbers

Kind = Literal["none", "temperature", "platt", "isotonic", "venn_abers"]
KINDS: tuple[Kind, ...] = get_args(Kind)
"""All kinds, from the simplest to the one that needs the most records."""
Scores = NDArray[np.float64]
Labels = NDArray[np.int64]
Parameters = Mapping[str, NDArray[np.float64]]

MAX_SCORE = 1e6
"""Maximum absolute score; larger ones are clipped to prevent overflow."""
MAX_LOGIT = 30.0
"""Maximum absolute logit, which keeps probabilities at least 1e-13 away from 0 and 1."""
ISOTONIC_OVERHANG_LOGITS = 0.01
"""Limit of the rise of an isotonic map beyond its first and last block, which preserves the order of scores there."""
MIN_TEMPERATURE, MAX_TEMPERATURE = 0.05, 20.0
MIN_RELATIVE_SPREAD = 1e-12
"""Minimum standard deviation of the scores relative to their mean; below it, all scores count as equal."""


@dataclass(frozen=True, eq=False)
class Calibrator:
    """A fitted calibrator; :func:`fit_kind` fits it.

    Args:
        kind: ``none``: the logistic function of the score. ``temperature``: of the score divided by a temperature.
            ``platt``: of a linear function of the score. ``isotonic``: of a piecewise linear function through the mean
            logits of blocks. ``venn_abers``: see :class:`~cardiograph.uncertainty.venn_abers.VennAbers`.
        parameters: Name -> float64 array, with the names of :data:`METHODS`. ``temperature`` [1] above 0;
            ``slope`` [1] at least 0, ``intercept`` [1]; ``scores`` and ``logits`` [blocks] strictly ascending; the
            steps of ``venn_abers``.

    Raises:
        ValueError: If the kind is unknown, or its parameters are incomplete or out of range.
    """

    kind: Kind
    parameters: Parameters
    classes: ClassVar[int] = 2

    def __post_init__(self) -> None:
        if self.kind not in METHODS:
            message = f"kind is {self.kind!r}, allowed are {', '.join(KINDS)}"
            raise ValueError(message)
        if sorted(self.parameters) != sorted(METHODS[self.kind].parameters):
            allowed = sorted(METHODS[self.kind].parameters)
            message = f"parameters of {self.kind} are {sorted(self.parameters)}, allowed are {allowed}"
            raise ValueError(message)
        for name, values in self.parameters.items():
            if values.ndim != 1 or values.dtype != np.float64 or not np.isfinite(values).all():
                message = f"{name} of {self.kind} is {values}, allowed is a row of finite float64 numbers"
                raise ValueError(message)
        _check_range(self.kind, self.parameters)

    def apply(self, scores: Scores) -> NDArray[np.float64]:
        """Return the probability of label 1.

        Args:
            scores: [n] difference of the two logits, finite.

        Returns:
            [n] probabilities between 0 and 1, never falling as the score rises. ``venn_abers`` has few distinct values,
            so it ties records with different scores, which lowers the AUROC slightly.

        Raises:
            ValueError: If a score is not finite.
        """
        return METHODS[self.kind].apply(np.clip(checked_scores(scores), -MAX_SCORE, MAX_SCORE), self.parameters)

    def interval(self, scores: Scores) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the ends of the interval that :meth:`apply` merges into a probability.

        Only ``venn_abers`` has an interval. The other kinds give a probability only, which the interval of another
        calibrator might not contain.

        Args:
            scores: [n] difference of the two logits, finite.

        Returns:
            ``low`` and ``high``, [n] each, ``low <= probability <= high``; NaN for the other kinds.

        Raises:
            ValueError: If a score is not finite.
        """
        scores = np.clip(checked_scores(scores), -MAX_SCORE, MAX_SCORE)
        if self.kind == "venn_abers":
            return VennAbers(**self.parameters).interval(scores)
        return np.full(len(scores), np.nan), np.full(len(scores), np.nan)

    def to_dict(self) -> dict[str, Any]:
        """Return plain lists and strings, without loss of precision."""
        return {"kind": self.kind, "parameters": {name: values.tolist() for name, values in self.parameters.items()}}

    @classmethod
    def from_dict(cls, content: dict[str, Any]) -> Calibrator:
        """Restore a calibrator from :meth:`to_dict`.

        Raises:
            ValueError: If the content is incomplete or invalid.
        """
        if not {"kind", "parameters"} <= set(content):
            message = f"a calibrator has kind and parameters, this one has {sorted(content)}"
            raise ValueError(message)
        parameters = {name: np.asarray(values, dtype=np.float64) for name, values in content["parameters"].items()}
        return cls(content["kind"], parameters)


def logistic(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    """Compute ``1 / (1 + exp(-logit))`` of logits clipped at :data:`MAX_LOGIT`, so that it is never 0 or 1."""
    result: NDArray[np.float64] = 1 / (1 + np.exp(-np.clip(logits, -MAX_LOGIT, MAX_LOGIT)))
    return result


def _check_range(kind: Kind, parameters: Parameters) -> None:
    if kind in ("temperature", "platt") and any(len(values) != 1 for values in parameters.values()):
        message = f"parameters of {kind} are one number each"
        raise ValueError(message)
    if kind == "temperature" and not parameters["temperature"][0] > 0:
        message = f"temperature is {parameters['temperature'][0]}, allowed is a number above 0"
        raise ValueError(message)
    if kind == "platt" and not parameters["slope"][0] >= 0:
        message = f"slope is {parameters['slope'][0]}, allowed is 0 or more: a higher score is never less likely"
        raise ValueError(message)
    if kind == "isotonic":
        scores, logits = parameters["scores"], parameters["logits"]
        if not (len(scores) == len(logits) > 0 and (np.diff(scores) > 0).all() and (np.diff(logits) > 0).all()):
            message = "isotonic blocks are as many scores as logits, both strictly ascending, and at least one"
            raise ValueError(message)
    if kind == "venn_abers":
        VennAbers(**parameters)


def _apply_none(scores: Scores, _parameters: Parameters) -> NDArray[np.float64]:
    return logistic(scores)


def _apply_temperature(scores: Scores, parameters: Parameters) -> NDArray[np.float64]:
    return logistic(scores / parameters["temperature"][0])


def _apply_platt(scores: Scores, parameters: Parameters) -> NDArray[np.float64]:
    return logistic(parameters["slope"][0] * scores + parameters["intercept"][0])


def _apply_isotonic(scores: Scores, parameters: Parameters) -> NDArray[np.float64]:
    knots, logits = parameters["scores"], parameters["logits"]
    before = np.clip(np.searchsorted(knots, scores, side="right") - 1, 0, len(knots) - 1)
    after = np.minimum(before + 1, len(knots) - 1)
    width = np.where(after > before, knots[after] - knots[before], 1.0)
    share = (np.clip(scores, knots[before], knots[after]) - knots[before]) / width
    between = np.minimum(logits[before] + share * (logits[after] - logits[before]), logits[after])
    beyond = np.maximum(scores - knots[-1], 0) - np.maximum(knots[0] - scores, 0)
    return logistic(between + ISOTONIC_OVERHANG_LOGITS * beyond / (1 + np.abs(beyond)))


def _apply_venn_abers(scores: Scores, parameters: Parameters) -> NDArray[np.float64]:
    return VennAbers(**parameters).probability(scores)


def fit_kind(scores: Scores, labels: Labels, kind: Kind) -> Calibrator:
    """Fit a calibrator of one kind.

    Args:
        scores: [n] difference of the two logits; n is at least 1.
        labels: [n] 0 or 1; a single class is allowed and gives probabilities that are not extreme.
        kind: Kind of calibrator.

    Raises:
        ValueError: If lengths differ, a score is not finite, a label is not 0 or 1, there are no records, or the kind
            is unknown.
    """
    scores = np.clip(checked_scores(scores), -MAX_SCORE, MAX_SCORE)
    labels = checked_labels(labels, len(scores))
    if not len(scores):
        message = "scores has 0 rows, allowed is 1 or more"
        raise ValueError(message)
    if kind not in METHODS:
        message = f"kind is {kind!r}, allowed are {', '.join(METHODS)}"
        raise ValueError(message)
    return METHODS[kind].fit(scores, labels)


def smoothed_targets(labels: Labels) -> NDArray[np.float64]:
    """Return targets slightly inside 0 and 1, so that the best line is finite even if the classes do not overlap.

    Args:
        labels: [n] 0 or 1.

    Returns:
        [n] ``(P + 1) / (P + 2)`` for each of P positives, ``1 / (N + 2)`` for each of N negatives.

    Source: Platt, "Probabilistic outputs for support vector machines", Advances in Large Margin Classifiers, 1999.
    """
    positives = int(labels.sum())
    negatives = len(labels) - positives
    targets: NDArray[np.float64] = np.where(labels == 1, (positives + 1) / (positives + 2), 1 / (negatives + 2))
    return targets


def _fit_none(_scores: Scores, _labels: Labels) -> Calibrator:
    return Calibrator("none", {})


def _fit_temperature(scores: Scores, labels: Labels) -> Calibrator:
    """Minimise the log loss against the smoothed targets, which is convex in 1 / temperature.

    Source: Guo, Pleiss, Sun, Weinberger, "On calibration of modern neural networks", ICML 2017.
    """
    from scipy.optimize import brentq
    from scipy.special import expit

    targets = smoothed_targets(labels)

    def slope_of_loss(sharpness: float) -> float:
        return float(np.mean(scores * (expit(sharpness * scores) - targets)))

    lowest, highest = 1 / MAX_TEMPERATURE, 1 / MIN_TEMPERATURE
    if not scores.any():
        sharpness = 1.0
    elif slope_of_loss(lowest) >= 0:
        sharpness = lowest
    elif slope_of_loss(highest) <= 0:
        sharpness = highest
    else:
        sharpness = float(brentq(slope_of_loss, lowest, highest, xtol=1e-14))
    return Calibrator("temperature", {"temperature": np.array([1 / sharpness])})


def _fit_platt(scores: Scores, labels: Labels) -> Calibrator:
    """Minimise the log loss of a line against the smoothed targets; a falling line is replaced with a flat one."""
    from scipy.optimize import minimize
    from scipy.special import expit, logit

    targets = smoothed_targets(labels)
    centre, spread = float(scores.mean()), float(scores.std())
    flat = float(logit(targets.mean()))
    slope, intercept = 0.0, flat
    if spread > MIN_RELATIVE_SPREAD * max(1.0, abs(centre)):
        standard = np.column_stack([np.ones(len(scores)), (scores - centre) / spread])

        def loss(line: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
            logits = standard @ line
            value = float(np.mean(np.logaddexp(0, logits) - targets * logits))
            return value, standard.T @ (expit(logits) - targets) / len(targets)

        def curvature(line: NDArray[np.float64]) -> NDArray[np.float64]:
            fitted = expit(standard @ line)
            result: NDArray[np.float64] = (standard.T * (fitted * (1 - fitted))) @ standard / len(targets)
            return result

        found = minimize(loss, [flat, 0.0], jac=True, hess=curvature, method="trust-exact", options={"gtol": 1e-10}).x
        if found[1] > 0:
            slope, intercept = float(found[1] / spread), float(found[0] - found[1] * centre / spread)
    return Calibrator("platt", {"slope": np.array([slope]), "intercept": np.array([intercept])})


def _fit_isotonic(scores: Scores, labels: Labels) -> Calibrator:
    """Fit isotonic regression and represent each block as a point (mean score, logit of the share of positives).

    One positive is added at the lowest score and one negative at the highest, so that no block has only one class.
    Lines between the points preserve the order of records within a block, which a plain isotonic map would lose.

    Source: Zadrozny, Elkan, "Transforming classifier scores into accurate multiclass probability estimates", KDD 2002.
    """
    from scipy.optimize import isotonic_regression
    from scipy.special import logit

    distinct, index, count = np.unique(scores, return_inverse=True, return_counts=True)
    positives = np.bincount(index, weights=labels, minlength=len(distinct))
    weights = count.astype(np.float64)
    positives[0] += 1
    weights[0] += 1
    weights[-1] += 1
    fitted = isotonic_regression(positives / weights, weights=weights)
    starts = fitted.blocks[:-1]
    centre = np.add.reduceat(distinct * count, starts) / np.add.reduceat(count, starts)
    logits = logit(np.add.reduceat(positives, starts) / np.add.reduceat(weights, starts))
    so_far = np.maximum.accumulate(np.stack([centre, logits]), axis=1)
    rises = np.append(True, (centre[1:] > so_far[0, :-1]) & (logits[1:] > so_far[1, :-1]))
    return Calibrator("isotonic", {"scores": centre[rises], "logits": logits[rises]})


def _fit_venn_abers(scores: Scores, labels: Labels) -> Calibrator:
    return Calibrator("venn_abers", VennAbers.fit(scores, labels).parameters())


@dataclass(frozen=True)
class Method:
    """One calibration method.

    Args:
        parameters: Names of its parameters.
        fit: Function from scores [n] and labels [n] to the calibrator.
        apply: Function from scores [n] and parameters to probabilities [n].
    """

    parameters: tuple[str, ...]
    fit: Callable[[Scores, Labels], Calibrator]
    apply: Callable[[Scores, Parameters], NDArray[np.float64]]


METHODS: dict[Kind, Method] = {
    "none": Method((), _fit_none, _apply_none),
    "temperature": Method(("temperature",), _fit_temperature, _apply_temperature),
    "platt": Method(("slope", "intercept"), _fit_platt, _apply_platt),
    "isotonic": Method(("scores", "logits"), _fit_isotonic, _apply_isotonic),
    "venn_abers": Method(FIELDS, _fit_venn_abers, _apply_venn_abers),
}
"""Every method, from the simplest to the one that needs the most records."""
