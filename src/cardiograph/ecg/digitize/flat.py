"""Scale of a flat, upright page from the period of its grid."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cardiograph.ecg.digitize.rectified import PIXELS_PER_MM, RectifiedPage
from cardiograph.errors import EcgError, Issue

MIN_PX_PER_MM, MAX_PX_PER_MM = 2.0, 24.0
MAX_ANISOTROPY = 0.08
"""Largest difference between the scales of the two axes."""

MIN_SCORE = 1.5
_OVERSAMPLING = 8
_WEIGHTS = (1.0, 0.6, 0.6, 0.6, 1.0)
"""Weight of the harmonics of the 5 mm grid; the fifth is the 1 mm grid."""

_STEPS = 6000


def rectify(page: NDArray[np.uint8], *, name: str = "page") -> RectifiedPage:
    """Scale a flat page so that a millimetre of its grid has :data:`PIXELS_PER_MM` pixels.

    Args:
        page: [h, w, 3] uint8 RGB.
        name: Name of the page in error messages.

    Raises:
        EcgError: If no grid is found (code ``no_grid``).
    """
    import cv2

    scores = [_scores(profile) for profile in _profiles(page)]
    periods = np.geomspace(MIN_PX_PER_MM, MAX_PX_PER_MM, _STEPS)
    reach = int(np.log1p(MAX_ANISOTROPY) / np.log(periods[1] / periods[0]))
    near = [cv2.dilate(score[:, None], np.ones((2 * reach + 1, 1)))[:, 0] for score in scores]
    best = int(np.argmax(np.maximum(scores[0] + near[1], scores[1] + near[0])))
    if min(near[0][best], near[1][best]) < MIN_SCORE:
        issue = Issue(
            where=name, column="", value="", code="no_grid",
            rule="no periodic grid of ECG paper was found", remedy="give a page with a printed millimetre grid",
        )  # fmt: skip
        raise EcgError("The page cannot be digitised.", [issue])
    first = max(best - reach, 0)
    wide, high = (float(periods[first + np.argmax(score[first : best + reach + 1])]) for score in scores)
    size = (round(page.shape[1] * PIXELS_PER_MM / wide), round(page.shape[0] * PIXELS_PER_MM / high))
    scale = np.diag([page.shape[1] / size[0], page.shape[0] / size[1], 1.0])
    # OpenCV: integer coordinates are pixel centres
    scale[0, 2], scale[1, 2] = (scale[0, 0] - 1) / 2, (scale[1, 1] - 1) / 2
    shrinks = wide > PIXELS_PER_MM
    pixels = cv2.resize(page, size, interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC)
    return RectifiedPage(np.asarray(pixels, np.uint8), scale)


def _profiles(page: NDArray[np.uint8]) -> list[NDArray[np.float64]]:
    """Return the mean tone of each column and of each row, without the darkest pixels (traces and text)."""
    import cv2

    channels = cv2.split(page)
    tone, brightest = channels[0], channels[0]
    for channel in channels[1:]:
        tone, brightest = cv2.min(tone, channel), cv2.max(brightest, channel)
    paper = (np.asarray(brightest) > np.percentile(brightest[::4, ::4], 1) + 60).astype(np.uint8)
    kept = cv2.multiply(tone, paper)
    profiles = []
    for axis in (0, 1):
        total = cv2.reduce(kept, axis, cv2.REDUCE_SUM, dtype=cv2.CV_64F).ravel()
        count = cv2.reduce(paper, axis, cv2.REDUCE_SUM, dtype=cv2.CV_64F).ravel()
        mean = np.where(count > 0, total / np.maximum(count, 1), np.nan)
        profiles.append(np.nan_to_num(mean, nan=float(np.nanmedian(mean))))
    return profiles


def _scores(profile: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return how strongly a profile repeats at the 5 mm and 1 mm of each scale."""
    import cv2

    size = len(profile)
    smooth = cv2.blur(profile[:, None], (1, 61), borderType=cv2.BORDER_REPLICATE)[:, 0]
    wave = np.clip(profile - smooth, -60, 60)
    wave -= wave.mean()
    padded = 1 << int(np.ceil(np.log2(size * _OVERSAMPLING)))
    spectrum = np.abs(np.fft.rfft(wave * np.hanning(size), padded)) / np.sqrt(np.square(wave).sum() + 1e-9)
    fives = 5 * np.geomspace(MIN_PX_PER_MM, MAX_PX_PER_MM, _STEPS)
    total = np.zeros(_STEPS)
    for harmonic, weight in enumerate(_WEIGHTS, start=1):
        at = np.clip(np.round(harmonic / fives * padded).astype(int), 0, len(spectrum) - 1)
        total += weight * np.where(harmonic / fives < 0.48, spectrum[at], 0)
    return np.where(fives < size / 8, total, 0)
