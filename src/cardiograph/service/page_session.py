"""The form's proof: only the browser that was given a form may send it."""

from __future__ import annotations

import hashlib
import hmac
import secrets

from starlette.requests import Request
from starlette.responses import Response

COOKIE = "cardiograph-form"
"""Holds a random name of the browser and nothing else; it opens nothing by itself."""

_BYTES = 32


class FormTokens:
    """Tokens of forms: each belongs to one cookie, and to this process.

    A page of another site can make a browser send a form, and the cookie or a kept key with it; it cannot read the token.
    """

    def __init__(self) -> None:
        self._secret = secrets.token_bytes(_BYTES)

    def of(self, browser: str) -> str:
        """The token of a browser."""
        return hmac.new(self._secret, browser.encode(), hashlib.sha256).hexdigest()

    def proven(self, request: Request, token: str) -> bool:
        """Whether a form was given to the browser that sends it, and is sent from this service's own page."""
        if request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
            return False
        browser = request.cookies.get(COOKIE)
        return browser is not None and hmac.compare_digest(self.of(browser).encode(), token.encode())


def browser_of(request: Request) -> str:
    """The random name of a browser: that of its cookie, or a new one."""
    sent = request.cookies.get(COOKIE, "")
    return sent if len(sent) == 2 * _BYTES else secrets.token_hex(_BYTES)


def remember(request: Request, response: Response, browser: str) -> None:
    """Send the cookie where the browser does not have it; behind a proxy that speaks TLS, for TLS alone."""
    if request.cookies.get(COOKIE) != browser:
        secure = "https" in (request.url.scheme, request.headers.get("x-forwarded-proto"))
        response.set_cookie(COOKIE, browser, path="/", secure=secure, httponly=True, samesite="strict")
