"""Limits on request bodies: media type, size and speed, checked by the headers and while the body arrives."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Mapping
from dataclasses import dataclass

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cardiograph.service.api.problems import ProblemError
from cardiograph.service.security.responses import refuse
from cardiograph.service.settings import ServiceSettings


@dataclass(frozen=True)
class Accepts:
    """Request body that a route accepts.

    Args:
        media_types: Media types of the body.
        streamed: Whether the route reads the body as a stream and limits it itself.
    """

    media_types: tuple[str, ...]
    streamed: bool = False


class UploadMiddleware:
    """Reads a whole body into memory, within the limits, before the route sees the request.

    Args:
        app: Next ASGI application.
        settings: Settings with the limits.
        accepts: Accepted body of each ``POST`` path; other requests are passed on with their body unread.
    """

    def __init__(self, app: ASGIApp, *, settings: ServiceSettings, accepts: Mapping[str, Accepts]) -> None:
        self._app, self._settings, self._accepts = app, settings, accepts
        self._reading = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on with its body in memory, or reject it."""
        accepted = self._accepts.get(scope["path"]) if scope["type"] == "http" and scope["method"] == "POST" else None
        if accepted is None:
            await self._app(scope, receive, send)
            return
        try:
            self._check(Headers(scope=scope), accepted)
            if accepted.streamed:
                pace = Pace(self._settings)
                await self._app(scope, lambda: pace.next(receive), send)
                return
            self._reading += 1
            try:
                body = await self._read(receive, Pace(self._settings, self._settings.body_seconds))
                await self._app(scope, _replay(body, receive), send)
            finally:
                self._reading -= 1
        except ProblemError as problem:
            await refuse(problem, scope, receive, send)

    def _check(self, headers: Headers, accepted: Accepts) -> None:
        kind = headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind not in accepted.media_types:
            message = f"This route reads {' or '.join(accepted.media_types)}; set the Content-Type."
            raise ProblemError(415, "media_type", message)
        if accepted.streamed:
            return
        if int(headers.get("content-length") or 0) > self._settings.upload_bytes:
            raise self._too_large()
        if self._reading >= self._settings.uploads:
            message = "Too many uploads at once; try again later."
            raise ProblemError(429, "line_full", message, headers={"Retry-After": "1"})

    def _too_large(self) -> ProblemError:
        limit = self._settings.upload_bytes / (1 << 20)
        return ProblemError(413, "too_large", f"A request body may have at most {limit:g} MiB; scale the page down.")

    async def _read(self, receive: Receive, pace: Pace) -> bytes:
        body, more = bytearray(), True
        while more:
            message = await pace.next(receive)
            if message["type"] == "http.disconnect":
                raise ProblemError(400, "cut_off", "The connection ended before the body did.")
            body += message.get("body", b"")
            more = message.get("more_body", False)
            if len(body) > self._settings.upload_bytes:
                raise self._too_large()
        return bytes(body)


class Pace:
    """Measures how long a sender keeps the service waiting, and stops slow uploads.

    Args:
        settings: Settings with the minimum rate and the grace period.
        max_seconds: Time limit for the whole body at any rate.
    """

    def __init__(self, settings: ServiceSettings, max_seconds: float = math.inf) -> None:
        self._settings, self._max_seconds = settings, max_seconds
        self.seconds = 0.0
        self._bytes = 0

    async def next(self, receive: Receive) -> Message:
        """Return the next part of the body.

        Raises:
            ProblemError: 408, if the sender is too slow.
        """
        grace, rate = self._settings.grace_seconds, self._settings.bytes_per_second
        left = min(grace + self._bytes / rate, self._max_seconds) - self.seconds
        start = time.monotonic()
        try:
            async with asyncio.timeout(max(0.0, left)):
                message = await receive()
        except TimeoutError as error:
            raise too_slow() from error
        self.seconds += time.monotonic() - start
        self._bytes += len(message.get("body", b""))
        return message


def too_slow() -> ProblemError:
    """Return the problem of a body that takes too long."""
    return ProblemError(408, "too_slow", "The body arrived too slowly; check the connection and send it again.")


def _replay(body: bytes, receive: Receive) -> Receive:
    """Return a channel that sends the body once and then passes on the messages of the connection."""
    sent = False

    async def replayed() -> Message:
        nonlocal sent
        if sent:
            return await receive()
        sent = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replayed
