"""From the channels of a file to an :class:`Ecg`, with the checks that all formats share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cardiograph.ecg.ecg import MAX_EINTHOVEN_ERROR_MV, MAX_MILLIVOLTS, Ecg
from cardiograph.ecg.leads import LEADS, lead_name
from cardiograph.ecg.readers.source import EcgSource

MIN_SECONDS = 1.0
"""Shortest recording: a second holds a heart beat at any rate above 60 a minute."""


def build_ecg(
    source: EcgSource,
    names: Sequence[str],
    rows: NDArray[np.floating],
    rate: float,
    *,
    file_format: str,
    **fields: Any,  # noqa: ANN401 - the other fields of Ecg
) -> Ecg:
    """Arrange the channels of a file as twelve leads.

    Args:
        source: The file.
        names: Name of each channel; a channel that is not one of the twelve leads is left out with a note.
        rows: [channels, samples] in mV; NaN where nothing was recorded.
        rate: Sampling rate in Hz.
        file_format: Name of the format in the registry.
        fields: Other fields of :class:`Ecg`.

    Raises:
        EcgError: If the channels are not an ECG.
    """
    rate = source.rate(rate)
    leads = [lead for lead in map(lead_name, names) if lead]
    if not leads:
        source.refuse(
            "no_leads",
            f"none of its channels is one of the twelve leads {', '.join(LEADS)}",
            "name the leads so in the file, or with the option leads where the file names none",
            value=", ".join(names) or "without channels",
        )
    twice = sorted({lead for lead, _ in leads if [each for each, _ in leads].count(lead) > 1})
    if twice:
        source.refuse("duplicate_lead", f"two channels are lead {', '.join(twice)}", "remove or rename one of them")
    check_signal(source, np.array([row for name, row in zip(names, rows, strict=True) if lead_name(name)]), rate)
    with source.reading("cardiograph"):
        ecg = Ecg.from_leads(names, rows, rate, source=file_format, **fields)
    error = ecg.einthoven_error()
    if error > MAX_EINTHOVEN_ERROR_MV:
        note = f"The limb leads contradict each other: I + III differs from II by {error:.2f} mV in the median."
        ecg = ecg.replace(notes=(*ecg.notes, note))
    return ecg


def check_signal(source: EcgSource, rows: NDArray[np.floating], rate: float) -> None:
    """Raise an error unless [leads, samples] in mV hold a second of plausible voltages."""
    if not np.isfinite(rows).any() or np.isinf(rows).any():
        source.refuse("no_waveform", "its leads hold no finite values", "export the file with its waveforms")
    recorded = int(np.isfinite(rows).sum(axis=1).max())
    if recorded < MIN_SECONDS * rate:
        source.refuse(
            "too_short",
            f"it holds at most {recorded} values in a lead at {rate:g} Hz, needed is at least {MIN_SECONDS:g} s",
            "export the whole recording",
        )
    largest = float(np.nanmax(np.abs(rows)))
    if largest > MAX_MILLIVOLTS:
        source.refuse(
            "amplitude",
            f"the signal reaches {largest:.4g} mV, allowed are up to {MAX_MILLIVOLTS:g} mV",
            "check the unit and the gain",
        )
