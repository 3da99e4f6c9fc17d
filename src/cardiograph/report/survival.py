"""Report of a run with a time-to-event outcome: one HTML file, from facts of the run only."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from cardiograph.report.audit import audit_rows
from cardiograph.report.figure_style import Picture
from cardiograph.report.panel import Answer, Summary, alert, scale_of
from cardiograph.report.survival_content import SurvivalContent
from cardiograph.report.survival_figures import calibration_at_horizons, model_scores, risk_groups
from cardiograph.report.survival_tripod import survival_checklist
from cardiograph.report.tables import number
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
    context = {"figures": pictures, "summary": _summary(content), "sections": survival_checklist(content)}
    return fill("survival.html", _context(content) | context)


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


def _summary(content: SurvivalContent) -> Summary:
    """Return the answers at the top of the report."""
    metrics, facts, test = content.metrics, content.facts, content.metrics.counts["test"]
    horizons = ", ".join(f"{horizon:g}" for horizon in metrics.horizons)
    primary = TITLES[metrics.primary]
    ratios = metrics.observed_to_expected[metrics.primary]
    each = "; ".join(f"{number(ratio.value, 2)} by {horizon} {metrics.unit}" for horizon, ratio in ratios.items())
    uno = metrics.test["uno_c"]
    ordered = "0.5 is chance, 1 orders all patients by their time to the event."
    answers = (
        Answer(
            "What is predicted?",
            str(facts["outcome"]),
            f"{primary} gives each record (one ECG or one row of clinical values) the probability of the event by "
            f"{horizons} {metrics.unit}, and a curve.",
        ),
        Answer(
            "Which records?",
            f"{test.records} test records",
            f"{test.events} events; {test.groups} groups. Trained on {metrics.counts['train'].records} records with "
            f"{metrics.counts['train'].events} events.",
        ),
        Answer("Uno's C on the test records", number(uno.value), f"{primary}. {ordered}", "number",
               scale_of(uno, metrics.confidence)),
        Answer(
            "Are the probabilities right?",
            f"Observed over expected: {number(list(ratios.values())[-1].value, 2)}",
            f"{each}. 1 is right on average; above 1, the model predicts too few events.",
        ),
        Answer("Could the score be chance?", "A control answers", metrics.control),
        Answer("Does the graph model beat Cox regression?", VERDICTS[metrics.helps], metrics.verdict,
               {"yes": "good", "no": "bad"}.get(metrics.helps, "")),
    )  # fmt: skip
    return Summary(answers, alert(WORDINGS[facts["provenance"]], facts["cautions"], content.audit["findings"]))


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
