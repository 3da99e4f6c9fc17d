"""Requests that another site makes a browser send: refused by where they come from, and forms by a signed token, too."""

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


def refuse_other_sites(method: str, headers: Headers) -> None:
    """Raise a problem where a browser says that another site sent this; other programs say nothing and pass.

    Source: Fetch Metadata Request Headers (W3C), ``Sec-Fetch-Site``; RFC 6454, section 7, ``Origin``.
    """
    if method in _SAFE:
        return
    site, origin = headers.get("sec-fetch-site"), headers.get("origin")
    foreign = site not in (None, "same-origin", "none")
    if origin is not None and _place(origin) != headers.get("host", "").lower():
        foreign = True
    if foreign:
        raise ProblemError(403, "other_site", "Another site made your browser send this; use this service's own page.")


def _place(origin: str) -> str | None:
    """Host and port of an origin; None where it is none."""
    try:
        return urlsplit(origin).netloc.lower()
    except ValueError:
        return None


class FormTokens:
    """Tokens that a form of this process carries, each for one caller; no cookie is needed.

    A site that has no key cannot read a token, and one that has a key gets tokens for that key alone.

    Args:
        clock: Seconds since some fixed point.
    """

    def __init__(self, *, clock: Callable[[], float] = time.time) -> None:
        self._secret, self._clock = secrets.token_bytes(32), clock

    def issue(self, key_id: str | None) -> str:
        """A token for a form that this caller is shown."""
        until = str(int(self._clock()) + _TOKEN_SECONDS)
        return f"{until}.{self._mark(until, key_id)}"

    def check(self, token: str, key_id: str | None) -> None:
        """Raise a problem unless the token was issued to this caller, not long ago, by this process."""
        until, _, mark = token.partition(".")
        whole = hmac.compare_digest(mark.encode(), self._mark(until, key_id).encode())
        if not whole or int(until) < self._clock():
            raise ProblemError(403, "form_token", "This form is too old, or not ours; load the page again.")

    def _mark(self, until: str, key_id: str | None) -> str:
        content = f"{until} {key_id or ''}".encode()
        return hmac.new(self._secret, content, hashlib.sha256).hexdigest()
