"""The summary of a run: what is predicted, for which records, how well, and whether the graph helps."""

from __future__ import annotations

import numpy as np

from cardiograph.evaluate.metrics import METRICS
from cardiograph.evaluate.results import Score
from cardiograph.report.content import ReportContent
from cardiograph.report.panel import Answer, Summary, alert, difference, scale_of
from cardiograph.report.tables import decisions, interval, number
from cardiograph.wording import WORDINGS

VERDICT_TITLES = {"yes": "It helped", "no": "It did not help", "undecided": "Undecided"}


def run_summary(content: ReportContent) -> Summary:
    """Return the summary of a run with a binary outcome or several classes."""
    findings = () if content.audit is None else content.audit["findings"]
    verdict = content.metrics.graph_verdict
    answers = [
        predicted(content),
        Answer(
            "Which records?", f"{len(content.test)} test records", f"{_tested(content)} {_trained(content)}".strip()
        ),
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


def separation(content: ReportContent, on: str = "") -> Answer:
    """Answer how well the primary model separates the classes of the records that ``on`` describes."""
    score, primary = content.metrics.test["auroc"], content.title_of(content.models.primary)
    title = WORDINGS[content.provenance].score.replace("AUROC", content.test.discrimination)
    if on:
        title = title.replace("the test records", "this cohort")
    detail = f"{primary} on {on or f'{len(content.test)} test records'}. 0.5 is chance, 1 is perfect."
    if content.ceiling is not None:
        detail += f" The best possible is {number(content.ceiling.bayes_auroc)}."
    confidence = content.metrics.bootstrap.confidence
    return Answer(title, number(score.value), detail, "number", scale_of(score, confidence))


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
