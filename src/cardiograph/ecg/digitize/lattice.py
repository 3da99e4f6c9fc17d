"""Coarse lattice of the grid: direction and period of both families of lines, from local spectra."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

PATCH = 192
"""Side of the square patches whose spectra are taken, working pixels."""

STRIDE = 112
"""Greatest distance of two patches, working pixels."""

ANGLES = 180
"""Directions of a spectrum in log-polar form, one per degree from -90 degrees."""

STEP = 1.02
"""Ratio of two neighbouring frequencies in log-polar form."""

MIN_PX_PER_MM, MAX_PX_PER_MM = 1.8, 16.0
"""Scales that are searched on the working copy."""

WEIGHTS = (1.0, 0.6, 0.6, 0.6, 1.0)
"""Weights of the harmonics of the 5 mm grid; the fifth is the 1 mm grid."""

MIN_MM, MAX_MM = 80.0, 480.0
"""Usual length of the longer side of the picture; it decides whether the only visible lines are 1 mm or 5 mm apart."""

SPREAD_DEG, SPREAD = 14, 1.4
"""How far direction and scale of a patch may be from those of the whole page, through perspective."""

AXES_DEG, AXES_RATIO = 8, 1.15
"""How far the families may be from a right angle and from the same scale."""

AGREEING = 0.05
"""Difference of a local gradient from the perspective at which it still agrees, relative to the scale."""

LOWEST = 2.5
"""Waves per patch below which a spectrum is the shape of the paper, not its grid."""

BROAD = 21
"""Steps of frequency whose mean is the background of a peak: edges and text have a broad spectrum."""

_Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Waves:
    """Local frequency of the grid in the patches.

    Args:
        centres: [n, 2] x and y of the patches, working pixels.
        gradients: [n, 2, 2] millimetres per pixel: gradient (x, y) of the horizontal and of the vertical coordinate of the
            grid.
        strength: [n] share of the contrast of a patch that repeats with the grid, the weaker of the two families.
    """

    centres: _Floats
    gradients: _Floats
    strength: _Floats


def find_waves(tone: NDArray[np.float32]) -> Waves:
    """Find the two families of lines in patches all over a page.

    The spectra of all patches vote for a common direction and scale; each patch then has its own peaks near them.

    Args:
        tone: [h, w] float32 line tone.
    """
    spectra, centres, patch = _spectra(tone)
    polar = _log_polar(spectra, patch)
    scores = _comb(polar)
    angle, scale = _vote(scores, max(tone.shape))
    gradients, strength = [], []
    for turned in (0, 90):
        found, level = _peaks(spectra, scores, (angle + turned, scale), patch)
        gradients.append(found)
        strength.append(level)
    return Waves(centres, np.stack(gradients, axis=1), np.minimum(*strength))


def _spectra(tone: NDArray[np.float32]) -> tuple[NDArray[np.float32], _Floats, int]:
    """Amplitude spectra [n, patch, patch // 2 + 1] of Hann-windowed patches, rows from -1/2 cycles per pixel."""
    from scipy import fft

    height, width = tone.shape
    patch = min(PATCH, height // 8 * 8, width // 8 * 8)
    starts = [np.linspace(0, side - patch, 1 + -(-(side - patch) // STRIDE)).astype(int) for side in (height, width)]
    corners = np.array([(y, x) for y in starts[0] for x in starts[1]])
    hann = np.hanning(patch + 2)[1:-1].astype(np.float32)
    parts = np.stack([tone[y : y + patch, x : x + patch] for y, x in corners])
    parts = (parts - parts.mean(axis=(1, 2), keepdims=True)) * (hann[:, None] * hann)
    amplitude = np.abs(fft.rfft2(parts))
    amplitude[:, np.hypot(np.fft.fftfreq(patch)[:, None], np.fft.rfftfreq(patch)) * patch < LOWEST] = 0
    total = np.sqrt(np.square(amplitude).sum(axis=(1, 2), keepdims=True)) + 1e-6
    return np.fft.fftshift(amplitude / total, axes=1), corners[:, ::-1] + (patch - 1) / 2, patch


@lru_cache(maxsize=4)
def _frequencies() -> _Floats:
    lowest = 1 / (5 * MAX_PX_PER_MM)
    return np.asarray(lowest * STEP ** np.arange(int(np.log(0.5 / lowest) / np.log(STEP)) + 1))


def _log_polar(spectra: NDArray[np.float32], patch: int) -> NDArray[np.float32]:
    """Resample spectra to [n, angles, frequencies], and keep the peaks."""
    import cv2

    angle = np.deg2rad(np.arange(ANGLES) - 90.0)[:, None]
    radius = _frequencies()[None] * patch
    x, y = (radius * np.cos(angle)).astype(np.float32), (patch / 2 + radius * np.sin(angle)).astype(np.float32)
    polar = [cv2.remap(each, x, y, cv2.INTER_LINEAR) for each in spectra]
    return np.stack([np.maximum(each - cv2.blur(each, (BROAD, 1)), 0) for each in polar])


def _comb(polar: NDArray[np.float32]) -> NDArray[np.float32]:
    """Sum over the harmonics, [n, angles, scales]: how well the lines of each direction repeat at 5 mm and 1 mm."""
    scales = int(np.log(MAX_PX_PER_MM / MIN_PX_PER_MM) / np.log(STEP)) + 1
    total = np.zeros((*polar.shape[:2], scales), np.float32)
    for harmonic, weight in enumerate(WEIGHTS, start=1):
        shift = round(np.log(harmonic) / np.log(STEP))
        part = polar[:, :, shift : shift + scales]
        total[:, :, : part.shape[2]] += weight * part
    return total


def _vote(scores: NDArray[np.float32], side: int) -> tuple[int, int]:
    """Return the angle (index 45 to 134: -45 to 44 degrees) and the index of the scale that most patches agree on."""
    import cv2

    reach = round(np.log(AXES_RATIO) / np.log(STEP))
    around = np.ones((2 * AXES_DEG + 1, 2 * reach + 1), np.uint8)
    votes = np.zeros((90, scores.shape[2]), np.float32)
    for score in scores:
        wrapped = np.concatenate([score, score[: 45 + AXES_DEG]])
        near = cv2.dilate(wrapped[135 - AXES_DEG :], around)[AXES_DEG : AXES_DEG + 90]
        # both families must repeat: a trace or a text is periodic in one direction at most
        votes += np.square(np.minimum(score[45:135], near))
    length = side * 5 * _frequencies()[: votes.shape[1]]
    votes *= np.minimum(1, np.minimum(length / MIN_MM, MAX_MM / length))
    blurred = cv2.GaussianBlur(votes, (0, 0), sigmaX=5, sigmaY=2, borderType=cv2.BORDER_CONSTANT)
    votes = np.asarray(blurred, np.float32)
    angle, scale = np.unravel_index(np.argmax(votes), votes.shape)
    return int(angle) + 45, int(scale)


def _peaks(
    spectra: NDArray[np.float32], scores: NDArray[np.float32], near: tuple[int, int], patch: int
) -> tuple[_Floats, _Floats]:
    """Gradients [n, 2] of one family near an angle and a scale, and the strength of its peaks [n]."""
    reach = round(np.log(SPREAD) / np.log(STEP))
    low = max(0, near[1] - reach)
    angles = np.arange(near[0] - SPREAD_DEG, near[0] + SPREAD_DEG + 1)
    window = scores[:, angles % ANGLES, low : near[1] + reach + 1]
    best = window.reshape(len(scores), -1).argmax(axis=1)
    rows, columns = np.unravel_index(best, window.shape[1:])
    # an angle beyond the half plane of the spectrum is the same wave with the opposite sign
    angle = np.deg2rad(angles[rows] - 90.0)
    base = _frequencies()[low + columns]
    gradients, levels = np.empty((len(scores), 2)), np.empty(len(scores))
    for number, spectrum in enumerate(spectra):
        wave = base[number] * np.array([np.cos(angle[number]), np.sin(angle[number])])
        refined, levels[number] = _refine(spectrum, wave, patch)
        gradients[number] = 5 * refined
    return gradients, levels


def _refine(spectrum: NDArray[np.float32], wave: _Floats, patch: int) -> tuple[_Floats, float]:
    """Frequency of the 5 mm lines from the harmonic with the most precise peak, and the power of all peaks."""
    power, best, refined = 0.0, 0.0, wave
    for harmonic in range(1, len(WEIGHTS) + 1):
        at = harmonic * refined * patch
        sign = 1 if at[0] >= 0 else -1
        x, y = round(float(sign * at[0])), round(float(sign * at[1])) + patch // 2
        if not (2 <= y < patch - 2 and x < patch // 2 - 2):
            break
        padded = spectrum[y - 2 : y + 3, max(0, x - 2) : x + 3]
        offset_y, offset_x = np.unravel_index(np.argmax(padded), padded.shape)
        y, x = y - 2 + int(offset_y), max(0, x - 2) + int(offset_x)
        level = float(spectrum[y, x])
        power += level**2
        if level * harmonic > best and 1 <= y < patch - 1 and x < patch // 2 - 1:
            best = level * harmonic
            left = spectrum[y, x - 1] if x else spectrum[patch - y if 0 < patch - y < patch else y, 1]
            peak = np.array(
                [
                    x + _vertex(left, level, spectrum[y, x + 1]),
                    y + _vertex(spectrum[y - 1, x], level, spectrum[y + 1, x]),
                ]
            )
            refined = sign * (peak - [0, patch // 2]) / (harmonic * patch)
    return refined, power


def _vertex(before: float, at: float, after: float) -> float:
    """Offset of the peak of a Hann-windowed wave from its highest bin; three amplitudes of the main lobe."""
    low, middle, high = np.log(max(before, 1e-9)), np.log(max(at, 1e-9)), np.log(max(after, 1e-9))
    curve = low - 2 * middle + high
    return float(np.clip(0.5 * (low - high) / curve, -0.6, 0.6)) if curve < -1e-9 else 0.0


def fit_homography(waves: Waves, centre: _Floats) -> tuple[_Floats, NDArray[np.bool_]]:
    """Fit a perspective to the local gradients.

    Args:
        waves: Local waves.
        centre: [2] point of the page that becomes 0, 0 mm.

    Returns:
        [3, 3] map from working pixels to millimetres (up to a shift), and [n] which patches agree with it.
    """
    from scipy.optimize import least_squares

    points = waves.centres - centre
    size = np.abs(points).max()
    start = np.median(waves.gradients, axis=0)
    scale = np.abs(start).max()
    weight = np.sqrt(waves.strength / max(float(waves.strength.max()), 1e-9))[:, None, None]

    def residuals(unknown: _Floats) -> _Floats:
        return np.asarray((weight * (_gradients(unknown, points, size) - waves.gradients) / scale).ravel())

    first = np.concatenate([start.ravel(), [0, 0]])
    fitted = least_squares(residuals, first, loss="cauchy", f_scale=0.01, x_scale=[scale] * 4 + [0.1] * 2).x
    off = np.abs(_gradients(fitted, points, size) - waves.gradients).max(axis=(1, 2)) / scale
    matrix = np.eye(3)
    matrix[:2, :2], matrix[2, :2] = fitted[:4].reshape(2, 2), fitted[4:] / size
    shift = np.eye(3)
    shift[:2, 2] = -centre
    return matrix @ shift, off < AGREEING


def _gradients(unknown: _Floats, points: _Floats, size: float) -> _Floats:
    """Gradients [n, 2, 2] of A x / (1 + p x) at points [n, 2]."""
    linear, tilt = unknown[:4].reshape(2, 2), unknown[4:] / size
    depth = np.maximum(1 + points @ tilt, 0.1)[:, None, None]
    return np.asarray(linear / depth - (points @ linear.T)[:, :, None] * tilt / depth**2)
