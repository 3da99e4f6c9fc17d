"""The report of an evaluation of a time-to-event model on a second cohort."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from cardiograph.external.report import known_and_novel
from cardiograph.external.survival import WITHOUT_FEATURES, ExternalRisks
from cardiograph.report.figure_style import Picture
from cardiograph.report.panel import Answer, Summary, alert, scale_of
from cardiograph.report.survival import score_title
from cardiograph.report.survival_figures import calibration_at_horizons, risk_groups
from cardiograph.report.tables import number
from cardiograph.report.template import fill
from cardiograph.survival.evaluation import TITLES
from cardiograph.survival.scores import CalibrationGroup, Interval
from cardiograph.wording import WORDINGS


def render_survival_evaluation(found: Mapping[str, Any], risks: ExternalRisks) -> str:
    """Render an evaluation as HTML; names may contain any text, which is escaped.

    Args:
        found: Content of ``evaluation.json``.
        risks: Outcomes and risks of the records.
    """
    published = found["published"]
    without, seen = found["met"]["scores_without"] or {}, found["internal"]["scores"]
    rows = [
        {
            "title": score_title(name, found["unit"]),
            "here": here,
            "internal": seen.get(name),
            "without": without.get(name),
            "others": [found["without_features"][name], *(each["scores"][name] for each in published.values())],
        }
        for name, here in found["scores"].items()
    ]
    context = {
        "found": found,
        "title": TITLES[found["model"]],
        "constant_title": TITLES[WITHOUT_FEATURES],
        "other_titles": [TITLES[name] for name in (WITHOUT_FEATURES, *published)],
        "figures": _figures(found, risks),
        "rows": rows,
        "wording": WORDINGS[found["provenance"]],
        "confidence": f"{found['bootstrap']['confidence'] * 100:g}",
        "summary": _summary(found),
    }
    return fill("survival_evaluation.html", context, package="cardiograph.external")


def _summary(found: Mapping[str, Any]) -> Summary:
    """Return the answers at the top of the report."""
    counts, unit = found["counts"], found["unit"]
    uno, internal = _interval(found["scores"]["uno_c"]), found["internal"]["scores"]["uno_c"]
    ratios = {day: number(ratio["value"], 2) for day, ratio in found["observed_to_expected"].items()}
    ends = f"{counts['events']} with the event, {counts['competing']} with a competing event, {counts['censored']} censored."
    answers = (
        Answer(
            "What is predicted?",
            str(found["outcome"]),
            f"{TITLES[found['model']]} gives each record the probability of the event by {', '.join(ratios)} {unit}.",
        ),
        Answer(
            "Which records?",
            f"{counts['records']} records of {found['cohort']} in {counts['groups']} groups",
            ends + known_and_novel(found),
        ),
        Answer(
            "Uno's C on this cohort",
            number(uno.value),
            "0.5 is chance, 1 orders all patients by their time to the event.",
            "number",
            scale_of(uno, found["bootstrap"]["confidence"]),
        ),
        Answer(
            "Are the probabilities right?",
            f"Observed over expected: {list(ratios.values())[-1]}",
            f"{'; '.join(f'{ratio} by {day} {unit}' for day, ratio in ratios.items())}. 1 is right on average; above 1, "
            "the model predicts too few events here.",
        ),
        *(
            Answer(
                f"Better than the {TITLES[name]}?",
                f"Uno's C {number(each['scores']['uno_c']['value'])}",
                each["verdict"],
            )
            for name, each in found["published"].items()
        ),
        Answer("And on the run's own test records?", f"Uno's C {number(internal['value'])}", found["comparison"]),
    )
    purpose = "The model of the run, exactly as it is served. Nothing was fitted or chosen on this cohort."
    return Summary(answers, alert(WORDINGS[found["provenance"]], found["cautions"]), purpose)


def _figures(found: Mapping[str, Any], risks: ExternalRisks) -> dict[str, Picture]:
    last, unit = risks.horizons[-1], found["unit"]
    calibration = {
        day: [CalibrationGroup(each["records"], each["predicted"], _interval(each["observed"])) for each in groups]
        for day, groups in found["calibration"].items()
    }
    return {
        "risk_groups": risk_groups(
            risks.test.outcome,
            risks.test.at(risks.model, last),
            unit=unit,
            last=last,
            confidence=found["bootstrap"]["confidence"],
        ),
        "calibration": calibration_at_horizons(calibration, unit=unit, model=TITLES[found["model"]]),
    }


def _interval(given: Mapping[str, float | None]) -> Interval:
    value, low, high = (np.nan if given[end] is None else float(given[end] or 0) for end in ("value", "low", "high"))
    return Interval(value, low, high)
