"""The panel at the top of every report: the gravest warning, and short answers to the first questions of a reader."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from cardiograph.report.tables import number, signed
from cardiograph.wording import Wording


class Found(Protocol):
    """A value with the ends of its interval; None or NaN where undefined."""

    @property
    def value(self) -> float | None:
        """The value."""

    @property
    def low(self) -> float | None:
        """Lower end of the interval."""

    @property
    def high(self) -> float | None:
        """Upper end of the interval."""


@dataclass(frozen=True)
class Scale:
    """A score and its interval on a line that ends at 1, in percent of its length.

    Args:
        interval: The interval in words.
        start: Value at the left end, as text.
        half: Place of 0.5; 0 if the line begins there.
        dot: Place of the score.
        left: Place of the lower end of the interval.
        width: Length of the interval.
    """

    interval: str
    start: str
    half: float
    dot: float
    left: float
    width: float


@dataclass(frozen=True)
class Answer:
    """One question of the summary and its answer.

    Args:
        question: The question.
        answer: The answer in a few words.
        detail: One or two sentences that support it.
        tone: ``good``, ``bad``, ``number`` for a score in large type, or empty.
        scale: The score as a drawing; None for an answer in words.
    """

    question: str
    answer: str
    detail: str
    tone: str = ""
    scale: Scale | None = None


@dataclass(frozen=True)
class Alert:
    """What a reader must know before any number.

    Args:
        title: The kind of the gravest warning.
        text: The gravest warning.
        others: All other warnings, the gravest first.
        tone: ``warning``, ``note`` or ``plain``.
    """

    title: str
    text: str
    others: tuple[str, ...]
    tone: str


@dataclass(frozen=True)
class Summary:
    """The summary of a report.

    Args:
        answers: Questions and answers in the order of the page.
        alert: Warnings; None if the report has none to show.
        purpose: Sentence that follows the answers; may be empty.
    """

    answers: tuple[Answer, ...]
    alert: Alert | None = None
    purpose: str = ""


def alert(wording: Wording, cautions: Sequence[str], findings: Sequence[Mapping[str, Any]] = ()) -> Alert:
    """Return the gravest warning and all others.

    A score of a simulator comes before cautions, cautions before any other notice on the provenance, and that before
    warnings of the audit. Accepted blocking findings are cautions already.

    Args:
        wording: Wording of the provenance.
        cautions: Sentences that a reader must know before any number.
        findings: Findings of the audit.
    """
    notices = [(wording.tone, f"{wording.banner}.", wording.explanation)] if wording.banner else []
    cautioned = [("warning", "Before any number: cautions.", caution) for caution in cautions]
    warned = [("warning", "The audit warns.", found["text"]) for found in findings if found["severity"] == "warn"]
    found = [*notices, *cautioned, *warned] if wording.tone == "warning" else [*cautioned, *notices, *warned]
    if not found:
        return Alert("No warning.", wording.explanation, (), "plain")
    (tone, title, text), *others = found
    return Alert(title, text, tuple(_other(*other) for other in others), tone)


def _other(tone: str, title: str, text: str) -> str:
    return text if tone == "warning" and title.startswith("Before") else f"{title} {text}"


def scale_of(score: Found, confidence: float) -> Scale | None:
    """Place a score on a line from 0.5, or from 0 if it or its interval lies below; None if it is undefined."""
    value = _known(score.value)
    if value is None:
        return None
    known = [_known(end) for end in (score.low, score.high)]
    low, high = (value if end is None else end for end in known)
    start = 0.5 if min(value, low) >= 0.5 else 0.0

    def place(at: float) -> float:
        return round(100 * (at - start) / (1 - start), 2)

    words = "no interval: too few records of one class"
    if None not in known:
        words = f"{confidence * 100:g} % interval {number(low)} to {number(high)}"
    return Scale(words, f"{start:g}", place(0.5), place(value), place(low), round(place(high) - place(low), 2))


def _known(value: float | None) -> float | None:
    return None if value is None or math.isnan(value) else value


def difference(found: Found) -> str:
    """Format a difference with its interval."""
    value, low, high = (_known(each) for each in (found.value, found.low, found.high))
    if value is None:
        return "undefined"
    if low is None or high is None:
        return f"{signed(value)} (no interval)"
    return f"{signed(value)} ({signed(low)} to {signed(high)})"
