"""What a run knows of each item of the TRIPOD+AI checklist, and where that stands."""

from __future__ import annotations

from dataclasses import dataclass

from cardiograph.report.content import ReportContent
from cardiograph.report.figures_scores import model_order, title_of
from cardiograph.wording import WORDINGS

DOUBTFUL_WITH_CAUTIONS = ("7", "12a", "12c", "12e", "12f", "12g", "16", "23a")
"""Items that a run with faults, or with accepted findings, cannot vouch for."""


@dataclass(frozen=True)
class Answer:
    """What is known of an item.

    Args:
        text: A sentence or two.
        where: Section of the report, or file; empty for a hint to the authors.
        whole: Whether nothing is left to write.
    """

    text: str
    where: str
    whole: bool = False


def known_answers(content: ReportContent) -> dict[str, Answer]:
    """Item -> what this run knows; an item that is missing is wholly the authors' to write."""
    answers: dict[str, Answer] = {}
    for part in (_studied, _prepared, _modelled, _found, _discussed):
        answers |= part(content)
    if content.cautions:
        doubtful = Answer("Not as it should be: the cautions at the top say where this run departs.", "What this is")
        answers |= dict.fromkeys(DOUBTFUL_WITH_CAUTIONS, doubtful)
    return answers


def sentence(parts: list[str], joined: str = "; ") -> str:
    """Parts as one sentence."""
    text = joined.join(part for part in parts if part)
    text = text[:1].upper() + text[1:]
    return text if text.endswith(".") or not text else text + "."


def _studied(content: ReportContent) -> dict[str, Answer]:
    origin = {
        "measured": "Whom they stand for is yours to say.",
        "synthetic patient": "The patients are synthetic: drawn by a program, not met.",
        "simulated from the label": "The clinical values were simulated from the label.",
        "simulated blind to the label": "The clinical values were simulated, blind to the label.",
    }[content.provenance]
    total = sum(row.records for row in content.split)
    sites = any(name.lower() == "site" for name in content.metrics.get("subgroups", {}))
    return {
        "1": Answer(f"Outcome as it is called here: {content.outcome}.", ""),
        "2": Answer("Numbers for it stand in methods.md and the model card.", ""),
        "4": Answer("This run develops a model and evaluates it on records kept apart of the same cohort.", "What this is"),
        "5a": Answer(f"One table of {total} records, split into parts. {origin}", "Cohort"),
        "6a": Answer("The table has a column of sites; name them." if sites else "", "Subgroups" if sites else ""),
        "6b": Answer(
            f"Pages or values left out, each with its reason: {len(content.issues)}. Who was let into the table is yours to "
            "say.",
            "Cohort",
        ),
        "7": Answer(
            "Every page and value was checked against stated limits"
            + (", and an audit looked for copies, shortcuts and late columns" if content.audit else "")
            + ". Whether data were collected alike in all groups of people is yours to say.",
            "Cohort, Audit, audit.json" if content.audit else "Cohort",
        ),
        "8a": Answer(f"Label 1 is called: {content.outcome}. What that means, and when it was found, is yours.", ""),
        "17": Answer("Needed for patients." if content.provenance != "synthetic patient" else "No patient took part.", ""),
    }  # fmt: skip


def _prepared(content: ReportContent) -> dict[str, Answer]:
    variables = () if content.clinical is None else content.clinical.variables
    named = [f"{v.title}{f' ({v.unit})' if v.unit else ''}" for v in variables]
    page = content.encoder is not None
    read = "; ".join(filter(None, [", ".join(named), "pages of ECG through a fixed encoder" if page else ""]))
    form = ["The logarithm is taken of " + ", ".join(v.title for v in variables if v.transform == "log")
            if any(v.transform == "log" for v in variables) else "",
            "values are scaled by the training records" if variables else "",
            f"pages become features of a {content.encoder.title}, not trained here" if content.encoder else ""]  # fmt: skip
    weighted = [note for note in content.notes if "loss weighs" in note or "augmented copies" in note]
    return {
        "9a": Answer(f"The model reads: {read}. Why these is yours to say.", "Clinical values, Pages"),
        "9b": Answer("Units, limits and provenance of each. How and when they were measured is yours.",
                     "Clinical values, model_card.md"),
        "10": Answer("Not computed for you; the audit says what this number of records can show." if content.audit else
                     "Not computed for you; the widths of the intervals show what this number can tell.",
                     "Audit" if content.audit else "Decisions"),
        "11": Answer("Gaps are counted for each variable and filled with the median of the training records. Why they are "
                     "missing is yours." if variables else "No clinical values are read.",
                     "Clinical values, Cohort", whole=not variables),
        "12a": Answer(f"Split {'by this program' if content.split_source == 'drawn' else 'as given in the table'}; training "
                      "records for learning, validation records for epoch and threshold, test records for scores alone.",
                      "Cohort, split.parquet", whole=True),
        "12b": Answer(sentence(form), "Clinical values, Pages, What numbers rest on", whole=True),
        "13": Answer(sentence(weighted) or "Nothing was weighted, drawn again or copied.", "Cohort", whole=not weighted),
    }  # fmt: skip


