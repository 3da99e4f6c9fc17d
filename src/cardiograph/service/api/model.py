"""Routes for the facts about the current model and its report."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, JSONResponse, Response

from cardiograph.inference.labels import LabelsPredictor
from cardiograph.service.api.kinds import kind_of_model
from cardiograph.service.api.openapi import refusals
from cardiograph.service.api.problems import ProblemError
from cardiograph.service.security.responses import REPORT_POLICY
from cardiograph.service.state import NOTICE, Serving, serving_of

router = APIRouter(tags=["model"])


@router.get("/v1/model", summary="The model", responses=refusals(403))
async def model(request: Request) -> Response:
    """Card, provenance, intended use, variables with units and ranges, encoder, and SHA-256."""
    serving = serving_of(request)
    return JSONResponse(await serving.parsed(partial(facts_of, serving)))


@router.get(
    "/v1/report",
    summary="The run's report",
    response_class=HTMLResponse,
    responses={200: {"content": {"text/html": {"schema": {"type": "string"}}}}, **refusals(403, 404)},
)
async def report(request: Request) -> Response:
    """The report of the run that made this model, as one page."""
    serving = serving_of(request)
    found = await serving.parsed(partial(_text, serving.settings.run / "report.html"))
    if found is None:
        raise ProblemError(404, "no_report", "This folder holds no report; serve the run's folder, not its bundle.")
    return HTMLResponse(found, headers={"Content-Security-Policy": REPORT_POLICY})


def facts_of(serving: Serving) -> dict[str, Any]:
    """Return the facts about the current model as plain values."""
    bundle, served = serving.predictor.bundle, serving.predictor.bundle.served
    scaler, encoder, kind = bundle.scaler, served.encoder, kind_of_model(serving.predictor).name
    variables = () if scaler is None else scaler.variables
    return {
        "kind": {"classes": "multiclass" if served.classes else "binary"}.get(kind, kind),
        "run": serving.settings.run.resolve().name,
        "sha256": serving.model_sha256,
        "model": served.model.name,
        "outcome": serving.predictor.outcome,
        "classes": list(served.classes),
        "intended_use": NOTICE,
        "provenance": served.provenance,
        "labels": _labels_of(serving),
        "follow_up": None
        if served.follow_up is None
        else {"unit": served.follow_up.unit, "horizons": list(served.follow_up.horizons)},
        "threshold": None if isinstance(serving.predictor, LabelsPredictor) else served.threshold,
        "reference_records": len(serving.predictor.records),
        "takes_pages": encoder is not None,
        "variables": [
            {
                "name": each.name,
                "title": each.title,
                "unit": each.unit,
                "low": each.low,
                "high": each.high,
                "whole": each.whole,
                "categories": list(each.categories),
                "provenance": provenance,
            }
            for each, provenance in zip(variables, served.clinical_provenance, strict=True)
        ],
        "encoder": None
        if encoder is None
        else {
            "weights_sha256": encoder.weights_sha256,
            "weights_source": encoder.weights_source,
            "engine": encoder.engine,
            "precision": encoder.precision,
            "preparation": encoder.preparation,
        },
        "card": _text(serving.settings.run / "model_card.md"),
    }


def _labels_of(serving: Serving) -> dict[str, Any]:
    """Return label -> threshold and SHA-256 of its model; empty unless the run predicts several labels."""
    if not isinstance(serving.predictor, LabelsPredictor):
        return {}
    return {
        name: {"threshold": each.bundle.served.threshold, "sha256": each.sha256}
        for name, each in serving.predictor.by_label.items()
    }


def _text(path: Path) -> str | None:
    return path.read_text(encoding="utf-8") if path.is_file() else None
