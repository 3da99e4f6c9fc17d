"""The common form of every ECG: twelve leads in millivolts at a known sampling rate."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cardiograph.ecg.leads import CHEST, LEADS, LIMB, LIMB_WEIGHTS, lead_name

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from cardiograph.ecg.measure.measurements import Measurements

MIN_RATE_HZ = 20.0
MAX_RATE_HZ = 20_000.0
MAX_SAMPLES = 3600 * 1000
"""Longest signal: one hour at 1000 Hz."""

MAX_MILLIVOLTS = 50.0
"""No surface ECG reaches this amplitude; a larger value means a wrong unit or gain."""

MAX_EINTHOVEN_ERROR_MV = 0.1
"""Median of |I + III - II| above which the limb leads contradict each other."""

Millivolts = NDArray[np.float32]


@dataclass(frozen=True)
class DeviceFilters:
    """Filters that the recording device applied, as its file states them; None where the file does not say.

    Args:
        high_pass_hz: Lower cut-off frequency in Hz.
        low_pass_hz: Upper cut-off frequency in Hz.
        notch_hz: Mains frequency that a notch filter removes, in Hz.
    """

    high_pass_hz: float | None = None
    low_pass_hz: float | None = None
    notch_hz: float | None = None


@dataclass(frozen=True, eq=False)
class Ecg:
    """A twelve-lead ECG.

    Args:
        signal: [12, samples] float32 in mV, rows in the order of :data:`cardiograph.ecg.leads.LEADS`; NaN where a lead
            was not recorded or not printed. All rows share one time axis: on a 3 x 4 page each lead holds 2.5 s at its
            own time and NaN elsewhere.
        rate: Sampling rate in Hz, 20 to 20,000.
        source: Name of the format that the ECG was read from, such as ``wfdb`` or ``page``.
        derived: Leads that were computed from other leads rather than recorded.
        start: Start of the recording, or None if the file does not say.
        filters: Filters of the recording device.
        quality: Quality of each assessed lead, 0 (unusable) to 1 (clean).
        notes: Facts that a reader of the results must know, such as an assumed paper speed or a dropped extra lead;
            each is a whole sentence.

    Raises:
        ValueError: If the shape, the type, the rate or an amplitude is outside the allowed range, or no lead holds a
            value.
    """

    signal: Millivolts
    rate: float
    source: str
    derived: tuple[str, ...] = ()
    start: datetime | None = None
    filters: DeviceFilters = DeviceFilters()
    quality: Mapping[str, float] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Check every field."""
        shape = self.signal.shape
        if self.signal.dtype != np.float32 or len(shape) != 2 or shape[0] != len(LEADS) or not shape[1]:
            message = f"the signal is {self.signal.dtype} of shape {shape}; needed: float32 of shape [12, samples]"
            raise ValueError(message)
        if not MIN_RATE_HZ <= self.rate <= MAX_RATE_HZ:
            message = f"the sampling rate is {self.rate:g} Hz, allowed {MIN_RATE_HZ:g} to {MAX_RATE_HZ:g} Hz"
            raise ValueError(message)
        if shape[1] > MAX_SAMPLES:
            message = f"the signal has {shape[1]:,} samples in each lead, at most {MAX_SAMPLES:,} are allowed"
            raise ValueError(message)
        if np.isinf(self.signal).any():
            message = "the signal holds infinite values; write NaN where a lead was not recorded"
            raise ValueError(message)
        if not self.recorded:
            message = "no lead holds a value"
            raise ValueError(message)
        largest = float(np.nanmax(np.abs(self.signal)))
        if largest > MAX_MILLIVOLTS:
            message = (
                f"the signal reaches {largest:g} mV, allowed up to {MAX_MILLIVOLTS:g} mV; check the unit and the gain"
            )
            raise ValueError(message)
        unknown = ({*self.derived} | {*self.quality}) - {*LEADS}
        if unknown:
            message = f"unknown leads {sorted(unknown)}; the leads are {', '.join(LEADS)}"
            raise ValueError(message)
        self.signal.setflags(write=False)

    @classmethod
    def from_leads(
        cls,
        names: Sequence[str],
        signals: ArrayLike,
        rate: float,
        *,
        source: str,
        **fields: Any,  # noqa: ANN401 - the other fields of the class
    ) -> Ecg:
        """Arrange named leads, and derive the missing limb leads.

        Spellings such as ``aVR``, ``AVR``, ``-aVR`` (inverted) and ``Lead I`` are understood. Other channels, such as
        the Frank leads or a respiration signal, are left out, and a note names them.

        Args:
            names: Lead name of each row.
            signals: [leads, samples] in mV; NaN where a lead was not recorded.
            rate: Sampling rate in Hz.
            source: Name of the format.
            fields: Other fields of :class:`Ecg`.

        Raises:
            ValueError: If no row is one of the twelve leads, two rows have the same lead, or the result is not a valid
                :class:`Ecg`.
        """
        rows = np.asarray(signals, dtype=np.float32)
        if rows.ndim != 2 or len(rows) != len(names):
            message = f"{len(names)} lead names for signals of shape {rows.shape}; needed: [leads, samples]"
            raise ValueError(message)
        placed = np.full((len(LEADS), rows.shape[1]), np.nan, dtype=np.float32)
        seen: dict[str, str] = {}
        other = []
        for name, row in zip(names, rows, strict=True):
            known = lead_name(name)
            if known is None:
                other.append(name)
                continue
            lead, sign = known
            if lead in seen:
                message = f"two channels are lead {lead}: {seen[lead]!r} and {name!r}"
                raise ValueError(message)
            seen[lead] = name
            placed[LEADS.index(lead)] = sign * row
        if not seen:
            message = (
                f"none of the channels {', '.join(map(repr, names))} is one of the twelve leads {', '.join(LEADS)}"
            )
            raise ValueError(message)
        notes = tuple(fields.pop("notes", ()))
        if other:
            notes = (*notes, f"Channels that are not among the twelve leads were left out: {', '.join(other)}.")
        derived = derive_limb_leads(placed)
        return cls(placed, float(rate), source, derived=derived, notes=notes, **fields)

    @property
    def recorded(self) -> tuple[str, ...]:
        """Leads that hold at least one value, derived ones included."""
        return tuple(lead for lead, row in zip(LEADS, self.signal, strict=True) if np.isfinite(row).any())

    @property
    def duration(self) -> float:
        """Length of the common time axis in seconds."""
        return float(self.signal.shape[1] / self.rate)

    def lead(self, name: str) -> Millivolts:
        """Return one lead, [samples] float32 in mV.

        Raises:
            KeyError: If ``name`` is not one of the twelve leads.
        """
        if name not in LEADS:
            raise KeyError(name)
        row: Millivolts = self.signal[LEADS.index(name)]
        return row

    def einthoven_error(self) -> float:
        """Return the median of ``|I + III - II|`` in mV where all three leads were recorded; NaN if they never were.

        Source: W. Einthoven, Arch. ges. Physiol. 150 (1913) 275.
        """
        error = np.abs(self.lead("I") + self.lead("III") - self.lead("II"))
        return float(np.nanmedian(error)) if np.isfinite(error).any() else float("nan")

    def replace(self, **changes: Any) -> Ecg:  # noqa: ANN401 - the fields of the class
        """Return a copy with some fields replaced."""
        return dataclasses.replace(self, **changes)

    def resampled(self, rate: float) -> Ecg:
        """Return the ECG at another sampling rate; each run of recorded samples is resampled by a polyphase filter.

        Raises:
            ValueError: If the rate is outside the allowed range.
        """
        from cardiograph.ecg.resample import resample

        return self if rate == self.rate else self.replace(signal=resample(self.signal, self.rate, rate), rate=rate)

    def measure(self) -> Measurements:
        """Measure rhythm, intervals, axes and amplitudes; see :func:`cardiograph.ecg.measure.measure.measure`."""
        from cardiograph.ecg.measure.measure import measure

        return measure(self)

    def plot(self, *, title: str = "") -> Figure:
        """Draw a matplotlib figure with the standard grid; see :func:`cardiograph.ecg.draw.figure.ecg_figure`."""
        from cardiograph.ecg.draw.figure import ecg_figure

        return ecg_figure(self, title=title)

    def _repr_html_(self) -> str:
        from cardiograph.ecg.draw.figure import figure_bytes

        picture = base64.b64encode(figure_bytes(self.plot(), "png")).decode()
        notes = "".join(f"<p>{html.escape(note)}</p>" for note in self.notes)
        return f'<img alt="12-lead ECG" style="max-width:100%" src="data:image/png;base64,{picture}">{notes}'

    def content_hash(self) -> str:
        """Return a SHA-256 hash of signal and sampling rate, as 64 hexadecimal digits."""
        return self._hash

    @cached_property
    def _hash(self) -> str:
        digest = hashlib.sha256(f"{self.rate:.6f} {self.signal.shape[1]}".encode())
        digest.update(np.ascontiguousarray(np.where(np.isnan(self.signal), np.float32(np.nan), self.signal)).tobytes())
        return digest.hexdigest()


