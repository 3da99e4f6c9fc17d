"""Errors in the requested format: HTML for a browser, an OperationOutcome for a FHIR client."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cardiograph.service.api.accept import FHIR, speaks_fhir
from cardiograph.service.api.fhir_outcome import operation_outcome
from cardiograph.service.api.problems import MEDIA_TYPE
from cardiograph.service.web.plain_words import detail_of
from cardiograph.service.web.site import Site


class ErrorFormatMiddleware:
    """Converts problem responses to HTML for browsers and to an OperationOutcome for FHIR clients.

    Args:
        app: Next ASGI application.
        site: Renders the HTML.
    """

    def __init__(self, app: ASGIApp, *, site: Site) -> None:
        self._app, self._site = app, site

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on and convert a problem in the response; other programs get the problem unchanged."""
        headers = Headers(scope=scope) if scope["type"] == "http" else Headers()
        browser = scope["type"] == "http" and _is_browser(scope)
        if not browser and not speaks_fhir(headers):
            await self._app(scope, receive, send)
            return
        start: Message | None = None

        async def converted(message: Message) -> None:
            nonlocal start
            if message["type"] == "http.response.start" and _is_problem(message):
                start = message
            elif start is not None:
                problem = json.loads(message["body"])
                body = self._html(problem, headers) if browser else json.dumps(operation_outcome(problem)).encode()
                changed = MutableHeaders(scope=start)
                changed["Content-Type"] = "text/html; charset=utf-8" if browser else FHIR
                if "content-length" in changed:
                    changed["Content-Length"] = str(len(body))
                await send(start)
                await send({**message, "body": body})
                start = None
            else:
                await send(message)

        await self._app(scope, receive, converted)

    def _html(self, problem: Mapping[str, Any], headers: Headers) -> bytes:
        part = "why" if headers.get("hx-target") == "why" else "work"
        return self._site.render("refused.html", problem=problem, part=part, detail=detail_of(problem)).encode()


def _is_browser(scope: Scope) -> bool:
    headers = Headers(scope=scope)
    wants_html = "text/html" in headers.get("accept", "") or "hx-request" in headers
    return wants_html and not scope["path"].startswith("/v1/")


def _is_problem(message: Message) -> bool:
    return Headers(raw=message["headers"]).get("content-type", "").startswith(MEDIA_TYPE)
