"""Choice of the language of a page: by the switch of the page, by its cookie, or by the browser."""

from __future__ import annotations

from collections.abc import Mapping
from contextvars import ContextVar
from urllib.parse import parse_qsl, urlencode

from babel import negotiate_locale
from starlette.datastructures import MutableHeaders
from starlette.requests import HTTPConnection
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cardiograph.service.web.language import SOURCE, Language, speaking

COOKIE, PARAMETER = "cardiograph-language", "lang"
"""Cookie that remembers the choice, and the parameter of an address that makes it."""

_YEAR_SECONDS = 365 * 24 * 3600

_QUERY: ContextVar[str] = ContextVar("query", default="")
"""Query string of the current request."""


class LanguageMiddleware:
    """Sets the language in which a request of the web UI is answered; the interface for programs is English.

    Args:
        app: Next ASGI application.
        languages: Code -> language.
    """

    def __init__(self, app: ASGIApp, *, languages: Mapping[str, Language]) -> None:
        self._app, self._languages = app, languages

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, and state and remember the language of its page."""
        if scope["type"] != "http" or scope["path"].startswith("/v1/"):
            await self._app(scope, receive, send)
            return
        connection = HTTPConnection(scope)
        wanted = connection.query_params.get(PARAMETER)
        language = self._languages[chosen_code(connection, self._languages)]

        async def with_language(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                if headers.get("content-type", "").startswith("text/html"):
                    headers.setdefault("Content-Language", language.code)
                    headers.add_vary_header("Accept-Language")
                    headers.add_vary_header("Cookie")
                    if wanted == language.code:
                        headers.append("Set-Cookie", _cookie(wanted, secure=connection.url.scheme == "https"))
            await send(message)

        with speaking(language):
            _QUERY.set(connection.url.query)
            await self._app(scope, receive, with_language)


def chosen_code(connection: HTTPConnection, languages: Mapping[str, Language]) -> str:
    """Return the language of the address, else that of the cookie, else the first that the browser asks for."""
    for code in (connection.query_params.get(PARAMETER), connection.cookies.get(COOKIE)):
        if code is not None and code in languages:
            return code
    asked = _by_preference(connection.headers.get("accept-language", ""))
    return negotiate_locale(asked, list(languages), sep="-") or SOURCE


def address_in(code: str) -> str:
    """Return the relative address of the current page in another language."""
    kept = [(name, value) for name, value in parse_qsl(_QUERY.get()) if name != PARAMETER]
    return f"?{urlencode([*kept, (PARAMETER, code)])}"


def _by_preference(header: str) -> list[str]:
    """Return the languages of an ``Accept-Language`` header, most wanted first.

    Source: RFC 9110, section 12.5.4.
    """
    found = []
    for each in header.split(","):
        code, _, rest = each.partition(";")
        weight = rest.strip().removeprefix("q=")
        try:
            quality = float(weight) if weight else 1.0
        except ValueError:
            continue
        if code.strip() and quality > 0:
            found.append((quality, code.strip()))
    return [code for _, code in sorted(found, key=lambda each: -each[0])]


def _cookie(code: str, *, secure: bool) -> str:
    response = Response()
    response.set_cookie(COOKIE, code, max_age=_YEAR_SECONDS, secure=secure, httponly=True, samesite="lax")
    return response.headers["set-cookie"]
