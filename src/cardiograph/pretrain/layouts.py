"""Random layouts: what a signal file, a printed page or an incomplete recording shows of ten seconds."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from cardiograph.ecg.leads import LEADS
from cardiograph.encoders.leads_input import INPUT_RATE_HZ, SAMPLES, input_of

LAYOUTS: Final = {"recording": 0.42, "page 3 x 4": 0.36, "page 6 x 2": 0.08, "short": 0.14}
"""Layout -> share of the views."""

STRIPS: Final = ((), ("II",), ("II",), ("II",), ("II", "V1", "V5"), ("V1",), ("II", "V2"))
"""Leads that are printed in full below the columns of a page; one entry is chosen for each page."""

_PAGE_NOISE_MV: Final = 0.012
_MISSING: Final = 0.12

Floats = NDArray[np.float32]


def random_views(signals: Floats, rng: np.random.Generator, *, samples: int = SAMPLES) -> Floats:
    """Show each recording in a random layout, prepared as the encoder's input.

    Args:
        signals: [n, 12, 1000] float32 in mV at 100 Hz, NaN where nothing was recorded.
        rng: Random number generator.
        samples: Samples of the recording in each view, at most 1000.

    Returns:
        [n, 24, samples + 112] float32, see :func:`cardiograph.encoders.leads_input.input_of`.
    """
    names = rng.choice(list(LAYOUTS), len(signals), p=list(LAYOUTS.values()))
    views = []
    for signal, name in zip(signals, names, strict=True):
        shown, first = signal.copy(), 0
        if name == "recording":
            first = int(rng.integers(signal.shape[1] - samples + 1))
        elif name == "short":
            shown = _part(signal, rng)
        else:
            shown = _page(signal, name, rng)
        if rng.random() < _MISSING:
            shown[rng.choice(len(LEADS), int(rng.integers(1, 7)), replace=False)] = np.nan
        views.append(input_of(shown, samples=samples, first=first))
    return np.stack(views)


def _page(signal: Floats, name: str, rng: np.random.Generator) -> Floats:
    """Keep the column of each lead, and ten seconds of strips. A digitised trace has noise."""
    columns = 4 if name == "page 3 x 4" else 2
    rows = len(LEADS) // columns
    width = signal.shape[1] // columns
    shown = np.full_like(signal, np.nan)
    early, late = rng.integers(0, 12, 2)
    for place, row in enumerate(signal):
        part = slice(place // rows * width + early, (place // rows + 1) * width - late)
        shown[place, part] = row[part]
    for lead in STRIPS[int(rng.integers(len(STRIPS)))]:
        shown[LEADS.index(lead)] = signal[LEADS.index(lead)]
    gain = 1 + 0.04 * rng.standard_normal((len(LEADS), 1), dtype=np.float32)
    noise = rng.exponential(_PAGE_NOISE_MV) * rng.standard_normal(shown.shape, dtype=np.float32)
    return np.asarray(gain * shown + noise, dtype=np.float32)


def _part(signal: Floats, rng: np.random.Generator) -> Floats:
    """Return 2.5 to 8 s of the recording."""
    length = int(rng.uniform(2.5, 8) * INPUT_RATE_HZ)
    first = int(rng.integers(signal.shape[1] - length + 1))
    shown = np.full_like(signal, np.nan)
    shown[:, :length] = signal[:, first : first + length]
    return shown
