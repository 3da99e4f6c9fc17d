"""Rectify a photograph or scan of ECG paper: upright, flat, and 8 pixels per millimetre."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cardiograph.ecg.digitize.flatten import TILE_MM, Lattice, refine
from cardiograph.ecg.digitize.lattice import find_waves, fit_homography
from cardiograph.ecg.digitize.line_tone import line_tone
from cardiograph.ecg.digitize.rectified import PIXELS_PER_MM, RectifiedPage
from cardiograph.errors import EcgError, Issue

MIN_SIDE = 200
"""Shortest side of a page, pixels."""

MARGIN_MM = 40
"""Paper beyond the grid that is kept: header, footer and lead names."""

FLAT_MM = {1: 0.12, 5: 0.5}
"""A sheet whose places are this near to a plane (90th percentile) is taken as flat; by the finest lines, which tell how exact
the places are."""

OUTSIDE = (255, 255, 255)
"""Colour beyond the edge of the picture."""

_HEADLINE = "The page cannot be digitised."


def rectify(page: NDArray[np.uint8], *, name: str = "page") -> RectifiedPage:
    """Find the grid of a page and warp the page so that its grid is straight and has a fixed scale.

    Args:
        page: [h, w, 3] uint8 RGB.
        name: Name of the page in error messages.

    Returns:
        The page with grid lines on multiples of 8 pixels.

    Raises:
        EcgError: With the code ``too_small`` or ``no_grid``.
    """
    if min(page.shape[:2]) < MIN_SIDE:
        raise _error(name, f"{page.shape[1]} x {page.shape[0]} px", "too small", "too_small")
    working = line_tone(page)
    waves = find_waves(working.tone)
    centre = np.array(working.tone.shape[::-1]) / 2
    coarse, agreeing = fit_homography(waves, centre)
    lattice = refine(working.tone, coarse)
    if lattice is None:
        raise _error(name, "", "no grid", "no_grid")
    return _warp(page, lattice, working.to_page)


def _warp(page: NDArray[np.uint8], lattice: Lattice, to_page: NDArray[np.float64]) -> RectifiedPage:
    """Warp a page to its grid, by a perspective alone where the sheet is flat."""
    import cv2

    first, size = _window(page.shape, lattice.to_mm @ np.linalg.inv(to_page), lattice)
    to_mm = np.array([[1 / PIXELS_PER_MM, 0, first[0]], [0, 1 / PIXELS_PER_MM, first[1]], [0, 0, 1]])
    back = to_page @ np.linalg.inv(lattice.to_mm) @ to_mm
    curl = None
    shape = [side * TILE_MM * PIXELS_PER_MM for side in size]
    if np.percentile(np.linalg.norm(lattice.curl[lattice.coherence > 0], axis=1), 90) < FLAT_MM[lattice.finest_mm]:
        how = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        pixels = cv2.warpPerspective(page, back, shape, flags=how, borderValue=OUTSIDE)
    else:
        # one node a millimetre, in the middle of its 8 x 8 pixels
        middle = (PIXELS_PER_MM - 1) / 2
        bent = lattice.sheet(first + middle / PIXELS_PER_MM, size, 1) * to_page[0, 0] + to_page[0, 2]
        nodes = np.array([[PIXELS_PER_MM, 0, middle], [0, PIXELS_PER_MM, middle], [0, 0, 1]])
        coarse = (bent - _perspective(back @ nodes, (bent.shape[0], bent.shape[1]))).astype(np.float32)
        curl = np.asarray(cv2.resize(coarse, shape, interpolation=cv2.INTER_LINEAR), np.float32)
        place = _perspective(back, (shape[1], shape[0])) + curl
        pixels = cv2.remap(page, place, None, cv2.INTER_LINEAR, borderValue=OUTSIDE)  # type: ignore[call-overload]
    return RectifiedPage(np.asarray(pixels, np.uint8), back, curl=curl)


def _perspective(matrix: NDArray[np.float64], shape: tuple[int, int]) -> NDArray[np.float32]:
    """Apply a homography to every pixel of a picture: [h, w, 2] float32."""
    import cv2

    x, y = (np.arange(length, dtype=np.float32) for length in (shape[1], shape[0]))
    rows = (matrix / matrix[2, 2]).astype(np.float32)
    across, down, depth = (row[0] * x[None] + (row[1] * y + row[2])[:, None] for row in rows)
    return np.asarray(cv2.merge([across / depth, down / depth]), np.float32)


def _window(
    shape: tuple[int, ...], to_mm: NDArray[np.float64], lattice: Lattice
) -> tuple[NDArray[np.float64], tuple[int, int]]:
    """Corner in mm and number of tiles of the part to keep: the grid and a margin, within the page."""
    height, width = shape[:2]
    corners = np.array([[0, 0, 1], [width, 0, 1], [width, height, 1], [0, height, 1]], float) @ to_mm.T
    corners = corners[:, :2] / corners[:, 2:]
    low, high = lattice.box_mm
    first = np.floor(np.maximum(low - MARGIN_MM, corners.min(axis=0)) / TILE_MM)
    last = np.ceil(np.minimum(high + MARGIN_MM, corners.max(axis=0)) / TILE_MM)
    across, down = (last - first).astype(int).tolist()
    return first * TILE_MM, (across, down)


def _error(name: str, value: str, rule: str, code: str) -> EcgError:
    return EcgError(_HEADLINE, [Issue(name, "", value, rule, "take a sharper picture", code)])
