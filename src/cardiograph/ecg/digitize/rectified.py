"""An ECG page upright, flat and at a fixed scale: what trace reading starts from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

PIXELS_PER_MM = 8
"""Resolution of a rectified page on both axes, pixels per millimetre of ECG paper."""


@dataclass(frozen=True, eq=False)
class RectifiedPage:
    """A page warped to :data:`PIXELS_PER_MM` with straight grid lines.

    Args:
        pixels: [h, w, 3] uint8 RGB.
        to_page: [3, 3] float64 homography from rectified pixel coordinates (x, y, 1) to coordinates of the page.
        scale_known: Whether the scale was measured on a grid; if not, it is assumed and ``notes`` says from what.
        confidence: Confidence in grid and scale, 0..1.
        notes: Facts that a reader of the results must know; each is a whole sentence.
        curl: [h, w, 2] displacement of the page coordinates in page pixels, added after ``to_page``; None if the
            homography suffices.
        grid: Left, top, right and bottom of the grid in rectified pixels; None if it is not known.
    """

    pixels: NDArray[np.uint8]
    to_page: NDArray[np.float64]
    scale_known: bool = True
    confidence: float = 1.0
    notes: tuple[str, ...] = ()
    curl: NDArray[np.float32] | None = None
    grid: tuple[int, int, int, int] | None = None

    def __post_init__(self) -> None:
        """Check shapes and types."""
        shape = self.pixels.shape
        if self.pixels.dtype != np.uint8 or len(shape) != 3 or shape[2] != 3:
            message = f"pixels are {self.pixels.dtype} of shape {shape}; needed: uint8 of shape [h, w, 3]"
            raise ValueError(message)
        if self.to_page.shape != (3, 3):
            message = f"to_page has shape {self.to_page.shape}; needed: [3, 3]"
            raise ValueError(message)
        if self.curl is not None and self.curl.shape != (*shape[:2], 2):
            message = f"curl has shape {self.curl.shape}; needed: {(*shape[:2], 2)}"
            raise ValueError(message)
        if not 0 <= self.confidence <= 1:
            message = f"the confidence is {self.confidence:g}, allowed 0 to 1"
            raise ValueError(message)

    def page_points(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Map [n, 2] rectified pixel coordinates (x, y) to [n, 2] page pixel coordinates."""
        mapped = np.column_stack([points, np.ones(len(points))]) @ self.to_page.T
        on_page = mapped[:, :2] / mapped[:, 2:]
        if self.curl is None:
            return on_page
        height, width = self.curl.shape[:2]
        columns = np.clip(np.round(points[:, 0]).astype(int), 0, width - 1)
        rows = np.clip(np.round(points[:, 1]).astype(int), 0, height - 1)
        return np.asarray(on_page + self.curl[rows, columns])
