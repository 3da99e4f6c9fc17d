"""Turns scores into the prediction for one patient: probability, uncertainty, neighbours and warnings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from itertools import chain
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from cardiograph.artifacts.bundle import BundleFacts, ModelBundle
from cardiograph.containers import NearestNeighbours, Neighbour, NodeFeatures, Prediction
from cardiograph.containers.readings import Readings
from cardiograph.errors import RunError
from cardiograph.inference.queries import Patient
from cardiograph.inference.reference_records import RecordFacts
from cardiograph.uncertainty.uncertainty import UncertaintyOutput

MAX_DUPLICATE_DISTANCE = 1e-6
"""Distance in the fused space below which two records count as the same."""

VOID = (
    "the run was extended, so its calibration, threshold and sets no longer hold: the probability is uncalibrated and "
    "there is no decision; `cardiograph evaluate RUN COHORT --renew` fits them again"
)
"""First warning in every answer of an extended run that was not recalibrated."""

REPRODUCTION = "a reproduction of a faulty protocol, for study: this score is no estimate of a risk"
"""First warning in every answer of a model that reproduces faults, followed by their names."""

NOVEL = "unlike the training records: "
"""Start of the warning about a patient flagged by the novelty gate."""

NOT_GIVEN = "not given: "
"""Start of the warning that lists missing values."""

SCORED_WITHOUT = "scored without "
"""Start of the warning about missing blocks."""

SAME_VALUES = "a reference record has exactly the same values; it may be this patient"
"""Warning about a neighbour at distance 0."""

ScoresT = TypeVar("ScoresT", bound="Scores")

_BLOCKS = {"image": "an ECG page", "clinical": "clinical values", "measurements": "ECG measurements"}


@dataclass(frozen=True)
class Scores:
    """Scores of queries.

    Args:
        by_class: [queries, classes] float64 calibrated probabilities.
        raw: [queries] float64 difference of the logits before calibration; [queries, classes] logits of several classes.
        neighbours: Reference records that each query aggregates.
        excluded_reasons: [queries] reasons why reference records were excluded as neighbours; empty if none were.
        uncertainty: Intervals, sets and novelty; None if a study bypassed the predictor.
        absent_blocks: [queries] blocks that the query does not have, such as ``("image",)``.
    """

    by_class: NDArray[np.float64]
    raw: NDArray[np.float64]
    neighbours: NearestNeighbours
    excluded_reasons: tuple[tuple[str, ...], ...]
    uncertainty: UncertaintyOutput | None
    absent_blocks: tuple[tuple[str, ...], ...]

    @property
    def probabilities(self) -> NDArray[np.float64]:
        """[queries] probabilities of the outcome; [queries, classes] with several classes."""
        return outcome_probabilities(self.by_class)


def joined_scores(parts: Sequence[ScoresT]) -> ScoresT:
    """Return the scores of all parts in one, in their order; ``parts`` has at least one."""
    found: ScoresT = parts[0] if len(parts) == 1 else _joined(parts)
    return found


def _joined(parts: Sequence[Any], *, shared: bool = False) -> Any:  # noqa: ANN401 - a dataclass of arrays, or one of its fields
    first = parts[0]
    if shared or first is None:
        return first
    if isinstance(first, NodeFeatures):
        values, present = (np.concatenate([getattr(part, name) for part in parts]) for name in ("values", "present"))
        return replace(first, values=values, present=present)
    if isinstance(first, np.ndarray):
        return np.concatenate(parts)
    if isinstance(first, tuple):
        return tuple(chain.from_iterable(parts))
    named = {field.name: field.metadata.get("shared", False) for field in fields(first)}
    return replace(first, **{n: _joined([getattr(part, n) for part in parts], shared=s) for n, s in named.items()})


def outcome_probabilities(by_class: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the [records] probabilities of label 1 of two classes; [records, classes] unchanged for several."""
    return by_class[:, 1] if by_class.shape[1] == 2 else by_class


def build_prediction(
    bundle: ModelBundle,
    scores: Scores,
    number: int,
    patient: Patient,
    facts: RecordFacts,
    readings: Readings | None = None,
) -> Prediction:
    """Return the prediction for one of several scored patients.

    Args:
        bundle: Model that scored them.
        scores: Scores of all patients.
        number: Position of the patient in ``scores``.
        patient: The patient as it was read.
        facts: Facts about its neighbours, and maybe about other records.
        readings: What the encoder reads in the ECG.
    """
    served, neighbours = bundle.served, scores.neighbours
    own = scores.by_class[number]
    probability = float(own.max() if served.classes else own[1])
    return Prediction(
        probability=probability,
        positive=None if served.threshold is None else probability >= served.threshold,
        threshold=served.threshold,
        outcome=served.outcome,
        neighbours=tuple(
            _neighbour(bundle, facts, row, distance)
            for row, distance in zip(
                neighbours.index[number].tolist(), neighbours.distance[number].tolist(), strict=True
            )
            if row >= 0
        ),
        provenance=served.provenance,
        warnings=tuple(_warnings(bundle, scores, number, patient)),
        missing=scores.absent_blocks[number],
        readings=readings,
        **_uncertainty_fields(served, scores.uncertainty, number),
        **_class_fields(bundle, scores, number),
    )


