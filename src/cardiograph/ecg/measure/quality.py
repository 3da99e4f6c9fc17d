"""Signal quality of each lead, and pacing spikes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cardiograph.ecg.leads import LEADS
from cardiograph.ecg.measure.measurements import LeadQuality
from cardiograph.ecg.measure.prepare import RATE_HZ, Floats, Mask, Prepared, moving_mean
from cardiograph.ecg.waveform import FLAT_MV, is_flat, spreads

MAINS_HZ = (50.0, 60.0)

SPIKE_MV = 0.25
"""Height of a pacing spike in at least two leads, over the neighbouring 8 ms."""

MIN_RECORDED_S = 1.0
"""Shortest recording of a lead whose quality can be assessed."""


def assess(prepared: Prepared) -> dict[str, LeadQuality]:
    """Return the quality of each lead that was recorded for at least one second."""
    result = {}
    for name, row, there in zip(LEADS, prepared.signal, prepared.valid, strict=True):
        if there.sum() >= MIN_RECORDED_S * RATE_HZ:
            result[name] = _assess_lead(row[there])
    return result


def _assess_lead(row: Floats) -> LeadQuality:
    fast = row - moving_mean(row, 13)
    power = 2 * np.abs(np.fft.rfft(row)) ** 2 / len(row) ** 2
    mains = [_amplitude(power, hertz, RATE_HZ / len(row)) for hertz in MAINS_HZ]
    # The fast part of QRS complexes is in few samples: a robust spread measures the noise between them.
    noise = float(np.median(np.abs(fast - np.median(fast)))) / 0.6745
    noise = float(np.sqrt(max(noise**2 - max(mains) ** 2 / 2, 0.0)))
    wander = float(np.std(moving_mean(row, round(1.2 * RATE_HZ))))
    spread = spreads(row, RATE_HZ)
    flat = is_flat(spread)
    clipped = _clipped(row)
    size = max(float(np.quantile(spread, 0.9)), 1e-3)
    score = 1 / (1 + (noise / (0.06 * size)) ** 2 + (max(mains) / (0.15 * size)) ** 2 + (wander / (0.8 * size)) ** 2)
    return LeadQuality(0.0 if flat else score * (0.5 if clipped else 1.0), noise, max(mains), wander, flat, clipped)


def _amplitude(power: Floats, hertz: float, resolution: float) -> float:
    """Return the amplitude within 0.5 Hz of a frequency, less what its neighbours lead to expect of QRS complexes.

    Args:
        power: [frequencies] mean square of each frequency, in mV².
        hertz: The frequency.
        resolution: Distance of two frequencies in Hz.
    """
    bands = []
    for middle in (hertz, hertz - 3, hertz + 3):
        first, last = round((middle - 0.5) / resolution), round((middle + 0.5) / resolution)
        bands.append(float(power[first : last + 1].sum()))
    return float(np.sqrt(2 * max(bands[0] - max(bands[1:]), 0.0)))


def _clipped(row: Floats) -> bool:
    """Whether at least 1 % of the samples equal the largest or the smallest value in runs of three or more."""
    span = float(row.max() - row.min())
    if span < 10 * FLAT_MV:
        return False
    for edge in (row.max(), row.min()):
        at = np.abs(row - edge) < 1e-4 * span
        runs = at[:-2] & at[1:-1] & at[2:]
        if runs.mean() > 0.01:
            return True
    return False


def pacing_spikes(signal: Floats, valid: Mask) -> NDArray[np.intp]:
    """Find pacing spikes: deflections of at most 4 ms that stand out in at least two leads at once.

    Args:
        signal: [12, samples] in mV at :data:`RATE_HZ`.
        valid: [12, samples], True where the lead was recorded.

    Returns:
        Sample of each spike.
    """
    spike = np.zeros(signal.shape)
    middle = signal[:, 4:-4]
    around = np.stack([signal[:, :-8], signal[:, 1:-7], signal[:, 7:-1], signal[:, 8:]])
    low, high = around.min(axis=0), around.max(axis=0)
    # how far the sample lies outside the range of the samples 6 to 8 ms before and after it; these are steep around
    # the peak of a narrow QRS complex and level around a spike
    steep = np.abs(around[0] - around[1]) + np.abs(around[2] - around[3])
    spike[:, 4:-4] = np.maximum(middle - high, low - middle) - 0.5 * (high - low) - 3 * steep
    spike[moving_mean(valid.astype(float), 9) < 0.999] = 0.0
    count = (spike > SPIKE_MV).sum(axis=0) >= 2
    at = np.flatnonzero(count)
    if not len(at):
        return at
    return np.asarray([group[0] for group in np.split(at, np.flatnonzero(np.diff(at) > 25) + 1)], dtype=np.intp)
