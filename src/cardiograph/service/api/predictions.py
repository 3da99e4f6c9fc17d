"""Routes for one patient: score, read a stored prediction, explain it."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from functools import partial

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response
from starlette.datastructures import Headers

from cardiograph.errors import Issue
from cardiograph.inference import Query
from cardiograph.schema import ClinicalVariable
from cardiograph.service.api.accept import FHIR, JSON, accepted, is_fhir
from cardiograph.service.api.json_body import checked, read_json, read_request
from cardiograph.service.api.kinds import LABELS, AnswerKind, kind_of_answer, likely_label, parts_of_answer
from cardiograph.service.api.openapi import refusals, request_body
from cardiograph.service.api.problems import ProblemError
from cardiograph.service.api.schemas import PatientRequest
from cardiograph.service.records import Event, PredictionEntry
from cardiograph.service.security.uploads import parts_of, text_of
from cardiograph.service.state import Serving, caller_of, explained, serving_of, unless_left

PATH = "/v1/predictions"
FIELDS = ("page", "values", "patient_id", "gate")
_GONE = Response(status_code=400)
"""Response to a client that has disconnected."""
_SAME = 1e-9
"""Maximum difference between the probabilities of a prediction and of its explanation."""


def predictions(variables: Sequence[ClinicalVariable], blocks: Collection[str], kind: AnswerKind) -> APIRouter:
    """Create the router, documented with the variables, blocks (``image``, ``clinical``) and answers of the served model."""
    router = APIRouter(tags=["predictions"])
    answer = {"model": kind.answer, "content": {FHIR: {"schema": {"type": "object"}}}}
    router.add_api_route(
        PATH,
        create,
        methods=["POST"],
        status_code=201,
        summary="Score a patient",
        responses={201: {**answer, "description": "Scored and recorded."}, **refusals(403, 406, 408, 413, 415, 422)},
        openapi_extra={"requestBody": request_body(variables, blocks)},
    )
    router.add_api_route(
        f"{PATH}/{{prediction_id}}",
        read,
        methods=["GET"],
        summary="Read an answer again",
        responses={200: answer, **refusals(403, 404, 406)},
    )
    router.add_api_route(
        f"{PATH}/{{prediction_id}}/explanation",
        explanation,
        methods=["GET"],
        summary="What moved an answer, or with ?class=NAME (?label=NAME) the probability of one of several classes (labels)",
        responses={
            200: {"content": {"application/json": {"schema": {"type": "object"}}}},
            **refusals(403, 404, 410, 413, 415, 422),
        },
    )
    return router


async def create(request: Request) -> Response:
    """Score a page, values, or both, or a FHIR Bundle of them. The answer is stored before it is returned."""
    serving, form = serving_of(request), _form_of(request)
    body = await request.body()
    query = await serving.parsed(partial(_query_of_request, serving, body, request.headers))
    entry = await unless_left(request, serving.score(query, caller_of(request)))
    if entry is None:
        return _GONE
    return _response(request, entry, form, 201)


async def read(request: Request, prediction_id: str) -> Response:
    """The answer as it was given."""
    form = _form_of(request)
    entry = await recorded(request, prediction_id)
    await note(request, "prediction_read", prediction_id)
    return _response(request, entry, form, 200)


async def explanation(request: Request, prediction_id: str) -> Response:
    """Effects of values, page and neighbours; computed now, while the input is held or kept."""
    serving = serving_of(request)
    entry = await recorded(request, prediction_id)
    if not serving.is_current(entry):
        message = "Another model made this prediction; send the patient again to the current model."
        raise ProblemError(410, "another_model", message)
    query, part = stored_query(serving, entry), explained_part(request, entry)
    await note(request, "explanation_read", prediction_id)
    content = await unless_left(request, serving.pool.run(partial(explained, serving.predictor, query, part)))
    if content is None:
        return _GONE
    require_same_prediction(entry, content["probability"], part)
    return JSONResponse(content)


def explained_part(request: Request, entry: PredictionEntry) -> str | None:
    """Return the class or label whose probability is to be explained; None for an outcome without such parts.

    Without a query parameter it is the most likely one; None for the most likely class.

    Raises:
        ProblemError: 422, if the prediction has no such class or label.
    """
    kind, known = kind_of_answer(entry.answer), parts_of_answer(entry.answer)
    wrong = next((name for name in ("class", "label") if name != kind.part and name in request.query_params), None)
    name = request.query_params.get(wrong or kind.part)
    if name is None:
        return likely_label(entry.answer) if kind is LABELS else None
    if name in known and wrong is None:
        return name
    rule = f"{kind.part} is one of {', '.join(known)}" if known else "the model has one outcome without classes"
    remedy = f"leave it out for the most likely {kind.part}" if known else "leave it out"
    issue = Issue("request", wrong or kind.part, name[:40], rule, remedy, "unknown_class")
    raise ProblemError(422, "bad_request", f"The prediction has no such {wrong or kind.part}.", issues=[issue])


def _query_of_request(serving: Serving, body: bytes, headers: Headers) -> Query:
    """Parse the body of a request: a FHIR Bundle, JSON or a multipart form."""
    if not is_fhir(headers):
        return query_of(body, headers.get("content-type", ""))
    from cardiograph.service.api.fhir_bundle import bundle_query

    scaler = serving.predictor.bundle.scaler
    return bundle_query(body, () if scaler is None else scaler.variables, serving.columns)


def query_of(body: bytes, content_type: str) -> Query:
    """Parse the body of a request, JSON or multipart form.

    Raises:
        ProblemError: If the body cannot be parsed.
    """
    if content_type.partition(";")[0].strip().lower() == "application/json":
        return read_request(body, PatientRequest).query()
    parts = parts_of(body, content_type)
    unknown = [name for name in parts if name not in FIELDS]
    if unknown:
        rule = f"fields are {', '.join(FIELDS)}"
        issues = [Issue("request", name[:40], "", rule, "leave it out", "unknown_field") for name in unknown]
        raise ProblemError(422, "bad_request", "The form has unknown fields.", issues=issues)
    parts = {name: content for name, content in parts.items() if content or name == "page"}
    content = {"values": read_json(parts["values"])} if "values" in parts else {}
    if "patient_id" in parts:
        content["patient_id"] = text_of(parts["patient_id"])
    if "gate" in parts:
        content["gate"] = read_json(parts["gate"])
    return checked(content, PatientRequest).query(parts.get("page"))


def _form_of(request: Request) -> str:
    """Return the media type of the response, checked before anything is scored.

    Raises:
        ProblemError: 406, if the client accepts neither JSON nor FHIR.
    """
    form = accepted(request.headers)
    if form is None:
        raise ProblemError(406, "not_acceptable", f"Responses are {JSON} or {FHIR}; set Accept to one of them.")
    return form


def _response(request: Request, entry: PredictionEntry, form: str, status: int) -> Response:
    """Return a stored prediction as JSON or FHIR."""
    serving = serving_of(request)
    answer = serving.answer(entry)
    headers = {"Location": answer["links"]["self"]} if status == 201 else {}
    if form != FHIR:
        return JSONResponse(answer, status, headers=headers)
    from cardiograph.service.api.fhir import ModelFacts, risk_assessment

    held = serving.held.get(entry.id)
    facts = ModelFacts.of(serving.predictor.bundle, sha256=serving.model_sha256, columns=serving.columns)
    resource = risk_assessment(entry, facts, clinical=None if held is None else held.clinical)
    return Response(json.dumps(resource), status, headers, FHIR)


async def recorded(request: Request, prediction_id: str) -> PredictionEntry:
    """Return a stored prediction; raise 404 if there is none or if it was made with another key."""
    serving = serving_of(request)
    entry = await serving.with_records(lambda: serving.records.get(prediction_id))
    if entry is None or entry.key_id != caller_of(request).key_id:
        raise ProblemError(404, "unknown_prediction", "There is no prediction with this id; it may have been deleted.")
    return entry


async def note(request: Request, event: Event, prediction_id: str) -> None:
    """Write a read access to the audit log, before the content is read."""
    serving, key_id = serving_of(request), caller_of(request).key_id
    await serving.with_records(lambda: serving.records.log.append(event, prediction_id, key_id=key_id))


def stored_query(serving: Serving, entry: PredictionEntry) -> Query:
    """Return the query of a prediction; raise 410 if it is neither in memory nor stored."""
    held = serving.held.get(entry.id)
    if held is not None:
        return held
    if entry.clinical is None:
        message = (
            f"Page and values are held for {serving.settings.hold_minutes:g} minutes, and stored only with "
            "`--keep-pages`; send the patient again."
        )
        raise ProblemError(410, "not_held", message)
    return Query(entry.page, entry.clinical, gate=False)  # it was scored before, so the gate does not apply


def require_same_prediction(entry: PredictionEntry, probability: float, part: str | None = None) -> None:
    """Raise 410 if the explained probability, that of a class or label if named, is not that of the stored prediction."""
    stored = entry.answer["probability"] if part is None else parts_of_answer(entry.answer)[part]
    if abs(probability - stored) > _SAME:
        message = "The prediction used a patient id, which is not stored; send the patient again."
        raise ProblemError(410, "not_held", message)
