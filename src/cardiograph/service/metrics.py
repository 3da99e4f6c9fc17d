"""Counts and seconds for Prometheus: by route and status, nothing of a patient, no id of anybody."""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)


class Metrics:
    """The numbers of one server, in a registry of its own.

    Args:
        model_sha256: Of the bundle that is served.
        outcome: What it predicts.
        waiting: Tells how many jobs wait for a worker.
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
        model = Gauge("cardiograph_model_info", "The model served.", ("sha256", "outcome"), registry=self._registry)
        model.labels(model_sha256, outcome).set(1)

    def count(self, *, route: str, method: str, status: int, seconds: float) -> None:
        """Count an answered request; ``route`` is a template, never a path that was asked for."""
        self._requests.labels(route, method, str(status)).inc()
        self._seconds.labels(route, method).observe(seconds)

    def text(self) -> bytes:
        """All of it in Prometheus' text format."""
        return generate_latest(self._registry)
