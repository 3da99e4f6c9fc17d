"""Random layouts: what a signal file, a printed page or an incomplete recording shows of ten seconds."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from cardiograph.ecg.leads import LEADS
from cardiograph.encoders.ecg_network import INPUT_RATE_HZ, INPUT_SHAPE

LAYOUTS: Final = {"recording": 0.42, "page 3 x 4": 0.36, "page 6 x 2": 0.08, "short": 0.14}
"""Layout -> share of the views."""

STRIPS: Final = ((), ("II",), ("II",), ("II",), ("II", "V1", "V5"), ("V1",), ("II", "V2"))
"""Leads that are printed in full below the columns of a page; one entry is chosen for each page."""

_PAGE_NOISE_MV: Final = 0.012
_MISSING: Final = 0.12

Floats = NDArray[np.float32]


def random_views(signals: Floats, rng: np.random.Generator, *, samples: int = INPUT_SHAPE[1]) -> Floats:
    """Show each recording in a random layout, as :func:`cardiograph.encoders.ecg_network.leads_input` prepares it.

    Args:
        signals: [n, 12, 1000] float32 in mV at 100 Hz, NaN where nothing was recorded.
        rng: Random number generator.
        samples: Samples of each view, at most 1000.

    Returns:
        [n, 24, samples] float32 leads and masks.
    """
    views = np.zeros((len(signals), INPUT_SHAPE[0], samples), dtype=np.float32)
    names = rng.choice(list(LAYOUTS), len(signals), p=list(LAYOUTS.values()))
    for signal, view, name in zip(signals, views, names, strict=True):
        if name == "recording" and samples < signal.shape[1]:
            first = int(rng.integers(signal.shape[1] - samples + 1))
            signal = signal[:, first : first + samples]
        shown = _page(signal, name, rng) if name.startswith("page") else _part(signal, name, rng)
        if rng.random() < _MISSING:
            shown[rng.choice(len(LEADS), int(rng.integers(1, 7)), replace=False)] = np.nan
        _fill(view, shown[:, :samples])
    return views


def _page(signal: Floats, name: str, rng: np.random.Generator) -> Floats:
    """Cut each lead to its column and move it to the start; strips keep ten seconds. A digitised trace has noise."""
    columns = 4 if name == "page 3 x 4" else 2
    rows = len(LEADS) // columns
    width = signal.shape[1] // columns
    shown = np.full_like(signal, np.nan)
    early, late = rng.integers(0, 12, 2)
    for place, row in enumerate(signal):
        first = place // rows * width + early
        shown[place, : width - early - late] = row[first : first + width - early - late]
    for lead in STRIPS[int(rng.integers(len(STRIPS)))]:
        shown[LEADS.index(lead)] = signal[LEADS.index(lead)]
    gain = 1 + 0.04 * rng.standard_normal((len(LEADS), 1), dtype=np.float32)
    noise = rng.exponential(_PAGE_NOISE_MV) * rng.standard_normal(shown.shape, dtype=np.float32)
    return np.asarray(gain * shown + noise, dtype=np.float32)


def _part(signal: Floats, name: str, rng: np.random.Generator) -> Floats:
    """Return the whole recording, or 2.5 to 8 s of it."""
    shown = signal.copy()
    if name == "short":
        length = int(rng.uniform(2.5, 8) * INPUT_RATE_HZ)
        first = int(rng.integers(signal.shape[1] - length + 1))
        shown = np.full_like(signal, np.nan)
        shown[:, :length] = signal[:, first : first + length]
    return shown


def _fill(view: Floats, shown: Floats) -> None:
    there = np.isfinite(shown)
    for row, mask, lead in zip(shown, there, view, strict=False):
        if mask.any():
            lead[mask] = row[mask] - np.median(row[mask])
    view[len(LEADS) :] = there
