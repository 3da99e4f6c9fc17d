"""Input of the ECG encoder: ten seconds of the leads, and the typical beat of each lead."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from cardiograph.ecg.leads import LEADS
from cardiograph.ecg.medians import median
from cardiograph.ecg.resample import resample

if TYPE_CHECKING:
    from cardiograph.ecg.ecg import Ecg

INPUT_RATE_HZ: Final = 100.0
SAMPLES: Final = 1000
"""Samples of the recording in an input: ten seconds."""

BEAT: Final = (-40, 72)
"""First and last (exclusive) sample of a beat, counted from the middle of its QRS complex."""

BEAT_SAMPLES: Final = BEAT[1] - BEAT[0]
INPUT_SHAPE: Final[tuple[int, int]] = (2 * len(LEADS), SAMPLES + BEAT_SAMPLES)
"""Rows: twelve leads in mV, and twelve masks that are 1 where something was recorded. Columns: recording, then beat."""

PREPARATION: Final = "leads=2"
"""Version of :func:`leads_input`; embeddings of different versions are not comparable."""

LATE_START_S: Final = 1.0
"""A lead that starts later than this, such as V1 on a page of 3 x 4 leads, is moved to the start of the input."""

BEATS_S: Final = 600
"""The typical beat is that of the first ten minutes, so that the memory for a long recording is bounded."""

_SMOOTHING: Final = 9
_REFRACTORY: Final = 27
_HEIGHT: Final = 0.35
"""Share of the usual height of the slope of a QRS complex that a complex needs."""

Floats = NDArray[np.float32]


def leads_input(ecg: Ecg) -> Floats:
    """Prepare an ECG for :class:`cardiograph.encoders.ecg_network.EcgNetwork`.

    Args:
        ecg: ECG of any length and layout, NaN where a lead was not recorded or not printed.

    Returns:
        [24, 1112] float32, see :func:`input_of`.
    """
    return input_of(resample(ecg.signal, ecg.rate, INPUT_RATE_HZ))


def input_of(signal: Floats, *, samples: int = SAMPLES, first: int = 0) -> Floats:
    """Prepare leads at 100 Hz.

    The recording: the median of each lead is subtracted. A lead whose first sample comes later than 1 s is moved to the
    start, so that the leads of a printed page lie above one another as those of a recording do. Only the first 10 s are
    used; shorter recordings end with a mask of 0. The beat: the median over the beats of each lead, aligned at their QRS
    complexes, which are found over all leads.

    Args:
        signal: [12, any] in mV, each lead at its own time, NaN where nothing was recorded.
        samples: Samples of the recording in the result.
        first: Sample at which the recording starts; beats are taken from the first ten minutes of the whole signal.

    Returns:
        [24, samples + 112] float32: twelve leads, 0 where nothing was recorded, then their masks; columns of the
        recording, then of the beat.
    """
    prepared = np.zeros((INPUT_SHAPE[0], samples + BEAT_SAMPLES), dtype=np.float32)
    shown = recording_of(signal, samples=samples, first=first)
    there = np.isfinite(shown)
    np.copyto(prepared[: len(LEADS), :samples], shown, where=there)
    prepared[len(LEADS) :, :samples] = there
    beat = typical_beat(signal[:, : round(BEATS_S * INPUT_RATE_HZ)])
    there = np.isfinite(beat)
    prepared[: len(LEADS), samples:][there] = beat[there]
    prepared[len(LEADS) :, samples:] = there
    return prepared


def recording_of(signal: Floats, *, samples: int = SAMPLES, first: int = 0) -> Floats:
    """Return the recording of an input: [12, samples] in mV, NaN where nothing was recorded.

    Arguments as for :func:`input_of`, which also says where a lead starts and what is subtracted.
    """
    shown = np.full((len(LEADS), samples), np.nan, dtype=np.float32)
    for row, lead in zip(signal[:, first:], shown, strict=True):
        start = lead_start(row)
        part = row[start : start + samples]
        lead[: len(part)] = part
    return shown - median(shown, axis=1)


def lead_start(row: Floats) -> int:
    """Return the sample of a lead at 100 Hz, NaN where nothing was recorded, with which its input starts."""
    recorded = np.flatnonzero(np.isfinite(row))
    return int(recorded[0]) if recorded.size and recorded[0] > LATE_START_S * INPUT_RATE_HZ else 0


def typical_beat(signal: Floats) -> Floats:
    """Return the median of the beats of each lead.

    Args:
        signal: [12, samples] in mV at 100 Hz, NaN where nothing was recorded.

    Returns:
        [12, 112] in mV, with a median of 0 in each beat; NaN where no beat of the lead was recorded.
    """
    at = qrs_samples(signal)
    if not at.size:
        return np.full((len(signal), BEAT_SAMPLES), np.nan, dtype=np.float32)
    padded = np.pad(signal, ((0, 0), (-BEAT[0], BEAT[1])), constant_values=np.nan)
    beats = padded[:, at[:, None] + np.arange(BEAT_SAMPLES)]
    beats[np.isfinite(beats).sum(2) <= BEAT_SAMPLES // 2] = np.nan
    return median(beats - median(beats, axis=2), axis=1)[:, 0]


def qrs_samples(signal: Floats) -> NDArray[np.intp]:
    """Return the middle of each QRS complex of [12, samples] leads at 100 Hz, from their squared slopes.

    More than ten times as fast as :func:`cardiograph.ecg.measure.qrs.detect_qrs`, which places beats to 2 ms for
    measurements.
    """
    from scipy.signal import find_peaks

    slope = np.zeros_like(signal)
    slope[:, 1:-1] = signal[:, 2:] - signal[:, :-2]
    there = np.isfinite(slope)
    squared = np.where(there, slope, 0) ** 2
    size = np.array([_steep(row[mask]) for row, mask in zip(squared, there, strict=True)])
    share = np.minimum(squared / np.maximum(size, 1e-6)[:, None], 4)
    energy = share.sum(0) / np.maximum(there.sum(0), 1)
    smooth = np.convolve(energy, np.hanning(_SMOOTHING + 2)[1:-1])[_SMOOTHING // 2 :][: len(energy)]
    starts = range(0, max(len(smooth) - len(smooth) % 100, 1), 100)
    usual = float(np.median([smooth[at : at + 100].max() for at in starts]))
    peaks, _ = find_peaks(np.pad(smooth, 1), distance=_REFRACTORY, height=max(_HEIGHT * usual, 1e-6))
    return np.asarray(peaks - 1, dtype=np.intp)


def _steep(squared: Floats) -> float:
    """Return the squared slope that a fiftieth of the samples of a lead exceeds; infinite without samples."""
    count = max(len(squared) // 50, 1)
    return float(np.partition(squared, -count)[-count]) if len(squared) else np.inf