def _warnings(bundle: ModelBundle, scores: Scores, number: int, patient: Patient) -> list[str]:
    """Return the warnings of a prediction, the gravest first; arguments as for :func:`build_prediction`."""
    served, values = bundle.served, np.array(patient.values)
    warnings = list(patient.page_warnings)
    warnings += [
        f"{reason} is in the reference; it was scored without that group" for reason in scores.excluded_reasons[number]
    ]
    absent = scores.absent_blocks[number]
    if bundle.scaler is not None and "clinical" not in absent:
        warnings += bundle.scaler.outside(values)
        missing = bundle.scaler.missing(values)
        if missing:
            warnings.append(f"{NOT_GIVEN}{', '.join(missing)}; the median of the training records is used instead")
    if absent:
        lacking = " and ".join(_BLOCKS[block] for block in absent)
        warnings.append(f"{SCORED_WITHOUT}{lacking}: neighbours are found by what is given alone")
    uncertainty = scores.uncertainty
    if served.void:
        warnings.insert(0, VOID)
    if served.reproduces:
        warnings.insert(0, f"{REPRODUCTION} (faults: {', '.join(served.reproduces)})")
    if uncertainty is not None and uncertainty.novel[number]:
        share = f"{uncertainty.novelty[number] * 100:.1f} %"
        warnings.append(f"{NOVEL}{share} of them are nearer to their neighbours")
    elif uncertainty is not None and uncertainty.unjudged and uncertainty.unjudged[number] and not served.void:
        warnings.append(f"not checked for novelty: {uncertainty.unjudged[number]}")
    neighbours = scores.neighbours
    if neighbours.distance[number, 0] < MAX_DUPLICATE_DISTANCE and neighbours.index[number, 0] >= 0:
        warnings.append(SAME_VALUES)
    return warnings


def _class_fields(bundle: ModelBundle, scores: Scores, number: int) -> dict[str, Any]:
    """Return the fields of a prediction that only several classes have."""
    names, own = bundle.served.classes, scores.by_class[number]
    if not names:
        return {}
    inside = None
    if bundle.uncertainty is not None and scores.uncertainty is not None and not bundle.served.reproduces:
        inside = bundle.uncertainty.included(scores.uncertainty.p_values[number])
    order = np.argsort(-own, kind="stable")
    return {
        "classes": dict(zip(names, own.tolist(), strict=True)),
        "likely": names[order[0]],
        "conformal_set": None if inside is None else tuple(names[label] for label in order if inside[label]),
    }


def _neighbour(bundle: ModelBundle, facts: RecordFacts, row: int, distance: float) -> Neighbour:
    place, scaler = facts.position(row), bundle.scaler
    variables = () if scaler is None else scaler.variables
    clinical = {
        variable.name: value if value == value else None  # NaN differs from itself
        for variable, value in zip(variables, facts.clinical[place].tolist(), strict=True)
    }
    label, classes = int(facts.labels[place]), bundle.served.classes
    name = classes[label] if classes and label >= 0 else None
    return Neighbour(facts.record_ids[place], distance, label, clinical, name)


def _uncertainty_fields(served: BundleFacts, output: UncertaintyOutput | None, number: int) -> dict[str, Any]:
    """Return the fields of a prediction that come from :class:`UncertaintyOutput`."""
    if served.reproduces:
        return {"decision": "no estimate"}
    if served.void:
        return {"decision": "void"}
    if output is None:
        return {}
    low, high, novelty = (float(each[number]) for each in (output.low, output.high, output.novelty))
    return {
        "low": None if np.isnan(low) else low,
        "high": None if np.isnan(high) else high,
        "decision": output.decisions[number],
        "novelty": None if np.isnan(novelty) else novelty,
    }


def mean_distance(neighbours: NearestNeighbours) -> NDArray[np.float64]:
    """Return the [records] mean distance to the neighbours, infinite for a record without neighbours."""
    near = neighbours.index >= 0
    count = near.sum(1)
    total = np.where(near, neighbours.distance, 0).sum(1, dtype=np.float64)
    mean: NDArray[np.float64] = np.divide(total, count, out=np.full(len(neighbours), np.inf), where=count > 0)
    return mean


def other_kind(run: Path | str, *, follows_up: bool) -> RunError:
    """Return the error for a run with another kind of outcome than its reader expects.

    Args:
        run: Folder of the run.
        follows_up: Whether the reader expects a time-to-event outcome.
    """
    if follows_up:
        return RunError(f"{run}: this run does not predict the time to an event; use cardiograph.Predictor")
    message = (
        f"{run}: this run predicts the time to an event, which this command does not support; `cardiograph predict`, "
        "`serve`, `evaluate`, `extend` and `report` do (in Python: cardiograph.inference.survival.SurvivalPredictor)"
    )
    return RunError(message)
