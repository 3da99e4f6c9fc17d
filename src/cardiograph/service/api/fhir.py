"""Predictions as FHIR R4 RiskAssessment: inputs, model, probability, interval, intended use."""

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
from cardiograph.artifacts.label_folders import label_folders
from cardiograph.artifacts.run import RunDirectory
from cardiograph.containers import Prediction
from cardiograph.containers.labels import LabelsPrediction, prediction_from_dict
from cardiograph.containers.survival import SurvivalPrediction
from cardiograph.registry import TITLES, WITHOUT_GRAPH
from cardiograph.schema import ClinicalVariable, Provenance
from cardiograph.service.api.fhir_codes import ecg_observation, observations
from cardiograph.service.api.fhir_predictions import predictions_of

RESEARCH = "For research use only: not for diagnosis, treatment or any other decision about a patient."

_TEST_DATA = {
    "system": "http://terminology.hl7.org/CodeSystem/v3-ActReason",
    "code": "HTEST",
    "display": "test health data",
}
"""HL7 tag for test data: set if the model was trained on simulated or synthetic values, or reproduces a faulty
protocol."""


class StoredPrediction(Protocol):
    """The fields of a stored prediction that the resource uses."""

    @property
    def id(self) -> str:
        """Id of 32 hexadecimal digits."""

    @property
    def created_at(self) -> datetime:
        """Time of the prediction, with its time zone."""

    @property
    def model_sha256(self) -> str:
        """SHA-256 of the model that made the prediction."""

    @property
    def page_sha256(self) -> str | None:
        """SHA-256 of the ECG page; None without a page."""

    @property
    def answer(self) -> Mapping[str, Any]:
        """The prediction, as of ``Prediction.as_dict()``."""

    @property
    def clinical(self) -> Mapping[str, float | None] | None:
        """Clinical values; None if they are not stored."""


@dataclass(frozen=True)
class ModelFacts:
    """Facts about a model that the resource contains.

    Args:
        sha256: SHA-256 of its ``bundle.json``.
        network: Title of the network, such as ``SIGN``.
        variables: Clinical variables of the model.
        provenances: Provenance of each variable.
        uses_graph: Whether the network aggregates similar reference records.
        columns: Variable -> column of the cohort, as mapped by the run (``cohort.map``); None if unknown.
    """

    sha256: str
    network: str = "unknown network"
    variables: tuple[ClinicalVariable, ...] = ()
    provenances: tuple[str, ...] = ()
    uses_graph: bool = False
    columns: Mapping[str, str] | None = field(default_factory=dict)

    @classmethod
    def of(cls, bundle: ModelBundle, *, sha256: str, columns: Mapping[str, str] | None) -> Self:
        """Return the facts about a loaded model."""
        served = bundle.served
        variables = () if bundle.scaler is None else bundle.scaler.variables
        name = served.model.name
        uses_graph = name not in WITHOUT_GRAPH
        return cls(sha256, TITLES[name], variables, served.clinical_provenance, uses_graph, columns)


def columns_of(run: Path) -> dict[str, str] | None:
    """Return the column mapping of a run (``cohort.map``), the same for all labels; None for a bundle without its run."""
    run = next(iter(label_folders(run).values()), run)
    if not (run / "config.toml").exists():
        return None
    columns: dict[str, str] = RunDirectory(run).config_content().get("cohort", {}).get("map", {})
    return columns


