"""Information that a run provides for each item of the TRIPOD+AI checklist, and where to find it."""

from __future__ import annotations

from dataclasses import dataclass

from cardiograph.report.content import ReportContent
from cardiograph.wording import WORDINGS

DOUBTFUL_WITH_CAUTIONS = ("7", "12a", "12c", "12e", "12f", "12g", "16", "23a")
"""Items for which a run with injected faults or accepted findings gives no reliable information."""


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
    if content.cautions:
        text = "Not reliable in this run: the cautions at the top state where it departs from good practice."
        doubtful = Entry(text, "What this is")
        answers |= dict.fromkeys(DOUBTFUL_WITH_CAUTIONS, doubtful)
    return answers


def sentence(parts: list[str], joined: str = "; ") -> str:
    """Join parts into one sentence."""
    text = joined.join(part for part in parts if part)
    text = text[:1].upper() + text[1:]
    return text if text.endswith(".") or not text else text + "."


def _cohort(content: ReportContent) -> dict[str, Entry]:
    origin = {
        "measured": "Add which population they represent.",
        "synthetic patient": "The patients are synthetic: a program drew them.",
        "simulated from the label": "The clinical values were simulated from the label.",
        "simulated blind to the label": "The clinical values were simulated, blind to the label.",
    }[content.provenance]
    total = sum(row.records for row in content.split)
    sites = any(name.lower() == "site" for name in content.metrics["subgroups"])
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
        "8a": Entry(f"Name of label 1: {content.outcome}. Add its definition, and when it was assessed.", ""),
        "17": Entry(
            "Required for patients." if content.provenance != "synthetic patient" else "No patient took part.", ""
        ),
    }


def _preparation(content: ReportContent) -> dict[str, Entry]:
    variables = () if content.clinical is None else content.clinical.variables
    named = [f"{v.title}{f' ({v.unit})' if v.unit else ''}" for v in variables]
    pages = content.encoder is not None
    inputs = "; ".join(filter(None, [", ".join(named), "ECG pages, encoded by a fixed encoder" if pages else ""]))
    form = [
        "a logarithm is applied to " + ", ".join(v.title for v in variables if v.transform == "log")
        if any(v.transform == "log" for v in variables)
        else "",
        "values are scaled with statistics of the training records" if variables else "",
        f"pages are encoded by a {content.encoder.title} that is not trained here" if content.encoder else "",
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
    bootstrap = content.metrics["bootstrap"]
    return {
        "12c": Entry(
            f"{names}, on the same features; kept: {kept}. The epoch was chosen by validation loss. Add the "
            "rationale for this type of model.",
            "Training, Models side by side, config.toml",
        ),
        "12e": Entry(
            "AUROC, AUPRC, Brier score, calibration slope, intercept and curve, distributions by outcome, decisions at the "
            f"threshold, decision curve; {bootstrap['confidence'] * 100:g} % intervals from {bootstrap['resamples']} "
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
            if content.metrics["subgroups"]
            else "No method for fairness was used, and no subgroup was examined.",
            "Subgroups" if content.metrics["subgroups"] else "model_card.md",
        ),
        "15": Entry(
            "A probability of the outcome, and a class at the threshold "
            f"{content.models.thresholds[content.models.primary]:.4f}: {content.threshold_chosen}, on validation "
            "records.",
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
    counts = content.metrics["counts"]["test"]
    groups = content.metrics["subgroups"]
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
            f"By part and class; {counts['records']} test records, {counts['positive']} with the outcome.",
            "Cohort",
            complete=True,
        ),
        "23a": Entry(
            f"Every score with its interval{by_subgroup}.",
            "Headline to Models side by side, metrics.json",
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
