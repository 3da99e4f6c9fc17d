"""What the OpenAPI document says of refusals: the same words wherever the same thing can happen."""

from __future__ import annotations

from typing import Any

from cardiograph.service.schemas import Problem

_SAID = {
    400: "The request cannot be read, or is for another host.",
    401: "A key is asked for; there is none, or it is wrong, expired or revoked.",
    403: "The key lacks the scope.",
    404: "There is no such thing.",
    405: "The path has no such method.",
    408: "The body arrives too slowly.",
    410: "What was asked is not held any more.",
    413: "Larger than the limit of bytes or pixels.",
    415: "A media type that is not read.",
    422: "The content cannot be scored; `issues` says why.",
    429: "Too many requests, or the line is full; see Retry-After.",
    500: "The service failed; its log tells where.",
    503: "Not able to answer now; see Retry-After.",
}
_RETRY = {"Retry-After": {"schema": {"type": "integer"}, "description": "Seconds to wait."}}
_EVERYWHERE = (400, 401, 429, 500)


def refusals(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Responses of a route that can be refused with these statuses, and with those of every route."""
    return {status: _refusal(status) for status in sorted({*statuses, *_EVERYWHERE})}


def _refusal(status: int) -> dict[str, Any]:
    schema = {"$ref": "#/components/schemas/Problem"}
    said: dict[str, Any] = {
        "description": _SAID[status],
        "content": {"application/problem+json": {"schema": schema}},
    }
    if status in (429, 503):
        said["headers"] = _RETRY
    return said


PROBLEM_SCHEMA = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
