"""From named rows of numbers to an ECG: what CSV, Parquet, NumPy and HDF5 files share."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cardiograph.ecg.ecg import Ecg
from cardiograph.ecg.leads import lead_name
from cardiograph.ecg.readers.build import build_ecg
from cardiograph.ecg.readers.source import EcgSource

_NAME = re.compile(
    r"(?P<name>.*?)\s*(?:\[|\(|_|\s)\s*(?P<unit>mV|uV|[µμ]V|nV|V|s|ms|sec|seconds)\s*[\])]?", re.IGNORECASE
)
_SECONDS = {"s": 1.0, "sec": 1.0, "seconds": 1.0, "ms": 1e-3}
MAX_JITTER = 0.3
"""Largest distance of a time from its place in an even series, in steps; times may be rounded to milliseconds."""


def is_lead(name: str) -> bool:
    """Return whether a column is one of the twelve leads, with or without a unit in its name."""
    found = _NAME.fullmatch(name.strip())
    return lead_name(found["name"] if found else name) is not None


def from_columns(
    source: EcgSource,
    names: Sequence[str],
    table: NDArray[Any],
    *,
    file_format: str,
    rate: float | None = None,
    unit: str | None = None,
) -> Ecg:
    """Interpret named channels.

    A name may hold the unit, such as ``V1 [mV]``, ``V1 (uV)`` or ``V1_mV``; ``time [s]`` states the sampling rate.

    Args:
        source: The file.
        names: Name of each row.
        table: [channels, samples] numbers; NaN where nothing was recorded.
        file_format: Name of the format in the registry.
        rate: Sampling rate in Hz that the file states.
        unit: Unit of all leads that the file states.

    Raises:
        EcgError: If the rows are not an ECG.
    """
    plain, rows = [], []
    for name, values in zip(names, table, strict=True):
        found = _NAME.fullmatch(name.strip())
        base, own = (found["name"], found["unit"]) if found else (name, None)
        if base.lower() in ("time", "t") and own and own.lower() in _SECONDS:
            rate = _rate(source, np.asarray(values, dtype=np.float64) * _SECONDS[own.lower()])
        elif lead_name(base):
            if own is not None and unit is not None and own.lower() != unit.lower():
                source.refuse("contradiction", f"{name} states another unit than the file, {unit}", "correct the file")
            plain.append(base)
            rows.append(np.asarray(values, dtype=np.float64) * source.millivolts(own or unit))
        else:
            plain.append(name)
            rows.append(np.full(len(values), np.nan))
    known = source.rate(rate)
    return build_ecg(source, plain, np.array(rows, dtype=np.float32), known, file_format=file_format)


def _rate(source: EcgSource, times: NDArray[np.float64]) -> float:
    """Return the sampling rate in Hz of evenly spaced times in seconds."""
    span = times[-1] - times[0]
    if len(times) < 2 or not np.isfinite(times).all() or span <= 0:
        source.refuse("irregular_time", "its times do not increase", "write the time of each sample, or none")
    raw = (len(times) - 1) / span
    even = np.arange(len(times))
    fits = [
        rate
        for rate in (float(round(raw)), float(f"{raw:.6g}"), raw)
        if rate > 0 and np.abs((times - times[0]) * rate - even).max() <= MAX_JITTER
    ]
    if not fits:
        source.refuse(
            "irregular_time",
            "its times are not evenly spaced",
            "resample it to even steps, with empty cells where nothing was recorded",
        )
    return fits[0]
