"""The ASGI application of one shard of a model's reference records: `cardiograph shards serve`."""

from __future__ import annotations

import hmac

import anyio.to_thread
from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from cardiograph import __version__
from cardiograph.inference.held_shard import HeldShard
from cardiograph.inference.shard_messages import Message
from cardiograph.threads import available_threads

REQUEST_BYTES = 160 << 20
"""Largest size of a request: 8,192 patients of 4,096 coordinates take 128 MiB, to which their excluded rows are added."""


class ShardApp:
    """Routes of the process that holds a shard.

    Args:
        shard: The shard.
        key: Secret that every request needs as ``Authorization: Bearer KEY``; None for none.
    """

    def __init__(self, shard: HeldShard, *, key: str | None) -> None:
        self._shard, self._described = shard, shard.described()
        self._expected = None if key is None else f"Bearer {key}".encode()
        self._limiter = anyio.CapacityLimiter(max(2, available_threads()))

    @property
    def app(self) -> FastAPI:
        """The application."""
        routes = [
            Route("/healthz", self._healthz),
            Route("/v1/shard", self._which),
            Route("/v1/{operation}", self._answer, methods=["POST"]),
        ]
        found = FastAPI(title="cardiograph shard", version=__version__, docs_url=None, redoc_url=None, openapi_url=None)
        found.router.routes.extend(routes)
        return found

    async def _healthz(self, _: Request) -> Response:
        return JSONResponse({"status": "alive"})

    async def _which(self, request: Request) -> Response:
        return self._refusal(request) or JSONResponse(self._described)

    async def _answer(self, request: Request) -> Response:
        operation = request.path_params["operation"]
        refused = self._refusal(request)
        if refused is not None:
            return refused
        if request.headers.get("x-shard") != self._described["sha256"]:
            return PlainTextResponse("this is another shard now", 409)
        if operation not in self._shard.operations:
            return PlainTextResponse("no such operation", 404)
        content = bytearray()
        async for part in request.stream():
            content += part
            if len(content) > REQUEST_BYTES:
                return PlainTextResponse(f"more than {REQUEST_BYTES} bytes", 413)
        try:
            found = await anyio.to_thread.run_sync(self._packed, operation, bytes(content), limiter=self._limiter)
        except ValueError as error:
            return PlainTextResponse(str(error), 400)
        return Response(found, media_type="application/octet-stream")

    def _packed(self, operation: str, content: bytes) -> bytes:
        return self._shard.answer(operation, Message.unpacked(content)).packed()

    def _refusal(self, request: Request) -> Response | None:
        given = request.headers.get("authorization", "").encode()
        if self._expected is None or hmac.compare_digest(given, self._expected):
            return None
        return PlainTextResponse("the key is missing or wrong", 401, {"www-authenticate": "Bearer"})
