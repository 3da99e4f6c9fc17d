"""Simulate twelve-lead ECGs from a heart modelled as an electrical dipole, with beats, rhythm and noise."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from cardiograph.ecg.leads import twelve_leads
from cardiograph.synthesis.waves import Heart, Waves, beat_waves

RATE_HZ: Final = 500.0
SECONDS: Final = 10.0

DOWER: Final = np.array(
    [
        [0.632, -0.235, 0.059],
        [0.235, 1.066, -0.132],
        [-0.515, 0.157, -0.917],
        [0.044, 0.164, -1.387],
        [0.882, 0.098, -1.277],
        [1.213, 0.127, -0.601],
        [1.125, 0.127, -0.086],
        [0.831, 0.076, 0.230],
    ]
)
"""[8, 3] mV in leads I, II, V1-V6 per mV of dipole along Frank's x (left), y (down), z (back).

Source: G. E. Dower, H. B. Machado, J. A. Osborne, "On deriving the electrocardiogram from vectorcardiographic leads",
Clin. Cardiol. 3 (1980) 87-95.
"""


def record_ecg(heart: Heart, rng: np.random.Generator) -> NDArray[np.float64]:
    """Simulate a recording of ten seconds.

    Args:
        heart: Parameters of the heart.
        rng: Random number generator for RR intervals, variation between beats, breathing, electrode placement and
            noise.

    Returns:
        [12, 5000] float64 in mV at 500 Hz, rows as in :data:`cardiograph.ecg.leads.LEADS`. The relations of Einthoven
        and Goldberger hold exactly, including the noise.
    """
    time = np.arange(round(SECONDS * RATE_HZ)) / RATE_HZ
    onsets, intervals = _beats(heart, rng)
    dipole = _dipole(heart, (onsets, intervals), time, rng)
    if heart.rhythm == "af":
        dipole += _fibrillation(heart, time, rng)
    gain = 1 + 0.04 * rng.standard_normal((8, 1))
    return twelve_leads(gain * (DOWER @ dipole.T) + _electrode_noise(time, rng))


def clean_beat(heart: Heart, rate_hz: float = RATE_HZ) -> NDArray[np.float64]:
    """Simulate one beat without noise and variation, from 0.3 s before the onset of the QRS complex to 0.7 s after it.

    Args:
        heart: Parameters of the heart.
        rate_hz: Sampling rate in Hz.

    Returns:
        [12, samples] float64 in mV.
    """
    time = np.arange(-0.3, 0.7, 1 / rate_hz)
    return twelve_leads(DOWER @ _loops(beat_waves(heart, 60 / heart.rate), time).T)


def _loops(waves: Waves, time: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the [samples, 3] dipole in mV at ``time`` seconds after the onset of the QRS complex."""
    distance = time[:, None] - waves.centre
    width = np.where(distance < 0, waves.rise, waves.fall)
    return np.asarray(np.exp(-0.5 * (distance / width) ** 2) @ waves.vector)


