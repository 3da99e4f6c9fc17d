"""Answer a request whose body was not read, so that its sender gets to see the answer."""

from __future__ import annotations

import asyncio

from starlette.datastructures import Headers
from starlette.types import Receive, Scope, Send

from cardiograph.service.problems import ProblemError

LINGER_BYTES = 64 << 20
LINGER_SECONDS = 5.0
"""What is read and thrown away after a refusal, at most: closing on a sender would lose the answer on its way."""


async def refuse(problem: ProblemError, scope: Scope, receive: Receive, send: Send) -> None:
    """Send a problem at once, then throw away what the sender is still sending, then close."""
    response = problem.response()
    headers = Headers(scope=scope)
    sends = int(headers.get("content-length") or 0) > 0 or "transfer-encoding" in headers
    if not sends:
        await response(scope, receive, send)
        return
    closing = [*response.raw_headers, (b"connection", b"close")]
    await send({"type": "http.response.start", "status": problem.status, "headers": closing})
    await send({"type": "http.response.body", "body": bytes(response.body), "more_body": True})
    try:
        async with asyncio.timeout(LINGER_SECONDS):
            await _discard(receive)
    except TimeoutError:
        pass
    await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _discard(receive: Receive) -> None:
    left = LINGER_BYTES
    while left > 0:
        message = await receive()
        if message["type"] != "http.request" or not message.get("more_body", False):
            return
        left -= len(message.get("body", b""))
