"""Sentences of the web UI on a risk over time, and the words of its times."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from babel.units import format_unit

from cardiograph.containers.survival import UNIT_DAYS
from cardiograph.service.web.formats import listed
from cardiograph.service.web.language import current, deferred, gettext, ngettext, numerals
from cardiograph.service.web.other_texts import term

DEATHS = frozenset(
    {"death", "all-cause death", "all cause death", "death of any cause", "mortality", "all-cause mortality"}
)
"""Outcomes that "to die" names."""

YEAR, SLACK_DAYS = 365.25, 1.5
"""Days of a year, and by how many a time may differ from whole years that stand for it."""

RARE = 0.01
"""Risk by the last horizon below which patients are counted out of 1,000 and not out of 100."""

_NUMBERS = (
    deferred("one"), deferred("two"), deferred("three"), deferred("four"), deferred("five"), deferred("six"),
    deferred("seven"), deferred("eight"), deferred("nine"), deferred("ten"), deferred("eleven"), deferred("twelve"),
)  # fmt: skip
"""Numbers of years in words, to be translated."""


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
        number = gettext(_NUMBERS[years - 1]) if years <= len(_NUMBERS) else f"{years}"
        return ngettext("%(number)s year", "%(number)s years", years, number=number)
    return amount(time, unit)


def amount(time: float, unit: str) -> str:
    """Return a time with its unit, a key of ``UNIT_DAYS``: ``1,826 days``."""
    return format_unit(time, f"duration-{unit.removesuffix('s')}", "long", locale=current().locale)


def risk_rows(answer: Mapping[str, Any]) -> tuple[RiskRow, ...]:
    """Return the risk by each horizon of a time-to-event prediction, as of ``SurvivalPrediction.as_dict()``."""
    rows = []
    for point in answer["risks"]:
        within, exact = duration(point["time"], answer["unit"]), amount(point["time"], answer["unit"])
        rows.append(RiskRow(within, "" if within == exact else exact, point["risk"], point["low"], point["high"]))
    return tuple(rows)


def risk_sentence(answer: Mapping[str, Any]) -> str:
    """Return the risks as counts of patients, in one sentence."""
    rows = risk_rows(answer)
    scale = 100 if rows[-1].risk >= RARE else 1000
    times = []
    for row in rows:
        within = gettext("within %(time)s", time=row.within)
        times.append(within + (_interval(row.low, row.high, scale) if answer["band"] else ""))
    later = [f"{_count(row.risk, scale)} {time}" for row, time in zip(rows[1:], times[1:], strict=True)]
    places = {
        "scale": numerals(f"{scale:,}"),
        "count": _about(rows[0].risk, scale),
        "when": listed([times[0], *later]),
    }
    patients = round(scale * rows[0].risk)
    if answer["outcome"].lower() in DEATHS:
        return ngettext(
            "Of %(scale)s such patients, %(count)s is expected to die %(when)s.",
            "Of %(scale)s such patients, %(count)s are expected to die %(when)s.",
            patients,
            **places,
        )
    return ngettext(
        "Of %(scale)s such patients, %(count)s is expected to have the event “%(event)s” %(when)s.",
        "Of %(scale)s such patients, %(count)s are expected to have the event “%(event)s” %(when)s.",
        patients,
        event=term(answer["outcome"]),
        **places,
    )


def probability_sentence(answer: Mapping[str, Any]) -> str:
    """Return a probability as a count of patients, in one sentence; empty if it is no estimate.

    Args:
        answer: :meth:`Prediction.as_dict`; of several labels that of the most likely one.
    """
    if answer["decision"] in ("void", "no estimate"):
        return ""
    probability, likely = answer["probability"], answer.get("likely")
    scale = 100 if probability >= RARE else 1000
    count = _about(probability, scale)
    if answer["low"] is not None and not likely:
        count += _interval(answer["low"], answer["high"], scale)
    places, patients = {"scale": numerals(f"{scale:,}"), "count": count}, round(scale * probability)
    if likely:
        return ngettext(
            "Of %(scale)s such patients, %(count)s is expected to belong to “%(name)s”, the most likely of %(classes)s "
            "classes.",
            "Of %(scale)s such patients, %(count)s are expected to belong to “%(name)s”, the most likely of %(classes)s "
            "classes.",
            patients,
            name=term(likely),
            classes=len(answer["classes"]),
            **places,
        )
    if answer["outcome"].lower() in DEATHS:
        return ngettext(
            "Of %(scale)s such patients, %(count)s is expected to die.",
            "Of %(scale)s such patients, %(count)s are expected to die.",
            patients,
            **places,
        )
    return ngettext(
        "Of %(scale)s such patients, %(count)s is expected to have the outcome “%(outcome)s”.",
        "Of %(scale)s such patients, %(count)s are expected to have the outcome “%(outcome)s”.",
        patients,
        outcome=term(answer["outcome"]),
        **places,
    )


def _interval(low: float, high: float, scale: int) -> str:
    return " " + gettext("(%(low)s to %(high)s)", low=round(scale * low), high=round(scale * high))


def _count(risk: float, scale: int) -> str:
    count = round(scale * risk)
    return gettext("fewer than 1") if count == 0 and risk > 0 else f"{count}"


def _about(risk: float, scale: int) -> str:
    fewer = round(scale * risk) == 0 and risk > 0
    return _count(risk, scale) if fewer else gettext("about %(count)s", count=_count(risk, scale))
