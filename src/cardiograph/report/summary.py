"""The summary at the top of a report: what is predicted, on whom, how well, and what to keep in mind."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from cardiograph.evaluate.metrics import METRICS
from cardiograph.evaluate.results import Score
from cardiograph.report.content import ReportContent
from cardiograph.report.tables import decisions, interval, number, signed
from cardiograph.wording import WORDINGS, Wording

VERDICT_TITLES = {"yes": "It helped", "no": "It did not help", "undecided": "Undecided"}


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


def run_summary(content: ReportContent) -> Summary:
    """Return the summary of a run with a binary outcome or several classes."""
    findings = () if content.audit is None else content.audit["findings"]
    verdict = content.metrics.graph_verdict
    answers = [
        predicted(content),
        Answer("On whom?", f"{len(content.test)} test records", f"{_tested(content)} {_trained(content)}".strip()),
        separation(content),
        probabilities(content),
        decision(content),
    ]
    if verdict is not None:
        against = content.title_of(verdict.baseline)
        gain = (
            f"{content.test.discrimination} of {content.title_of(verdict.graph_model)} less that of {against}: "
            f"{difference(verdict.difference)}."
        )
        tone = {"yes": "good", "no": "bad"}.get(verdict.helps, "")
        answers.append(Answer("Does the graph help?", VERDICT_TITLES[verdict.helps], gain, tone))
    return Summary(tuple(answers), alert(WORDINGS[content.provenance], content.cautions, findings))


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
        return Alert("No warning.", f"{wording.explanation} The audit has no warning for this cohort.", (), "plain")
    (tone, title, text), *others = found
    return Alert(title, text, tuple(_other(*other) for other in others), tone)


def _other(tone: str, title: str, text: str) -> str:
    return text if tone == "warning" and title.startswith("Before") else f"{title} {text}"


def predicted(content: ReportContent) -> Answer:
    """Answer what is predicted."""
    primary = content.title_of(content.models.primary)
    if content.classes:
        what = f"One of {len(content.classes)} classes"
        named = ", ".join(content.classes)
        return Answer("What is predicted?", what, f"{named}. {primary} gives each record a probability of each class.")
    each = f"{primary} gives each record (one ECG or one row of clinical values) a probability."
    return Answer("What is predicted?", content.outcome, each)


def _tested(content: ReportContent) -> str:
    test = content.test
    counts = test.class_counts if content.classes else {
        content.names[1]: test.positives, content.names[0]: len(test) - test.positives
    }  # fmt: skip
    named = ", ".join(f"{count} {name}" for name, count in counts.items())
    return f"{named}; {test.group_count} groups."


def _trained(content: ReportContent) -> str:
    of_part = {part: sum(row.records for row in content.split if row.part == part) for part in ("train", "val")}
    if not of_part["train"]:
        return ""
    return f"Trained on {of_part['train']} records; settings were chosen on {of_part['val']} others."


def separation(content: ReportContent) -> Answer:
    """Answer how well the primary model separates the classes."""
    score, primary = content.metrics.test["auroc"], content.title_of(content.models.primary)
    title = WORDINGS[content.provenance].score.replace("AUROC", content.test.discrimination)
    detail = f"{primary} on {len(content.test)} test records. 0.5 is chance, 1 is perfect."
    if content.ceiling is not None:
        detail += f" The best possible is {number(content.ceiling.bayes_auroc)}."
    confidence = content.metrics.bootstrap.confidence
    return Answer(title, number(score.value), detail, "number", scale_of(score, confidence))


def scale_of(score: Score, confidence: float) -> Scale | None:
    """Place a score on a line from 0.5, or from 0 if it or its interval lies below; None if it is undefined."""
    if score.value is None:
        return None
    low, high = (score.value if end is None else end for end in (score.low, score.high))
    start = 0.5 if min(score.value, low) >= 0.5 else 0.0

    def place(value: float) -> float:
        return round(100 * (value - start) / (1 - start), 2)

    words = "no interval: too few records of one class"
    if score.low is not None:
        words = f"{confidence * 100:g} % interval {number(low)} to {number(high)}"
    return Scale(words, f"{start:g}", place(0.5), place(score.value), place(low), round(place(high) - place(low), 2))


def probabilities(content: ReportContent) -> Answer:
    """Answer whether the predicted probabilities agree with observed frequencies."""
    question = "Are the probabilities right?"
    if content.classes:
        slopes = {name: scores["calibration_slope"] for name, scores in content.metrics.by_class.items()}
        known = {name: slope for name, slope in slopes.items() if slope.value is not None}
        off = [name for name, slope in known.items() if _excludes(slope, 1)]
        answer = f"Miscalibrated for {len(off)} of {len(slopes)} classes" if off else "No miscalibration shown"
        each = "; ".join(f"{name} {interval(slope, 2)}" for name, slope in slopes.items())
        return Answer(question, answer, f"Calibration slope, best 1: {each}.", "bad" if off else "")
    slope, intercept = (content.metrics.test[name] for name in ("calibration_slope", "calibration_intercept"))
    answer = calibration_in_words(slope, intercept)
    detail = (
        f"Calibration slope {interval(slope, 2)}, best 1; below 1, probabilities are too extreme. Intercept "
        f"{interval(intercept, 2)}, best 0; below 0, they are too high."
    )
    return Answer(question, answer, detail, "bad" if answer.startswith("Too") else "")


def calibration_in_words(slope: Score, intercept: Score) -> str:
    """State what the intervals of calibration slope and intercept show."""
    if slope.value is None or intercept.value is None:
        return "Undefined"
    if slope.low is None or intercept.low is None:
        return "Not known: no interval"
    if _excludes(slope, 1):
        return "Too extreme" if slope.value < 1 else "Too close to the average"
    if _excludes(intercept, 0):
        return "Too high" if intercept.value < 0 else "Too low"
    return "No miscalibration shown"


def _excludes(score: Score, value: float) -> bool:
    return score.low is not None and score.high is not None and not score.low <= value <= score.high


def decision(content: ReportContent) -> Answer:
    """Answer what the decisions of the primary model would be on the test records."""
    counts, scores = decisions(content), content.metrics.test
    if content.classes:
        answer = f"{int(np.trace(counts))} of {int(counts.sum())} right"
        detail = f"The most likely class is named. Balanced accuracy {interval(scores['balanced_accuracy'], 2)}."
        return Answer("What would it decide?", answer, detail)
    (_, false_alarms), (missed, hits) = counts.tolist()
    alarms = f"{false_alarms} false alarm" + ("" if false_alarms == 1 else "s")
    named = [f"{METRICS[name].title} {interval(scores[name], 2)}" for name in ("sensitivity", "specificity")]
    detail = f"Positive from a probability of {number(content.threshold)}. {named[0]}, {named[1].lower()}."
    return Answer("What would it decide?", f"{hits} of {hits + missed} found, {alarms}", detail)


def difference(found: Score) -> str:
    """Format a difference with its interval."""
    if found.value is None or math.isnan(found.value):
        return "undefined"
    if found.low is None or found.high is None:
        return f"{signed(found.value)} (no interval)"
    return f"{signed(found.value)} ({signed(found.low)} to {signed(found.high)})"
