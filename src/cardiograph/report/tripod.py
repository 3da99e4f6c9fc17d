"""The TRIPOD+AI checklist, filled in from the facts of a run; the rest is left to the authors.

Source: Collins, Moons, Dhiman and others, "TRIPOD+AI statement: updated guidance for reporting clinical prediction models
that use regression or machine learning methods", BMJ 385:e078378, 2024. Its 27 items are paraphrased here; journals require
the statement itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

from cardiograph.report.content import ReportContent
from cardiograph.report.template import fill
from cardiograph.report.tripod_answers import Entry, known_answers

Status = Literal["complete", "in part", "yours to write"]

CHECKLIST: dict[str, dict[str, str]] = {
    "Title and abstract": {
        "1": "a title with the kind of study, the target population and the predicted outcome",
        "2": "an abstract that follows the checklist for abstracts",
    },
    "Introduction": {
        "3a": "the medical context, the reason for a model, and existing models",
        "3b": "the target population, its place in the care pathway, and the intended users",
        "3c": "known health inequalities between sociodemographic groups",
        "4": "the objectives: development, evaluation, or both",
    },
    "Methods": {
        "5a": "sources of the data for development and evaluation, and how representative they are",
        "5b": "dates: first and last patient, end of follow-up",
        "6a": "kind, number and location of the centres",
        "6b": "eligibility criteria",
        "6c": "treatments, and how they were handled",
        "7": "preparation and quality checks of the data, and whether these were the same in all groups of people",
        "8a": "the outcome, its time horizon, how and when it was assessed, and whether this was the same in all groups",
        "8b": "qualifications of the assessors, if the outcome requires judgement",
        "8c": "blinding of outcome assessment to the predictors",
        "9a": "choice of the initial predictors",
        "9b": "each predictor, how and when it was measured, and blinding of its assessment to the outcome",
        "9c": "qualifications of the assessors, if predictors require judgement",
        "10": "how the study size was determined, for development and evaluation",
        "11": "missing values, and how they were handled",
        "12a": "purpose of each part of the data, and how they were split",
        "12b": "handling of predictors: form, scale, transformation",
        "12c": "type of model, its rationale, building and tuning, internal validation",
        "12d": "heterogeneity between clusters, such as hospitals",
        "12e": "measures and plots of performance and their rationale; comparison of models",
        "12f": "any updating after evaluation, such as recalibration",
        "12g": "how the probabilities of the evaluation were computed",
        "13": "handling of class imbalance, and recalibration after it",
        "14": "methods for fairness, and their rationale",
        "15": "output of the model, and how classes and thresholds were determined",
        "16": "differences between training and evaluation data",
        "17": "ethics approval and consent",
    },
    "Open science": {
        "18a": "funding and the role of the funders",
        "18b": "conflicts of interest",
        "18c": "where the protocol is available, or that there is none",
        "18d": "registration, or that there is none",
        "18e": "availability of the data",
        "18f": "availability of the code",
    },
    "Patients and public": {"19": "involvement of patients and the public, or that there was none"},
    "Results": {
        "20a": "flow of participants, with and without the outcome",
        "20b": "characteristics: dates, predictors, events, missing values, sociodemographic groups",
        "20c": "distribution of predictors in the evaluation data, compared with the development data",
        "21": "records and events in each analysis",
        "22": "the full model, so that others can predict with it and test it",
        "23a": "performance with intervals, including subgroups",
        "23b": "heterogeneity of performance between clusters, if examined",
        "24": "results of any updating",
    },
    "Discussion": {
        "25": "interpretation, including fairness, in the context of earlier work",
        "26": "limitations of the study, and their effect on the results",
        "27a": "handling of poor or missing input",
        "27b": "required interaction and expertise of users",
        "27c": "next steps, and applicability and generalisability of the results",
    },
}
"""Section -> item -> what the item asks for."""


@dataclass(frozen=True)
class Item:
    """One row of the filled-in checklist.

    Args:
        number: Number of the item, such as ``12a``.
        asks: What the item asks for, in our words.
        text: Information from the run; empty if there is none.
        where: Section of the report or file with that information; empty if there is none.
        status: ``complete``, ``in part``, or ``yours to write``.
    """

    number: str
    asks: str
    text: str
    where: str
    status: Status


def checklist(content: ReportContent) -> list[dict[str, Any]]:
    """Return the sections of the checklist: ``title`` and ``lines``, the filled-in items."""
    known = known_answers(content)
    return [
        {"title": title, "lines": [_item(number, asks, known) for number, asks in items.items()]}
        for title, items in CHECKLIST.items()
    ]


def render_tripod(content: ReportContent) -> str:
    """Render the checklist as Markdown.

    Args:
        content: Content of the report; HTML and Markdown marks in names are escaped.
    """
    sections = checklist(content)
    items = [item for section in sections for item in section["lines"]]
    counts = {status: sum(item.status == status for item in items) for status in get_args(Status)}
    return fill("tripod_ai.md", {"content": content, "sections": sections, "counts": counts})


def _item(number: str, asks: str, known: Mapping[str, Entry]) -> Item:
    answer = known.get(number)
    if answer is None:
        return Item(number, asks, "", "", "yours to write")
    status: Status = "yours to write" if not answer.where else "complete" if answer.complete else "in part"
    return Item(number, asks, answer.text, answer.where, status)
