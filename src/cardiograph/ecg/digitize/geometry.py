"""Rectify a photograph or scan of ECG paper: upright, flat, and 8 pixels per millimetre."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cardiograph.ecg.digitize.flatten import Lattice, refine
from cardiograph.ecg.digitize.lattice import find_waves, fit_homography
from cardiograph.ecg.digitize.line_tone import line_tone
from cardiograph.ecg.digitize.rectified import PIXELS_PER_MM, RectifiedPage
from cardiograph.errors import EcgError, Issue

MIN_SIDE = 200
"""Shortest side of a page, pixels."""

MARGIN_MM = 40
"""Paper beyond the grid that is kept: header, footer and lead names."""

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
    to_mm = lattice.to_mm @ np.linalg.inv(working.to_page)
    return _warp(page, to_mm, lattice)


def _warp(page: NDArray[np.uint8], to_mm: NDArray[np.float64], lattice: Lattice) -> RectifiedPage:
    import cv2

    first, last = _window(page.shape, to_mm, lattice)
    to_pixels = np.array(
        [[PIXELS_PER_MM, 0, -first[0] * PIXELS_PER_MM], [0, PIXELS_PER_MM, -first[1] * PIXELS_PER_MM], [0, 0, 1]]
    )
    forward = to_pixels @ to_mm
    size = ((last - first) * PIXELS_PER_MM).astype(int).tolist()
    pixels = cv2.warpPerspective(page, forward, size, flags=cv2.INTER_LINEAR, borderValue=(255, 255, 255))
    return RectifiedPage(np.asarray(pixels, np.uint8), np.linalg.inv(forward))


def _window(
    shape: tuple[int, ...], to_mm: NDArray[np.float64], lattice: Lattice
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """First and last place in mm (multiples of 5) of the part to keep: the grid and a margin, within the page."""
    height, width = shape[:2]
    corners = np.array([[0, 0, 1], [width, 0, 1], [width, height, 1], [0, height, 1]], float) @ to_mm.T
    corners = corners[:, :2] / corners[:, 2:]
    first = np.maximum(lattice.places.min(axis=0) - MARGIN_MM, corners.min(axis=0))
    last = np.minimum(lattice.places.max(axis=0) + MARGIN_MM, corners.max(axis=0))
    return 5 * np.floor(first / 5), 5 * np.ceil(last / 5)


def _error(name: str, value: str, rule: str, code: str) -> EcgError:
    return EcgError(_HEADLINE, [Issue(name, "", value, rule, "take a sharper picture", code)])
