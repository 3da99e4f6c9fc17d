"""Preparation of a signal for measurement: one rate, no gaps, and a mask of what was recorded."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cardiograph.ecg.ecg import Ecg

RATE_HZ = 500
"""Rate of all measurements. Source: Kligfield et al., J. Am. Coll. Cardiol. 49 (2007) 1109 (at least 500 Hz)."""

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Prepared:
    """A signal at :data:`RATE_HZ`.

    Args:
        signal: [12, samples] float64 in mV; straight lines across gaps, zero in leads that were not recorded.
        valid: [12, samples], True where the lead was recorded.
    """

    signal: Floats
    valid: Mask


def prepare(ecg: Ecg) -> Prepared:
    """Resample an ECG to :data:`RATE_HZ` and bridge its gaps."""
    signal = ecg.resampled(float(RATE_HZ)).signal.astype(np.float64)
    valid = np.isfinite(signal)
    time = np.arange(signal.shape[1])
    for row, there in zip(signal, valid, strict=True):
        if not there.any():
            row[:] = 0.0
        elif not there.all():
            row[~there] = np.interp(time[~there], time[there], row[there])
    return Prepared(signal, valid)


def moving_mean(values: Floats, samples: int) -> Floats:
    """Return the centred moving mean over ``samples`` along the last axis; the ends repeat the outermost value."""
    from scipy.ndimage import uniform_filter1d

    return np.asarray(uniform_filter1d(values, samples, axis=-1, mode="nearest"))


def band_pass(values: Floats, low_hz: float, high_hz: float) -> Floats:
    """Filter along the last axis with a zero-phase Butterworth band-pass of second order."""
    from scipy.signal import butter, sosfiltfilt

    sections = butter(2, (low_hz, high_hz), "bandpass", fs=RATE_HZ, output="sos")
    return np.asarray(sosfiltfilt(sections, values, axis=-1, padlen=min(150, values.shape[-1] - 1)))
