"""The TRIPOD+AI checklist of a run with a time-to-event outcome, filled in from the facts of the run."""

from __future__ import annotations

from typing import Any

from cardiograph.report.survival_content import SurvivalContent
from cardiograph.report.tripod import Entry, doubtful_answers, filled_checklist, render_checklist
from cardiograph.survival.evaluation import TITLES


def survival_checklist(content: SurvivalContent) -> list[dict[str, Any]]:
    """Return the sections of the checklist; see :func:`cardiograph.report.tripod.checklist`."""
    return filled_checklist(survival_answers(content))


def render_survival_tripod(content: SurvivalContent) -> str:
    """Render the checklist as Markdown; names are escaped."""
    return render_checklist(content.title, content.facts["cautions"], survival_checklist(content))


def survival_answers(content: SurvivalContent) -> dict[str, Entry]:
    """Return item -> information from this run; a missing item is left entirely to the authors."""
    answers = _cohort(content) | _modelling(content) | _results(content)
    return answers | (doubtful_answers("Summary") if content.facts["cautions"] else {})


def _cohort(content: SurvivalContent) -> dict[str, Entry]:
    facts, metrics = content.facts, content.metrics
    drawn = facts["split"]["source"] == "drawn"
    synthetic = facts["provenance"] == "synthetic patient"
    origin = "The patients are synthetic: a program drew them." if synthetic else "Add which population they represent."
    total = sum(counts.records for counts in metrics.counts.values())
    horizons = f"{', '.join(f'{each:g}' for each in metrics.horizons)} {metrics.unit}"
    return {
        "1": Entry(f"Name of the outcome in this run: time to {facts['outcome']}.", ""),
        "2": Entry("The model card contains numbers for it.", ""),
        "4": Entry("This run develops a model and evaluates it on held-out records of the same cohort.", "Summary"),
        "5a": Entry(f"One table of {total} records with follow-up, split into parts. {origin}", "Cohort"),
        "6b": Entry(
            f"Pages excluded, each with its reason: {len(facts['skipped'])}. Add the eligibility criteria.",
            "Cohort, run.json",
        ),
        "7": Entry(
            "Every page and value was checked against stated limits, and an audit searched for copies, shortcuts and late "
            "columns. Add whether data were collected in the same way in all groups of people.",
            "Cohort, Audit, audit.json",
        ),
        "8a": Entry(
            f"Time to {facts['outcome']}, with risks by {horizons}. Add the definition of the event, of the start of "
            "follow-up and of competing events, and how events were found.",
            "Cohort",
        ),
        "9a": Entry(f"Inputs of the model: {', '.join(content.inputs)}. Add why these were chosen.", "model_card.md"),
        "9b": Entry("Units, limits and provenance of each. Add how and when they were measured.", "model_card.md"),
        "10": Entry(
            f"Not determined in advance; {_events_per_feature(content)} training events per feature of the kept model.",
            "Limits",
        ),
        "11": Entry(
            "Missing values are counted for each variable and replaced with the median of the training records. Add why "
            "they are missing."
            if facts["variables"]
            else "The model uses no clinical values.",
            "Cohort",
            complete=not facts["variables"],
        ),
        "12a": Entry(
            f"The split was {'drawn by this program' if drawn else 'given in the table'}; training records served for "
            "fitting, validation records for penalties and epochs, test records for scores only.",
            "Cohort, split.parquet",
            complete=True,
        ),
        "16": Entry(
            "The parts are random splits of one cohort by group, so no difference beyond chance is expected."
            if drawn
            else "The split was given; add how its parts differ.",
            "Cohort",
            complete=drawn,
        ),
        "17": Entry("No patient took part." if synthetic else "Required for patients.", ""),
    }


def _modelling(content: SurvivalContent) -> dict[str, Entry]:
    metrics = content.metrics
    names = ", ".join(TITLES[name] for name in TITLES if name in metrics.scores)
    return {
        "12b": Entry(
            "Values are scaled with statistics of the training records; ECGs are encoded by an encoder that is not "
            "trained here."
            if content.facts["encoder"] is not None
            else "Values are scaled with statistics of the training records.",
            "model_card.md",
            complete=True,
        ),
        "12c": Entry(
            f"{names}; kept: {TITLES[metrics.primary]}. Epochs and penalties were chosen on validation records. Add the "
            "rationale for this type of model.",
            "Models side by side, config.toml",
        ),
        "12e": Entry(
            "Uno's and Harrell's C, AUROC and Brier score at each horizon and the integrated Brier score by inverse "
            "censoring weights, calibration at each horizon, Kaplan-Meier or cumulative incidence curves of thirds of risk; "
            f"{metrics.confidence:.0%} intervals from {metrics.resamples} resamples of whole groups, on which models "
            "were also compared.",
            "Models side by side, Calibration, Risk groups, metrics.json",
            complete=True,
        ),
        "12f": Entry("The model was not changed after the test records were scored.", "Summary", complete=True),
        "12g": Entry(
            "By the served model files, one record at a time, with training records as the only neighbours. Competing "
            "events enter with one hazard for all patients.",
            "bundle/, predictions.parquet",
            complete=True,
        ),
        "13": Entry("Records were not weighted, resampled or augmented.", "Cohort", complete=True),
        "14": Entry("No method for fairness was used, and no subgroup was examined.", "model_card.md"),
        "15": Entry("A risk by each horizon and a curve with a band; no threshold is used.", "Summary", complete=True),
        "18f": Entry("Program, version and command of this run; add where your own code is.", "Reproduce, run.json"),
        "22": Entry(
            "Weights, scaler and reference records, loaded by one call. The bundle contains data of the reference records: "
            "state who may have access.",
            "bundle/",
        ),
    }


def _results(content: SurvivalContent) -> dict[str, Entry]:
    test = content.metrics.counts["test"]
    limits = (
        "The model was tested on the cohort it was trained on, at no other site and with no other device. Censoring is "
        "assumed not to depend on the predictors."
    )
    return {
        "20a": Entry("Records and groups of each part, and how their follow-up ended.", "Cohort"),
        "21": Entry(
            f"By part; {test.records} test records, {test.events} with the event, {test.competing} with a competing event.",
            "Cohort",
            complete=True,
        ),
        "23a": Entry("Every score with its interval; no subgroups.", "Models side by side, metrics.json"),
        "24": Entry("The model was not updated.", "Summary", complete=True),
        "26": Entry(limits, "Limits"),
        "27a": Entry(
            "Poor pages are refused with a reason; a missing value is imputed and reported with the prediction.",
            "Cohort",
        ),
        "27b": Entry("One command or call scores a patient; add what users must know.", "bundle/"),
    }


def _events_per_feature(content: SurvivalContent) -> str:
    return f"{content.metrics.events_per_variable[content.metrics.primary]:.1f}"
