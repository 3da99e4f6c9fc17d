"""Effect of each neighbour: the probability when its group is left out and the next records take its place."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cardiograph.explain.case import ExplainedCase


@dataclass(frozen=True)
class NeighbourEffect:
    """Probability without one of the similar records.

    Args:
        record_id: Record that is left out together with its group.
        probability_without: Calibrated probability without it, 0..1.
        change: ``probability_without`` less the probability; negative if the record raised it.
        left_with: Other similar records of the same group, which are left out with it.
        stepped_in: Records that become neighbours instead, nearest first; empty if the reference has no more.
    """

    record_id: str
    probability_without: float
    change: float
    left_with: tuple[str, ...]
    stepped_in: tuple[str, ...]


def neighbour_effects(case: ExplainedCase) -> tuple[NeighbourEffect, ...]:
    """Return the effect of removing each neighbour, nearest first.

    The whole group of a neighbour is removed, because another record of the same patient or a copy of the same page
    would otherwise take its place and hide its effect. Search and scoring are those of the prediction. The effects of
    neighbours have no meaningful sum.

    Args:
        case: Scored patient.
    """
    records = case.predictor.records
    neighbours = case.attached.neighbours.index[0]
    neighbours = neighbours[neighbours >= 0]
    if not len(neighbours):
        return ()
    left_out = records.groups_of(neighbours)
    attached = case.predictor.attach_without(case.queries, left_out)
    scores = case.predictor.score_attached(attached, case.queries.ties.repeat(len(neighbours)))
    near = attached.neighbours.index
    facts = records.facts(np.union1d(neighbours, near[near >= 0]))
    found = []
    for number, row in enumerate(neighbours):
        now = near[number]
        found.append(
            NeighbourEffect(
                record_id=facts.record_ids[facts.position(row)],
                probability_without=float(case.probabilities_of(scores)[number]),
                change=float(case.probabilities_of(scores)[number]) - case.probability,
                left_with=facts.names(other for other in neighbours if other != row and other in left_out[number]),
                stepped_in=facts.names(new for new in now if new >= 0 and new not in neighbours),
            )
        )
    return tuple(found)
