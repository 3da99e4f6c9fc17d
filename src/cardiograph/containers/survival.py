"""Prediction of a time-to-event outcome for one patient."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from cardiograph.containers.answers import Neighbour, Prediction

NO_DECISION = "risk only"
"""Decision of a time-to-event model, which has no threshold."""

UNIT_DAYS = {"days": 1.0, "weeks": 7.0, "months": 365.25 / 12, "years": 365.25}
"""Days in a unit of time; months and years of mean length."""


@dataclass(frozen=True)
class RiskPoint:
    """Risk by a time.

    Args:
        time: Time since the ECG, in the unit of the prediction.
        risk: Probability of the event by this time, 0..1.
        low: Lower end of the band.
        high: Upper end of the band.
    """

    time: float
    risk: float
    low: float
    high: float


@dataclass(frozen=True)
class FollowedNeighbour(Neighbour):
    """A similar reference record with its follow-up; ``class_name`` says what ended it.

    Args:
        time: Time to the event or to the end of follow-up, in the unit of the prediction; None without follow-up.
        event: What ended it: 0 censored, 1 the event, 2 and above a competing event; None without follow-up.
    """

    time: float | None = None
    event: int | None = None


@dataclass(frozen=True)
class SurvivalPrediction(Prediction):
    """Prediction of the time to an event; ``probability``, ``low`` and ``high`` are the risk by the last horizon.

    Args:
        neighbours: Similar reference records with their follow-up, nearest first.
        unit: Unit of all times.
        risks: Risk by each horizon.
        curve: Risk over time, from 0 to the last horizon.
        band: What the band is.
    """

    neighbours: tuple[FollowedNeighbour, ...]
    unit: str = "days"
    risks: tuple[RiskPoint, ...] = ()
    curve: tuple[RiskPoint, ...] = ()
    band: str = ""

    @property
    def headline(self) -> str:
        """The outcome and the last horizon, to which ``probability`` belongs."""
        return f"{self.outcome} within {self.risks[-1].time:g} {self.unit}"

    @property
    def decision_in_words(self) -> str:
        """Say why there is no decision."""
        return "none: a time-to-event model gives risks and has no threshold"

    def as_row(self) -> dict[str, Any]:
        """Return the cells for a table of predictions: risk and band at each horizon, and those of every kind."""
        row = super().as_row()
        cells: dict[str, Any] = {}
        for point in self.risks:
            name = f"{point.time:g}_{self.unit}"
            cells |= {f"risk_{name}": point.risk, f"low_{name}": point.low, f"high_{name}": point.high}
        kept = ("novelty", "missing", "neighbours", "warnings")
        return {**cells, **{name: row[name] for name in kept}}
