"""Rectify a photograph or scan of ECG paper: upright, flat, and 8 pixels per millimetre."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from cardiograph.ecg.digitize.flatten import TILE_MM, Lattice, refine
from cardiograph.ecg.digitize.lattice import find_waves, fit_homography
from cardiograph.ecg.digitize.line_tone import LineTone, line_tone
from cardiograph.ecg.digitize.orientation import upright
from cardiograph.ecg.digitize.rectified import PIXELS_PER_MM, RectifiedPage
from cardiograph.errors import EcgError, Issue

MIN_SIDE = 200
"""Shortest side of a page, pixels."""

MARGIN_MM = 40
"""Paper beyond the grid that is kept: header, footer and lead names."""

OUTSIDE = (0, 0, 0)
"""Colour beyond the edge of the picture; on black ground, no ink is found."""

MIN_PATCHES, MIN_AGREEING = 5, 0.2
"""Parts of the picture whose lines agree with one perspective: number, and share of all parts."""

MIN_AREA_MM2 = 3000
"""Smallest box around the grid; a rhythm strip of 5 s is 125 x 25 mm."""

MIN_FILLED = {1: 0.6, 5: 0.4}
"""Share of the box in which the grid must be seen, by the distance of the finest lines in mm."""

FEW_COVERED, WELL_FILLED = 0.35, 0.9
"""Share of the picture that the grid covers, and of its box that it fills, below which ink may hide a part of it."""

AS_LARGE = 0.9
"""Area in which a second grid is seen at least, relative to that of the first one."""

MAX_BLUR_MM = 0.5
"""Standard deviation of the blur of strokes above which the waves of an ECG run together."""

MIN_CONTRAST, EMPTY = 10.0, 1.0
"""Least darkness of strokes in grey levels; below the second value the picture is empty rather than blurred."""

COARSE_NOTE = "Only lines 5 mm apart were found on the paper; the scale rests on them."

_HEADLINE = "The page cannot be digitised."


def rectify(page: NDArray[np.uint8], *, name: str = "page") -> RectifiedPage:
    """Find the grid of a page and warp the page so that its grid is straight and has a fixed scale.

    Args:
        page: [h, w, 3] uint8 RGB; up to 45 degrees from any of the four ways it may lie.
        name: Name of the page in error messages.

    Returns:
        The page with grid lines 8 pixels apart, the right way up as far as the traces tell; see its notes.

    Raises:
        EcgError: With the code ``too_small``, ``too_blurred`` or ``no_grid``.
    """
    height, width = page.shape[:2]
    if min(height, width) < MIN_SIDE:
        rule = f"a page needs at least {MIN_SIDE} px on its shorter side"
        raise _error(name, f"{width} x {height} px", rule, "scan it at 150 dpi or more", "too_small")
    working = line_tone(page)
    lattice, agreeing = _find_lattice(working)
    if not _is_seen_well(lattice, working.tone.shape):
        other, _ = _find_lattice(line_tone(page, without_ink=True))
        lattice = _better(lattice, other)
    _check_sharp(working, lattice, name)
    if lattice is None or not _is_grid(lattice):
        raise _no_grid(name, agreeing)
    first, size = _window(page.shape, lattice.to_mm @ np.linalg.inv(working.to_page), lattice)
    low, high = ((place - first) * PIXELS_PER_MM for place in lattice.box_mm)
    box = np.clip(np.append(low, high), 0, np.tile(size, 2) * TILE_MM * PIXELS_PER_MM).astype(int)
    left, top, right, bottom = box.tolist()
    return upright(replace(_warp(page, lattice, working.to_page, first, size), grid=(left, top, right, bottom)))


def _find_lattice(working: LineTone) -> tuple[Lattice | None, float]:
    """Find the grid; return it, and the share of the parts of the picture whose lines agree with one perspective."""
    waves = find_waves(working.tone)
    coarse, agreeing = fit_homography(waves, np.array(working.tone.shape[::-1]) / 2)
    enough = agreeing.sum() >= MIN_PATCHES and agreeing.mean() >= MIN_AGREEING
    return refine(working.tone, coarse) if enough else None, float(agreeing.mean())


def _is_grid(lattice: Lattice | None) -> bool:
    """Return whether lines fill enough of the box around them."""
    if lattice is None:
        return False
    return lattice.area_mm2 >= MIN_AREA_MM2 and lattice.filled >= MIN_FILLED[lattice.finest_mm]


def _is_seen_well(lattice: Lattice | None, shape: tuple[int, ...]) -> bool:
    """Return whether lines of 1 mm fill the box around them, and this box enough of the picture."""
    if lattice is None or lattice.finest_mm > 1 or lattice.filled < WELL_FILLED:
        return False
    return lattice.area_mm2 / lattice.mm_per_pixel**2 >= FEW_COVERED * float(np.prod(shape))


def _better(one: Lattice | None, other: Lattice | None) -> Lattice | None:
    """Return the grid that is seen in more places, of those that fill their box; never a smaller part of the page."""
    if other is None or not _is_grid(other):
        return one
    if one is None or not _is_grid(one):
        return other
    as_large = other.filled * other.area_mm2 > AS_LARGE * one.filled * one.area_mm2
    return other if as_large and other.merit > one.merit else one


def _warp(
    page: NDArray[np.uint8],
    lattice: Lattice,
    to_page: NDArray[np.float64],
    first: NDArray[np.float64],
    size: tuple[int, int],
) -> RectifiedPage:
    """Warp a page to its grid, by a perspective alone where the sheet is flat."""
    import cv2

    to_mm = np.array([[1 / PIXELS_PER_MM, 0, first[0]], [0, 1 / PIXELS_PER_MM, first[1]], [0, 0, 1]])
    back = to_page @ np.linalg.inv(lattice.to_mm) @ to_mm
    curl = None
    shape = [side * TILE_MM * PIXELS_PER_MM for side in size]
    if lattice.flat:
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
    notes = () if lattice.finest_mm == 1 else (COARSE_NOTE,)
    confidence = min(1.0, lattice.filled) * (1.0 if lattice.finest_mm == 1 else 0.7)
    return RectifiedPage(np.asarray(pixels, np.uint8), back, confidence=confidence, notes=notes, curl=curl)


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


def _no_grid(name: str, agreeing: float) -> EcgError:
    value = f"an evenly spaced grid in {agreeing:.0%} of its parts"
    rule = f"the scale is measured on the grid of ECG paper, which must fill {MIN_AGREEING:.0%} or more of the picture"
    remedy = "give a picture in colour or grey on which the millimetre grid shows, without much around it"
    return _error(name, value, rule, remedy, "no_grid")


def _check_sharp(working: LineTone, lattice: Lattice | None, name: str) -> None:
    """Raise ``too_blurred`` if strokes are as wide as the squares of the grid, or hardly darker than the paper."""
    width_mm = 0.0 if lattice is None else working.blur * lattice.mm_per_pixel
    if width_mm <= MAX_BLUR_MM and (working.contrast >= MIN_CONTRAST or working.contrast < EMPTY):
        return
    value = f"{working.contrast:.0f} grey levels in its darkest lines"
    if width_mm > MAX_BLUR_MM:
        value = f"blurred over {2 * width_mm:.1f} mm of the paper"
    rule = (
        f"lines must be sharp to {2 * MAX_BLUR_MM:g} mm and at least {MIN_CONTRAST:g} grey levels darker than the paper"
    )
    raise _error(name, value, rule, "take the picture again in better focus and light, or scan the page", "too_blurred")


def _error(name: str, value: str, rule: str, remedy: str, code: str) -> EcgError:
    return EcgError(_HEADLINE, [Issue(f"page {name}", "", value, rule, remedy, code)])
