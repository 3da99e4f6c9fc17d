"""The page on recent patients: one HTML file that needs no network."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cardiograph.registry import TITLES
from cardiograph.report.panel import Answer, Summary, alert
from cardiograph.report.tables import interval, number
from cardiograph.report.template import fill
from cardiograph.wording import WORDINGS


def render_monitor(found: Mapping[str, Any]) -> str:
    """Render the result of :func:`cardiograph.external.watch.monitor_table` as HTML; names are escaped."""
    context = {"found": found, "title": TITLES[found["model"]], "summary": _summary(found)}
    return fill("monitor.html", {**context, "wording": WORDINGS[found["provenance"]]}, package="cardiograph.external")


def verdict(found: Mapping[str, Any]) -> str:
    """Return the number of alerts in words."""
    count = len(found["alerts"])
    return "no alert" if not count else f"{count} alert{'' if count == 1 else 's'}"


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
    answers = (
        Answer(
            "Have the patients changed?",
            verdict(found),
            f"{len(found['comparisons'])} comparisons, corrected for their number.",
            "bad" if alarmed else "good",
        ),
        Answer(
            "Which records?",
            f"{counts['records']} records of {found['table']}",
            f"{counts['groups']} patients, compared with {counts['reference']} validation and test patients of the run.",
        ),
        agreement,
    )
    return Summary(answers, alert(WORDINGS[found["provenance"]], found["alerts"]), found["rule"]["sentence"])
