"""The TRIPOD+AI checklist, filled in as far as a run knows, the rest marked as the authors' to write.

Source: Collins, Moons, Dhiman and others, "TRIPOD+AI statement: updated guidance for reporting clinical prediction models
that use regression or machine learning methods", BMJ 385:e078378, 2024. Its 27 items are told here in words of our own; the
statement itself is what a journal asks for.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from cardiograph.report.content import ReportContent
from cardiograph.report.template import fill
from cardiograph.report.tripod_answers import Answer, known_answers

Status = Literal["told", "in part", "yours to write"]

CHECKLIST: dict[str, dict[str, str]] = {
    "Title and abstract": {
        "1": "a title with the kind of study, who it is about and what is predicted",
        "2": "an abstract by the list for abstracts",
    },
    "Introduction": {
        "3a": "the medical question, why a model, and the models there are",
        "3b": "whom the model is for, where in their care, and who would use it",
        "3c": "health inequalities known between groups of people",
        "4": "the aim: to develop, to evaluate, or both",
    },
    "Methods": {
        "5a": "where the data come from, for development and for evaluation, and whom they stand for",
        "5b": "dates: first and last patient, end of follow-up",
        "6a": "kind, number and place of the centres",
        "6b": "who was let in and who was not",
        "6c": "treatments, and how they were dealt with",
        "7": "how data were prepared and checked, and whether alike in all groups of people",
        "8a": "the outcome, its time horizon, how and when it was found, and whether alike in all groups",
        "8b": "who judged the outcome, where that takes judgement",
        "8c": "whether they were blind to the predictors",
        "9a": "which predictors there were at first, and why these",
        "9b": "each predictor, how and when it was measured, and by whom without sight of the outcome",
        "9c": "who judged predictors, where that takes judgement",
        "10": "why this many records, for development and for evaluation",
        "11": "missing values, and what was done about them",
        "12a": "which data served what, and how they were split",
        "12b": "how predictors enter: form, scale, transformation",
        "12c": "kind of model, why, how it was built and tuned, internal validation",
        "12d": "differences between clusters, such as hospitals",
        "12e": "measures and plots of how well it does, and why these; comparison of models",
        "12f": "any updating after evaluation, such as recalibration",
        "12g": "how the probabilities of the evaluation were computed",
        "13": "class imbalance: whether anything was done, and recalibration after it",
        "14": "what was done for fairness, and why",
        "15": "what the model gives, and how classes and thresholds came about",
        "16": "how training and evaluation data differ",
        "17": "ethics approval and consent",
    },
    "Open science": {
        "18a": "who paid, and what they did",
        "18b": "conflicts of interest",
        "18c": "where the protocol is, or that there is none",
        "18d": "registration, or that there is none",
        "18e": "where the data are",
        "18f": "where the code is",
    },
    "Patients and public": {"19": "how patients and the public took part, or that they did not"},
    "Results": {
        "20a": "how many took part, with and without the outcome, and who dropped out",
        "20b": "what they were like: dates, predictors, events, missing values, groups of people",
        "20c": "how predictors are distributed in evaluation beside development data",
        "21": "records and events in each analysis",
        "22": "the whole model, so that others can predict with it and test it",
        "23a": "how well it does, with intervals, also in subgroups",
        "23b": "differences between clusters, where looked at",
        "24": "what any updating gave",
    },
    "Discussion": {
        "25": "what it all means, fairness included, beside earlier work",
        "26": "limits of the study, and what they do to the results",
        "27a": "what to do with poor or missing input",
        "27b": "what users have to do and to know",
        "27c": "what comes next, and to whom the results may be carried over",
    },
}
"""Section -> item -> what it asks for."""


@dataclass(frozen=True)
class Item:
    """One line of the checklist, filled in.

    Args:
        number: Number of the item, such as ``12a``.
        asks: What it asks for, in our words.
        text: What the run knows; empty where nothing.
        where: Where that stands; empty where nowhere.
        status: ``told``, ``in part``, or ``yours to write``.
    """

    number: str
    asks: str
    text: str
    where: str
    status: Status


def checklist(content: ReportContent) -> list[dict[str, Any]]:
    """The sections of the checklist: ``title`` and ``lines``, the filled-in :class:`Item` s."""
    known = known_answers(content)
    return [
        {"title": title, "lines": [_item(number, asks, known) for number, asks in items.items()]}
        for title, items in CHECKLIST.items()
    ]


def render_tripod(content: ReportContent) -> str:
    """The checklist as Markdown.

    Args:
        content: As for the report; table and HTML marks in names are escaped.
    """
    sections = checklist(content)
    items = [item for section in sections for item in section["lines"]]
    counts = {status: sum(item.status == status for item in items) for status in ("told", "in part", "yours to write")}
    return fill("tripod_ai.md", {"content": content, "sections": sections, "counts": counts})


def _item(number: str, asks: str, known: Mapping[str, Answer]) -> Item:
    answer = known.get(number)
    if answer is None:
        return Item(number, asks, "", "", "yours to write")
    status: Status = "yours to write" if not answer.where else "told" if answer.whole else "in part"
    return Item(number, asks, answer.text, answer.where, status)
