"""Elements ``prediction`` of a FHIR R4 RiskAssessment: one for each probability, and one for each interval."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from cardiograph.containers import DECISIONS, Prediction
from cardiograph.containers.labels import LabelsPrediction
from cardiograph.containers.survival import UNIT_DAYS, RiskPoint, SurvivalPrediction
from cardiograph.service.api.fhir_codes import percentage, quantity


def predictions_of(answer: Prediction | LabelsPrediction, scored_at: datetime) -> Iterator[dict[str, Any]]:
    """Yield the elements of a prediction.

    Args:
        answer: Prediction of any kind.
        scored_at: When the patient was scored, with its time zone; periods of risks over time begin there.

    Source: HL7 FHIR R4 (4.0.1), RiskAssessment; ``whenPeriod`` is the time to which a probability applies (a
    ``whenRange`` is an age).
    """
    if isinstance(answer, LabelsPrediction):
        for each in answer.labels.values():
            yield from _binary(each)
    elif isinstance(answer, SurvivalPrediction):
        for point in answer.risks:
            yield from _risk(answer, point, scored_at)
    elif answer.classes:
        yield from _classes(answer)
    else:
        yield from _binary(answer)


def _binary(answer: Prediction) -> Iterator[dict[str, Any]]:
    outcome = {"text": answer.outcome}
    rationale = "calibration and threshold are void: the probability is uncalibrated and supports no decision"
    if answer.threshold is not None:
        side = "at or above" if answer.positive else "below"
        rationale = f"{side} the threshold of {percentage(answer.threshold):g} %, chosen on validation records"
    yield {
        "outcome": outcome,
        "probabilityDecimal": percentage(answer.probability),
        "qualitativeRisk": {"text": DECISIONS.get(answer.decision, answer.decision)},
        "rationale": rationale,
    }
    if answer.low is not None and answer.high is not None:
        yield {
            "outcome": outcome,
            "probabilityRange": _range(answer.low, answer.high),
            "rationale": "Venn-Abers interval; the probability is computed from its two ends",
        }


def _classes(answer: Prediction) -> Iterator[dict[str, Any]]:
    """Yield a prediction for each of several classes, most likely first."""
    inside = answer.conformal_set
    for name, share in sorted(answer.classes.items(), key=lambda pair: -pair[1]):
        sets = DECISIONS["too few"]
        if inside is not None:
            sets = (
                "cannot be ruled out at the known error rate" if name in inside else "ruled out at the known error rate"
            )
        yield {
            "outcome": {"text": name},
            "probabilityDecimal": percentage(share),
            "qualitativeRisk": {"text": sets},
            "rationale": "the most likely class" if name == answer.likely else "less likely",
        }


def _risk(answer: SurvivalPrediction, point: RiskPoint, scored_at: datetime) -> Iterator[dict[str, Any]]:
    """Yield the risk by a horizon, and its band if there is one."""
    end = scored_at + timedelta(days=point.time * UNIT_DAYS[answer.unit])
    period = {"start": _instant(scored_at), "end": _instant(end)}
    about = {"outcome": {"text": answer.outcome}, "whenPeriod": period}
    yield {
        **about,
        "probabilityDecimal": percentage(point.risk),
        "qualitativeRisk": {"text": answer.decision_in_words},
        "rationale": f"risk within {point.time:g} {answer.unit}, counted from the time of scoring",
    }
    if answer.band:
        yield {**about, "probabilityRange": _range(point.low, point.high), "rationale": answer.band}


def _range(low: float, high: float) -> dict[str, Any]:
    return {"low": quantity(percentage(low), "%", "%"), "high": quantity(percentage(high), "%", "%")}


def _instant(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds")
