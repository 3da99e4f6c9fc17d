"""Risks over time from hazards of time intervals: what a served model needs to turn its outputs into a curve.

Source: Gensheimer and Narasimhan, PeerJ 7:e6257 (2019); the incidence with competing events sums, over small steps, the
probability of being free of every event times the probability of the event in the step.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cardiograph.survival.curves import Floats, survival
from cardiograph.survival.outcome import EVENT, SurvivalOutcome

INTERVALS = 8
"""Intervals of the discrete-time head, with equally many events each."""

STEPS = 200
"""Steps over which the incidence is summed, from 0 to the last edge."""

CURVE_POINTS = 41
"""Times of a predicted curve, from 0 to the last horizon."""


@dataclass(frozen=True)
class FollowUpFacts:
    """Time scale of a served model, and the competing events of its training records.

    Args:
        unit: Unit of all times.
        horizons: Times at which risks are reported.
        edges: [intervals + 1] edges of the intervals whose hazards are the outputs of the network.
        other_times: Times of competing events in training; empty without them.
        other_free: Probability of being free of competing events from each of these times on.
    """

    unit: str
    horizons: tuple[float, ...]
    edges: tuple[float, ...]
    other_times: tuple[float, ...] = ()
    other_free: tuple[float, ...] = ()

    @classmethod
    def of(cls, outcome: SurvivalOutcome, edges: Floats, *, unit: str, horizons: tuple[float, ...]) -> FollowUpFacts:
        """Return the facts of a model that was trained on ``outcome``."""
        curve = survival(SurvivalOutcome(outcome.time, (outcome.event > EVENT).astype(np.int64)))
        changes = np.flatnonzero(np.diff(np.r_[1.0, curve.values[0]]) < 0)
        others = tuple(curve.times[changes].tolist()), tuple(curve.values[0][changes].tolist())
        return cls(unit, horizons, tuple(edges.tolist()), *others)

    @property
    def times(self) -> Floats:
        """Times of a curve: an even grid from 0 to the last horizon, and the horizons."""
        grid: Floats = np.unique(np.r_[np.linspace(0, self.horizons[-1], CURVE_POINTS), self.horizons])
        return grid

    def risk(self, logits: Floats, times: Floats) -> Floats:
        """Return [n, times] probabilities of the event by each time, from [n, intervals] hazard logits.

        Beyond the last edge, where no training record was followed, the risk stays as it is there.
        """
        edges = np.array(self.edges)
        hazard = np.logaddexp(0, logits)
        cumulative = np.concatenate([np.zeros((len(hazard), 1)), hazard.cumsum(1)], axis=1)
        times = times.clip(max=edges[-1])
        grid = np.unique(np.r_[np.linspace(0, edges[-1], STEPS), times])
        mine = np.stack([np.interp(grid, edges, row) for row in cumulative])
        free = np.r_[1.0, self.other_free][np.searchsorted(self.other_times, grid, side="right")]
        incidence = np.cumsum(np.exp(-mine[:, :-1]) * free[:-1] * -np.expm1(-np.diff(mine, axis=1)), axis=1)
        padded = np.concatenate([np.zeros((len(hazard), 1)), incidence], axis=1)
        risk: Floats = padded[:, np.searchsorted(grid, times)]
        return risk


def interval_edges(outcome: SurvivalOutcome) -> Floats:
    """Return increasing edges, from 0 to the longest follow-up, of intervals with equally many events."""
    inner = np.quantile(outcome.time[outcome.event == EVENT], np.arange(1, INTERVALS) / INTERVALS)
    edges: Floats = np.unique(np.r_[0.0, inner, outcome.time.max()])
    return edges
