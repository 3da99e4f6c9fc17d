"""What each similar patient moved: the probability when that one is left out and the next one steps in."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cardiograph.explain.case import ExplainedCase


@dataclass(frozen=True)
class NeighbourEffect:
    """The answer without one of the similar records.

    Args:
        record_id: Record id of the record that is left out, with its group.
        probability_without: Calibrated, 0..1.
        change: ``probability_without`` less the probability; below 0: this record raised it.
        left_with: Other similar records of the same group, which are left out with it.
        stepped_in: Records that are heard instead, nearest first; empty where the reference has no more.
    """

    record_id: str
    probability_without: float
    change: float
    left_with: tuple[str, ...]
    stepped_in: tuple[str, ...]


def neighbour_effects(case: ExplainedCase) -> tuple[NeighbourEffect, ...]:
    """Removal of each neighbour, nearest first.

    The whole group of a neighbour is left out, as it is where a patient is known to the reference: another record of the
    same patient, or a copy of the same page, would step in for it and hide what it did. All else is the search and the
    arithmetic of the prediction. Effects of neighbours do not add up to anything.

    Args:
        case: The patient.
    """
    reference = case.predictor.bundle.reference
    heard = case.attached.neighbours.index[0]
    heard = heard[heard >= 0]
    if not len(heard):
        return ()
    left_out = [np.flatnonzero(reference.groups == group) for group in reference.groups[heard]]
    attached = case.predictor.attach_without(case.queries, left_out)
    scores = case.predictor.judge(attached, case.queries.ties.repeat(len(heard)))
    found = []
    for number, row in enumerate(heard):
        now = attached.neighbours.index[number]
        found.append(
            NeighbourEffect(
                record_id=reference.record_ids[row],
                probability_without=float(scores.probabilities[number]),
                change=float(scores.probabilities[number]) - case.probability,
                left_with=tuple(
                    reference.record_ids[other] for other in heard if other != row and other in left_out[number]
                ),
                stepped_in=tuple(reference.record_ids[new] for new in now if new >= 0 and new not in heard),
            )
        )
    return tuple(found)
