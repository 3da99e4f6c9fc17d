"""Security headers of every response, and rejection of requests while their body still arrives."""

from __future__ import annotations

import asyncio

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cardiograph.inline_scripts import known_sources
from cardiograph.service.api.problems import ProblemError

PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
"""Content-Security-Policy of the web UI and the default for every response."""


REPORT_POLICY = (
    f"default-src 'none'; script-src {' '.join(known_sources())}; "
    "style-src 'unsafe-inline'; img-src data:; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'; "
    "sandbox allow-scripts allow-downloads allow-popups allow-popups-to-escape-sandbox"
)
"""Content-Security-Policy of a run's report: one file with inline styles, images and the scripts of this package.

Scripts of earlier versions are allowed, too, because a run keeps the report that was written with it.
"""


ALWAYS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": PAGE_POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "X-Robots-Tag": "noindex",
}
"""Default headers. Strict-Transport-Security is left to the proxy, which terminates TLS."""


class HeadersMiddleware:
    """Adds the headers of :data:`ALWAYS` to every response that does not set them itself."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on and add the headers to its response."""

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in ALWAYS.items():
                    headers.setdefault(name, value)
            await send(message)

        await self._app(scope, receive, with_headers if scope["type"] == "http" else send)


LINGER_BYTES, LINGER_SECONDS = 64 << 20, 5.0
"""Limits of what is read and discarded after a rejection: closing early would lose the response on its way."""


async def refuse(problem: ProblemError, scope: Scope, receive: Receive, send: Send) -> None:
    """Send a problem at once, discard the rest of the request, and close the connection."""
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
