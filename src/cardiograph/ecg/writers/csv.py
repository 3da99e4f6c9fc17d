"""Writer of CSV: a row for each sample, with the time in seconds and the twelve leads in mV."""

from __future__ import annotations

import numpy as np

from cardiograph.ecg.ecg import Ecg
from cardiograph.ecg.leads import LEADS

DIGITS = 6
"""Decimals: 1 nV, below the step of any device, and 1 us."""


def csv_files(ecg: Ecg, name: str, *, keep_start: bool = False) -> dict[str, bytes]:
    """Return the table; the cells of samples that were not recorded are empty, and the start is never written."""
    times = np.arange(ecg.signal.shape[1]) / ecg.rate
    lines = [",".join(["time [s]", *(f"{lead} [mV]" for lead in LEADS)])]
    for time, values in zip(times.tolist(), ecg.signal.T.tolist(), strict=True):
        cells = ["" if value != value else f"{value:.{DIGITS}f}" for value in values]
        lines.append(f"{time:.{DIGITS}f},{','.join(cells)}")
    return {f"{name}.csv": ("\n".join(lines) + "\n").encode()}
