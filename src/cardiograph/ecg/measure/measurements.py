"""Result of measuring an ECG."""

from __future__ import annotations

import html
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Measurement:
    """One measured value.

    Args:
        value: The value in ``unit``; NaN where it could not be measured.
        unit: Unit, or an empty string for a number without one.
        low: Lower limit of the reference range, None if there is none.
        high: Upper limit of the reference range, None if there is none.
        reason: Why the value is NaN; empty otherwise.
        title: Name for people.

    Raises:
        ValueError: If a value is NaN without a reason, or has one although it is a number.
    """

    value: float
    unit: str
    low: float | None = None
    high: float | None = None
    reason: str = ""
    title: str = ""

    def __post_init__(self) -> None:
        """Check that exactly the missing values have a reason."""
        if math.isnan(self.value) != bool(self.reason):
            message = f"the value is {self.value} and the reason {self.reason!r}; NaN needs a reason, a number has none"
            raise ValueError(message)

    @property
    def in_range(self) -> bool | None:
        """Whether the value is within the reference range; None if either is missing."""
        if math.isnan(self.value) or (self.low is None and self.high is None):
            return None
        return (self.low is None or self.value >= self.low) and (self.high is None or self.value <= self.high)

    @property
    def range_text(self) -> str:
        """The reference range, such as ``120 to 200`` or ``up to 3.5``; empty if there is none."""
        if self.low is None:
            return "" if self.high is None else f"up to {self.high:g}"
        return f"from {self.low:g}" if self.high is None else f"{self.low:g} to {self.high:g}"


@dataclass(frozen=True, eq=False)
class LeadQuality:
    """Signal quality of a lead.

    Args:
        score: 0 (unusable) to 1 (clean).
        noise_mv: Standard deviation of the noise above 40 Hz without the mains frequency, in mV.
        mains_mv: Amplitude of mains noise, the larger of 50 and 60 Hz, in mV.
        wander_mv: Standard deviation of the baseline below 0.5 Hz, in mV.
        flat: Whether the lead does not change.
        clipped: Whether the lead rests at its largest or smallest value again and again.
    """

    score: float
    noise_mv: float
    mains_mv: float
    wander_mv: float
    flat: bool
    clipped: bool


@dataclass(frozen=True, eq=False)
class Measurements:
    """All measurements of an ECG, in the order of :data:`cardiograph.ecg.measure.reference.MEASUREMENTS`.

    Args:
        values: Name -> measurement.
        quality: Lead -> signal quality, recorded leads only.
        warnings: Facts that cast doubt on the values, each a whole sentence.
        beat: [12, 700] float32 in mV at 500 Hz, mean beat of the most frequent shape from 0.5 s before its QRS complex
            to 0.9 s after it, NaN where unknown; None if no QRS complex was found.
    """

    values: Mapping[str, Measurement]
    quality: Mapping[str, LeadQuality]
    warnings: tuple[str, ...] = ()
    beat: NDArray[np.float32] | None = field(default=None, repr=False)

    def __getitem__(self, name: str) -> Measurement:
        """Return the measurement ``name``.

        Raises:
            KeyError: If there is no such measurement.
        """
        return self.values[name]

    def vector(self, names: Sequence[str] | None = None) -> NDArray[np.float64]:
        """Return the values of ``names``, all if None, as float64 with NaN where a value is missing.

        Raises:
            KeyError: If there is no such measurement.
        """
        return np.array([self.values[name].value for name in (self.values if names is None else names)])

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON: NaN becomes None."""
        return {
            "measurements": {
                name: {
                    "value": None if math.isnan(each.value) else each.value,
                    "unit": each.unit,
                    "low": each.low,
                    "high": each.high,
                    "reason": each.reason,
                }
                for name, each in self.values.items()
            },
            "quality": {lead: round(each.score, 3) for lead, each in self.quality.items()},
            "warnings": list(self.warnings),
        }

    def _repr_html_(self) -> str:
        rows = []
        for each in self.values.values():
            shown = html.escape(each.reason) if each.reason else f"{each.value:.4g} {html.escape(each.unit)}"
            mark = ' style="font-weight:bold"' if each.in_range is False else ""
            rows.append(f"<tr><td>{html.escape(each.title)}</td><td{mark}>{shown}</td><td>{each.range_text}</td></tr>")
        warnings = "".join(f"<p>{html.escape(warning)}</p>" for warning in self.warnings)
        return f"{warnings}<table><tr><th>Measurement</th><th>Value</th><th>Reference</th></tr>{''.join(rows)}</table>"
