"""Refusals in the form that was asked for: a page for a browser, an OperationOutcome for a FHIR client."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cardiograph.service.accept import FHIR, speaks_fhir
from cardiograph.service.api.problems import MEDIA_TYPE
from cardiograph.service.fhir_outcome import operation_outcome
from cardiograph.service.web.site import Site


class PageRefusalsMiddleware:
    """Turns problems on their way to a browser into pages, and to a FHIR client into resources, that say the same.

    Args:
        app: What comes after.
        site: Draws the page.
    """

    def __init__(self, app: ASGIApp, *, site: Site) -> None:
        self._app, self._site = app, site

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, and its answer back; programs get their problem as it is."""
        headers = Headers(scope=scope) if scope["type"] == "http" else Headers()
        people = scope["type"] == "http" and _for_people(scope)
        if not people and not speaks_fhir(headers):
            await self._app(scope, receive, send)
            return
        start: Message | None = None

        async def told(message: Message) -> None:
            nonlocal start
            if message["type"] == "http.response.start" and _is_problem(message):
                start = message
            elif start is not None:
                problem = json.loads(message["body"])
                body = self._page(problem, headers) if people else json.dumps(operation_outcome(problem)).encode()
                changed = MutableHeaders(scope=start)
                changed["Content-Type"] = "text/html; charset=utf-8" if people else FHIR
                if "content-length" in changed:
                    changed["Content-Length"] = str(len(body))
                await send(start)
                await send({**message, "body": body})
                start = None
            else:
                await send(message)

        await self._app(scope, receive, told)

    def _page(self, problem: Mapping[str, Any], headers: Headers) -> bytes:
        part = "why" if headers.get("hx-target") == "why" else "work"
        return self._site.render("refused.html", problem=problem, part=part).encode()


def _for_people(scope: Scope) -> bool:
    headers = Headers(scope=scope)
    asks = "text/html" in headers.get("accept", "") or "hx-request" in headers
    return asks and not scope["path"].startswith("/v1/")


def _is_problem(message: Message) -> bool:
    return Headers(raw=message["headers"]).get("content-type", "").startswith(MEDIA_TYPE)
