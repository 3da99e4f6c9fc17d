"""Detection of QRS complexes over all leads at once."""

from __future__ import annotations

import itertools

import numpy as np
from numpy.typing import NDArray

from cardiograph.ecg.measure.prepare import RATE_HZ, Floats, Prepared, band_pass, moving_mean

QRS_BAND_HZ = (6.0, 24.0)
"""Band of the energy of QRS complexes. Source: Thakor et al., IEEE Trans. Biomed. Eng. 31 (1984) 702."""

REFRACTORY_S = 0.24
"""Shortest distance between two QRS complexes: 250 beats per minute."""

MIN_ENERGY_MV = 0.012
"""Amplitude in the band below which nothing is a QRS complex."""

HIGH, USUAL = 0.85, 0.25
"""Height of a peak, relative to the usual one, from which it is no P or T wave; and how far the distance of two complexes
may be from the median, as a share of it, to be usual. Source: seen on shared pages."""

_SMOOTH = round(0.09 * RATE_HZ)
_WINDOW = round(1.4 * RATE_HZ)


def detect_qrs(prepared: Prepared) -> NDArray[np.intp]:
    """Find the QRS complexes.

    The energy between 6 and 24 Hz is averaged over the leads that were recorded at each time, each lead scaled to its
    own QRS complexes. Peaks above a threshold that follows the local level are QRS complexes; in long pauses the
    threshold is lowered. A lower peak shortly after a complex, or between two high ones at the usual distance, is taken for
    a P or T wave.

    Args:
        prepared: The signal.

    Returns:
        Sample of the centre of each complex at :data:`RATE_HZ`, in ascending order.

    Source: after J. Pan and W. J. Tompkins, IEEE Trans. Biomed. Eng. 32 (1985) 230 (band, adaptive threshold,
    search-back), extended to several leads.
    """
    energy = _energy(prepared)
    candidates = _local_maxima(energy)
    if not len(candidates):
        return candidates
    level = _local_level(energy)[candidates]
    height = energy[candidates] / level
    kept = [int(i) for i in np.flatnonzero(height > 0.40)]
    kept = _without_t_waves(candidates, height, kept)
    kept = _search_back(candidates, height, _without_waves_between(candidates, height, kept))
    return np.asarray(candidates[kept], dtype=np.intp)


def _energy(prepared: Prepared) -> Floats:
    """Return [samples] root of the mean energy; about 1 in a QRS complex of usual size, 0 where nothing was recorded."""
    filtered = band_pass(prepared.signal, *QRS_BAND_HZ)
    share = moving_mean(prepared.valid.astype(float), _SMOOTH)
    valid = prepared.valid & (share > 0.4)
    power = np.where(valid, moving_mean(filtered**2 * prepared.valid, _SMOOTH) / np.maximum(share, 0.4), 0.0)
    total, weights = np.zeros(power.shape[1]), np.full(power.shape[1], 1e-9)
    for row, there in zip(power, valid, strict=True):
        peaks = _window_maxima(row)
        peaks = peaks[peaks > 0]
        if not len(peaks) or np.median(peaks) < MIN_ENERGY_MV**2:
            continue
        scale = float(np.median(peaks))
        # leads whose energy is spread over the whole cycle, such as noise, count little
        weight = max(1.0 - 2.5 * float(np.median(row[there])) / scale, 0.02)
        total += weight * np.where(there, np.minimum(row / scale, 1.6), 0.0)
        weights += weight * there
    return np.asarray(np.sqrt(np.maximum(total, 0.0) / weights), np.float64)


def _window_maxima(row: Floats) -> Floats:
    count = max(len(row) // _WINDOW, 1)
    return np.asarray([part.max() for part in np.array_split(row, count)])


def _local_maxima(energy: Floats) -> NDArray[np.intp]:
    from scipy.signal import find_peaks

    peaks, _ = find_peaks(energy, height=0.05, distance=round(REFRACTORY_S * RATE_HZ))
    return np.asarray(peaks, dtype=np.intp)


def _local_level(energy: Floats) -> Floats:
    """Return the usual height of a QRS complex near each sample: the median of the window maxima over about 7 s."""
    from scipy.ndimage import median_filter

    maxima = _window_maxima(energy)
    level = median_filter(maxima, 5, mode="nearest")
    level = np.maximum(level, 0.3 * np.median(maxima[maxima > 0]) if (maxima > 0).any() else 1.0)
    centres = (np.arange(len(level)) + 0.5) * len(energy) / len(level)
    return np.asarray(np.interp(np.arange(len(energy)), centres, level))


def _without_t_waves(candidates: NDArray[np.intp], height: Floats, kept: list[int]) -> list[int]:
    """Drop peaks that follow a complex within 0.4 s with less than 0.6 of its height."""
    result: list[int] = []
    for i in kept:
        near = result and candidates[i] - candidates[result[-1]] < 0.40 * RATE_HZ
        if near and height[i] < 0.6 * height[result[-1]]:
            continue
        if near and height[result[-1]] < 0.35 * height[i] and len(result) > 1:
            result[-1] = i
            continue
        result.append(i)
    return result


def _without_waves_between(candidates: NDArray[np.intp], height: Floats, kept: list[int]) -> list[int]:
    """Drop lower peaks between two high ones whose distance is the usual one; none if lower peaks are as frequent.

    On a printed page, some leads show for 2.5 s alone, and their T waves may reach most of the height of their complexes.
    """
    high = [i for i in kept if height[i] >= HIGH]
    lower = [sum(a < i < b for i in kept) for a, b in itertools.pairwise(high)]
    apart = np.diff(candidates[high])
    plain = apart[np.array(lower, dtype=int) == 0]
    if len(plain) <= len(apart) / 2 or not len(plain):
        return kept
    usual = np.abs(apart / np.median(plain) - 1) < USUAL
    between = {i for (a, b), each in zip(itertools.pairwise(high), usual, strict=True) if each for i in range(a + 1, b)}
    return [i for i in kept if i not in between]


def _search_back(candidates: NDArray[np.intp], height: Floats, kept: list[int]) -> list[int]:
    """Add the highest lower peak in each pause that is longer than 1.6 times the median RR interval."""
    if len(kept) < 3:
        return kept
    usual = float(np.median(np.diff(candidates[kept])))
    result = [kept[0]]
    for i in kept[1:]:
        before = result[-1]
        pause = candidates[i] - candidates[before]
        if pause > 1.6 * usual:
            away = max(0.36 * RATE_HZ, 0.4 * usual)
            inside = [
                j
                for j in range(before + 1, i)
                if height[j] > 0.28 and min(candidates[j] - candidates[before], candidates[i] - candidates[j]) > away
            ]
            if inside:
                result.append(max(inside, key=lambda j: height[j]))
        result.append(i)
    return result
