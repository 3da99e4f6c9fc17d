"""Voltages as whole numbers of 16 bits."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cardiograph.ecg.ecg import Ecg

MICROVOLTS_PER_STEP = 0.5
"""Finest step that is written: that of PTB-XL's successors and finer than any device for resting ECGs."""

NOT_RECORDED = -32768
_LARGEST = 32767


def to_steps(ecg: Ecg) -> tuple[NDArray[np.int16], float]:
    """Return [12, samples] steps, :data:`NOT_RECORDED` where nothing was recorded, and the microvolts of a step.

    The step is doubled until the largest voltage fits 16 bits.
    """
    microvolts = ecg.signal.astype(np.float64) * 1000
    largest = float(np.nanmax(np.abs(microvolts)))
    step = MICROVOLTS_PER_STEP
    while largest > step * _LARGEST:
        step *= 2
    steps = np.where(np.isnan(microvolts), NOT_RECORDED, np.round(np.nan_to_num(microvolts) / step))
    return steps.astype(np.int16), step
