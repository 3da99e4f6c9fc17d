"""CSRF protection: rejects cross-site requests by their origin, and forms without a signed token."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import time
from collections.abc import Callable
from urllib.parse import urlsplit

from starlette.datastructures import Headers

from cardiograph.service.api.problems import ProblemError

_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_TOKEN_SECONDS = 12 * 3600


def reject_other_sites(method: str, headers: Headers) -> None:
    """Raise a problem if the browser reports a cross-site request; clients without these headers pass.

    Source: Fetch Metadata Request Headers (W3C), ``Sec-Fetch-Site``; RFC 6454, section 7, ``Origin``.
    """
    if method in _SAFE:
        return
    site, origin = headers.get("sec-fetch-site"), headers.get("origin")
    cross_site = site not in (None, "same-origin", "none")
    if origin is not None and _host_of(origin) != headers.get("host", "").lower():
        cross_site = True
    if cross_site:
        message = "Another site made your browser send this; use the web page of this service."
        raise ProblemError(403, "other_site", message)


def _host_of(origin: str) -> str | None:
    """Return host and port of an origin; None if it is malformed."""
    try:
        return urlsplit(origin).netloc.lower()
    except ValueError:
        return None


class FormTokens:
    """Signed form tokens of this process, each for one caller; they need no cookie.

    A site without a key cannot read a token, and with a key it gets only tokens for that key.

    Args:
        clock: Clock, in seconds.
    """

    def __init__(self, *, clock: Callable[[], float] = time.time) -> None:
        self._secret, self._clock = secrets.token_bytes(32), clock

    def issue(self, key_id: str | None) -> str:
        """Return a token for a form that is shown to this caller."""
        until = str(int(self._clock()) + _TOKEN_SECONDS)
        return f"{until}.{self._sign(until, key_id)}"

    def check(self, token: str, key_id: str | None) -> None:
        """Raise a problem unless this process issued the token to this caller and it has not expired."""
        until, _, signature = token.partition(".")
        valid = hmac.compare_digest(signature.encode(), self._sign(until, key_id).encode())
        if not valid or int(until) < self._clock():
            raise ProblemError(403, "form_token", "This form has expired or is not from this service; reload the page.")

    def _sign(self, until: str, key_id: str | None) -> str:
        content = f"{until} {key_id or ''}".encode()
        return hmac.new(self._secret, content, hashlib.sha256).hexdigest()