def _modelled(content: ReportContent) -> dict[str, Answer]:
    names = ", ".join(title_of(content, name) for name in model_order(content))
    kept = title_of(content, content.models.primary)
    bootstrap = content.metrics["bootstrap"]
    curve = "net_benefit" in content.metrics
    return {
        "12c": Answer(f"{names}, on the same features; kept: {kept}. Epoch by validation loss. Why this kind is yours.",
                      "Training, Models side by side, config.toml"),
        "12e": Answer(
            "AUROC, AUPRC, Brier score, calibration slope, intercept and curve, distributions by outcome, decisions at the "
            f"threshold{', decision curve' if curve else ''}; {bootstrap['confidence'] * 100:g} % intervals by "
            f"{bootstrap['resamples']} resamples of whole groups; models compared on the same resamples.",
            "Discrimination to Models side by side, metrics.json", whole=True),
        "12f": Answer("Nothing was changed after the test records were scored.", "What numbers rest on", whole=True),
        "12g": Answer("By the files that are served, one record at a time, hearing training records only.",
                      "bundle/, predictions.parquet", whole=True),
        "14": Answer("Nothing was done about it; scores in subgroups are there to look at."
                     if content.metrics.get("subgroups") else "Nothing was done about it, and no subgroup was looked at.",
                     "Subgroups" if content.metrics.get("subgroups") else "model_card.md"),
        "15": Answer("A probability of the outcome, and a class at the threshold "
                     f"{content.models.thresholds[content.models.primary]:.4f}: {content.threshold_chosen}, on validation "
                     "records.", "Decisions", whole=True),
        "16": Answer("Parts of one cohort, split by group: no difference is meant, and none beyond chance is expected."
                     if content.split_source == "drawn" else "The split was given; what differs between its parts is yours.",
                     "Cohort", whole=content.split_source == "drawn"),
        "18f": Answer("Program, version and command of this run; where your own code is, is yours.", "Reproduce, run.json"),
        "22": Answer("Weights, scaler, reference records and threshold; loaded by one call. It holds data of the reference "
                     "records: who may have it is yours to say."
                     + (" Read the cautions at the top first." if content.cautions else ""), "bundle/"),
    }  # fmt: skip


def _found(content: ReportContent) -> dict[str, Answer]:
    counts = content.metrics["counts"]["test"]
    groups = content.metrics.get("subgroups", {})
    site = any(name.lower() == "site" for name in groups)
    looked = f", in subgroups by {', '.join(groups)}" if groups else ""
    found = {
        "20a": Answer("Records, patients and groups of each part and class; what was left out, and why.", "Cohort"),
        "20b": Answer("Median and quartiles of each variable by class, with gaps counted. Dates and treatments are yours.",
                      "Clinical values" if content.clinical else "Cohort"),
        "21": Answer(f"By part and class; {counts['records']} test records, {counts['positive']} with the outcome.",
                     "Cohort", whole=True),
        "23a": Answer(f"Every score with its interval{looked}.", "Headline to Models side by side, metrics.json",
                      whole=bool(groups)),
        "24": Answer("Nothing was updated.", "What numbers rest on", whole=True),
    }  # fmt: skip
    if site:
        found["12d"] = Answer("Scores by site, none of them tested for a difference.", "Subgroups")
        found["23b"] = Answer("Scores by site.", "Subgroups", whole=True)
    return found


def _discussed(content: ReportContent) -> dict[str, Answer]:
    limits = "Tested on the cohort it was trained on, at no other site and with no other device."
    explained = WORDINGS[content.provenance].explanation if content.provenance != "measured" else ""
    missing = "Poor pages are refused with a reason; a missing value is filled in and told with the answer."
    return {
        "26": Answer(sentence([limits, explained], " "), "model_card.md, What numbers rest on"),
        "27a": Answer(missing, "Cohort, Pages" if content.encoder else "Cohort"),
        "27b": Answer("One command or call scores a patient; what users must know is yours.", "bundle/"),
    }
