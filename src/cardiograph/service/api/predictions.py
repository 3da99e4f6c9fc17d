"""One patient: score, read the answer again, and why it is what it is."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from functools import partial
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response

from cardiograph.errors import Issue
from cardiograph.inference import Query
from cardiograph.schema import ClinicalVariable
from cardiograph.service.accept import FHIR, JSON, accepted
from cardiograph.service.api.openapi import gate_schema, patient_schema, refusals, values_schema
from cardiograph.service.api.problems import ProblemError
from cardiograph.service.api.schemas import PatientRequest, PredictionAnswer, checked, read_asked, read_json
from cardiograph.service.records import Event, PredictionEntry
from cardiograph.service.security.uploads import parts_of, text_of
from cardiograph.service.state import Serving, caller_of, explained, serving_of, unless_left

PATH = "/v1/predictions"
PAGE_TYPES = "image/jpeg, image/png, image/tiff, image/bmp, image/webp"
FIELDS = ("page", "values", "patient_id", "gate")
_GONE = Response(status_code=400)
"""For a client that has left and reads nothing."""
_SAME = 1e-9
"""An explanation is of the answer that was given where its probability differs by no more."""


def predictions(variables: Sequence[ClinicalVariable], blocks: Collection[str]) -> APIRouter:
    """The routes, documented with the variables and the blocks (``image``, ``clinical``) of the model that is served."""
    router = APIRouter(tags=["predictions"])
    said = {"model": PredictionAnswer, "content": {FHIR: {"schema": {"type": "object"}}}}
    router.add_api_route(
        PATH,
        create,
        methods=["POST"],
        status_code=201,
        summary="Score a patient",
        responses={201: {**said, "description": "Scored and recorded."}, **refusals(403, 406, 408, 413, 415, 422)},
        openapi_extra={"requestBody": _body(variables, blocks)},
    )
    router.add_api_route(
        f"{PATH}/{{prediction_id}}",
        read,
        methods=["GET"],
        summary="Read an answer again",
        responses={200: said, **refusals(403, 404, 406)},
    )
    router.add_api_route(
        f"{PATH}/{{prediction_id}}/explanation",
        explanation,
        methods=["GET"],
        summary="What moved an answer",
        responses={
            200: {"content": {"application/json": {"schema": {"type": "object"}}}},
            **refusals(403, 404, 410, 413, 415, 422),
        },
    )
    return router


async def create(request: Request) -> Response:
    """Score a page, values, or both. The answer is in the records before it is told."""
    serving, form = serving_of(request), _form_of(request)
    body, kind = await request.body(), request.headers.get("content-type", "")
    query = await serving.parsed(partial(asked_of, body, kind))
    entry = await unless_left(request, serving.score(query, caller_of(request)))
    if entry is None:
        return _GONE
    return _told(request, entry, form, 201)


async def read(request: Request, prediction_id: str) -> Response:
    """The answer as it was given."""
    form = _form_of(request)
    entry = await recorded(request, prediction_id)
    await note(request, "prediction_read", prediction_id)
    return _told(request, entry, form, 200)


async def explanation(request: Request, prediction_id: str) -> Response:
    """Effects of values, page and neighbours; computed now, while what was asked is still held or kept."""
    serving = serving_of(request)
    entry = await recorded(request, prediction_id)
    if not serving.gave(entry):
        message = "Another model gave this answer; send the patient again for one of the model that is served now."
        raise ProblemError(410, "another_model", message)
    query = asked_before(serving, entry)
    await note(request, "explanation_read", prediction_id)
    told = await unless_left(request, serving.pool.run(partial(explained, serving.predictor, query)))
    if told is None:
        return _GONE
    refuse_another(entry, told["probability"])
    return JSONResponse(told)


def asked_of(body: bytes, content_type: str) -> Query:
    """The query of a request's body.

    Raises:
        ProblemError: It cannot be read.
    """
    if content_type.partition(";")[0].strip().lower() == "application/json":
        return read_asked(body, PatientRequest).query()
    parts = parts_of(body, content_type)
    unknown = [name for name in parts if name not in FIELDS]
    if unknown:
        rule = f"fields are {', '.join(FIELDS)}"
        issues = [Issue("request", name[:40], "", rule, "leave it out", "unknown_field") for name in unknown]
        raise ProblemError(422, "bad_request", "The form has other fields than it may have.", issues=issues)
    parts = {name: content for name, content in parts.items() if content or name == "page"}
    content = {"values": read_json(parts["values"])} if "values" in parts else {}
    if "patient_id" in parts:
        content["patient_id"] = text_of(parts["patient_id"])
    if "gate" in parts:
        content["gate"] = read_json(parts["gate"])
    return checked(content, PatientRequest).query(parts.get("page"))


def _form_of(request: Request) -> str:
    """The media type that the answer will have.

    Raises:
        ProblemError: 406 if the client accepts none; nothing is scored for an answer that nobody can read.
    """
    form = accepted(request.headers)
    if form is None:
        raise ProblemError(406, "not_acceptable", f"Answers are {JSON} or {FHIR}; set Accept to one of them.")
    return form


def _told(request: Request, entry: PredictionEntry, form: str, status: int) -> Response:
    """A recorded prediction as JSON or FHIR."""
    serving = serving_of(request)
    answer = serving.answer(entry)
    headers = {"Location": answer["links"]["self"]} if status == 201 else {}
    if form != FHIR:
        return JSONResponse(answer, status, headers=headers)
    from cardiograph.service.api.fhir import ModelFacts, columns_of, risk_assessment

    held = serving.held.get(entry.id)
    columns = columns_of(serving.settings.run)
    facts = ModelFacts.of(serving.predictor.bundle, sha256=serving.model_sha256, columns=columns)
    resource = risk_assessment(entry, facts, clinical=None if held is None else held.clinical)
    return Response(json.dumps(resource), status, headers, FHIR)


async def recorded(request: Request, prediction_id: str) -> PredictionEntry:
    """A prediction that this caller asked for; that of another key is as good as none."""
    serving = serving_of(request)
    entry = await serving.with_records(lambda: serving.records.get(prediction_id))
    if entry is None or entry.key_id != caller_of(request).key_id:
        raise ProblemError(404, "unknown_prediction", "There is no prediction of this id, or not any more.")
    return entry


async def note(request: Request, event: Event, prediction_id: str) -> None:
    """Tell the audit log that something was read, before it is."""
    serving, key_id = serving_of(request), caller_of(request).key_id
    await serving.with_records(lambda: serving.records.log.append(event, prediction_id, key_id=key_id))


def asked_before(serving: Serving, entry: PredictionEntry) -> Query:
    """What was asked; 410 where it is neither held nor kept."""
    held = serving.held.get(entry.id)
    if held is not None:
        return held
    if entry.clinical is None:
        message = (
            f"What was asked is held for {serving.settings.hold_minutes:g} minutes, and kept only with `--keep-pages`; "
            "send the patient again."
        )
        raise ProblemError(410, "not_held", message)
    return Query(entry.page, entry.clinical, gate=False)  # it was scored, whatever the gate says now


def refuse_another(entry: PredictionEntry, probability: float) -> None:
    """410 where what is explained is not the answer that was given."""
    if abs(probability - entry.answer["probability"]) > _SAME:
        message = "It was asked with a patient id, which is not kept; send the patient again."
        raise ProblemError(410, "not_held", message)


def _body(variables: Sequence[ClinicalVariable], blocks: Collection[str]) -> dict[str, Any]:
    """The request body in OpenAPI: what each kind may hold, and that it has to hold something the model can use."""
    page = {"type": "string", "format": "binary", "description": "the ECG page: JPEG, PNG, TIFF, BMP or WebP"}
    some, none = values_schema(variables, one=True), values_schema(variables, one=False)
    fields = {"values": none, "patient_id": patient_schema(nullable=False), "gate": gate_schema(nullable=False)}
    form: dict[str, Any] = {"type": "object", "properties": fields, "additionalProperties": False}
    needs = [{"required": ["values"], "properties": {"values": some}}] if "clinical" in blocks else []
    content: dict[str, Any] = {"multipart/form-data": {"schema": form}}
    if needs:
        asked = {"values": some, "patient_id": patient_schema(nullable=True), "gate": gate_schema(nullable=True)}
        schema = {"type": "object", "properties": asked, "required": ["values"], "additionalProperties": False}
        content["application/json"] = {"schema": schema}
    if "image" in blocks:
        form["properties"] = {"page": page, **fields}
        needs = [{"required": ["page"]}, *needs]
    form["anyOf"] = needs
    json_part = {"contentType": "application/json"}
    encoding = {"page": {"contentType": PAGE_TYPES}, "values": json_part, "gate": json_part}
    content["multipart/form-data"]["encoding"] = {
        name: encoding[name] for name in encoding if name in form["properties"]
    }
    return {"required": True, "content": content}
