"""Working copy of a page on which only the fine lines of the grid remain, evenly dark all over."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

WORKING_SIDE = 1400
"""Longer side in pixels of the working copy; 1 mm of a page of 280 mm is 5 pixels there."""

BACKGROUND = 60
"""Lines are darker than the mean of a square of this share (1/60) of the longer side."""

LIMITS = (-1.0, 2.5)
"""Range of the tone in units of the local contrast; ink and specks beyond it count no more than a grid line."""

NOISE = 1.2
"""Contrast of plain paper in grey levels, which is not amplified."""

STROKES = 99.8
"""Percentile of the tone and of its slope that strokes of the pen reach."""

INK, PEN = 0.4, 99.5
"""Darkness from which a pixel is ink, as a share of that of the pen, and percentile of the darkness that the pen reaches."""

_AVERAGED = 0.8


@dataclass(frozen=True, eq=False)
class LineTone:
    """How much darker than their surroundings the pixels of a reduced page are.

    Args:
        tone: [h, w] float32, about -1 to 2.5.
        scale: Working pixels per page pixel.
        blur: Standard deviation of the blur of the darkest strokes, working pixels; at most about 2.
        contrast: Darkness of these strokes against their surroundings, grey levels.
    """

    tone: NDArray[np.float32]
    scale: float
    blur: float
    contrast: float

    @property
    def to_page(self) -> NDArray[np.float64]:
        """[3, 3] map from working pixels to page pixels; integer coordinates are pixel centres on both."""
        shift = 0.5 / self.scale - 0.5
        return np.array([[1 / self.scale, 0, shift], [0, 1 / self.scale, shift], [0, 0, 1]])


def line_tone(page: NDArray[np.uint8], *, without_ink: bool = False) -> LineTone:
    """Reduce a page and even out its light, so that grid lines of any colour have about the same tone.

    Args:
        page: [h, w, 3] uint8 RGB.
        without_ink: Leave out what is nearly as dark as the pen in every colour. Large waves would hide a pale grid.
    """
    import cv2

    height, width = page.shape[:2]
    scale = min(1.0, WORKING_SIDE / max(height, width))
    if scale < 1:
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        method = cv2.INTER_AREA if scale < _AVERAGED else cv2.INTER_LINEAR
        page = np.asarray(cv2.resize(page, size, interpolation=method), np.uint8)
    red, green, blue = cv2.split(page)
    # a coloured line is dark in its weakest channel
    shade = cv2.min(cv2.min(red, green), blue).astype(np.float32)
    wide = max(shade.shape) // BACKGROUND | 1
    darker = cv2.blur(shade, (wide, wide)) - shade
    contrast = cv2.blur(np.abs(darker), (3 * wide, 3 * wide)) + NOISE
    sample = darker[:: max(1, height // 800)]
    # the steepest slope of a stroke of height h and Gaussian profile is 0.61 h per standard deviation
    steepest = float(np.percentile(np.abs(np.diff(sample, axis=1)), STROKES))
    darkest = float(np.percentile(sample, STROKES))
    if without_ink:
        paper = _paper(cv2.max(cv2.max(red, green), blue).astype(np.float32), wide)
        darker = (
            cv2.blur(shade * paper, (wide, wide)) / np.maximum(cv2.blur(paper, (wide, wide)), 1e-3) - shade
        ) * paper
        around = np.maximum(cv2.blur(paper, (3 * wide, 3 * wide)), 1e-3)
        contrast = cv2.blur(np.abs(darker), (3 * wide, 3 * wide)) / around + NOISE
    tone = np.clip(darker / contrast, *LIMITS).astype(np.float32)
    return LineTone(tone, scale, 0.61 * darkest / max(steepest, 0.1), darkest)


def _paper(shade: NDArray[np.float32], wide: int) -> NDArray[np.float32]:
    """Return 1 on paper and grid, 0 on ink: what is dark against its surroundings in the brightest colour."""
    import cv2

    darker = cv2.blur(shade, (wide, wide)) - shade
    ink = (darker > INK * np.percentile(darker[::3, ::3], PEN)).astype(np.uint8)
    return np.asarray(1 - cv2.dilate(ink, np.ones((3, 3), np.uint8)), np.float32)
