"""The TRIPOD+AI checklist, filled in from the facts of a run; the rest is left to the authors.

Source: Collins, Moons, Dhiman and others, "TRIPOD+AI statement: updated guidance for reporting clinical prediction
models that use regression or machine learning methods", BMJ 385:e078378, 2024. Its 27 items are paraphrased here;
journals require the statement itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

from cardiograph.report.content import ReportContent
from cardiograph.report.template import fill
from cardiograph.wording import WORDINGS

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
        "12e": "measures and plots of the evaluation and their rationale; comparison of models",
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
        "23a": "results of the evaluation with intervals, including subgroups",
        "23b": "differences in results between clusters, if examined",
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
DOUBTFUL_WITH_CAUTIONS = ("7", "12a", "12c", "12e", "12f", "12g", "16", "23a")
"""Items for which a run with injected faults or accepted findings gives no reliable information."""


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
    return filled_checklist(known_answers(content))


def filled_checklist(known: Mapping[str, Entry]) -> list[dict[str, Any]]:
    """Return the sections of the checklist as in :func:`checklist`, from item -> information."""
    return [
        {"title": title, "lines": [_item(number, asks, known) for number, asks in items.items()]}
        for title, items in CHECKLIST.items()
    ]


def render_tripod(content: ReportContent) -> str:
    """Render the checklist as Markdown.

    Args:
        content: Content of the report; HTML and Markdown marks in names are escaped.
    """
    return render_checklist(content.title, content.cautions, checklist(content))


def render_checklist(title: str, cautions: Sequence[str], sections: Sequence[Mapping[str, Any]]) -> str:
    """Render the filled-in sections of the checklist as Markdown; names are escaped."""
    items = [item for section in sections for item in section["lines"]]
    counts = {status: sum(item.status == status for item in items) for status in get_args(Status)}
    return fill("tripod_ai.md", {"title": title, "cautions": cautions, "sections": sections, "counts": counts})


def _item(number: str, asks: str, known: Mapping[str, Entry]) -> Item:
    answer = known.get(number)
    if answer is None:
        return Item(number, asks, "", "", "yours to write")
    status: Status = "yours to write" if not answer.where else "complete" if answer.complete else "in part"
    return Item(number, asks, answer.text, answer.where, status)


@dataclass(frozen=True)
class Entry:
    """Information on one item.

    Args:
        text: One or two sentences.
        where: Section of the report or file with more; empty for a hint to the authors.
        complete: Whether nothing is left for the authors to write.
    """

    text: str
    where: str
    complete: bool = False


def known_answers(content: ReportContent) -> dict[str, Entry]:
    """Return item -> information from this run; a missing item is left entirely to the authors."""
    answers: dict[str, Entry] = {}
    for section in (_cohort, _preparation, _modelling, _results, _discussion):
        answers |= section(content)
    return answers | (doubtful_answers("What this is") if content.cautions else {})


def doubtful_answers(where: str) -> dict[str, Entry]:
    """Return the items that a run with cautions cannot answer; ``where`` is the section with the cautions."""
    text = "Not reliable in this run: the cautions at the top state where it departs from good practice."
    return dict.fromkeys(DOUBTFUL_WITH_CAUTIONS, Entry(text, where))


def sentence(parts: list[str], joined: str = "; ") -> str:
    """Join parts into one sentence."""
    text = joined.join(part for part in parts if part)
    text = text[:1].upper() + text[1:]
    return text if text.endswith(".") or not text else text + "."


def _outcome_named(content: ReportContent) -> str:
    if content.classes:
        return f"Name of the outcome: {content.outcome}, one of {', '.join(content.classes)}"
    return f"Name of label 1: {content.outcome}"


def _scores_reported(content: ReportContent) -> str:
    if content.classes:
        return (
            "AUROC, AUPRC, calibration slope, intercept and curve of each class against the rest, their means, Brier score, "
            "log loss, balanced accuracy, confusion matrix"
        )
    return (
        "AUROC, AUPRC, Brier score, calibration slope, intercept and curve, distributions by outcome, decisions at the "
        "threshold, decision curve"
    )


def _cohort(content: ReportContent) -> dict[str, Entry]:
    origin = {
        "measured": "Add which population they represent.",
        "synthetic patient": "The patients are synthetic: a program drew them.",
        "simulated from the label": "The clinical values were simulated from the label.",
        "simulated blind to the label": "The clinical values were simulated, blind to the label.",
    }[content.provenance]
    total = sum(row.records for row in content.split)
    sites = any(name.lower() == "site" for name in content.metrics.subgroups)
    return {
        "1": Entry(f"Name of the outcome in this run: {content.outcome}.", ""),
        "2": Entry("methods.md and the model card contain numbers for it.", ""),
        "4": Entry(
            "This run develops a model and evaluates it on held-out records of the same cohort.", "What this is"
        ),
        "5a": Entry(f"One table of {total} records, split into parts. {origin}", "Cohort"),
        "6a": Entry("The table has a column of sites; name them." if sites else "", "Subgroups" if sites else ""),
        "6b": Entry(
            f"Pages or values excluded, each with its reason: {len(content.issues)}. Add the eligibility criteria of the "
            "cohort.",
            "Cohort",
        ),
        "7": Entry(
            "Every page and value was checked against stated limits"
            + (", and an audit searched for copies, shortcuts and late columns" if content.audit else "")
            + ". Add whether data were collected in the same way in all groups of people.",
            "Cohort, Audit, audit.json" if content.audit else "Cohort",
        ),
        "8a": Entry(f"{_outcome_named(content)}. Add its definition, and when it was assessed.", ""),
        "17": Entry(
            "Required for patients." if content.provenance != "synthetic patient" else "No patient took part.", ""
        ),
    }


def _preparation(content: ReportContent) -> dict[str, Entry]:
    variables = () if content.clinical is None else content.clinical.variables
    named = [f"{v.title}{f' ({v.unit})' if v.unit else ''}" for v in variables]
    pages = content.encoder is not None
    inputs = "; ".join(filter(None, [", ".join(named), "ECGs, encoded by a fixed encoder" if pages else ""]))
    form = [
        "a logarithm is applied to " + ", ".join(v.title for v in variables if v.transform == "log")
        if any(v.transform == "log" for v in variables)
        else "",
        "values are scaled with statistics of the training records" if variables else "",
        f"ECGs are encoded by {content.encoder.description}, and it is not trained here" if content.encoder else "",
    ]
    weighted = [note for note in content.notes if "loss weighs" in note or "augmented copies" in note]
    return {
        "9a": Entry(f"Inputs of the model: {inputs}. Add why these were chosen.", "Clinical values, Pages"),
        "9b": Entry(
            "Units, limits and provenance of each. Add how and when they were measured.",
            "Clinical values, model_card.md",
        ),
        "10": Entry(
            "Not determined in advance; the audit states what this number of records can show."
            if content.audit
            else "Not determined in advance; the widths of the intervals show the precision of this number of records.",
            "Audit" if content.audit else "Decisions",
        ),
        "11": Entry(
            "Missing values are counted for each variable and replaced with the median of the training records. "
            "Add why they are missing."
            if variables
            else "The model uses no clinical values.",
            "Clinical values, Cohort",
            complete=not variables,
        ),
        "12a": Entry(
            f"The split was {'drawn by this program' if content.split_source == 'drawn' else 'given in the table'}; "
            "training records served for fitting, validation records for epoch and threshold, test records for scores only.",
            "Cohort, split.parquet",
            complete=True,
        ),
        "12b": Entry(sentence(form), "Clinical values, Pages, Basis of each number", complete=True),
        "13": Entry(
            sentence(weighted) or "Records were not weighted, resampled or augmented.", "Cohort", complete=not weighted
        ),
    }


def _modelling(content: ReportContent) -> dict[str, Entry]:
    names = ", ".join(content.title_of(name) for name in content.model_order)
    kept = content.title_of(content.models.primary)
    bootstrap = content.metrics.bootstrap
    return {
        "12c": Entry(
            f"{names}, on the same features; kept: {kept}. The epoch was chosen by validation loss. Add the "
            "rationale for this type of model.",
            "Training, Models side by side, config.toml",
        ),
        "12e": Entry(
            f"{_scores_reported(content)}; {bootstrap.confidence * 100:g} % intervals from {bootstrap.resamples} "
            "resamples of whole groups; models compared on the same resamples.",
            "Discrimination to Models side by side, metrics.json",
            complete=True,
        ),
        "12f": Entry(
            "The model was not changed after the test records were scored.", "Basis of each number", complete=True
        ),
        "12g": Entry(
            "By the served model files, one record at a time, with training records as the only neighbours.",
            "bundle/, predictions.parquet",
            complete=True,
        ),
        "14": Entry(
            "No method for fairness was used; scores in subgroups are reported."
            if content.metrics.subgroups
            else "No method for fairness was used, and no subgroup was examined.",
            "Subgroups" if content.metrics.subgroups else "model_card.md",
        ),
        "15": Entry(
            "A probability for each class, and the most likely class; no threshold is used."
            if content.classes
            else f"A probability of the outcome, and a class at the threshold {content.threshold:.4f}: "
            f"{content.threshold_chosen}, on validation records.",
            "Decisions",
            complete=True,
        ),
        "16": Entry(
            "The parts are random splits of one cohort by group, so no difference beyond chance is expected."
            if content.split_source == "drawn"
            else "The split was given; add how its parts differ.",
            "Cohort",
            complete=content.split_source == "drawn",
        ),
        "18f": Entry("Program, version and command of this run; add where your own code is.", "Reproduce, run.json"),
        "22": Entry(
            "Weights, scaler, reference records and threshold, loaded by one call. The bundle contains data of the "
            "reference records: state who may have access."
            + (" Read the cautions at the top first." if content.cautions else ""),
            "bundle/",
        ),
    }


def _results(content: ReportContent) -> dict[str, Entry]:
    counts = content.metrics.counts.test
    groups = content.metrics.subgroups
    site = any(name.lower() == "site" for name in groups)
    by_subgroup = f", in subgroups by {', '.join(groups)}" if groups else ""
    found = {
        "20a": Entry("Records, patients and groups of each part and class; exclusions with reasons.", "Cohort"),
        "20b": Entry(
            "Median and quartiles of each variable by class, with the number of missing values. Add dates and "
            "treatments.",
            "Clinical values" if content.clinical else "Cohort",
        ),
        "21": Entry(
            f"By part and class; {counts.records} test records"
            + ("." if content.classes else f", {counts.positive} with the outcome."),
            "Cohort",
            complete=True,
        ),
        "23a": Entry(
            f"Every score with its interval{by_subgroup}.",
            "Summary to Models side by side, metrics.json",
            complete=bool(groups),
        ),
        "24": Entry("The model was not updated.", "Basis of each number", complete=True),
    }
    if site:
        found["12d"] = Entry("Scores by site; differences are not tested.", "Subgroups")
        found["23b"] = Entry("Scores by site.", "Subgroups", complete=True)
    return found


def _discussion(content: ReportContent) -> dict[str, Entry]:
    limits = "The model was tested on the cohort it was trained on, at no other site and with no other device."
    explained = WORDINGS[content.provenance].explanation if content.provenance != "measured" else ""
    missing = "Poor pages are refused with a reason; a missing value is imputed and reported with the prediction."
    return {
        "26": Entry(sentence([limits, explained], " "), "model_card.md, Basis of each number"),
        "27a": Entry(missing, "Cohort, Pages" if content.encoder else "Cohort"),
        "27b": Entry("One command or call scores a patient; add what users must know.", "bundle/"),
    }
