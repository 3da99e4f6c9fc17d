"""Parts of the OpenAPI document: shared error responses and schemas that depend on the served model."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from fastapi import FastAPI

from cardiograph.ecg.pages import SIGNAL_TITLES
from cardiograph.ecg.readers.record_zip import MAX_FILES
from cardiograph.imaging.reading import FORMAT_TITLES, PAGE_MEDIA_TYPES
from cardiograph.schema import ClinicalVariable
from cardiograph.service.api.accept import FHIR
from cardiograph.service.api.schemas import Problem

_DESCRIPTIONS = {
    400: "The request cannot be read, or is for another host.",
    401: "A key is required; it is missing, wrong, expired or revoked.",
    403: "The key lacks the scope, or another site made the browser send the request.",
    404: "Not found.",
    406: "Neither JSON nor FHIR in JSON is accepted.",
    408: "The body arrives too slowly.",
    409: "Another outcome is stored; `issues` says which.",
    410: "The input is no longer held, or another model made the prediction.",
    413: "Larger than the limit of bytes or pixels.",
    415: "A media type, or an image format, that is not supported.",
    422: "The content cannot be scored; `issues` says why.",
    429: "Too many requests, or the queue is full; see Retry-After.",
    500: "The service failed; its log says where.",
    503: "Not able to answer now; see Retry-After.",
}
_RETRY = {"Retry-After": {"schema": {"type": "integer"}, "description": "Seconds to wait."}}
_EVERYWHERE = (400, 401, 429, 500, 503)
_AT_HEALTH = (400, 500)
_SCHEMAS = "#/components/schemas/"


def refusals(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return the error responses of a route: these statuses and those common to all routes."""
    return {status: _refusal(status) for status in sorted({*statuses, *_EVERYWHERE})}


def refusals_at_health() -> dict[int | str, dict[str, Any]]:
    """Return the error responses of the health route, which needs no key."""
    return {status: _refusal(status) for status in _AT_HEALTH}


def _refusal(status: int) -> dict[str, Any]:
    content: dict[str, Any] = {"application/problem+json": {"schema": {"$ref": f"{_SCHEMAS}Problem"}}}
    content[FHIR] = {"schema": {"type": "object", "description": "an OperationOutcome, for clients that speak FHIR"}}
    response: dict[str, Any] = {"description": _DESCRIPTIONS[status], "content": content}
    if status in (429, 503):
        response["headers"] = _RETRY
    return response


def values_schema(variables: Sequence[ClinicalVariable], *, one: bool) -> dict[str, Any]:
    """Return the JSON schema of the clinical values of a model, with units and ranges.

    Args:
        variables: Variables of the model.
        one: Whether at least one value is required.
    """
    schema: dict[str, Any] = {
        "type": "object",
        "description": "Clinical values in their units; leave out, or give as null, what is not known.",
        "properties": {each.name: _value_schema(each) for each in variables},
        "additionalProperties": False,
    }
    if one:
        given = [{"required": [each.name], "properties": {each.name: {"type": "number"}}} for each in variables]
        schema["anyOf"] = given
    return schema


def _value_schema(variable: ClinicalVariable) -> dict[str, Any]:
    return {
        "type": ["integer" if variable.whole else "number", "null"],
        "title": variable.title,
        "description": f"{variable.title}, {variable.rule}",
        "minimum": variable.low,
        "maximum": variable.high,
    }


def patient_fields(variables: Sequence[ClinicalVariable], *, one: bool, nullable: bool) -> dict[str, Any]:
    """Return the JSON schemas of the fields of a patient, without the page.

    Args:
        variables: Variables of the model.
        one: Whether at least one value is required.
        nullable: Whether the other fields may be null.
    """
    return {
        "values": values_schema(variables, one=one),
        "patient_id": {
            "type": ["string", "null"] if nullable else "string",
            "maxLength": 200,
            "description": "leaves out the reference records of this patient; it is not recorded",
        },
        "gate": {
            "type": ["boolean", "null"] if nullable else "boolean",
            "description": "true refuses a page that does not look like an upright ECG, false scores it with a warning",
        },
    }


