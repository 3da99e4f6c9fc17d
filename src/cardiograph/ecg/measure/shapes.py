"""Amplitudes, areas and levels of the mean beat, and the electrical axes."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from cardiograph.ecg.leads import LEADS
from cardiograph.ecg.measure.beats import REFERENCE, MeanBeat
from cardiograph.ecg.measure.boundaries import BOUNDARIES
from cardiograph.ecg.measure.delineate import Delineation
from cardiograph.ecg.measure.prepare import RATE_HZ, Floats

MIN_DEFLECTION_MV = 0.02
"""Smaller deflections of the QRS complex are not counted as Q, R or S waves."""

MIN_AXIS_MV_S = 2e-4
"""Length of the area vector below which an axis is undefined, in mV s."""


class Unmeasurable(Exception):  # noqa: N818 - not an error: a result without a value
    """A value cannot be measured; the message is the reason, for people."""


@dataclass(frozen=True)
class QrsWaves:
    """Depth of Q, height of R and depth of S in mV, all positive or 0, and the duration of Q in ms.

    A complex without R wave (QS) has its depth in ``q`` and in ``s``.
    """

    q: float
    r: float
    s: float
    q_ms: float


@dataclass(frozen=True)
class Shape:
    """The mean beat of the most frequent shape with its boundaries, and the rhythm: all that is measured.

    Args:
        beat: Mean beat of the most frequent shape.
        waves: [6] boundaries in seconds from the reference point of the beat, columns as in
            :data:`cardiograph.ecg.measure.boundaries.BOUNDARIES`; NaN where the wave is absent.
        rr_s: [intervals] time between successive beats in seconds.
        other_beats: Share of the beats that have another shape, 0..1.
    """

    beat: MeanBeat
    waves: Floats
    rr_s: Floats
    other_beats: float

    @classmethod
    def of(cls, delineation: Delineation) -> Shape:
        """Take the beat and the rhythm of a delineated ECG."""
        other = float(np.mean(delineation.aligned.beats.classes > 0))
        return cls(delineation.beat, delineation.waves, delineation.rr_s, other)

    def at(self, boundary: str) -> float:
        """Return a boundary over all leads, in seconds from the reference point.

        Raises:
            Unmeasurable: If the wave was not found.
        """
        value = float(self.waves[BOUNDARIES.index(boundary)])
        if np.isnan(value):
            raise Unmeasurable(
                {"p": "no P wave was found", "t": "no T wave was found"}.get(boundary[0], "no QRS complex")
            )
        return value

    @cached_property
    def _levelled(self) -> Floats:
        """The mean beat, 0 mV in the 12 ms before the QRS complex."""
        signal = self.beat.signal
        onset = self._index(self.at("qrs_onset"))
        level = signal[:, max(onset - 6, 0) : onset].mean(axis=1, keepdims=True)
        return np.asarray(signal - level)

    @cached_property
    def _shown(self) -> NDArray[np.bool_]:
        """Whether each lead has a beat."""
        return np.asarray((self.beat.beats > 0) & (np.isfinite(self._levelled).mean(axis=1) > 0.5))

    @cached_property
    def _qrs(self) -> dict[str, QrsWaves]:
        """Waves of the leads that were read already."""
        return {}

    def lead(self, name: str) -> Floats:
        """Return the mean beat of a lead in mV.

        Raises:
            Unmeasurable: If the lead has no beat.
        """
        row = LEADS.index(name)
        if not self._shown[row]:
            reason = f"lead {name} shows no whole beat"
            raise Unmeasurable(reason)
        return np.asarray(self._levelled[row], np.float64)

    def part(self, name: str, start: float, stop: float) -> Floats:
        """Return a part of the mean beat of a lead; times in seconds from the reference point.

        Raises:
            Unmeasurable: If the lead does not show that part.
        """
        values = self.lead(name)[self._index(start) : self._index(stop) + 1]
        if not len(values) or np.isnan(values).any():
            reason = f"lead {name} does not show that part of a beat"
            raise Unmeasurable(reason)
        return values

    @staticmethod
    def _index(seconds: float) -> int:
        return max(REFERENCE + round(seconds * RATE_HZ), 0)

    def qrs(self, name: str) -> QrsWaves:
        """Return the Q, R and S waves of a lead."""
        if name not in self._qrs:
            self._qrs[name] = _qrs_waves(self.part(name, self.at("qrs_onset"), self.at("qrs_end")))
        return self._qrs[name]

    def peak_to_peak(self, name: str) -> float:
        """Return the difference between the highest and the lowest value of the QRS complex in mV."""
        return float(np.ptp(self.part(name, self.at("qrs_onset"), self.at("qrs_end"))))

    def st_level(self, name: str) -> float:
        """Return the mean of the 20 ms after the end of the QRS complex in mV."""
        j = self.at("qrs_end")
        return float(self.part(name, j, j + 0.02).mean())

    def st_slope(self, name: str) -> float:
        """Return the slope of the ST segment from 20 to 80 ms after the end of the QRS complex in mV/s."""
        j = self.at("qrs_end")
        values = self.part(name, j + 0.02, j + 0.08)
        return float(np.polyfit(np.arange(len(values)) / RATE_HZ, values, 1)[0])

    def t_amplitude(self, name: str) -> float:
        """Return the largest deflection of the T wave in mV, with its sign."""
        start = max(self.at("t_onset"), self.at("qrs_end") + 0.04)
        values = self.part(name, start, self.at("t_end"))
        return float(values[np.argmax(np.abs(values))])

    def axis(self, onset: str, end: str) -> float:
        """Return the frontal axis in degrees from the areas of a wave in leads I and aVF: 0 left, 90 downwards.

        For the P and T wave, a line between the levels at both ends is subtracted.
        """
        start, stop = self.at(onset), self.at(end)
        one, foot = (self.part(name, start, stop) for name in ("I", "aVF"))
        areas = [float((values - _line(values, onset)).sum() / RATE_HZ) for values in (one, foot)]
        x, y = areas[0], 2 / np.sqrt(3) * areas[1]
        if np.hypot(x, y) < MIN_AXIS_MV_S:
            reason = "the wave is too small in leads I and aVF"
            raise Unmeasurable(reason)
        return float(np.degrees(np.arctan2(y, x)))

    def p_terminal_force(self) -> float:
        """Return duration times depth of the terminal negative part of the P wave in V1, in mV ms."""
        values = self.part("V1", self.at("p_onset"), self.at("p_end"))
        values = values - float(values[:4].mean())
        half = values[len(values) // 3 :]
        bottom = int(np.argmin(half))
        if half[bottom] >= 0:
            return 0.0
        start = bottom
        while start > 0 and half[start - 1] < 0:
            start -= 1
        stop = bottom
        while stop < len(half) - 1 and half[stop + 1] < 0:
            stop += 1
        return float(-half[bottom] * (stop - start + 1) * 1e3 / RATE_HZ)


def _line(values: Floats, onset: str) -> Floats:
    if onset == "qrs_onset":
        return np.zeros(len(values))
    return np.linspace(values[0], values[-1], len(values))


def _qrs_waves(values: Floats) -> QrsWaves:
    """Split a QRS complex, [samples] in mV, into its waves."""
    top = int(np.argmax(values))
    if values[top] < MIN_DEFLECTION_MV:
        depth = max(float(-values.min()), 0.0)
        return QrsWaves(depth, 0.0, depth, 1e3 * len(values) / RATE_HZ)
    before, after = values[:top], values[top:]
    q = float(-before.min()) if len(before) else 0.0
    low = np.flatnonzero(before < -MIN_DEFLECTION_MV / 2)
    # a small r before a deep S is the R wave of an rS complex, although a later r' may be higher
    if q >= MIN_DEFLECTION_MV:
        first = float(before[: int(np.argmin(before))].max(initial=0.0))
        if first >= MIN_DEFLECTION_MV:
            return QrsWaves(0.0, float(values[top]), max(q, float(-after.min())), 0.0)
    else:
        q, low = 0.0, low[:0]
    return QrsWaves(q, float(values[top]), max(float(-after.min()), 0.0), 1e3 * len(low) / RATE_HZ)
