"""Sentences of the web UI on a risk over time, and the words of its times."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cardiograph.containers.survival import UNIT_DAYS

DEATHS = frozenset(
    {"death", "all-cause death", "all cause death", "death of any cause", "mortality", "all-cause mortality"}
)
"""Outcomes that "to die" names."""

YEAR, SLACK_DAYS = 365.25, 1.5
"""Days of a year, and by how many a time may differ from whole years that stand for it."""

RARE = 0.01
"""Risk by the last horizon below which patients are counted out of 1,000 and not out of 100."""

_NUMBERS = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")


@dataclass(frozen=True)
class RiskRow:
    """A row of the table of risks: the time in words, the exact time if it differs, risk and band, 0..1."""

    within: str
    exact: str
    risk: float
    low: float
    high: float


def duration(time: float, unit: str) -> str:
    """Return a time in words, in whole years where it is so many: 365 days -> ``one year``, 90 days -> ``90 days``."""
    years = round(time * UNIT_DAYS[unit] / YEAR)
    if years >= 1 and abs(time * UNIT_DAYS[unit] - years * YEAR) <= SLACK_DAYS:
        number = _NUMBERS[years - 1] if years <= len(_NUMBERS) else f"{years}"
        return f"{number} year{'s' * (years > 1)}"
    return f"{time:,g} {unit.removesuffix('s') if time == 1 else unit}"


def risk_rows(answer: Mapping[str, Any]) -> tuple[RiskRow, ...]:
    """Return the risk by each horizon of a time-to-event prediction, as of ``SurvivalPrediction.as_dict()``."""
    rows = []
    for point in answer["risks"]:
        within, exact = duration(point["time"], answer["unit"]), f"{point['time']:,g} {answer['unit']}"
        rows.append(RiskRow(within, "" if within == exact else exact, point["risk"], point["low"], point["high"]))
    return tuple(rows)


def risk_sentence(answer: Mapping[str, Any]) -> str:
    """Return the risks as counts of patients, in one sentence."""
    rows = risk_rows(answer)
    scale = 100 if rows[-1].risk >= RARE else 1000
    parts = []
    for row in rows:
        band = f" ({round(scale * row.low)} to {round(scale * row.high)})" if answer["band"] else ""
        parts.append((_count(row.risk, scale), f"within {row.within}{band}"))
    (count, first), *others = parts
    verb = "is" if count == "1" else "are"
    about = count if count.startswith("fewer") else f"about {count}"
    sentence = f"Of {scale:,} such patients, {about} {verb} expected {_event(answer['outcome'])} {first}"
    texts = [f"{number} {within}" for number, within in others]
    if texts:
        sentence += "".join(f", {text}" for text in texts[:-1]) + f" and {texts[-1]}"
    return f"{sentence}."


def probability_sentence(answer: Mapping[str, Any]) -> str:
    """Return a probability as a count of patients, in one sentence; empty if it is no estimate.

    Args:
        answer: :meth:`Prediction.as_dict`; of several labels that of the most likely one.
    """
    if answer["decision"] in ("void", "no estimate"):
        return ""
    probability, likely = answer["probability"], answer.get("likely")
    scale = 100 if probability >= RARE else 1000
    interval = ""
    if answer["low"] is not None and not likely:
        interval = f" ({round(scale * answer['low'])} to {round(scale * answer['high'])})"
    count = _count(probability, scale)
    about = count if count.startswith("fewer") else f"about {count}"
    verb, outcome = "is" if count == "1" else "are", answer["outcome"]
    event = "to die" if outcome.lower() in DEATHS else f"to have the outcome “{outcome}”"
    if likely:
        event = f"to belong to “{likely}”, the most likely of {len(answer['classes'])} classes"
    return f"Of {scale:,} such patients, {about}{interval} {verb} expected {event}."


def _count(risk: float, scale: int) -> str:
    count = round(scale * risk)
    return "fewer than 1" if count == 0 and risk > 0 else f"{count}"


def _event(outcome: str) -> str:
    if outcome.lower() in DEATHS:
        return "to die"
    return f"to have the event “{outcome}”"
