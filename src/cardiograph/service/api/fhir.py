"""An answer as a FHIR R4 RiskAssessment: what was asked, who answered, how likely, how sure, and what it is not for."""

from __future__ import annotations

import html
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol, Self, get_args

from cardiograph import __version__
from cardiograph.artifacts.bundle import ModelBundle
from cardiograph.artifacts.run import RunDirectory
from cardiograph.containers import DECISIONS, Prediction
from cardiograph.registry import TITLES, WITHOUT_GRAPH
from cardiograph.schema import ClinicalVariable, Provenance
from cardiograph.service.api.fhir_codes import ecg_observation, observations, percentage, quantity

MEDIA_TYPE = "application/fhir+json"

RESEARCH = "For research use only: not for diagnosis, treatment or any other decision about a patient."

_TEST_DATA = {
    "system": "http://terminology.hl7.org/CodeSystem/v3-ActReason",
    "code": "HTEST",
    "display": "test health data",
}
"""HL7's mark of what is not of a real patient: set where the model learnt from simulated or synthetic values, or is a
reproduction of a faulty protocol."""


class StoredPrediction(Protocol):
    """What of a recorded prediction the resource tells."""

    @property
    def id(self) -> str:
        """32 hexadecimal digits."""

    @property
    def created_at(self) -> datetime:
        """With its zone."""

    @property
    def model_sha256(self) -> str:
        """Of the model that answered."""

    @property
    def page_sha256(self) -> str | None:
        """None without a page."""

    @property
    def answer(self) -> Mapping[str, Any]:
        """``Prediction.as_dict()``."""

    @property
    def clinical(self) -> Mapping[str, float | None] | None:
        """None where values are not kept."""


@dataclass(frozen=True)
class ModelFacts:
    """What the resource tells of a model.

    Args:
        sha256: Of its ``bundle.json``.
        network: For people, such as ``SIGN``.
        variables: Clinical variables that it reads.
        provenances: One for each variable.
        heard: Whether the network hears similar reference records.
        columns: Our name -> the cohort's column, where the run maps one (``cohort.map``); None where that is not known.
    """

    sha256: str
    network: str = "unknown network"
    variables: tuple[ClinicalVariable, ...] = ()
    provenances: tuple[str, ...] = ()
    heard: bool = False
    columns: Mapping[str, str] | None = field(default_factory=dict)

    @classmethod
    def of(cls, bundle: ModelBundle, *, sha256: str, columns: Mapping[str, str] | None) -> Self:
        """The facts of a loaded model."""
        served = bundle.served
        variables = () if bundle.scaler is None else bundle.scaler.variables
        name = served.model.name
        heard = name not in WITHOUT_GRAPH
        return cls(sha256, TITLES[name], variables, served.clinical_provenance, heard, columns)


def columns_of(run: Path) -> dict[str, str] | None:
    """Which columns of the cohort a run read as which variables (``cohort.map``); None for a bundle without its run."""
    if not (run / "config.toml").exists():
        return None
    told: dict[str, str] = RunDirectory(run).config_content().get("cohort", {}).get("map", {})
    return told


