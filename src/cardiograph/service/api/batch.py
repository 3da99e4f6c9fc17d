"""Batch predictions: JSON lines in, JSON lines out, with only a few patients in memory at a time."""

from __future__ import annotations

import asyncio
import base64
import binascii
import json
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from functools import partial
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import Response
from starlette.requests import ClientDisconnect
from starlette.types import Receive, Scope, Send

from cardiograph.service.api.json_body import JSON_BYTES, read_line
from cardiograph.service.api.openapi import lines, refusals
from cardiograph.service.api.problems import ProblemError
from cardiograph.service.security.access import Caller
from cardiograph.service.settings import ServiceSettings
from cardiograph.service.state import Serving, caller_of, serving_of

PATH = "/v1/predictions/batch"
MEDIA_TYPE = "application/x-ndjson"

_READ_SECONDS = 60
"""Time limit for a client to read each line of the response."""


def batch() -> APIRouter:
    """Create the router of the batch route."""
    router = APIRouter(tags=["predictions"])
    router.add_api_route(
        PATH,
        create,
        methods=["POST"],
        summary="Score many patients",
        response_class=Response,
        responses={
            200: {"description": "A line for each line.", "content": {MEDIA_TYPE: {"schema": lines("BatchAnswer")}}},
            **refusals(403, 408, 415),
        },
        openapi_extra={"requestBody": {"required": True, "content": {MEDIA_TYPE: {"schema": lines("BatchLine")}}}},
    )
    return router


async def create(request: Request) -> Response:
    """Each line is answered as it would be alone; a bad line gets a problem and the others go on. Read while you send."""
    serving = serving_of(request)
    gate: asyncio.Semaphore = request.app.state.batches
    if gate.locked():
        message = "The maximum number of batches is running; try again later."
        raise ProblemError(429, "line_full", message, headers={"Retry-After": "30"})
    if serving.pool.closing:
        raise ProblemError(503, "stopping", "The service is stopping.", headers={"Retry-After": "5"})
    await gate.acquire()
    return _Lines(_answers(serving, request, caller_of(request)), gate)


class _Lines(Response):
    """Streams lines as they are ready.

    Starlette's StreamingResponse would read from the request at the same time and lose parts of it.
    """

    media_type = MEDIA_TYPE

    def __init__(self, answers: AsyncGenerator[dict[str, Any], None], gate: asyncio.Semaphore) -> None:
        super().__init__()
        del self.headers["content-length"]
        self._answers, self._gate = answers, gate

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            async with aclosing(self._answers) as answers:
                await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
                async for answer in answers:
                    line = json.dumps(answer, ensure_ascii=False).encode() + b"\n"
                    # a client that never reads would block its batch
                    async with asyncio.timeout(_READ_SECONDS):
                        await send({"type": "http.response.body", "body": line, "more_body": True})
                await send({"type": "http.response.body", "body": b""})
        finally:
            self._gate.release()


Work = asyncio.Future[dict[str, Any]]


async def _answers(serving: Serving, request: Request, caller: Caller) -> AsyncGenerator[dict[str, Any], None]:
    """Yield results in the order of the lines; the body is read no faster than results are sent."""
    work: asyncio.Queue[Work | None] = asyncio.Queue(max(1, serving.settings.workers - 1))
    reading = asyncio.create_task(_read(serving, request, caller, work))
    try:
        while (answer := await work.get()) is not None:
            yield await answer
    finally:
        reading.cancel()
        while not work.empty():
            left = work.get_nowait()
            if left is not None:
                left.cancel()


async def _read(serving: Serving, request: Request, caller: Caller, work: asyncio.Queue[Work | None]) -> None:
    number = 0
    try:
        async with _within(serving.settings.batch_seconds):
            async for line in lines_of(request.stream(), serving.settings):
                answer = asyncio.create_task(_answer(serving, line, number + 1, caller))
                try:
                    await work.put(answer)
                except asyncio.CancelledError:
                    answer.cancel()
                    raise
                number += 1
    except ProblemError as problem:  # the body cannot be read further
        failure: Work = asyncio.get_running_loop().create_future()
        failure.set_result({"id": None, "line": number + 1, "problem": problem.content()})
        await work.put(failure)
    except ClientDisconnect:
        pass
    await work.put(None)


@asynccontextmanager
async def _within(seconds: float) -> AsyncIterator[None]:
    """Limit the time of a batch; since reading waits for results, this limits scoring as well."""
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError as error:
        message = f"A batch may take {seconds:g} s; send the rest as another."
        raise ProblemError(408, "too_slow", message) from error


async def _answer(serving: Serving, line: bytes, number: int, caller: Caller) -> dict[str, Any]:
    name: str | int | None = None
    try:
        patient = await serving.parsed(partial(read_line, line))
        name = patient.id
        page = await serving.parsed(partial(_page, patient.page))
        entry = await serving.score(patient.query(page), caller, patient=True)
    except ProblemError as problem:
        return {"id": name, "line": number, "problem": problem.content()}
    answer = serving.answer(entry)
    return {"id": name, "line": number, **{key: answer[key] for key in ("prediction", "model", "links")}}


def _page(text: str | None) -> bytes | None:
    if text is None:
        return None
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise ProblemError(422, "bad_request", "`page` is not base64.") from error


async def lines_of(body: AsyncIterator[bytes], settings: ServiceSettings) -> AsyncIterator[bytes]:
    """Yield the non-empty lines of a streamed body; empty lines count towards the limit.

    Raises:
        ProblemError: 413, if a line is too long or there are too many lines.
    """
    max_bytes = settings.upload_bytes * 4 // 3 + JSON_BYTES
    rest, count = bytearray(), 0
    async for piece in body:
        *whole, last = piece.split(b"\n")
        for part in whole:
            line = bytes(rest + part).strip()
            rest.clear()
            count += 1
            _check(len(line), count, max_bytes, settings)
            if line:
                yield line
        rest += last
        _check(len(rest), count, max_bytes, settings)
    if rest.strip():
        _check(len(rest), count + 1, max_bytes, settings)
        yield bytes(rest.strip())


def _check(size: int, count: int, max_bytes: int, settings: ServiceSettings) -> None:
    if size > max_bytes:
        raise ProblemError(413, "line_too_large", f"A line may have {max_bytes:,} bytes; nothing after it was read.")
    if count > settings.batch_lines:
        message = f"A batch may have {settings.batch_lines:,} lines; send the rest as another."
        raise ProblemError(413, "too_many_lines", message)
