"""Report of a run with a time-to-event outcome: one HTML file, from facts of the run only."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from cardiograph.report.audit import audit_rows
from cardiograph.report.figure_style import Picture
from cardiograph.report.survival_content import SurvivalContent
from cardiograph.report.survival_figures import calibration_at_horizons, model_scores, risk_groups
from cardiograph.report.survival_tripod import survival_checklist
from cardiograph.report.template import fill
from cardiograph.survival.evaluation import TITLES, SurvivalMetrics
from cardiograph.survival.scores import Interval
from cardiograph.wording import WORDINGS

PARTS = {"train": "Training", "val": "Validation", "test": "Test"}

VERDICTS = {"yes": "It beats Cox regression", "no": "It is worse than Cox regression", "undecided": "Not shown"}


def draw_survival(content: SurvivalContent) -> dict[str, Picture]:
    """Draw every figure of the report."""
    metrics = content.metrics
    last, level = metrics.horizons[-1], metrics.confidence
    return {
        "risk_groups": risk_groups(content.outcome, content.risk, unit=metrics.unit, last=last, confidence=level),
        "calibration": calibration_at_horizons(metrics.calibration, unit=metrics.unit, model=TITLES[metrics.primary]),
        "models": model_scores(metrics),
    }


def render_survival(content: SurvivalContent, pictures: Mapping[str, Picture]) -> str:
    """Render the report as one HTML file; the same content gives the same text."""
    context = _context(content) | {
        "figures": pictures,
        "headline": content.metrics.test["uno_c"],
        "verdict_title": VERDICTS[content.metrics.helps],
        "sections": survival_checklist(content),
    }
    return fill("survival.html", context)


def render_survival_card(content: SurvivalContent) -> str:
    """Render the model card as Markdown: intended use, data, scores with intervals, limits; names are escaped."""
    return fill("survival_card.md", _context(content))


def _context(content: SurvivalContent) -> dict[str, Any]:
    metrics, facts = content.metrics, content.facts
    return {
        "content": content,
        "facts": facts,
        "metrics": metrics,
        "wording": WORDINGS[facts["provenance"]],
        "audit": audit_rows(content.audit),
        "primary": TITLES[metrics.primary],
        "confidence": f"{metrics.confidence * 100:g}",
        "parts": [(PARTS[part], counts) for part, counts in metrics.counts.items()],
        "score_titles": [score_title(name, metrics.unit) for name in metrics.test],
        "model_rows": list(_model_rows(metrics)),
        "difference_rows": list(_difference_rows(metrics)),
        "calibration_rows": list(_calibration_rows(metrics)),
    }


def score_title(name: str, unit: str) -> str:
    """Return the title of a score, such as ``AUROC by 365 days``."""
    kind, _, horizon = name.partition("_")
    if kind in ("auroc", "brier"):
        return f"{'AUROC' if kind == 'auroc' else 'Brier'} by {horizon} {unit}"
    return {"uno_c": "Uno's C", "harrell_c": "Harrell's C", "integrated_brier": "Integrated Brier"}[name]


def _model_rows(metrics: SurvivalMetrics) -> Iterator[dict[str, Any]]:
    per_variable = metrics.events_per_variable
    for name in (each for each in TITLES if each in metrics.scores):
        yield {
            "title": TITLES[name],
            "primary": name == metrics.primary,
            "features": metrics.features.get(name),
            "per_variable": per_variable.get(name),
            "scores": [_cell(found) for found in metrics.scores[name].values()],
        }


def _difference_rows(metrics: SurvivalMetrics) -> Iterator[dict[str, Any]]:
    for name in (each for each in TITLES if each in metrics.differences and each != "shuffled"):
        yield {"title": TITLES[name], "scores": [_cell(found) for found in metrics.differences[name].values()]}


def _calibration_rows(metrics: SurvivalMetrics) -> Iterator[dict[str, Any]]:
    for name in (each for each in TITLES if each in metrics.observed_to_expected and each != "shuffled"):
        yield {"title": TITLES[name], "ratios": [_cell(each) for each in metrics.observed_to_expected[name].values()]}


def _cell(found: Interval) -> Interval | None:
    """Return the interval; None if the score is undefined."""
    return None if found.value != found.value else found
