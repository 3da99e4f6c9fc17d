"""The page on recent patients: one HTML file that needs no network."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cardiograph.issue_groups import counted
from cardiograph.registry import TITLES
from cardiograph.report.panel import Answer, Summary, alert
from cardiograph.report.tables import interval, number
from cardiograph.report.template import fill
from cardiograph.wording import WORDINGS

NOTHING = "nothing compared"
"""Verdict where neither values nor outcomes could be compared."""


def render_monitor(found: Mapping[str, Any]) -> str:
    """Render the result of :func:`cardiograph.external.watch.monitor_table` as HTML; names are escaped."""
    context = {"found": found, "title": TITLES[found["model"]], "summary": _summary(found)}
    return fill("monitor.html", {**context, "wording": WORDINGS[found["provenance"]]}, package="cardiograph.external")


def verdict(found: Mapping[str, Any]) -> str:
    """Return the number of alerts in words, or that nothing could be compared."""
    if not found["comparisons"] and found["all"]["performance"] is None:
        return NOTHING
    return counted(len(found["alerts"]), "alert") if found["alerts"] else "no alert"


def too_few(found: Mapping[str, Any]) -> str:
    """Return what a comparison needs and what there is, as a sentence; empty if anything was compared."""
    if found["comparisons"]:
        return ""
    counts = found["counts"]
    return (
        f"A comparison needs at least {found['rule']['min_records']} patients with a known value on either side; here are "
        f"{counts['groups']} recent ones and {counts['reference']} of the run."
    )


def _summary(found: Mapping[str, Any]) -> Summary:
    counts, whole = found["counts"], found["all"]
    performance = whole["performance"]
    alarmed = bool(found["alerts"])
    agreement = Answer(
        "Do outcomes agree?",
        "not enough outcomes",
        f"{whole['outcomes']} records have an outcome; ten patients with each outcome are needed.",
    )
    if performance is not None:
        agreement = Answer(
            "Do outcomes agree?",
            f"observed over expected {interval(performance['observed_to_expected'])}",
            f"AUROC {interval(performance['auroc'])}, on the run's test records {number(found['own_auroc'])}; calibration "
            f"slope {interval(performance['calibration_slope'])}.",
        )
    tone = "bad" if alarmed else "good"
    answers = (
        Answer(
            "Have the patients changed?",
            verdict(found),
            too_few(found) or f"{len(found['comparisons'])} comparisons, corrected for their number.",
            "" if verdict(found) == NOTHING else tone,
        ),
        Answer(
            "Which records?",
            f"{counts['records']} records of {found['table']}",
            f"{counts['groups']} patients, compared with {counts['reference']} validation and test patients of the run.",
        ),
        agreement,
    )
    return Summary(answers, alert(WORDINGS[found["provenance"]], found["alerts"]), found["rule"]["sentence"])
