"""The report of an evaluation of a time-to-event model on a second cohort."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from cardiograph.external.survival import WITHOUT_FEATURES, ExternalRisks
from cardiograph.report.figure_style import Picture
from cardiograph.report.survival import score_title
from cardiograph.report.survival_figures import calibration_at_horizons, risk_groups
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
    without, seen = found["met"]["scores_without"] or {}, found["internal"]["scores"]
    rows = [
        {
            "title": score_title(name, found["unit"]),
            "here": here,
            "internal": seen.get(name),
            "without": without.get(name),
            "constant": found["without_features"][name],
        }
        for name, here in found["scores"].items()
    ]
    context = {
        "found": found,
        "title": TITLES[found["model"]],
        "constant_title": TITLES[WITHOUT_FEATURES],
        "figures": _figures(found, risks),
        "rows": rows,
        "wording": WORDINGS[found["provenance"]],
        "confidence": f"{found['bootstrap']['confidence'] * 100:g}",
    }
    return fill("survival_evaluation.html", context, package="cardiograph.external")


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
