"""Wording of the web UI for predictions and for the quality of the model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cardiograph.artifacts.bundle import ModelBundle
from cardiograph.artifacts.label_folders import LABELS_FILE, label_folders
from cardiograph.artifacts.run import METRICS_FILE, RunDirectory
from cardiograph.errors import RunError
from cardiograph.evaluate.results import Score
from cardiograph.patient_map.content import MAP_FILE
from cardiograph.schema import Provenance
from cardiograph.service.web.language import deferred, gettext, ngettext
from cardiograph.service.web.other_texts import term
from cardiograph.survival.evaluation import SurvivalMetrics
from cardiograph.wording import WORDINGS, Wording, class_names

BLOCKS = {
    "image": deferred("ECG page"),
    "clinical": deferred("clinical values"),
    "measurements": deferred("ECG measurements"),
}
"""Block -> its name, to be translated."""


@dataclass(frozen=True)
class Decision:
    """Wording of a conformal decision.

    Args:
        title: Short title.
        text: Explanation of one or two sentences.
        tone: ``yes``, ``no``, ``open`` or ``void``; selects colour and mark.
    """

    title: str
    text: str
    tone: str


def risk_only() -> Decision:
    """Return the wording of a model that decides nothing."""
    text = gettext("A model of the time to an event gives risks and has no threshold.")
    return Decision(gettext("No decision"), text, "open")


def _no_estimate() -> Decision:
    text = gettext("The model reproduces a faulty protocol for study. Its score says nothing about a patient.")
    return Decision(gettext("No estimate"), text, "void")


@dataclass(frozen=True)
class Limits:
    """Quality and limits of the model, as found by its run.

    Args:
        auroc: AUROC on the test records, or the score that stands for it; None without the run directory.
        score: Name of that score.
        verdict: Sentence that says whether the graph helped; empty if unknown.
        wording: Terms for scores of this provenance.
        report: Whether the run has a report.
        patient_map: Whether the run has a map of the patient graph.
    """

    auroc: Score | None
    score: str
    verdict: str
    wording: Wording
    report: bool
    patient_map: bool


def decision_of(answer: Mapping[str, Any], confidence: float | None) -> Decision:
    """Return the wording of the conformal decision, or of why there is none.

    Args:
        answer: :meth:`Prediction.as_dict`.
        confidence: Confidence of the conformal sets, 0..1; None without sets.
    """
    if answer.get("classes"):
        return _decision_of_classes(answer, confidence)
    negative, positive = shown_names(answer["outcome"]).values()
    decisions = {
        "positive": _pointing(positive, negative, "yes", confidence),
        "negative": _pointing(negative, positive, "no", confidence),
        "can't tell": Decision(
            gettext("Can’t tell"),
            gettext(
                "Neither “%(positive)s” nor “%(negative)s” can be ruled out at the known error rate.",
                positive=positive,
                negative=negative,
            ),
            "open",
        ),
        "unlike both": Decision(
            gettext("Unlike both"),
            gettext("This patient resembles the validation records of neither class, so there is no decision."),
            "open",
        ),
        "void": Decision(
            gettext("Void"),
            gettext(
                "The run was extended and not recalibrated. The probability is uncalibrated and supports no decision."
            ),
            "void",
        ),
        "no estimate": _no_estimate(),
    }
    few = gettext("The run had too few validation records of one class to know the error rate of a decision.")
    return decisions.get(answer["decision"], Decision(gettext("No decision"), few, "open"))


def shown_names(outcome: str, classes: tuple[str, ...] = ()) -> dict[str, str]:
    """Return the display name of each label -> the same in the language of the request, see :func:`class_names`."""
    names = class_names(outcome, classes)
    negated = {f"not {name}": gettext("not %(name)s", name=term(name)) for name in names}
    return {name: term(name) if classes else negated.get(name, term(name)) for name in names}


def _pointing(name: str, other: str, tone: str, confidence: float | None) -> Decision:
    """Return the wording of a decision for one class, which rules out the other one."""
    text = gettext("“%(name)s” can be ruled out.", name=other)
    return Decision(gettext("Points to %(name)s", name=name), f"{text}{_wrongly(other, confidence)}", tone)


def _decision_of_classes(answer: Mapping[str, Any], confidence: float | None) -> Decision:
    """Return the wording of the conformal set over several classes."""
    names = [gettext("“%(name)s”", name=term(name)) for name in answer["conformal_set"] or ()]
    errs = ""
    if confidence is not None:
        errs = " " + gettext(
            "In about %(count)s of 100 patients the true class is not in this set.",
            count=round(100 * (1 - confidence)),
        )
    decisions = {
        "one class": Decision(
            gettext("Points to %(name)s", name=term(answer["likely"])),
            gettext("All other classes can be ruled out.") + errs,
            "no",
        ),
        "several classes": Decision(
            ngettext("%(count)s class is possible", "%(count)s classes are possible", len(names), count=len(names)),
            gettext("Cannot be ruled out: %(names)s.", names=", ".join(names)) + errs,
            "open",
        ),
        "unlike all": Decision(
            gettext("Unlike all classes"),
            gettext("This patient resembles the validation records of no class, so there is no decision."),
            "open",
        ),
        "no estimate": _no_estimate(),
    }
    few = gettext("The run had too few validation records to know the error rate of a decision.")
    return decisions.get(answer["decision"], Decision(gettext("No decision"), few, "open"))


def _wrongly(name: str, confidence: float | None) -> str:
    """Return the rate at which a class is wrongly ruled out, among the patients who belong to it."""
    if confidence is None:
        return ""
    return " " + gettext(
        "Of patients who truly are “%(name)s”, about %(count)s in 100 wrongly get this answer or “unlike both”. How often "
        "this answer is wrong depends on how common the outcome is.",
        name=name,
        count=round(100 * (1 - confidence)),
    )


def confidence_of(bundle: ModelBundle) -> float | None:
    """Return the confidence of the conformal sets; None if there are none."""
    sets = None if bundle.uncertainty is None else bundle.uncertainty.conformal
    return None if sets is None else sets.confidence


def limits_of(run: Path, bundle: ModelBundle) -> Limits:
    """Read the quality of the model from the run's ``metrics.json`` or ``labels.json``, if one exists."""
    if label_folders(run) or bundle.served.follow_up is not None:
        return _limits_of_other_kinds(run, bundle)
    metrics = RunDirectory(run).read_metrics() if (run / METRICS_FILE).is_file() else None
    verdict = None if metrics is None else metrics.graph_verdict
    wording = _wording_of(bundle) if metrics is None else WORDINGS[metrics.provenance]
    return Limits(
        auroc=None if metrics is None else metrics.test["auroc"],
        score=_macro(wording) if bundle.served.classes else wording.score,
        verdict="" if verdict is None else verdict.sentence,
        wording=wording,
        report=(run / "report.html").is_file(),
        patient_map=(run / MAP_FILE).is_file(),
    )


