"""Time-to-event outcome of a cohort, with checks that name each fault."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cardiograph.errors import InputError, Issue

CENSORED, EVENT = 0, 1
"""Codes of ``event``; 2 and above are competing events."""
MAX_CODE = 9
"""Largest code of a competing event."""


@dataclass(frozen=True)
class SurvivalOutcome:
    """Follow-up times and what ended them.

    Args:
        time: [n] float64 time from the start of follow-up, above 0, in the unit of the outcome (``outcome.unit``).
        event: [n] int64: 0 censored, 1 the event, 2 to 9 competing events.
    """

    time: NDArray[np.float64]
    event: NDArray[np.int64]

    def __post_init__(self) -> None:
        if self.time.shape != self.event.shape or self.time.ndim != 1:
            message = f"time has shape {self.time.shape} and event {self.event.shape}; both need one value per record"
            raise ValueError(message)

    def __len__(self) -> int:
        return len(self.time)

    def at(self, rows: NDArray[np.int64]) -> SurvivalOutcome:
        """Return the outcome of some records."""
        return SurvivalOutcome(self.time[rows], self.event[rows])


def survival_outcome(
    time: Sequence[float] | NDArray[np.float64],
    event: Sequence[float] | NDArray[np.float64],
    *,
    records: Sequence[str] | None = None,
) -> SurvivalOutcome:
    """Check times and events and combine them.

    Args:
        time: [n] time from the start of follow-up, in the unit of the outcome; NaN where missing.
        event: [n] codes 0 to 9; NaN where missing.
        records: [n] names of the records for messages; row numbers if None.

    Raises:
        InputError: A time is missing, infinite, zero or negative (``bad_time``), an event has no time
            (``event_without_time``), a code is missing or not allowed (``bad_event``), or no record has the event
            (``no_events``). All faults are named.
    """
    times, events = np.asarray(time, np.float64), np.asarray(event, np.float64)
    if times.shape != events.shape or times.ndim != 1:
        message = f"time has shape {times.shape} and event {events.shape}; give one value of each per record"
        raise InputError(message)
    names = [f"row {row + 1}" for row in range(len(times))] if records is None else [f"record {r!r}" for r in records]
    issues = [
        issue
        for name, t, e in zip(names, times, events, strict=True)
        for issue in (_time_issue(name, t, e), _event_issue(name, e))
        if issue is not None
    ]
    if issues:
        headline = f"the time-to-event outcome has {len(issues)} faults"
        raise InputError(headline, issues)
    if not (events == EVENT).any():
        rule, remedy = "at least one record needs the event, code 1", "check the coding of the event"
        headline = "no record has the event"
        raise InputError(headline, [Issue("the cohort", "event", "", rule, remedy, "no_events")])
    return SurvivalOutcome(times, events.astype(np.int64))


def _time_issue(name: str, time: float, event: float) -> Issue | None:
    if np.isfinite(time) and time > 0:
        return None
    rule = "allowed are times above 0"
    if np.isnan(time):
        code = "event_without_time" if event >= EVENT else "bad_time"
        remedy = "enter the time of the event or of the last contact, or leave the record out"
        return Issue(name, "time", "empty", rule, remedy, code)
    return Issue(name, "time", f"{time:g}", rule, "check the dates; leave a record without follow-up out", "bad_time")


def _event_issue(name: str, event: float) -> Issue | None:
    if event in range(MAX_CODE + 1):
        return None
    rule = "allowed are 0 (censored), 1 (the event) and 2 to 9 (competing events)"
    value = "empty" if np.isnan(event) else f"{event:g}"
    return Issue(name, "event", value, rule, "enter one of these codes", "bad_event")
