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

_AVERAGED = 0.8


@dataclass(frozen=True, eq=False)
class LineTone:
    """How much darker than their surroundings the pixels of a reduced page are.

    Args:
        tone: [h, w] float32, about -1 to 2.5.
        scale: Working pixels per page pixel.
    """

    tone: NDArray[np.float32]
    scale: float

    @property
    def to_page(self) -> NDArray[np.float64]:
        """[3, 3] map from working pixels to page pixels; integer coordinates are pixel centres on both."""
        shift = 0.5 / self.scale - 0.5
        return np.array([[1 / self.scale, 0, shift], [0, 1 / self.scale, shift], [0, 0, 1]])


def line_tone(page: NDArray[np.uint8]) -> LineTone:
    """Reduce a page and even out its light, so that grid lines of any colour have about the same tone.

    Args:
        page: [h, w, 3] uint8 RGB.
    """
    import cv2

    height, width = page.shape[:2]
    scale = min(1.0, WORKING_SIDE / max(height, width))
    if scale < 1:
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        page = cv2.resize(page, size, interpolation=cv2.INTER_AREA if scale < _AVERAGED else cv2.INTER_LINEAR)
    red, green, blue = cv2.split(page)
    # a coloured line is dark in its weakest channel
    shade = cv2.min(cv2.min(red, green), blue).astype(np.float32)
    wide = max(shade.shape) // BACKGROUND | 1
    darker = cv2.blur(shade, (wide, wide)) - shade
    contrast = cv2.blur(np.abs(darker), (3 * wide, 3 * wide)) + NOISE
    return LineTone(np.clip(darker / contrast, *LIMITS).astype(np.float32), scale)