def risk_assessment(
    entry: StoredPrediction, model: ModelFacts, *, clinical: Mapping[str, float | None] | None = None
) -> dict[str, Any]:
    """Build the resource of one prediction as plain values.

    The patient is not identified. Probabilities are percentages, as R4 requires. The interval or band is a second
    prediction of the same outcome, because an R4 prediction has either a number or a range.

    Args:
        entry: Stored prediction.
        model: The current model. If another one made the prediction, clinical values are left out: their units are
            unknown.
        clinical: Values as they were sent; by default the stored values.

    Source: HL7 FHIR R4 (4.0.1), RiskAssessment, Observation, Device; invariants ras-1, ras-2, rng-2, obs-6, dom-2 to 5.
    """
    answer = prediction_from_dict(entry.answer)
    served = entry.model_sha256 == model.sha256
    model = model if served else ModelFacts(entry.model_sha256)
    values = clinical if clinical is not None else entry.clinical
    basis = list(observations(values or {}, model.variables, model.columns))
    if entry.page_sha256 is not None:
        basis.append(ecg_observation(entry.page_sha256))
    omissions = _omissions(values_known=values is not None, served=served)
    notes = [RESEARCH, *_simulated(model), *answer.warnings, f"Trained on: {answer.provenance}", *omissions]
    single = answer.first if isinstance(answer, LabelsPrediction) else answer
    reproduction = single.decision == "no estimate"
    void = single.threshold is None and not single.classes and not isinstance(answer, SurvivalPrediction)
    simulated = any(f"values {each}" in answer.provenance for each in get_args(Provenance) if each != "measured")
    return {
        "resourceType": "RiskAssessment",
        "id": entry.id,
        **({"meta": {"tag": [_TEST_DATA]}} if simulated or reproduction else {}),
        "text": _narrative(answer, notes),
        "contained": [_device(model), *basis],
        "identifier": [{"system": "urn:ietf:rfc:3986", "value": uuid.UUID(entry.id).urn}],
        "status": "preliminary" if void or reproduction else "final",
        "method": {"text": f"cardiograph: {model.network}{', similar reference records' if model.uses_graph else ''}"},
        "code": {"text": f"Estimated {_what(answer)}: {answer.outcome}"},
        "subject": {"display": "the patient whose values were sent; not identified"},
        "occurrenceDateTime": entry.created_at.astimezone(UTC).isoformat(timespec="milliseconds"),
        "performer": {"reference": "#model"},
        **({"basis": [{"reference": f"#{each['id']}"} for each in basis]} if basis else {}),
        "prediction": list(predictions_of(answer, entry.created_at)),
        "note": [{"text": note} for note in notes],
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
    """Yield a sentence for each provenance other than ``measured``."""
    for provenance in dict.fromkeys(model.provenances):
        if provenance != "measured":
            pairs = zip(model.variables, model.provenances, strict=True)
            names = ", ".join(variable.name for variable, own in pairs if own == provenance)
            yield f"The training values of {names} are not measurements ({provenance})."


def _omissions(*, values_known: bool, served: bool) -> Iterator[str]:
    """Yield the reason why clinical values are left out, if they are."""
    if not served:
        yield "Another model than the current one made this prediction; clinical values are left out."
    elif not values_known:
        yield "Clinical values were not stored and are left out."


def _what(answer: Prediction | LabelsPrediction) -> str:
    if isinstance(answer, SurvivalPrediction):
        return "risk over time"
    return "probabilities" if isinstance(answer, LabelsPrediction) or answer.classes else "probability"


def _narrative(answer: Prediction | LabelsPrediction, notes: list[str]) -> dict[str, str]:
    single = list(answer.labels.values()) if isinstance(answer, LabelsPrediction) else [answer]
    lines = [line for each in single for line in _lines(each)] + notes
    paragraphs = "".join(f"<p>{html.escape(line)}</p>" for line in lines)
    return {"status": "generated", "div": f'<div xmlns="http://www.w3.org/1999/xhtml">{paragraphs}</div>'}


def _lines(answer: Prediction) -> Iterator[str]:
    """Yield what a prediction says: risks or a probability with its interval, those of classes, and the decision."""
    if isinstance(answer, SurvivalPrediction):
        for point in answer.risks:
            within = f"{answer.outcome} within {point.time:g} {answer.unit}"
            yield f"{within}: {point.risk:.3f} ({point.low:.3f} to {point.high:.3f})"
        if answer.band:
            yield f"In brackets: {answer.band}"
        return
    interval = "" if answer.low is None or answer.high is None else f" ({answer.low:.3f} to {answer.high:.3f})"
    yield f"{answer.headline}: {answer.probability:.3f}{interval}"
    if answer.classes:
        yield ", ".join(f"{name} {share:.3f}" for name, share in answer.classes.items())
    yield f"Decision: {answer.decision_in_words}"