def derive_limb_leads(signal: Millivolts) -> tuple[str, ...]:
    """Fill in place the limb leads that are wholly missing and that two others determine.

    III = II - I (Einthoven); aVR = -(I + II) / 2, aVL = (I - III) / 2, aVF = (II + III) / 2 (Goldberger). Two limb
    leads that were recorded at the same time determine the other four.

    Args:
        signal: [12, samples] float32 in mV, changed in place.

    Returns:
        Names of the leads that were filled in.

    Source: W. Einthoven, Arch. ges. Physiol. 150 (1913) 275; E. Goldberger, Am. Heart J. 23 (1942) 483.
    """
    missing = [lead for lead in LIMB if np.isnan(signal[LEADS.index(lead)]).all()]
    present = [lead for lead in LIMB if lead not in missing]
    if not missing or len(present) < 2:
        return ()
    # Each limb lead is a combination of leads I and II: solve for these by least squares over the recorded leads.
    there = np.array([LIMB_WEIGHTS[lead] for lead in present])
    rows = signal[[LEADS.index(lead) for lead in present]].astype(np.float64)
    one_two = np.linalg.pinv(there) @ rows
    for lead in missing:
        signal[LEADS.index(lead)] = (np.array(LIMB_WEIGHTS[lead]) @ one_two).astype(np.float32)
    return tuple(lead for lead in missing if np.isfinite(signal[LEADS.index(lead)]).any())


__all__ = ["CHEST", "LEADS", "LIMB", "DeviceFilters", "Ecg", "derive_limb_leads"]
