"""Prometheus metrics of the comparison of recent predictions."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from prometheus_client import CollectorRegistry, Gauge

GAUGES = {
    "alerts": "Alerts about recent predictions.",
    "predictions": "Recent predictions that are compared.",
    "outcomes": "Recent predictions with a known outcome.",
    "novel_ratio": "Share of recent patients unlike the training records.",
    "mean_probability": "Mean probability of recent predictions.",
    "observed_to_expected": "Observed over expected outcomes of recent predictions.",
    "calibration_slope": "Calibration slope of recent predictions.",
    "auroc": "AUROC of recent predictions.",
    "computed_timestamp_seconds": "Unix time of the comparison.",
}
"""Name after ``cardiograph_monitoring_`` -> description."""

LABELLED = {
    "missing_ratio": ("block", "Share of recent patients without a block or value."),
    "drift_effect": ("value", "Largest difference of shares between recent and test patients, 0 to 1."),
    "drift_alert": ("value", "Whether a value raises an alert of drift."),
}
"""The same for metrics with a label: name -> label and description."""


class MonitoringMetrics:
    """Gauges of the latest comparison; NaN before the first one.

    Args:
        registry: Registry of the server.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        prefix = "cardiograph_monitoring_"
        self._gauges = {name: Gauge(prefix + name, text, registry=registry) for name, text in GAUGES.items()}
        self._labelled = {
            name: Gauge(prefix + name, text, (label,), registry=registry) for name, (label, text) in LABELLED.items()
        }
        for gauge in self._gauges.values():
            gauge.set(math.nan)

    def set(self, content: Mapping[str, Any] | None, computed_at: float) -> None:
        """Set all gauges.

        Args:
            content: As of :func:`cardiograph.monitor.content.recent_content`; None without predictions.
            computed_at: Unix time in seconds.
        """
        values: dict[str, float | None] = {"computed_timestamp_seconds": computed_at, "predictions": 0, "alerts": 0}
        for gauge in self._labelled.values():
            gauge.clear()
        if content is not None:
            every, performance = content["all"], content["all"]["performance"] or {}
            names = ("observed_to_expected", "calibration_slope", "auroc")
            values |= {name: performance[name]["value"] for name in names if name in performance}
            values |= {"predictions": every["records"], "alerts": len(content["alerts"]), "outcomes": every["outcomes"]}
            values |= {"novel_ratio": every["novel"], "mean_probability": every["mean_probability"]}
            for block, share in every["missing"].items():
                if share is not None:
                    self._labelled["missing_ratio"].labels(block).set(share)
            for each in content["comparisons"]:
                self._labelled["drift_effect"].labels(each["what"]).set(each["effect"])
                self._labelled["drift_alert"].labels(each["what"]).set(each["alert"])
        for name, gauge in self._gauges.items():
            value = values.get(name)
            gauge.set(math.nan if value is None else value)
