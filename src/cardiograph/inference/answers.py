"""From the network's scores to the answer for one patient: neighbours, certainty, and what the reader should know."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cardiograph.artifacts.bundle import BundleFacts, ModelBundle
from cardiograph.containers import NearestNeighbours, Neighbour, Prediction
from cardiograph.uncertainty.uncertainty import UncertaintyOutput

SAME = 1e-6
"""Distance in the fused space below which two records are one."""

VOID = (
    "the run was extended, which made calibration, threshold and sets void: the probability is uncalibrated and decides "
    "nothing; `cardiograph evaluate RUN COHORT --renew` makes them again"
)
"""What stands first in every answer of an extended run that was not renewed."""

REPRODUCTION = "a reproduction of a faulty protocol, for study: this score is no estimate of a risk"
"""What stands first in every answer of a model that reproduces faults; their names follow."""

_BLOCKS = {"image": "an ECG page", "clinical": "clinical values"}


@dataclass(frozen=True)
class Scores:
    """What the network says of queries.

    Args:
        by_class: [queries, classes] float64 probabilities, calibrated where there are two classes: all but in studies.
        raw: [queries] float64 difference of the logits before calibration; 0 with more classes.
        neighbours: The reference records each one heard.
        known: [queries] why reference records were left out, empty where none were.
        told: Intervals, sets and novelty; None with more classes.
        lacking: [queries] blocks that the query does not have, such as ``("image",)``.
    """

    by_class: NDArray[np.float64]
    raw: NDArray[np.float64]
    neighbours: NearestNeighbours
    known: tuple[tuple[str, ...], ...]
    uncertainty: UncertaintyOutput | None
    lacking: tuple[tuple[str, ...], ...]

    @property
    def probabilities(self) -> NDArray[np.float64]:
        """[queries] of the outcome."""
        return self.by_class[:, 1]


def answer(
    bundle: ModelBundle, scores: Scores, number: int, values: NDArray[np.float64], *, remarks: tuple[str, ...] = ()
) -> Prediction:
    """The answer for one of the patients that were scored.

    Args:
        bundle: The model.
        scores: Scores of all.
        number: Which.
        values: [variables] its values in the model's variables, NaN where missing.
        remarks: What the reader has to know of the page.
    """
    served = bundle.served
    warnings = list(remarks)
    warnings += [f"{reason} is in the reference; it was scored without that group" for reason in scores.known[number]]
    lacking = scores.lacking[number]
    if bundle.scaler is not None and "clinical" not in lacking:
        warnings += bundle.scaler.outside(values)
        missing = bundle.scaler.missing(values)
        if missing:
            warnings.append(f"not given: {', '.join(missing)}; the median of the training records stands in")
    warnings += [f"scored without {_BLOCKS[block]}: neighbours are those of the rest alone" for block in lacking]
    told = scores.uncertainty
    if served.threshold is None:
        warnings.insert(0, VOID)
    if served.reproduces:
        warnings.insert(0, f"{REPRODUCTION} (faults: {', '.join(served.reproduces)})")
    if told is not None and told.novel[number]:
        share = f"{told.novelty[number] * 100:.1f} %"
        warnings.append(f"unlike the training records: {share} of them lie nearer to their neighbours")
    elif told is not None and told.unjudged and told.unjudged[number] and served.threshold is not None:
        warnings.append(f"not judged whether this is like the training records: {told.unjudged[number]}")
    hood = scores.neighbours
    if hood.distance[number, 0] < SAME and hood.index[number, 0] >= 0:
        warnings.append("a reference record has the very same values; it may be this patient")
    probability = float(scores.probabilities[number])
    return Prediction(
        probability=probability,
        positive=None if served.threshold is None else probability >= served.threshold,
        threshold=served.threshold,
        outcome=served.outcome,
        neighbours=tuple(
            _neighbour(bundle, int(row), float(distance))
            for row, distance in zip(hood.index[number], hood.distance[number], strict=True)
            if row >= 0
        ),
        provenance=served.provenance,
        warnings=tuple(warnings),
        missing=lacking,
        **_certainty(served, told, number),
    )


def _neighbour(bundle: ModelBundle, row: int, distance: float) -> Neighbour:
    reference, scaler = bundle.reference, bundle.scaler
    names = [] if scaler is None else [variable.name for variable in scaler.variables]
    clinical = {
        name: None if np.isnan(value) else float(value)
        for name, value in zip(names, reference.clinical[row], strict=True)
    }
    return Neighbour(reference.record_ids[row], distance, int(reference.labels[row]), clinical)


def _certainty(served: BundleFacts, told: UncertaintyOutput | None, number: int) -> dict[str, Any]:
    """What of :class:`UncertaintyOutput` stands in an answer."""
    if served.reproduces:
        return {"decision": "no estimate"}
    if served.threshold is None:
        return {"decision": "void"}
    if told is None:
        return {}
    low, high, novelty = (float(each[number]) for each in (told.low, told.high, told.novelty))
    return {
        "low": None if np.isnan(low) else low,
        "high": None if np.isnan(high) else high,
        "decision": told.decisions[number],
        "novelty": None if np.isnan(novelty) else novelty,
    }


def mean_distance(hood: NearestNeighbours) -> NDArray[np.float64]:
    """[records] mean distance to the neighbours, infinite where there is none."""
    near = hood.index >= 0
    count = near.sum(1)
    total = np.where(near, hood.distance, 0).sum(1, dtype=np.float64)
    mean: NDArray[np.float64] = np.divide(total, count, out=np.full(len(hood), np.inf), where=count > 0)
    return mean