def risk_assessment(
    entry: StoredPrediction, model: ModelFacts, *, clinical: Mapping[str, float | None] | None = None
) -> dict[str, Any]:
    """The answer for one patient, as plain values ready for JSON.

    The patient is not identified. Probabilities are percentages, as R4 wants them. The interval is a second prediction of
    the same outcome, because R4 gives a prediction either a number or a range.

    Args:
        entry: The recorded prediction.
        model: That is served now. Of an answer by another one no clinical value is told: its units are not known.
        clinical: The values as they were sent, where they are still at hand; by default those that were kept.

    Source: HL7 FHIR R4 (4.0.1), RiskAssessment, Observation, Device; invariants ras-1, ras-2, rng-2, obs-6, dom-2 to 5.
    """
    answer = Prediction.from_dict(entry.answer)
    served = entry.model_sha256 == model.sha256
    model = model if served else ModelFacts(entry.model_sha256)
    given = clinical if clinical is not None else entry.clinical
    basis = list(observations(given or {}, model.variables, model.columns))
    if entry.page_sha256 is not None:
        basis.append(ecg_observation(entry.page_sha256))
    missing = _untold(values_known=given is not None, served=served)
    notes = [RESEARCH, *_simulated(model), *answer.warnings, f"Rests on: {answer.provenance}", *missing]
    reproduction = answer.decision == "no estimate"
    simulated = any(f"values {told}" in answer.provenance for told in get_args(Provenance) if told != "measured")
    return {
        "resourceType": "RiskAssessment",
        "id": entry.id,
        **({"meta": {"tag": [_TEST_DATA]}} if simulated or reproduction else {}),
        "text": _narrative(answer, notes),
        "contained": [_device(model), *basis],
        "identifier": [{"system": "urn:ietf:rfc:3986", "value": uuid.UUID(entry.id).urn}],
        "status": "preliminary" if answer.threshold is None or reproduction else "final",
        "method": {"text": f"cardiograph: {model.network}{', similar reference records' if model.heard else ''}"},
        "code": {"text": f"Estimated probability: {answer.outcome}"},
        "subject": {"display": "the patient whose values were sent; not identified"},
        "occurrenceDateTime": entry.created_at.astimezone(UTC).isoformat(timespec="milliseconds"),
        "performer": {"reference": "#model"},
        **({"basis": [{"reference": f"#{each['id']}"} for each in basis]} if basis else {}),
        "prediction": list(_predictions(answer)),
        "note": [{"text": note} for note in notes],
    }


def _predictions(answer: Prediction) -> Iterator[dict[str, Any]]:
    outcome = {"text": answer.outcome}
    against = "calibration and threshold are void: the probability is uncalibrated and decides nothing"
    if answer.threshold is not None:
        side = "at or above" if answer.positive else "below"
        against = f"{side} the threshold of {percentage(answer.threshold):g} %, which validation records chose"
    yield {
        "outcome": outcome,
        "probabilityDecimal": percentage(answer.probability),
        "qualitativeRisk": {"text": DECISIONS.get(answer.decision, answer.decision)},
        "rationale": against,
    }
    if answer.low is not None and answer.high is not None:
        low, high = (quantity(percentage(end), "%", "%") for end in (answer.low, answer.high))
        yield {
            "outcome": outcome,
            "probabilityRange": {"low": low, "high": high},
            "rationale": "Venn-Abers interval, from whose two ends the probability is made",
        }


def _device(model: ModelFacts) -> dict[str, Any]:
    return {
        "resourceType": "Device",
        "id": "model",
        "deviceName": [{"name": "cardiograph", "type": "model-name"}],
        "type": {"text": "software for research, no medical device"},
        "version": [
            {"type": {"text": "software"}, "value": __version__},
            {"type": {"text": "model, SHA-256 of its bundle.json"}, "value": model.sha256},
        ],
    }


def _simulated(model: ModelFacts) -> Iterator[str]:
    """A sentence for each provenance that is not a measurement."""
    for provenance in dict.fromkeys(model.provenances):
        if provenance != "measured":
            pairs = zip(model.variables, model.provenances, strict=True)
            names = ", ".join(variable.name for variable, own in pairs if own == provenance)
            yield f"Not learnt from measurements: {names} of the training records ({provenance})."


def _untold(*, values_known: bool, served: bool) -> Iterator[str]:
    """Why clinical values are not among what the answer rests on."""
    if not served:
        yield "Another model than the one served now gave this answer; clinical values are not told."
    elif not values_known:
        yield "Clinical values, if any were sent, were not kept and are not told."


def _narrative(answer: Prediction, notes: list[str]) -> dict[str, str]:
    interval = "" if answer.low is None or answer.high is None else f" ({answer.low:.3f} to {answer.high:.3f})"
    decision = DECISIONS.get(answer.decision, answer.decision)
    lines = [f"{answer.outcome}: {answer.probability:.3f}{interval}", f"Decision: {decision}", *notes]
    told = "".join(f"<p>{html.escape(line)}</p>" for line in lines)
    return {"status": "generated", "div": f'<div xmlns="http://www.w3.org/1999/xhtml">{told}</div>'}