def _beats(heart: Heart, rng: np.random.Generator) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Draw the QRS onset and the preceding RR interval in seconds of all beats that overlap the recording."""
    fibrillates = heart.rhythm == "af"
    mean = 60 / np.clip(heart.rate, 38, 170 if fibrillates else 140)
    spread = np.clip(heart.rr_spread, 0.003, 0.35)
    count = int((SECONDS + 3) / mean) + 6
    if fibrillates:
        intervals = mean * rng.gamma(spread**-2, spread**2, count)
    else:
        # respiratory sinus arrhythmia: a cycle of about 4 s, and a small random part
        phase = 2 * np.pi * (np.arange(count) * mean * rng.uniform(0.22, 0.28) + rng.uniform())
        intervals = mean * (1 + spread * (1.3 * np.sin(phase) + 0.4 * rng.standard_normal(count)))
    intervals = np.maximum(intervals, 0.36)
    onsets = np.cumsum(intervals) - 1.5 - rng.uniform(0, mean)
    near = (onsets > -0.9) & (onsets < SECONDS + 0.4)
    return onsets[near], intervals[near]


def _dipole(
    heart: Heart,
    beats: tuple[NDArray[np.float64], NDArray[np.float64]],
    time: NDArray[np.float64],
    rng: np.random.Generator,
) -> NDArray[np.float64]:
    dipole = np.zeros((len(time), 3))
    breath_hz, phase = rng.uniform(0.2, 0.3), rng.uniform(0, 2 * np.pi)
    mean = 60 / heart.rate
    for onset, interval in zip(*beats, strict=True):
        first, last = np.searchsorted(time, (onset - 0.45, onset + 0.8))
        # QT adapts only partly to the RR interval of a single beat
        waves = beat_waves(heart, 0.7 * mean + 0.3 * interval)
        lung = np.sin(2 * np.pi * breath_hz * onset + phase)
        size = 1 + 0.03 * lung + 0.02 * rng.standard_normal(len(waves.centre))
        tilt = np.array([[1, 0.03 * lung, 0], [-0.03 * lung, 1, 0.02 * lung], [0, -0.02 * lung, 1]])
        varied = Waves(waves.centre, waves.rise, waves.fall, size[:, None] * waves.vector @ tilt)
        dipole[first:last] += _loops(varied, time[first:last] - onset)
    return dipole


def _fibrillation(heart: Heart, time: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
    """Return the [samples, 3] dipole of fibrillation waves: 5.5 to 8 Hz, varying in amplitude, largest in V1."""
    speed = 2 * np.pi * np.cumsum(rng.uniform(5.5, 8.0) + 0.8 * _slow(time, 0.9, rng)) / RATE_HZ
    swell = 1 + 0.35 * _slow(time, 0.6, rng)
    wave = swell * (np.sin(speed) + 0.35 * np.sin(2 * speed + 0.8) + 0.3 * _slow(time, 11.0, rng))
    other = swell * np.sin(0.83 * speed + 1.0)
    height = 0.5 * max(heart.f_wave_mv, 0.0)
    waves = height * (np.outer(wave, [-0.15, 0.35, -0.9]) + np.outer(other, [0.25, 0.30, 0.10]))
    return np.asarray(waves)


def _slow(time: NDArray[np.float64], limit_hz: float, rng: np.random.Generator) -> NDArray[np.float64]:
    """Draw a [samples] random wave of unit variance with five frequencies up to ``limit_hz``."""
    hertz, phase = rng.uniform(0.25, 1, 5) * limit_hz, rng.uniform(0, 2 * np.pi, 5)
    # interpolation between 40 points per period takes a thirtieth of the time of computing the sines
    knots = np.linspace(0, SECONDS, int(40 * limit_hz * SECONDS) + 2)
    wave = np.sin(2 * np.pi * hertz * knots[:, None] + phase).sum(1) * np.sqrt(2 / 5)
    return np.asarray(np.interp(time, knots, wave))


def _electrode_noise(time: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
    """Draw [8, samples] noise in mV: baseline wander, mains hum and muscle noise per electrode, as lead differences."""
    wander, muscle, hum = rng.uniform(0.01, 0.04), rng.uniform(0.002, 0.009), rng.uniform(0, 0.006)
    common = _slow(time, 0.3, rng)
    mains = np.sin(2 * np.pi * 50 * time + rng.uniform(0, 2 * np.pi))
    tremor = rng.standard_normal((9, len(time) + 4))
    # moving average of five samples, like the low-pass filter of an electrocardiograph at about 40 Hz
    smooth = np.stack([np.convolve(row, np.full(5, 5**-0.5), "valid") for row in tremor])
    own = np.stack([_slow(time, 0.35, rng) for _ in range(9)])
    share = rng.uniform(-1, 1, (9, 2))
    electrodes = wander * (0.7 * own + share[:, :1] * common) + muscle * smooth + hum * share[:, 1:] * mains
    right, left, foot = electrodes[:3]
    return np.concatenate([[left - right, foot - right], electrodes[3:] - (right + left + foot) / 3])
