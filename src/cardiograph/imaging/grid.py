"""Select the view of a page: the part that the encoder sees.

The setting ``pages.view`` chooses the view: the area of the printed ECG grid (``grid``, the default), the whole page
(``whole``), or a fixed rectangle (``box``).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cardiograph.config_reading import PagesConfig
from cardiograph.errors import Issue, PageError
from cardiograph.imaging.hashing import percentiles

PAGE_VERSION = "1"
"""Version of the view, part of the encoder fingerprint; it changes whenever the same page gives another view."""

WORKING_SIDE = 1100
"""Longer side in pixels of the working copy, on which the grid is searched; 1 mm of a full page is about 4 pixels."""

MAX_AVERAGED_SCALE = 0.8
"""Scale below which pixels are averaged; above it, bilinear interpolation suffices at an eighth of the cost."""

PIXELS_PER_MM = 4
"""Pixels per millimetre on the working copy of a full page."""

MIN_SHARE = 0.08
"""Smallest share of the page that a grid has to cover."""

MAX_SLOPE = 0.05
"""Largest slope of a grid edge: a page rotated by 3 degrees."""

REDUCTION = 4
"""Further reduction of the working copy for steps that look at areas only."""

MIN_PEAK = 0.15
"""Smallest rise of the autocorrelation at the period of a grid."""

_HEADLINE = "The selected part of a page cannot be used."

Channel = NDArray[np.uint8]
"""[h, w] uint8 on the working copy: a tone 0..255, or a mask of 0 and 1."""


@dataclass(frozen=True)
class Box:
    """Rectangle on a page, in pixels.

    Args:
        left: First column inside.
        top: First row inside.
        right: First column outside, to the right.
        bottom: First row outside, below.
    """

    left: int
    top: int
    right: int
    bottom: int

    @property
    def width(self) -> int:
        """Width in pixels."""
        return self.right - self.left

    @property
    def height(self) -> int:
        """Height in pixels."""
        return self.bottom - self.top


def select_view(pixels: NDArray[np.uint8], config: PagesConfig) -> tuple[Box, NDArray[np.uint8]]:
    """Select the configured view of a page.

    Args:
        pixels: [h, w, 3] uint8 RGB of the whole page.
        config: Page settings; ``view`` is ``grid``, ``whole`` or ``box``.

    Returns:
        The box on the page, and its pixels [h, w, 3] (a slice of ``pixels``, not a copy).

    Raises:
        PageError: If no grid is found (code ``no_grid``) or the box reaches beyond the page (``box_outside``).
    """
    height, width = pixels.shape[:2]
    if config.view == "grid":
        box = find_grid(pixels)
    elif config.box is None:
        box = Box(0, 0, width, height)
    else:
        box = Box(*config.box)
    return box, crop(pixels, box)


def crop(pixels: NDArray[np.uint8], box: Box) -> NDArray[np.uint8]:
    """Return the pixels inside a box.

    Args:
        pixels: [h, w, 3] uint8 RGB.
        box: Rectangle in pixels.

    Raises:
        PageError: If the box is empty or reaches beyond the page (code ``box_outside``).
    """
    height, width = pixels.shape[:2]
    if not (0 <= box.left < box.right <= width and 0 <= box.top < box.bottom <= height):
        value = f"box {box.left}, {box.top}, {box.right}, {box.bottom}"
        rule = f"a box is left, top, right, bottom within 0, 0, {width}, {height} px"
        raise PageError(_HEADLINE, [Issue("page", "", value, rule, "correct pages.box", "box_outside")])
    return pixels[box.top : box.bottom, box.left : box.right]


def find_grid(pixels: NDArray[np.uint8]) -> Box:
    """Find the bounding box of the ECG grid.

    The grid is the area where the paper between the traces has a fine, even texture. Ink is masked, the local contrast
    of the remaining paper is averaged and split into two classes, and the largest solid area is taken; it has to be
    periodic along both axes. Straight lines are then fitted to its edges, so that the box contains the whole grid of a
    page that is rotated by a degree or two.

    Args:
        pixels: [h, w, 3] uint8 RGB. Grid lines or dots may have any colour paler than the traces; slight blur, tint and
            rotation are allowed.

    Returns:
        The box in pixels of the page.

    Raises:
        PageError: If there is no grid (code ``no_grid``).
    """
    import cv2

    height, width = pixels.shape[:2]
    scale = min(1.0, WORKING_SIDE / max(height, width))
    if scale < 1:
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        method = cv2.INTER_AREA if scale < MAX_AVERAGED_SCALE else cv2.INTER_LINEAR
        reduced = cv2.resize(np.ascontiguousarray(pixels), size, interpolation=method)
        pixels = np.asarray(reduced, np.uint8)
    red, green, blue = cv2.split(np.ascontiguousarray(pixels))
    ink = _ink_mask(np.asarray(cv2.max(cv2.max(red, green), blue), np.uint8))
    tone = _without_ink(np.asarray(cv2.min(cv2.min(red, green), blue), np.uint8), ink)
    rough = _grid_area(tone, ink)
    if rough is None:
        rule = "the trace area is found by its printed grid"
        remedy = (
            "scan or export it in grey or colour, so that the grid shows; a model of the pictures of whole pages, made "
            "by `cardiograph run COHORT --encoder resnet18-ecg --page whole`, needs none"
        )
        raise PageError(_HEADLINE, [Issue("page", "", "without an ECG grid", rule, remedy, "no_grid")])
    left, top, right, bottom = _edges(tone, ink, rough)
    return Box(
        max(0, round(left / scale)),
        max(0, round(top / scale)),
        min(width, round(right / scale)),
        min(height, round(bottom / scale)),
    )


def _ink_mask(brightest: Channel) -> Channel:
    """Return a mask of ink and three pixels around it; ink is dark in every channel, a grid is not."""
    import cv2

    dark, paper = percentiles(brightest[::3, ::3], 0.2, 50)
    ink = np.asarray(brightest < math.ceil(min(dark + 0.58 * (paper - dark), 0.62 * paper)))
    return np.asarray(cv2.dilate(ink.view(np.uint8), np.ones((7, 7), np.uint8)), np.uint8)


def _without_ink(tone: Channel, ink: Channel) -> Channel:
    """Replace ink by the brightest tone of the paper nearby."""
    import cv2

    paper = cv2.dilate(tone * (1 - ink), np.ones((15, 15), np.uint8))
    return np.asarray(cv2.copyTo(paper, ink, tone.copy()), np.uint8)


def _local_contrast(tone: Channel, ink: Channel) -> NDArray[np.float32]:
    """Return the mean deviation of the paper from its surroundings, on a copy reduced by ``REDUCTION``."""
    import cv2

    wide = max(tone.shape) // 60 | 1
    paper = 1 - ink
    deviation = np.asarray(cv2.absdiff(tone, cv2.blur(tone, (wide, wide))), np.uint8) * paper
    width, height = tone.shape[1] // REDUCTION, tone.shape[0] // REDUCTION
    whole = np.s_[: height * REDUCTION, : width * REDUCTION]
    reduced = [
        cv2.resize(part[whole].astype(np.float32), (width, height), interpolation=cv2.INTER_AREA)
        for part in (deviation, paper)
    ]
    side = max(width, height) // 36 | 1
    amount, weight = (cv2.blur(part, (side, side)) for part in reduced)
    return np.asarray(amount / np.maximum(weight, 1e-3), np.float32)


def _grid_area(tone: Channel, ink: Channel) -> tuple[int, int, int, int] | None:
    """Return the approximate left, top, right and bottom of the grid, or None if nothing looks like a grid."""
    contrast = _local_contrast(tone, ink)
    for share in (25, 5):  # least share of the page in per cent that the grid covers
        threshold = _two_classes(contrast, 100 - share)
        area = None if threshold is None else _solid_area(contrast > threshold)
        if area is not None:
            left, top, right, bottom = (REDUCTION * edge for edge in area)
            area = left, top, min(right, tone.shape[1]), min(bottom, tone.shape[0])
            if _repeats(tone, area):
                return area
    return None


def _two_classes(contrast: NDArray[np.float32], percentile: float) -> float | None:
    """Return the contrast level between margin and grid, by two-means on the logarithm.

    If the whole page is grid, the level is half the mean contrast. Contrast far above ``percentile``, as of text or a
    frame, is limited, so that it counts as grid.
    """
    values = np.log(np.maximum(contrast, 0.05))
    low, high = (float(level) for level in np.percentile(values, [2, percentile]))
    values = np.minimum(values, high + np.log(1.3))
    for _ in range(12):
        above = values > (low + high) / 2
        if above.all() or not above.any():
            break
        before, low, high = (low, high), float(values[~above].mean()), float(values[above].mean())
        if (low, high) == before:
            break
    if high < np.log(0.8):  # in grey levels: less is the noise of plain paper
        return None
    return float(np.exp(high)) / 2 if high - low < np.log(2) else float(np.exp((low + high) / 2))


def _solid_area(textured: NDArray[np.bool_]) -> tuple[int, int, int, int] | None:
    """Return left, top, right and bottom of the largest textured area, without narrow strips and attached text."""
    import cv2

    side = max(textured.shape)
    border = side // 10
    # an empty border, so that closing and opening treat the edges of the image like its interior
    solid = np.pad(textured.astype(np.uint8), border)
    closed = cv2.morphologyEx(solid, cv2.MORPH_CLOSE, np.ones((side // 40 + 1, side // 40 + 1), np.uint8))
    opened = cv2.morphologyEx(closed, cv2.MORPH_OPEN, np.ones((side // 14 + 1, side // 14 + 1), np.uint8))
    count, labels = cv2.connectedComponents(opened)
    if count < 2:
        return None
    largest = labels == 1 + int(np.argmax(np.bincount(labels.ravel())[1:]))
    rows, columns = (_extent(largest.sum(axis=axis)) for axis in (1, 0))
    inside = largest[slice(*rows), slice(*columns)]
    if inside.size < MIN_SHARE * textured.size or inside.mean() < 0.8:
        return None
    left, top = max(0, columns[0] - border), max(0, rows[0] - border)
    return left, top, columns[1] - border, rows[1] - border


def _extent(amounts: NDArray[np.int64]) -> tuple[int, int]:
    """Return the range of positions from the first to the last with more than half of the maximum."""
    full = np.flatnonzero(amounts > 0.5 * amounts.max())
    return int(full[0]), int(full[-1]) + 1


def _repeats(tone: Channel, area: tuple[int, int, int, int]) -> bool:
    """Return whether the area is periodic along both axes, as lines or dots are and photographs are not.

    The autocorrelation is averaged over tiles: a grid has the same peaks in each tile, other textures have random ones.
    """
    import cv2

    left, top, right, bottom = area
    side = max(32, max(tone.shape) // 7 // 32 * 32)
    if min(right - left, bottom - top) < side:
        return False
    wide = max(tone.shape) // 30 | 1
    flat = np.asarray(cv2.subtract(tone, cv2.blur(tone, (wide, wide)), dtype=cv2.CV_32F), np.float32)
    power = np.zeros((side, side), np.float32)
    for y in np.linspace(top, bottom - side, 3).astype(int):
        for x in np.linspace(left, right - side, 4).astype(int):
            real, imaginary = cv2.split(cv2.dft(flat[y : y + side, x : x + side], flags=cv2.DFT_COMPLEX_OUTPUT))
            power += real * real + imaginary * imaginary
    correlation = np.asarray(cv2.dft(power, flags=cv2.DFT_INVERSE), np.float32)  # real, because power is even
    correlation /= max(float(correlation[0, 0]), 1e-6)
    return min(_peak(correlation), _peak(correlation.T)) > MIN_PEAK


def _peak(correlation: NDArray[np.float32]) -> float:
    """Return the rise of the correlation along the first row after its fall; the row may slope by ``MAX_SLOPE``."""
    lags = np.arange(1, correlation.shape[1] // 2)
    shifts = np.arange(-3, 4)[:, None]
    near = np.where(np.abs(shifts) > 1 + MAX_SLOPE * lags, -1, correlation[shifts, lags])
    along = near.max(axis=0)
    return float(np.max(along - np.minimum.accumulate(along)))


def _edges(tone: Channel, ink: Channel, area: tuple[int, int, int, int]) -> tuple[float, float, float, float]:
    """Return left, top, right and bottom of the bounding box of the four fitted edges."""
    import cv2

    inner, reach = tone, max(8, max(tone.shape) // 28)
    # a margin as bright as the nearest paper also gives an edge to a grid that runs off the page
    bright = cv2.dilate(tone, np.ones((15, 15), np.uint8))
    tone = np.array(cv2.copyMakeBorder(bright, reach, reach, reach, reach, cv2.BORDER_REPLICATE), np.uint8)
    tone[reach:-reach, reach:-reach] = inner
    ink = np.pad(ink, reach)
    left, top, right, bottom = (edge + reach for edge in area)
    height, width = tone.shape
    first = _edge(tone, ink, (left, top, bottom), reach)
    above = _edge(tone.T, ink.T, (top, left, right), reach)
    last = width - _edge(tone[:, ::-1], ink[:, ::-1], (width - right, top, bottom), reach)
    below = height - _edge(tone[::-1].T, ink[::-1].T, (height - bottom, left, right), reach)
    return first - reach, above - reach, last - reach, below - reach


def _edge(tone: Channel, ink: Channel, place: tuple[int, int, int], reach: int) -> float:
    """Return the outermost column of the left edge, which is near column ``place[0]`` between rows ``place[1:]``."""
    rough, top, bottom = place
    begin, end = rough - reach, min(tone.shape[1], rough + 2 * reach)
    strips = _strips(top, bottom)
    shades = []
    for upper, lower in strips:
        paper = 1 - ink[upper:lower, begin:end]
        total = paper.sum(axis=0, dtype=np.float32)
        shade = -(tone[upper:lower, begin:end] * paper).sum(axis=0, dtype=np.float32) / np.maximum(total, 1)
        shades.append(np.where(total > 0.2 * len(paper), shade, np.nan))
    found = _first_rises(np.stack(shades).astype(np.float32), reach)
    known = ~np.isnan(found)
    rows = np.mean(strips, axis=1)[known]
    columns = begin + found[known]
    if len(rows) < 4:
        return float(rough)
    return _outermost(rows, columns, (top, bottom))


def _strips(top: int, bottom: int) -> list[tuple[int, int]]:
    inset = (bottom - top) // 20
    bounds = np.linspace(top + inset, bottom - inset, 17).astype(int)
    return list(zip(bounds[:-1].tolist(), bounds[1:].tolist(), strict=True))


def _first_rises(profiles: NDArray[np.float32], reach: int) -> NDArray[np.float64]:
    """Return the [strips] columns where the margin changes into the grid, NaN where no change is visible.

    The change is the cut with the smallest squared error to a constant level on each side.

    Args:
        profiles: [strips, columns] darkness of the paper, NaN where ink covers it.
        reach: Number of columns at the two ends that certainly are margin and certainly are grid.
    """
    seen = ~np.isnan(profiles)
    # between two grid lines keep the level of the preceding line, so that the grid has one level
    padded = np.pad(profiles, ((0, 0), (PIXELS_PER_MM, 0)), mode="edge")
    width = profiles.shape[1]
    levels = np.fmax.reduce([padded[:, shift : shift + width] for shift in range(PIXELS_PER_MM + 1)])
    outside = _lower_fifth(levels[:, :reach])
    last = levels[:, -reach:]
    inside = np.nansum(last, axis=1) / np.maximum((~np.isnan(last)).sum(axis=1), 1)
    usable = (seen[:, :reach].sum(axis=1) >= 3) & (seen[:, -reach:].sum(axis=1) >= 3) & (inside > outside)
    # clip at the level of the grid: a dark frame or blurred text must not outweigh the rest
    outside, inside = outside[:, None], inside[:, None]
    middle = (outside + inside) / 2
    known = np.where(np.isnan(levels), middle, levels)
    gain = np.cumsum(np.minimum(np.maximum(known, outside), inside) - middle, axis=1)
    cut = np.argmin(np.pad(gain, ((0, 0), (1, 0))), axis=1).astype(np.float64)
    return np.where(usable, cut, np.nan)


def _lower_fifth(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the [rows] 20th percentile of each row without its NaN; NaN for a row of NaN."""
    ordered = np.sort(values, axis=1)  # NaN comes last
    place = 0.2 * np.maximum((~np.isnan(values)).sum(axis=1) - 1, 0)
    low = place.astype(np.int64)
    high = np.minimum(low + 1, values.shape[1] - 1)
    rows = np.arange(len(values))
    share = (place - low).astype(np.float32)
    step = np.where(share > 0, ordered[rows, high] - ordered[rows, low], 0)
    return np.asarray(ordered[rows, low] + share * step, np.float32)


def _outermost(rows: NDArray[np.float64], columns: NDArray[np.float64], span: tuple[int, int]) -> float:
    """Return the smallest column on a robust line through the points.

    The line leaves a quarter of the points on its inner side instead of half, because text next to the grid shifts
    points outwards only. Source: Theil 1950, Sen 1968 (median of slopes).
    """
    first, second = np.triu_indices(len(rows), 1)
    slope = float(np.median((columns[second] - columns[first]) / (rows[second] - rows[first])))
    slope = float(np.clip(slope, -MAX_SLOPE, MAX_SLOPE))
    offset = float(np.percentile(columns - slope * rows, 75))
    return min(offset + slope * span[0], offset + slope * span[1])
