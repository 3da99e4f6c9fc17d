"""Follow-up of records: time to an event or the last contact, and what ended it, from two columns of a table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cardiograph.cohort.cells import parse_number
from cardiograph.cohort.identity import RowIssue, Where
from cardiograph.cohort.tables import Cell, as_text
from cardiograph.config_outcome import FollowUpConfig
from cardiograph.containers.survival import UNIT_DAYS
from cardiograph.errors import Issue
from cardiograph.schema import UNLABELLED

FOLLOW_UP = ("time", "event")
"""Columns of a cohort with a time-to-event outcome, in its table and, by default, in the input."""

MAX_YEARS = 150
"""Longest follow-up that is accepted: more is a date, a time stamp, or another unit."""


@dataclass(frozen=True)
class FollowUp:
    """Follow-up of each record.

    Args:
        time: [records] in the unit of the table; NaN without follow-up.
        event: [records] 0 censored, 1 the event, 2 and above competing events; -1 without follow-up.
        names: [records] how follow-up ended, in words; empty without follow-up.
    """

    time: NDArray[np.float64]
    event: NDArray[np.int64]
    names: tuple[str, ...]

    @property
    def labels(self) -> NDArray[np.int64]:
        """[records] whether the event was seen: 1 or 0; -1 without follow-up."""
        return np.where(self.event < 0, UNLABELLED, (self.event == 1).astype(np.int64))

    @property
    def columns(self) -> dict[str, Any]:
        """Columns of the cohort table."""
        return {"label": self.labels, "class_name": self.names, "time": self.time, "event": self.event}


def read_follow_up(
    times: Sequence[Cell], events: Sequence[Cell], where: Where, *, config: FollowUpConfig, decimal: str = "."
) -> tuple[FollowUp, list[RowIssue]]:
    """Read and check the two columns; a record with neither cell has no follow-up.

    Args:
        times: [records] cells of the time column.
        events: [records] cells of the event column.
        where: Function that describes the place of a row.
        config: Values of the event column, and unit of the time.
        decimal: Decimal mark of text cells.

    Returns:
        The follow-up, and the faults with their rows (-1: the whole column).
    """
    codes, settings = codes_of(config), config.filled()
    time, event = np.full(len(times), np.nan), np.full(len(times), -1, np.int64)
    issues: list[RowIssue] = []
    for row, (cell, text) in enumerate(zip(times, map(as_text, events), strict=True)):
        given = as_text(cell)
        if not given and not text:
            continue
        number = float(cell) if isinstance(cell, int | float) else parse_number(given, decimal)
        faults = [
            _time_fault(where(row), given, number, text, settings),
            _event_fault(where(row), text, codes, settings["event"]),
        ]
        issues += [(row, fault) for fault in faults if fault is not None]
        if not any(faults) and number is not None:
            time[row], event[row] = number, codes[text]
    if not issues:
        issues = [(-1, fault) for fault in _kinds(event, settings["event"])]
    words = {0: "censored", 1: "event", -1: ""}
    competing = {code: f"competing {value}" for value, code in codes.items() if code > 1}
    names = tuple({**competing, **words}[int(code)] for code in event)
    return FollowUp(time, event, names), issues


def codes_of(config: FollowUpConfig) -> dict[str, int]:
    """Return value of the event column -> 0 censored, 1 the event, 2 and above competing events."""
    settings = config.filled()
    codes = {value: 2 + place for place, value in enumerate(settings["competing_values"])}
    codes |= dict.fromkeys(settings["censored_values"], 0)
    return codes | dict.fromkeys(settings["event_values"], 1)


def _time_fault(place: str, given: str, number: float | None, event: str, settings: dict[str, Any]) -> Issue | None:
    unit, column = settings["unit"], settings["time"]
    longest = round(MAX_YEARS * UNIT_DAYS["years"] / UNIT_DAYS[unit])
    if number is not None and 0 < number <= longest:
        return None
    rule = f"a time is a number above 0, and at most {longest:,} {unit}"
    if not given:
        remedy = "enter the time of the event or of the last contact, or empty both cells"
        return Issue(place, column, f"empty, and event is {event}", rule, remedy, "event_without_time")
    remedy = "check the dates and the unit; empty time and event of a record without follow-up"
    return Issue(place, column, given[:40], rule, remedy, "bad_time")


def _event_fault(place: str, text: str, codes: dict[str, int], column: str) -> Issue | None:
    if text in codes:
        return None
    by_meaning = {
        meaning: ", ".join(value for value, code in codes.items() if min(code, 2) == kind)
        for kind, meaning in ((1, "the event"), (0, "censored"), (2, "a competing event"))
    }
    rule = "allowed are " + "; ".join(f"{values} ({meaning})" for meaning, values in by_meaning.items() if values)
    if not text:
        remedy = "enter what ended follow-up, or empty time as well"
        return Issue(place, column, "empty, but time is given", rule, remedy, "time_without_event")
    remedy = (
        "name other values: --set outcome.event_values='[\"dead\"]', outcome.censored_values, outcome.competing_values"
    )
    return Issue(place, column, text[:40], rule, remedy, "bad_event")


def _kinds(event: NDArray[np.int64], column: str) -> list[Issue]:
    """Return the fault of a column with one kind of end alone, or without any follow-up."""
    known = event[event >= 0]
    if not len(known):
        rule = "records with a time and an event are needed"
        return [Issue("column", column, "empty in every row", rule, "fill in the known follow-up", "no_labels")]
    if not (known == 1).any():
        rule, remedy = "records with the event are needed", "check the coding of the event, or outcome.event_values"
        return [Issue("column", column, "never the event", rule, remedy, "no_events")]
    if (known == 1).all():
        rule = "scores of risk by a time need records without the event, too"
        remedy = "enter records that were free of it at the end of follow-up (censored)"
        return [Issue("column", column, "the event in every row", rule, remedy, "one_class")]
    return []
