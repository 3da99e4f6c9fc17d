"""Metadata of a page: everything but its traces, such as file format, size, brightness and margins.

None of it should predict the label; the audit checks whether it does.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cardiograph.errors import PageError
from cardiograph.imaging.grid import Box, find_grid
from cardiograph.imaging.reading import DecodedPage

METADATA_VERSION = "1"
"""Version of the metadata; it changes whenever the same file gives other metadata."""

MARGIN_SHAPE = (8, 96)
"""Rows and columns to which each of the two margins is averaged: few enough to fit a model, enough to show a word."""


@dataclass(frozen=True)
class PageMetadata:
    """Metadata of one page file.

    Args:
        file_bytes: Size of the file in bytes.
        format: ``JPEG``, ``PNG``, ``TIFF``, ``BMP``, ``WEBP`` or ``PDF``, or the title of a format of signals.
        mode: Pixel mode of the file as Pillow names it, such as ``RGB`` or ``L``.
        width: Width of the page in pixels.
        height: Height of the page in pixels.
        quantisation: Mean of the first quantisation table of a JPEG (larger is coarser); None for other formats.
        brightness: Mean over all pixels and channels, 0..255; 255 for a page drawn from signals, whose paper is always
            the same, so that its mean would describe the traces.
        grid: Left, top, right, bottom of the ECG grid in pixels; None if no grid was found.
        margins: Hex of the [2 x 8 x 96] uint8 grey levels above and below the grid; empty without a grid.
    """

    file_bytes: int
    format: str
    mode: str
    width: int
    height: int
    quantisation: float | None
    brightness: float
    grid: tuple[int, int, int, int] | None
    margins: str

    @property
    def margin_levels(self) -> NDArray[np.uint8] | None:
        """[1536] uint8 grey levels above the grid, then below it; None without a grid."""
        return np.frombuffer(bytes.fromhex(self.margins), np.uint8) if self.margins else None


def extract_metadata(page: DecodedPage, grid: Box | None = None, margins: str | None = None) -> PageMetadata:
    """Extract the metadata of a page.

    Args:
        page: Decoded page.
        grid: Box of the ECG grid; found on the page if None.
        margins: Margins of this page if they are known, see :func:`margins_of`.
    """
    if grid is None:
        try:
            grid = find_grid(page.pixels)
        except PageError:
            grid = None
    return PageMetadata(
        file_bytes=page.file_bytes,
        format=page.format,
        mode=page.mode,
        width=page.width,
        height=page.height,
        quantisation=page.quantisation,
        brightness=255.0 if page.drawn else round(float(page.pixels[::4, ::4].mean()), 3),
        grid=None if grid is None else (grid.left, grid.top, grid.right, grid.bottom),
        margins="" if grid is None else margins or margins_of(page.pixels, grid),
    )


def margins_of(pixels: NDArray[np.uint8], grid: Box) -> str:
    """Return the hex of [2, 8, 96] uint8 grey levels above and below the grid over the whole width; 255 without margin."""
    import cv2

    found = np.full((2, *MARGIN_SHAPE), 255, np.uint8)
    for number, strip in enumerate((pixels[: grid.top], pixels[grid.bottom :])):
        if len(strip):
            grey = cv2.cvtColor(np.ascontiguousarray(strip), cv2.COLOR_RGB2GRAY)
            found[number] = cv2.resize(grey, MARGIN_SHAPE[::-1], interpolation=cv2.INTER_AREA)
    return found.tobytes().hex()
