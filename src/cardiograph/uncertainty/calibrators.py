"""Calibrators: monotone maps from a score to a calibrated probability."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from cardiograph.uncertainty.inputs import checked_scores
from cardiograph.uncertainty.venn_abers import FIELDS, VennAbers

Kind = Literal["none", "temperature", "platt", "isotonic", "venn_abers"]
KINDS: tuple[Kind, ...] = get_args(Kind)
"""All kinds, from the simplest to the one that needs the most records."""
Scores = NDArray[np.float64]
Parameters = Mapping[str, NDArray[np.float64]]

MAX_SCORE = 1e6
"""Maximum absolute score; larger ones are clipped to prevent overflow."""
MAX_LOGIT = 30.0
"""Maximum absolute logit, which keeps probabilities at least 1e-13 away from 0 and 1."""
ISOTONIC_OVERHANG_LOGITS = 0.01
"""Limit of the rise of an isotonic map beyond its first and last block, which preserves the order of scores there."""
PARAMETER_NAMES: dict[Kind, tuple[str, ...]] = {
    "none": (),
    "temperature": ("temperature",),
    "platt": ("slope", "intercept"),
    "isotonic": ("scores", "logits"),
    "venn_abers": FIELDS,
}
"""Names of the parameters of each kind."""


@dataclass(frozen=True, eq=False)
class Calibrator:
    """A fitted calibrator; :mod:`cardiograph.uncertainty.calibrator_fits` fits it.

    Args:
        kind: ``none``: the logistic function of the score. ``temperature``: of the score divided by a temperature.
            ``platt``: of a linear function of the score. ``isotonic``: of a piecewise linear function through the mean
            logits of blocks. ``venn_abers``: see :class:`~cardiograph.uncertainty.venn_abers.VennAbers`.
        parameters: Name -> float64 array, with the names of :data:`PARAMETER_NAMES`. ``temperature`` [1] above 0;
            ``slope`` [1] at least 0, ``intercept`` [1]; ``scores`` and ``logits`` [blocks] strictly ascending; the steps
            of ``venn_abers``.

    Raises:
        ValueError: If the kind is unknown, or its parameters are incomplete or out of range.
    """

    kind: Kind
    parameters: Parameters

    def __post_init__(self) -> None:
        if self.kind not in PARAMETER_NAMES:
            message = f"kind is {self.kind!r}, allowed are {', '.join(KINDS)}"
            raise ValueError(message)
        if sorted(self.parameters) != sorted(PARAMETER_NAMES[self.kind]):
            allowed = sorted(PARAMETER_NAMES[self.kind])
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
            [n] probabilities between 0 and 1, never falling as the score rises. ``venn_abers`` has few distinct values, so
            it ties records with different scores, which lowers the AUROC slightly.

        Raises:
            ValueError: If a score is not finite.
        """
        return MAPS[self.kind](np.clip(checked_scores(scores), -MAX_SCORE, MAX_SCORE), self.parameters)

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


def _none(scores: Scores, _parameters: Parameters) -> NDArray[np.float64]:
    return logistic(scores)


def _temperature(scores: Scores, parameters: Parameters) -> NDArray[np.float64]:
    return logistic(scores / parameters["temperature"][0])


def _platt(scores: Scores, parameters: Parameters) -> NDArray[np.float64]:
    return logistic(parameters["slope"][0] * scores + parameters["intercept"][0])


def _isotonic(scores: Scores, parameters: Parameters) -> NDArray[np.float64]:
    knots, logits = parameters["scores"], parameters["logits"]
    before = np.clip(np.searchsorted(knots, scores, side="right") - 1, 0, len(knots) - 1)
    after = np.minimum(before + 1, len(knots) - 1)
    width = np.where(after > before, knots[after] - knots[before], 1.0)
    share = (np.clip(scores, knots[before], knots[after]) - knots[before]) / width
    between = np.minimum(logits[before] + share * (logits[after] - logits[before]), logits[after])
    beyond = np.maximum(scores - knots[-1], 0) - np.maximum(knots[0] - scores, 0)
    return logistic(between + ISOTONIC_OVERHANG_LOGITS * beyond / (1 + np.abs(beyond)))


def _venn_abers(scores: Scores, parameters: Parameters) -> NDArray[np.float64]:
    return VennAbers(**parameters).probability(scores)


MAPS: dict[Kind, Callable[[Scores, Parameters], NDArray[np.float64]]] = {
    "none": _none,
    "temperature": _temperature,
    "platt": _platt,
    "isotonic": _isotonic,
    "venn_abers": _venn_abers,
}
"""Map of each kind: scores and parameters in, probabilities out."""