def _limits_of_other_kinds(run: Path, bundle: ModelBundle) -> Limits:
    """Read the quality of a model of several labels or of the time to an event.

    Raises:
        RunError: If the file with the scores is damaged or of another version.
    """
    directory, wording = RunDirectory(run), _wording_of(bundle)
    several = bool(label_folders(run))
    score, name = (_macro(wording), LABELS_FILE) if several else (deferred("Uno’s C (0.5 is chance)"), METRICS_FILE)
    value, verdict = None, ""
    try:
        if several:
            summary = directory.read_json(name)
            if "before" not in summary:  # an extended run was not scored
                value = Score(**summary["macro_auroc"][summary["model"]])
        elif (run / name).is_file():
            metrics = SurvivalMetrics.from_dict(directory.read_json(name))
            own = metrics.scores[metrics.primary]["uno_c"]
            value, verdict = Score(value=own.value, low=own.low, high=own.high), metrics.verdict
    except (KeyError, TypeError, ValueError) as error:
        message = f"{run / name}: damaged or of another version; make the run again"
        raise RunError(message) from error
    return Limits(value, score, verdict, wording, (run / "report.html").is_file(), patient_map=False)


def _macro(wording: Wording) -> str:
    """Return the name of the score over several classes or labels, to be translated."""
    names = {
        "AUROC on the test records": deferred("Macro AUROC on the test records"),
        "Simulator check: AUROC": deferred("Simulator check: macro AUROC"),
        "Synthetic benchmark: AUROC": deferred("Synthetic benchmark: macro AUROC"),
    }
    return names[wording.score]


def _wording_of(bundle: ModelBundle) -> Wording:
    found = bundle.served.provenance
    provenance: Provenance = next((each for each in WORDINGS if f"values {each}" in found), "measured")
    return WORDINGS[provenance]