def request_body(variables: Sequence[ClinicalVariable], blocks: Collection[str]) -> dict[str, Any]:
    """Describe the request body for one patient; each kind requires something that the model can use."""
    file = {"type": "string", "format": "binary"}
    files = {
        "description": f"the ECG page ({FORMAT_TITLES}), or a file of signals ({SIGNAL_TITLES}); of a WFDB record, the "
        "header and its files of samples as several fields with their file names, or one .zip of them",
        "anyOf": [file, {"type": "array", "items": file, "minItems": 1, "maxItems": MAX_FILES}],
    }
    fields = patient_fields(variables, one=False, nullable=False)
    form: dict[str, Any] = {"type": "object", "properties": fields, "additionalProperties": False}
    content: dict[str, Any] = {"multipart/form-data": {"schema": form}}
    needs: list[dict[str, Any]] = []
    if "clinical" in blocks:
        properties = patient_fields(variables, one=True, nullable=True)
        schema = {"type": "object", "properties": properties, "required": ["values"], "additionalProperties": False}
        content["application/json"] = {"schema": schema}
        needs = [{"required": ["values"], "properties": {"values": properties["values"]}}]
    if "image" in blocks or "measurements" in blocks:
        form["properties"] = {"page": files, **fields}
        needs = [{"required": ["page"]}, *needs]
    form["anyOf"] = needs
    json_part = {"contentType": "application/json"}
    page_types = f"{PAGE_MEDIA_TYPES}, application/octet-stream"  # the content of a file tells its format
    encoding = {"page": {"contentType": page_types}, "values": json_part, "gate": json_part}
    bundle = "a FHIR R4 Bundle: Patient, Observations (LOINC), and the ECG as DocumentReference, Media or SampledData"
    content[FHIR] = {"schema": {"type": "object", "description": bundle}}
    content["multipart/form-data"]["encoding"] = {
        name: encoding[name] for name in encoding if name in form["properties"]
    }
    return {"required": True, "content": content}


def lines(schema: str) -> dict[str, Any]:
    """Return the schema of JSON lines: a string in OpenAPI 3.1, whose lines follow the named schema."""
    return {"type": "string", "description": f"one JSON object a line, each of the schema `{schema}`"}


def line_schemas(variables: Sequence[ClinicalVariable], body: str) -> dict[str, Any]:
    """Return the JSON schemas of the lines of a batch request and response; ``body`` names that of a prediction."""
    name = {"type": ["string", "integer", "null"], "description": "given back with the answer"}
    line = {
        "id": name,
        "page": {
            "type": ["string", "null"],
            "contentEncoding": "base64",
            "description": "content of the ECG file; of a WFDB record, a .zip of its files",
        },
        **patient_fields(variables, one=False, nullable=True),
    }
    answer = {
        "id": name,
        "line": {"type": "integer", "minimum": 1},
        "prediction": {"$ref": f"{_SCHEMAS}{body}"},
        "model": {"$ref": f"{_SCHEMAS}Model"},
        "links": {"type": "object", "additionalProperties": {"type": "string"}},
        "problem": {"$ref": f"{_SCHEMAS}Problem"},
    }
    return {
        "BatchLine": {"type": "object", "properties": line, "additionalProperties": False},
        "BatchAnswer": {"type": "object", "properties": answer, "required": ["id", "line"]},
    }


def complete(app: FastAPI, further: Mapping[str, Any]) -> None:
    """Add to the OpenAPI document what FastAPI does not know: authentication, errors and ``further`` schemas."""
    plain = app.openapi

    def openapi() -> dict[str, Any]:
        document = plain()
        schemas = document.setdefault("components", {}).setdefault("schemas", {})
        problem = Problem.model_json_schema(ref_template=_SCHEMAS + "{model}")
        schemas.update(further, **problem.pop("$defs", {}), Problem=problem)
        for name in ("HTTPValidationError", "ValidationError"):  # FastAPI's own, unused here
            schemas.pop(name, None)
        document["components"]["securitySchemes"] = {
            "key": {"type": "http", "scheme": "bearer", "description": "made by `cardiograph keys create`"},
            "browser": {"type": "http", "scheme": "basic", "description": "any name, the key as password"},
        }
        for path, methods in document["paths"].items():
            for operation in methods.values():
                operation["security"] = [] if path == "/healthz" else [{"key": []}, {"browser": []}, {}]
                if "HTTPValidationError" in str(operation["responses"].get("422")):
                    del operation["responses"]["422"]
        return document

    app.openapi = openapi  # type: ignore[method-assign]
