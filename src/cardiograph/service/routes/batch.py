"""Many patients: a line of JSON in, a line of JSON out, no more than a few of them in memory."""

from __future__ import annotations

import asyncio
import base64
import binascii
import json
from collections import deque
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import Response, StreamingResponse

from cardiograph.schema import ClinicalVariable
from cardiograph.service.access import Caller
from cardiograph.service.problems import ProblemError
from cardiograph.service.routes.documented import refusals
from cardiograph.service.schemas import AskedLine, read_asked, values_schema
from cardiograph.service.serving import Serving, caller_of, serving_of

PATH = "/v1/predictions/batch"
MEDIA_TYPE = "application/x-ndjson"
_VALUES_BYTES = 65_536
"""What a line may have beside its page."""


def batch(variables: Sequence[ClinicalVariable]) -> APIRouter:
    """The route, documented with the variables of the model that is served."""
    router = APIRouter(tags=["predictions"])
    line = {
        "type": "object",
        "properties": {
            "id": {"type": ["string", "integer", "null"], "description": "given back with the answer"},
            "page": {"type": ["string", "null"], "contentEncoding": "base64"},
            "values": values_schema(variables),
            "patient_id": {"type": ["string", "null"], "maxLength": 200},
        },
        "additionalProperties": False,
    }
    told = {"type": "object", "description": "`id` and either `prediction` or `problem`, in the order of the lines"}
    router.add_api_route(
        PATH,
        create,
        methods=["POST"],
        summary="Score many patients",
        response_class=StreamingResponse,
        responses={
            200: {"description": "A line for each line.", "content": {MEDIA_TYPE: {"schema": told}}},
            **refusals(403, 408, 415, 503),
        },
        openapi_extra={"requestBody": {"required": True, "content": {MEDIA_TYPE: {"schema": line}}}},
    )
    return router


async def create(request: Request) -> Response:
    """Each line is answered as it would be alone; a bad line gets a problem and the others go on. Read while you send."""
    serving = serving_of(request)
    gate: asyncio.Semaphore = request.app.state.batches
    if gate.locked():
        message = "As many batches are running as may; ask again later."
        raise ProblemError(429, "line_full", message, headers={"Retry-After": "30"})
    if serving.pool.closing:
        raise ProblemError(503, "stopping", "The service is stopping.", headers={"Retry-After": "5"})
    await gate.acquire()
    answers = _answers(serving, request, caller_of(request))

    async def told() -> AsyncIterator[bytes]:
        try:
            async for answer in answers:
                yield (json.dumps(answer, ensure_ascii=False) + "\n").encode()
        finally:
            gate.release()

    return StreamingResponse(told(), media_type=MEDIA_TYPE)


async def _answers(serving: Serving, request: Request, caller: Caller) -> AsyncIterator[dict[str, Any]]:
    """Answers in the order of the lines, as many in work as there are workers."""
    working: deque[asyncio.Task[dict[str, Any]]] = deque()
    try:
        async for line in _Lines(serving, request):
            if len(working) >= serving.settings.workers:
                yield await working.popleft()
            working.append(asyncio.create_task(_answer(serving, line, caller)))
        while working:
            yield await working.popleft()
    except ProblemError as problem:  # the body cannot be read further: what was read is answered first
        while working:
            yield await working.popleft()
        yield {"id": None, "problem": problem.content()}
    finally:
        for task in working:
            task.cancel()


async def _answer(serving: Serving, line: bytes, caller: Caller) -> dict[str, Any]:
    name: str | int | None = None
    try:
        asked = read_asked(line, AskedLine)
        assert isinstance(asked, AskedLine)  # noqa: S101
        name = asked.id
        entry = await serving.score(asked.query(_page(asked.page)), caller, patient=True)
    except ProblemError as problem:
        return {"id": name, "problem": problem.content()}
    answer = serving.answer(entry)
    return {"id": name, "prediction": answer["prediction"], "recorded": entry.id, "model": answer["model"]}


def _page(text: str | None) -> bytes | None:
    if text is None:
        return None
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise ProblemError(422, "bad_request", "`page` is not base64.") from error


@dataclass(frozen=True)
class _Lines:
    """Lines of a body that arrives in pieces."""

    serving: Serving
    request: Request

    async def __aiter__(self) -> AsyncIterator[bytes]:
        most = self.serving.settings.upload_bytes * 4 // 3 + _VALUES_BYTES
        rest, count = bytearray(), 0
        async for piece in self.request.stream():
            rest += piece
            while (end := rest.find(b"\n")) >= 0:
                line = bytes(rest[:end]).strip()
                del rest[: end + 1]
                if line:
                    count = self._count(count)
                    yield line
            if len(rest) > most:
                raise ProblemError(413, "line_too_large", f"A line may have {most:,} bytes; nothing after it was read.")
        if rest.strip():
            self._count(count)
            yield bytes(rest.strip())

    def _count(self, count: int) -> int:
        if count >= self.serving.settings.batch_lines:
            limit = self.serving.settings.batch_lines
            raise ProblemError(413, "too_many_lines", f"A batch may have {limit:,} lines; send the rest as another.")
        return count + 1
