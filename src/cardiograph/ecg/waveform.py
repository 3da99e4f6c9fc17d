"""What of a recording holds a waveform: its recorded part, and leads that are not flat."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cardiograph.ecg.ecg import Ecg
from cardiograph.ecg.leads import LEADS
from cardiograph.ecg.readers.source import EcgSource

FLAT_MV = 0.01
"""A lead that moves less than this in half of all intervals of 0.4 s and never more than ten times this is flat."""

INTERVAL_S = 0.4

SHORTEST_GAP_S = 0.1
"""Gaps in all leads that last this long together are noted."""


def spreads(row: NDArray[np.floating[Any]], rate: float) -> NDArray[np.floating[Any]]:
    """Return how far a lead moves in each interval of 0.4 s, in mV.

    Args:
        row: [samples] in mV, all recorded; a rest at the end that fills no interval does not count, unless it is all.
        rate: Sampling rate in Hz.
    """
    width = min(max(round(INTERVAL_S * rate), 1), len(row))
    steps = row[: len(row) // width * width].reshape(-1, width)
    found: NDArray[np.floating[Any]] = steps.max(axis=1) - steps.min(axis=1)
    return found


def is_flat(spread: NDArray[np.floating[Any]]) -> bool:
    """Whether a lead with these :func:`spreads` holds no waveform."""
    return bool(spread.max() < 10 * FLAT_MV and np.median(spread) < FLAT_MV)


def flat_leads(signal: NDArray[np.floating[Any]], rate: float) -> NDArray[np.bool_]:
    """Return which of the leads, [leads, samples] in mV, were recorded and are flat; NaN where nothing was recorded."""
    recorded = (row[np.isfinite(row)] for row in signal)
    return np.array([bool(row.size) and is_flat(spreads(row, rate)) for row in recorded])


def recorded_part(ecg: Ecg) -> Ecg:
    """Return an ECG from its first to its last recorded sample, with a note on what is left out and on gaps.

    What is shown, compared with other recordings and read by the encoder is then the same part of the recording.
    """
    there = np.asarray(np.isfinite(ecg.signal).any(axis=0))
    if there.all():
        return ecg
    at = np.flatnonzero(there)
    first, end = int(at[0]), int(at[-1]) + 1
    before, after, gap = (count / ecg.rate for count in (first, len(there) - end, end - first - len(at)))
    notes = [f"Nothing was recorded in the first {before:.3g} s, which were left out."] if before else []
    notes += [f"Nothing was recorded in the last {after:.3g} s, which were left out."] if after else []
    notes += [f"Nothing was recorded in {gap:.3g} s in between."] if gap >= SHORTEST_GAP_S else []
    return ecg.replace(signal=ecg.signal[:, first:end], notes=(*ecg.notes, *notes))


def with_waveform(ecg: Ecg, source: EcgSource) -> Ecg:
    """Return an ECG with a note on its flat leads; ``source`` is the file that it was read from.

    Raises:
        EcgError: If all its leads are flat.
    """
    flat = flat_leads(ecg.signal, ecg.rate)
    recorded = np.isfinite(ecg.signal).any(axis=1)
    if (flat == recorded).all():
        source.refuse(
            "no_waveform",
            "all its leads are flat: most parts of 0.4 s move by less than 0.01 mV, and none by 0.1 mV, as a heart beat "
            "does",
            "check the unit, the gain, and whether the electrodes were connected",
        )
    names = [lead for lead, each in zip(LEADS, flat, strict=True) if each]
    note = f"Flat, as from an electrode that was not connected: {', '.join(names)}."
    return ecg.replace(notes=(*ecg.notes, note)) if names else ecg
