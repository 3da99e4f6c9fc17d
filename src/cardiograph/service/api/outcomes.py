"""Route that receives the outcomes of patients who were scored earlier."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response

from cardiograph.errors import Issue
from cardiograph.service.api.accept import JSON
from cardiograph.service.api.json_body import parse_json
from cardiograph.service.api.openapi import refusals
from cardiograph.service.api.outcome_items import SCHEMA, Item, content_of, items_of
from cardiograph.service.api.problems import ProblemError
from cardiograph.service.api.schemas import OutcomesAnswer
from cardiograph.service.records import Added, Records
from cardiograph.service.state import caller_of, serving_of

PATH = "/v1/outcomes"

MAX_BYTES = 1 << 20
"""Maximum size of a request: a thousand outcomes of many labels each."""

router = APIRouter(tags=["outcomes"])

_REPLACE = {
    "name": "replace",
    "in": "query",
    "required": False,
    "description": "whether to replace stored outcomes of other content, such as those of a shorter follow-up",
    "schema": {"type": "boolean", "default": False},
}


@router.post(
    PATH,
    summary="Send outcomes of patients scored earlier",
    responses={
        200: {"model": OutcomesAnswer, "description": "All outcomes are stored."},
        **refusals(403, 404, 408, 409, 413, 415, 422),
    },
    openapi_extra={
        "requestBody": {"required": True, "content": {JSON: {"schema": SCHEMA}}},
        "parameters": [_REPLACE],
    },
)
async def create(request: Request) -> Response:
    """Store outcomes, all or none; an outcome that is stored already with the same content changes nothing."""
    serving, replace = serving_of(request), _replace_of(request)
    items = await serving.parsed(partial(_read, await request.body()))
    added = await serving.with_records(
        partial(_add, serving.records, items, key_id=caller_of(request).key_id, replace=replace)
    )
    return JSONResponse({"stored": added.stored, "unchanged": added.unchanged})


def _replace_of(request: Request) -> bool:
    given = request.query_params.get("replace", "false")
    if given in ("true", "false"):
        return given == "true"
    issue = Issue(
        "request", "replace", given[:40], "replace is true or false", "correct it, or leave it out", "wrong_type"
    )
    raise ProblemError(422, "bad_request", "The parameter cannot be read.", issues=[issue])


def _read(body: bytes) -> list[Item]:
    """Parse a request and check what does not depend on the predictions.

    Raises:
        ProblemError: 400 if it is not JSON, 413 if it is too large, 422 if items are invalid.
    """
    if len(body) > MAX_BYTES:
        message = f"A list of outcomes may have {MAX_BYTES:,} bytes; send it in parts."
        raise ProblemError(413, "too_large", message)
    items, issues = items_of(parse_json(body))
    if issues:
        raise ProblemError(422, "bad_request", "The list of outcomes has faults, so nothing was stored.", issues=issues)
    return items


def _add(records: Records, items: Sequence[Item], *, key_id: str | None, replace: bool) -> Added:
    """Check each outcome against its prediction and store all of them.

    Raises:
        ProblemError: 404, 409 or 422, with an issue for each faulty item.
    """
    answers = records.answers([item.id for item in items])
    _require_predictions(items, [item.id for item in items if item.id not in answers])
    contents: dict[str, Mapping[str, Any]] = {}
    issues: list[Issue] = []
    for item in items:
        content, faults = content_of(item, answers[item.id])
        faults = faults or _different_twice(item, content, contents)
        issues += faults
        if not faults:
            contents[item.id] = content
    if issues:
        raise ProblemError(422, "bad_request", "The list of outcomes has faults, so nothing was stored.", issues=issues)
    added = records.outcomes.add(contents, key_id=key_id, replace=replace)
    _require_predictions(items, added.unknown)
    if added.conflicts:
        conflicts = [_conflict(item, added.conflicts[item.id]) for item in items if item.id in added.conflicts]
        message = "Other outcomes are stored for some of these predictions, so nothing was stored."
        raise ProblemError(409, "other_outcome", message, issues=conflicts)
    return added


def _require_predictions(items: Sequence[Item], unknown: Sequence[str]) -> None:
    if unknown:
        rule = "id is that of a stored prediction"
        remedy = "check it, or leave it out if the prediction was deleted"
        issues = [
            Issue(item.where, "id", item.id, rule, remedy, "unknown_prediction") for item in items if item.id in unknown
        ]
        message = "Some of these predictions do not exist, or were deleted, so nothing was stored."
        raise ProblemError(404, "unknown_prediction", message, issues=issues)


def _different_twice(item: Item, content: Mapping[str, Any], before: Mapping[str, Mapping[str, Any]]) -> list[Issue]:
    if before.get(item.id, content) == content:
        return []
    rule = "each prediction has one outcome"
    return [Issue(item.where, "id", item.id, rule, "keep one of the two items", "outcome_twice")]


def _conflict(item: Item, stored: Mapping[str, Any]) -> Issue:
    rule = f"the stored outcome is {json.dumps(stored)}"
    remedy = "leave the item out, or send the list with ?replace=true"
    return Issue(item.where, ", ".join(item.given), json.dumps(item.given)[:80], rule, remedy, "other_outcome")
