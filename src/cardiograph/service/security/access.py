"""Access control: host name, key, scope and rate limit, all checked before a body is read."""

from __future__ import annotations

import base64
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import anyio.to_thread
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from cardiograph.errors import CardiographError
from cardiograph.service.api.problems import ProblemError
from cardiograph.service.records import Keys
from cardiograph.service.security.csrf import reject_other_sites
from cardiograph.service.security.responses import refuse

OPEN_PATH = "/healthz"
"""The only path that never requires a key."""

_READ = ("/predictions", "/v1/predictions/", "/v1/report", "/v1/reference/", "/report", "/graph")
"""Paths that need the scope ``read``: predictions, and the report, the map and ECGs, which show records of the cohort."""

_BUCKETS = 10_000
"""Maximum number of callers whose rate is tracked; the least recent one is dropped first."""


@dataclass(frozen=True)
class Caller:
    """An authenticated caller.

    Args:
        key_id: Id of the API key, or the name given by an :class:`Authenticator`; None without a key.
        scopes: Permissions of the caller: ``predict``, ``read``, ``outcomes``, ``metrics``.
    """

    key_id: str | None
    scopes: frozenset[str]


ANYBODY = Caller(None, frozenset({"predict", "read", "outcomes", "metrics"}))
"""The caller on the loopback address if no key is required."""


class Authenticator(Protocol):
    """Interface for another identity provider; pass one to :func:`cardiograph.service.app.create_app`."""

    def caller(self, headers: Headers) -> Caller | None:
        """Return the caller that the headers identify, or None. Called on a worker thread; may block."""
        ...


class KeyAuthenticator:
    """Authenticates with API keys: ``Authorization: Bearer KEY``, or ``Basic`` with the key as password (browsers)."""

    def __init__(self, keys: Keys) -> None:
        self._keys = keys

    def caller(self, headers: Headers) -> Caller | None:
        """Return the owner of the key; secrets are compared in constant time."""
        token = _token(headers.get("authorization", ""))
        key = None if token is None else self._keys.find(token)
        return None if key is None else Caller(key.id, frozenset(key.scopes))


def _token(authorization: str) -> str | None:
    scheme, _, sent = authorization.partition(" ")
    if scheme.lower() == "bearer":
        return sent.strip() or None
    if scheme.lower() != "basic":
        return None
    try:
        return base64.b64decode(sent, validate=True).decode().partition(":")[2] or None
    except ValueError:  # not base64, not ASCII, not UTF-8
        return None


def scopes_of(method: str, path: str) -> tuple[str, ...]:
    """Return the scopes of which a request needs one; empty if any key is enough."""
    if path in ("/metrics", "/monitoring"):
        return ("metrics",)
    if path == "/v1/outcomes":
        return ("outcomes",)
    if method == "POST" or path == "/example":
        return ("predict",)
    if path.startswith(_READ):
        return ("read",)
    return ("predict", "read") if path == "/v1/model" else ()


class RateLimit:
    """Token bucket for each caller, with the tokens of one minute, refilled evenly.

    Args:
        per_minute: Tokens per minute.
        clock: Monotonic clock, in seconds.
    """

    def __init__(self, per_minute: int, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate, self._full, self._clock = per_minute / 60, float(per_minute), clock
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def wait_seconds(self, caller: str) -> float:
        """Take a token and return 0, or return the seconds until one is available."""
        now = self._clock()
        tokens, then = self._buckets.pop(caller, (self._full, now))
        tokens = min(self._full, tokens + (now - then) * self._rate)
        wait = 0.0 if tokens >= 1 else (1 - tokens) / self._rate
        self._buckets[caller] = (tokens if wait else tokens - 1, now)
        if len(self._buckets) > _BUCKETS:
            self._buckets.popitem(last=False)
        return wait


class AccessMiddleware:
    """Rejects wrong hosts, missing or wrong keys, missing scopes and too many requests.

    Args:
        app: Next ASGI application.
        hosts: Allowed host names; empty allows any.
        authenticator: Identifies the caller.
        required: Whether a key is required.
        rate: Rate limit of each key, or of each address without a key.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        hosts: Sequence[str],
        authenticator: Authenticator,
        required: bool,
        rate: RateLimit,
    ) -> None:
        self._app, self._hosts, self._authenticator = app, frozenset(hosts), authenticator
        self._required, self._rate = required, rate

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or reject it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        try:
            await self._check(scope)
        except ProblemError as problem:
            await refuse(problem, scope, receive, send)
            return
        await self._app(scope, receive, send)

    async def _check(self, scope: Scope) -> None:
        headers, path = Headers(scope=scope), scope["path"]
        if self._hosts and _host_name(headers.get("host", "")) not in self._hosts:
            message = "This service does not accept that host name; `--allow-host NAME` adds one."
            raise ProblemError(400, "wrong_host", message)
        if path == OPEN_PATH:
            return
        reject_other_sites(scope["method"], headers)
        caller = await self._caller(headers)
        wait = self._rate.wait_seconds(caller.key_id or (scope.get("client") or ("",))[0])
        if wait:
            message = "Too many requests; the limit applies to each key."
            raise ProblemError(429, "too_often", message, headers={"Retry-After": str(int(wait) + 1)})
        needed = scopes_of(scope["method"], path)
        if needed and caller.scopes.isdisjoint(needed):
            missing = " or ".join(f"`{each}`" for each in needed)
            message = f"This key lacks the scope {missing}; create one that has it with `cardiograph keys create`."
            raise ProblemError(403, "scope_missing", message)
        scope.setdefault("state", {})["caller"] = caller

    @cached_property
    def _lookups(self) -> anyio.CapacityLimiter:
        """Separate threads, because all threads of the records may be waiting for the database."""
        return anyio.CapacityLimiter(8)

    async def _caller(self, headers: Headers) -> Caller:
        if not self._required and "authorization" not in headers:
            return ANYBODY
        try:
            found = await anyio.to_thread.run_sync(self._authenticator.caller, headers, limiter=self._lookups)
        except CardiographError as error:
            message = "Keys cannot be looked up now; try again later."
            raise ProblemError(503, "records", message, headers={"Retry-After": "10"}) from error
        if found is None:
            message = "The key is missing, wrong, expired or revoked; send `Authorization: Bearer KEY`."
            browser = "text/html" in headers.get("accept", "")
            scheme = 'Basic realm="cardiograph: any name, the key as password"' if browser else "Bearer"
            raise ProblemError(401, "no_key", message, headers={"WWW-Authenticate": scheme})
        return found


def _host_name(host: str) -> str:
    """Return a Host header in lower case without its port; an IPv6 address keeps its brackets."""
    name, colon, port = host.lower().rpartition(":")
    return name if colon and port.isdigit() and (":" not in name or name.endswith("]")) else host.lower()
