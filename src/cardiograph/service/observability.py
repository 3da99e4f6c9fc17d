"""Request log and metrics: route, status, seconds and ids only, never request content or error texts."""

from __future__ import annotations

import sys
import time
import traceback
import uuid
from collections.abc import Callable, Collection
from typing import TYPE_CHECKING, Any, TextIO

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cardiograph.service.api.problems import ProblemError
from cardiograph.service.monitoring_metrics import MonitoringMetrics

if TYPE_CHECKING:
    from cardiograph.service.monitoring import Snapshot

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)


class Metrics:
    """Prometheus metrics of one server, in their own registry.

    Args:
        model_sha256: SHA-256 of the served bundle.
        outcome: Outcome that the model predicts.
        waiting: Returns the number of jobs that wait for a worker.
    """

    def __init__(self, *, model_sha256: str, outcome: str, waiting: Callable[[], float]) -> None:
        self._registry = CollectorRegistry()
        self._requests = Counter(
            "cardiograph_requests", "Requests answered.", ("route", "method", "status"), registry=self._registry
        )
        self._seconds = Histogram(
            "cardiograph_request_seconds",
            "Seconds from the request's headers to the end of its answer.",
            ("route", "method"),
            buckets=_SECONDS,
            registry=self._registry,
        )
        line = Gauge("cardiograph_waiting", "Jobs that wait for a worker.", registry=self._registry)
        line.set_function(waiting)
        self._watched = MonitoringMetrics(self._registry)
        model = Gauge("cardiograph_model_info", "The model served.", ("sha256", "outcome"), registry=self._registry)
        model.labels(model_sha256, outcome).set(1)

    def count(self, *, route: str, method: str, status: int, seconds: float) -> None:
        """Count a request; ``route`` is a path template, never a requested path."""
        self._requests.labels(route, method, str(status)).inc()
        self._seconds.labels(route, method).observe(seconds)

    def watch(self, snapshot: Snapshot) -> None:
        """Set the metrics of monitoring to a new comparison; those that are not known become NaN or disappear."""
        self._watched.set(snapshot.content, snapshot.computed_at.timestamp())

    def text(self) -> bytes:
        """Return all metrics in Prometheus' text format."""
        return generate_latest(self._registry)


UNKNOWN_ROUTE = "unknown"


_METHODS = frozenset({"DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"})


_GONE = 499
"""Status in log and metrics if the client disconnects before the response; never sent."""


def json_log(stream: TextIO | None = None) -> Any:  # noqa: ANN401 - structlog's loggers have no common type
    """Create a logger that writes JSON lines to ``stream``, by default stderr."""
    return structlog.wrap_logger(
        structlog.PrintLogger(stream or sys.stderr),
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.JSONRenderer(),
        ],
    )


class ObservedMiddleware:
    """Gives each request an id, counts and logs its response, and turns unexpected exceptions into a plain 500.

    Args:
        app: Next ASGI application.
        log: Logger of :func:`json_log`.
        metrics: Metrics of the server.
        paths: Paths of the routes; they name requests that are rejected before routing.
    """

    def __init__(self, app: ASGIApp, *, log: Any, metrics: Metrics, paths: Collection[str]) -> None:  # noqa: ANN401
        self._app, self._log, self._metrics, self._paths = app, log, metrics, frozenset(paths)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on and observe its response."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        start, status, request_id = time.perf_counter(), _GONE, uuid.uuid4().hex
        scope.setdefault("state", {})["request_id"] = request_id

        async def observed(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message)["X-Request-ID"] = request_id
            await send(message)

        try:
            await self._app(scope, receive, observed)
        except Exception as error:  # noqa: BLE001 - the error text may reach neither the caller nor a log
            self._log.error("failed", request_id=request_id, error=type(error).__name__, at=_places(error))
            if status != _GONE:  # the response has begun: close the connection
                raise BrokenAnswerError from None
            message = f"The service failed; its log has the details under request {request_id}."
            await ProblemError(500, "failed", message).response()(scope, receive, observed)
        finally:
            self._record(scope, status, time.perf_counter() - start)

    def _record(self, scope: Scope, status: int, seconds: float) -> None:
        path = scope["path"] if scope["path"] in self._paths else UNKNOWN_ROUTE
        route = str(getattr(scope.get("route"), "path", path))
        method = scope["method"] if scope["method"] in _METHODS else "OTHER"
        state = scope["state"]
        self._metrics.count(route=route, method=method, status=status, seconds=seconds)
        self._log.info(
            "request",
            route=route,
            method=method,
            status=status,
            seconds=round(seconds, 4),
            request_id=state["request_id"],
            key_id=getattr(state.get("caller"), "key_id", None),
        )


class BrokenAnswerError(Exception):
    """A response that could not be completed; has no text."""


def _places(error: BaseException) -> list[str]:
    """Return the innermost stack frames of an error, without its text, which may contain a patient's value."""
    frames = traceback.extract_tb(error.__traceback__)[-5:]
    return [f"{frame.filename.rpartition('/')[2]}:{frame.lineno} {frame.name}" for frame in frames]
