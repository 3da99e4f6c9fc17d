"""From a score to a probability that can be taken at its word, by one of five maps."""

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
"""From the simplest to the one that needs most records."""
Scores = NDArray[np.float64]
Parameters = Mapping[str, NDArray[np.float64]]

FARTHEST = 1e6
"""Scores beyond this are taken as this, so that nothing overflows."""
CERTAIN = 30.0
"""Logits are kept within this of 0: a probability of 1e-13 is still no 0."""
OVERHANG = 0.01
"""By how many logits, in the limit, an isotonic map goes on beyond its first and last block, to keep the order there."""
NAMES: dict[Kind, tuple[str, ...]] = {
    "none": (),
    "temperature": ("temperature",),
    "platt": ("slope", "intercept"),
    "isotonic": ("scores", "logits"),
    "venn_abers": FIELDS,
}
"""The parameters of each kind."""


@dataclass(frozen=True, eq=False)
class Calibrator:
    """A fitted map; made by :mod:`cardiograph.uncertainty.calibrator_fits`.

    Args:
        kind: ``none``: 1 / (1 + exp(-score)). ``temperature``: the score divided by one number first. ``platt``: a line
            through the scores first. ``isotonic``: lines between the mean logits of blocks. ``venn_abers``: see
            :class:`~cardiograph.uncertainty.venn_abers.VennAbers`.
        parameters: Name -> float64 array, the names of :data:`NAMES`. ``temperature`` [1] above 0; ``slope`` [1] at least 0,
            ``intercept`` [1]; ``scores`` and ``logits`` [blocks] strictly ascending; the steps of ``venn_abers``.

    Raises:
        ValueError: An unknown kind, other parameters than that kind has, or one out of its range.
    """

    kind: Kind
    parameters: Parameters

    def __post_init__(self) -> None:
        if self.kind not in NAMES:
            message = f"kind is {self.kind!r}, allowed are {', '.join(KINDS)}"
            raise ValueError(message)
        if sorted(self.parameters) != sorted(NAMES[self.kind]):
            message = f"parameters of {self.kind} are {sorted(self.parameters)}, allowed are {sorted(NAMES[self.kind])}"
            raise ValueError(message)
        for name, values in self.parameters.items():
            if values.ndim != 1 or values.dtype != np.float64 or not np.isfinite(values).all():
                message = f"{name} of {self.kind} is {values}, allowed is a row of finite float64 numbers"
                raise ValueError(message)
        _check_range(self.kind, self.parameters)

    def apply(self, scores: Scores) -> NDArray[np.float64]:
        """Probability of label 1.

        Args:
            scores: [n] difference of the two logits, finite.

        Returns:
            [n] above 0 and below 1; never falls as the score rises. ``isotonic`` has few slopes and ``venn_abers`` few
            values: the latter makes ties of records that the score tells apart, which costs some AUROC.

        Raises:
            ValueError: A score is not finite.
        """
        return APPLIED[self.kind](np.clip(checked_scores(scores), -FARTHEST, FARTHEST), self.parameters)

    def interval(self, scores: Scores) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Ends of the interval that :meth:`apply` merges into a probability.

        Only ``venn_abers`` has one: the other kinds give a probability alone, and an interval of another map may exclude it.

        Args:
            scores: [n] difference of the two logits, finite.

        Returns:
            ``low`` and ``high``, [n] each, ``low <= probability <= high``; NaN for the other kinds.

        Raises:
            ValueError: A score is not finite.
        """
        scores = np.clip(checked_scores(scores), -FARTHEST, FARTHEST)
        if self.kind == "venn_abers":
            return VennAbers(**self.parameters).interval(scores)
        return np.full(len(scores), np.nan), np.full(len(scores), np.nan)

    def to_dict(self) -> dict[str, Any]:
        """As plain lists and words, without loss."""
        return {"kind": self.kind, "parameters": {name: values.tolist() for name, values in self.parameters.items()}}

    @classmethod
    def from_dict(cls, content: dict[str, Any]) -> Calibrator:
        """Back from :meth:`to_dict`.

        Raises:
            ValueError: See the class.
        """
        if not {"kind", "parameters"} <= set(content):
            message = f"a calibrator has kind and parameters, this one has {sorted(content)}"
            raise ValueError(message)
        parameters = {name: np.asarray(values, dtype=np.float64) for name, values in content["parameters"].items()}
        return cls(content["kind"], parameters)


def logistic(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    """``1 / (1 + exp(-logit))`` of logits kept within :data:`CERTAIN`, so that it is never 0 or 1."""
    result: NDArray[np.float64] = 1 / (1 + np.exp(-np.clip(logits, -CERTAIN, CERTAIN)))
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
    at, logits = parameters["scores"], parameters["logits"]
    before = np.clip(np.searchsorted(at, scores, side="right") - 1, 0, len(at) - 1)
    after = np.minimum(before + 1, len(at) - 1)
    width = np.where(after > before, at[after] - at[before], 1.0)
    share = (np.clip(scores, at[before], at[after]) - at[before]) / width
    between = np.minimum(logits[before] + share * (logits[after] - logits[before]), logits[after])
    beyond = np.maximum(scores - at[-1], 0) - np.maximum(at[0] - scores, 0)
    return logistic(between + OVERHANG * beyond / (1 + np.abs(beyond)))


def _venn_abers(scores: Scores, parameters: Parameters) -> NDArray[np.float64]:
    return VennAbers(**parameters).probability(scores)


APPLIED: dict[Kind, Callable[[Scores, Parameters], NDArray[np.float64]]] = {
    "none": _none,
    "temperature": _temperature,
    "platt": _platt,
    "isotonic": _isotonic,
    "venn_abers": _venn_abers,
}
"""How each kind is applied."""
