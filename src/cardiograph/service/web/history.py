"""The predictions that this browser asked for, newest first.

The browser holds their ids in a cookie until it is closed, so nobody else can list them; without the key that made a
prediction its id is worth nothing.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import partial

from fastapi import Request
from starlette.responses import Response

from cardiograph.service.api.predictions import note
from cardiograph.service.records import PredictionEntry
from cardiograph.service.state import caller_of, serving_of
from cardiograph.service.web.answer_view import AnswerView, answer_view

COOKIE = "cardiograph-predictions"
"""Cookie of the ids, separated by dots; it ends with the session of the browser."""

LENGTH = 20
"""Predictions that are listed."""

_ID = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True)
class Past:
    """A prediction of the list.

    Args:
        entry: Stored prediction.
        view: The same, prepared for the template.
        example: Whether it is that of the example patient.
    """

    entry: PredictionEntry
    view: AnswerView
    example: bool


def listed_ids(request: Request) -> list[str]:
    """Return the ids that this browser holds; whatever is no id is left out."""
    return [each for each in request.cookies.get(COOKIE, "").split(".") if _ID.fullmatch(each)][:LENGTH]


def add(request: Request, response: Response, prediction_id: str) -> None:
    """Put a prediction first in the list of this browser."""
    ids = [prediction_id, *(each for each in listed_ids(request) if each != prediction_id)][:LENGTH]
    response.set_cookie(COOKIE, ".".join(ids), secure=request.url.scheme == "https", httponly=True, samesite="strict")


async def past_predictions(request: Request) -> tuple[Past, ...]:
    """Return the listed predictions that are still stored and were made with the key of this request; log each access."""
    from cardiograph.service.web.site import site_of

    serving, caller, site = serving_of(request), caller_of(request), site_of(request)
    example = await serving.parsed(lambda: site.example)
    found = []
    for each in listed_ids(request):
        entry = await serving.with_records(partial(serving.records.get, each))
        if entry is None or entry.key_id != caller.key_id:
            continue
        await note(request, "prediction_read", entry.id)
        current = serving.is_current(entry)
        view = answer_view(entry.answer, site.confidence if current else None)
        found.append(Past(entry, view, current and example.made(entry, serving.records)))
    return tuple(found)
