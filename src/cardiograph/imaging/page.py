"""Which part of a page the encoder sees: the area with the ECG grid, the whole page, or a fixed box."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cardiograph.config import PagesConfig
from cardiograph.errors import Issue, PageError

PAGE_VERSION = "1"
"""Part of the encoder fingerprint: changes whenever the same page gives another view."""

WORKING_SIDE = 1100
"""Longer side in pixels of the copy on which the grid is sought; 1 mm of a full page is then about 4 pixels."""

MIN_SHARE = 0.08
"""Smallest share of the page that a grid covers."""

MAX_SLOPE = 0.05
"""Steepest edge that is still followed: a page turned by 3 degrees."""

REDUCTION = 4
"""The working copy is reduced by this factor once more where only areas matter."""

MIN_PEAK = 0.1
"""Smallest rise of the autocorrelation at the period of the grid."""

_HEADLINE = "The view of a page cannot be used."

Channel = NDArray[np.float32]
"""[h, w] float32, one channel of the working copy."""


@dataclass(frozen=True)
class Box:
    """A rectangle in pixels; ``right`` and ``bottom`` are the first column and row outside."""

    left: int
    top: int
    right: int
    bottom: int

    @property
    def width(self) -> int:
        """In pixels."""
        return self.right - self.left

    @property
    def height(self) -> int:
        """In pixels."""
        return self.bottom - self.top


def select_view(pixels: NDArray[np.uint8], config: PagesConfig) -> tuple[Box, NDArray[np.uint8]]:
    """The part of a page that the configuration asks for.

    Args:
        pixels: [h, w, 3] RGB.
        config: ``view`` is ``grid``, ``whole`` or ``box``.

    Returns:
        The box, and a view of the pixels inside it.

    Raises:
        PageError: No grid was found (``no_grid``), or the box reaches beyond the page (``box_outside``).
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
    """The pixels inside ``box``.

    Raises:
        PageError: The box is empty or reaches beyond the page.
    """
    height, width = pixels.shape[:2]
    if not (0 <= box.left < box.right <= width and 0 <= box.top < box.bottom <= height):
        value = f"box {box.left}, {box.top}, {box.right}, {box.bottom}"
        rule = f"a box is left, top, right, bottom within 0, 0, {width}, {height} px"
        raise PageError(_HEADLINE, [Issue("page", "", value, rule, "correct pages.box", "box_outside")])
    return pixels[box.top : box.bottom, box.left : box.right]


def find_grid(pixels: NDArray[np.uint8]) -> Box:
    """Find the upright box round the ECG grid.

    The grid is where the paper between the traces is finely and evenly textured: ink is masked, the local contrast of the
    rest is averaged, split in two classes, and the largest solid area taken; it must repeat itself along both axes.
    Its edges are then followed by straight lines, so that a page turned by a degree or two is framed whole.

    Args:
        pixels: [h, w, 3] RGB. Lines or dots of any colour paler than the traces; slight blur, tint and turn.

    Returns:
        The box in pixels of the page.

    Raises:
        PageError: Code ``no_grid``.
    """
    import cv2

    height, width = pixels.shape[:2]
    scale = min(1.0, WORKING_SIDE / max(height, width))
    if scale < 1:
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        pixels = cv2.resize(np.ascontiguousarray(pixels), size, interpolation=cv2.INTER_AREA)
    red, green, blue = cv2.split(np.ascontiguousarray(pixels))
    tone = cv2.min(cv2.min(red, green), blue).astype(np.float32)
    paper = _paper_mask(cv2.max(cv2.max(red, green), blue))
    rough = _solid_area(tone, paper)
    if rough is None or not _repeats(tone, paper, rough):
        rule = "the trace area is found by its printed grid"
        remedy = "use `--page whole`, or give pages.box (left, top, right, bottom)"
        raise PageError(_HEADLINE, [Issue("page", "", "without an ECG grid", rule, remedy, "no_grid")])
    left, top, right, bottom = _edges(tone, paper, rough)
    return Box(
        max(0, round(left / scale)),
        max(0, round(top / scale)),
        min(width, round(right / scale)),
        min(height, round(bottom / scale)),
    )


def _paper_mask(brightest: NDArray[np.uint8]) -> Channel:
    """1 on paper and grid, 0 on ink and within three pixels of it; ink is dark in every channel, a grid is not."""
    import cv2

    dark, paper = np.percentile(brightest[::3, ::3], [0.2, 50])
    ink = brightest < min(dark + 0.5 * (paper - dark), 0.6 * paper)
    return np.asarray(1 - cv2.dilate(ink.astype(np.uint8), np.ones((7, 7), np.uint8)), np.float32)


def _mean(values: Channel, weights: Channel, side: int) -> Channel:
    """Weighted mean over a square window; 0 where nothing weighs."""
    import cv2

    window = (side | 1, side | 1)
    total = cv2.max(cv2.blur(weights, window), 1e-3)
    return np.asarray(cv2.divide(cv2.blur(cv2.multiply(values, weights), window), total), np.float32)


def _local_contrast(tone: Channel, paper: Channel) -> Channel:
    """Mean deviation of the paper from its surroundings, on a copy reduced by ``REDUCTION``."""
    import cv2

    deviation = cv2.multiply(cv2.absdiff(tone, _mean(tone, paper, max(tone.shape) // 60)), paper)
    size = (max(1, tone.shape[1] // REDUCTION), max(1, tone.shape[0] // REDUCTION))
    weights = cv2.resize(paper, size, interpolation=cv2.INTER_AREA)
    amount = cv2.resize(deviation, size, interpolation=cv2.INTER_AREA)
    return _mean(cv2.divide(amount, cv2.max(weights, 1e-3)), weights, max(size) // 36)


def _solid_area(tone: Channel, paper: Channel) -> tuple[int, int, int, int] | None:
    """Left, top, right, bottom of the largest area of high contrast, narrow strips removed."""
    import cv2

    contrast = _local_contrast(tone, paper)
    threshold = _two_classes(contrast.ravel())
    if threshold is None:
        return None
    side = max(contrast.shape)
    # a frame of nothing round the picture, so that closing and opening treat its borders as any other place
    textured = np.pad((contrast > threshold).astype(np.uint8), side // 10)
    textured = cv2.morphologyEx(textured, cv2.MORPH_CLOSE, np.ones((side // 40, side // 40), np.uint8))
    textured = cv2.morphologyEx(textured, cv2.MORPH_OPEN, np.ones((side // 14, side // 14), np.uint8))
    _, _, stats, _ = cv2.connectedComponentsWithStats(textured)
    if len(stats) < 2:
        return None
    left, top, width, height, area = (int(value) for value in max(stats[1:], key=lambda row: row[4]))
    if area < MIN_SHARE * contrast.size or area < 0.7 * width * height:
        return None
    left, top = left - side // 10, top - side // 10
    grown = [REDUCTION * edge for edge in (left, top, left + width, top + height)]
    return grown[0], grown[1], min(grown[2], tone.shape[1]), min(grown[3], tone.shape[0])


def _two_classes(values: Channel) -> float | None:
    """The level between margin and grid by two-means; half the mean where the page is all grid."""
    low, high = (float(level) for level in np.percentile(values, [2, 90]))
    for _ in range(12):
        above = values > (low + high) / 2
        if above.all() or not above.any():
            break
        low, high = float(values[~above].mean()), float(values[above].mean())
    if high < 0.8:  # grey levels: less is the noise of plain paper
        return None
    return high / 2 if high < 1.8 * low else (low + high) / 2


def _repeats(tone: Channel, paper: Channel, area: tuple[int, int, int, int]) -> bool:
    """Whether most parts of the area repeat themselves along both axes, as lines or dots do and photographs don't."""
    left, top, right, bottom = area
    side = max(32, max(tone.shape) // 7)
    flat = (tone - _mean(tone, paper, max(tone.shape) // 30)) * paper
    votes = []
    for y in np.linspace(top, max(top, bottom - side), 2).astype(int):
        for x in np.linspace(left, max(left, right - side), 4).astype(int):
            votes.append(_repeats_both_ways(flat[y : min(y + side, bottom), x : min(x + side, right)]))
    return float(np.mean(votes)) >= 0.5


def _repeats_both_ways(tile: Channel) -> bool:
    correlation = np.fft.irfft2(np.abs(np.fft.rfft2(tile)) ** 2, s=tile.shape)
    if correlation[0, 0] <= 0:
        return False
    correlation = correlation / correlation[0, 0]
    return all(_peak(table) > MIN_PEAK for table in (correlation, correlation.T))


def _peak(correlation: Channel) -> float:
    """How far the correlation along the first row rises again after it fell; the row may lean by ``MAX_SLOPE``."""
    lags = np.arange(1, correlation.shape[1] // 2)
    shifts = np.arange(-3, 4)[:, None]
    near = np.where(np.abs(shifts) > 1 + MAX_SLOPE * lags, -1, correlation[shifts, lags])
    along = near.max(axis=0)
    return float(np.max(along - np.minimum.accumulate(along)))


def _edges(tone: Channel, paper: Channel, area: tuple[int, int, int, int]) -> tuple[float, float, float, float]:
    """Left, top, right, bottom of the upright box round the four fitted edges."""
    left, top, right, bottom = area
    height, width = tone.shape
    first = _edge(tone, paper, (left, top, bottom))
    above = _edge(tone.T, paper.T, (top, left, right))
    last = width - _edge(tone[:, ::-1], paper[:, ::-1], (width - right, top, bottom))
    below = height - _edge(tone[::-1].T, paper[::-1].T, (height - bottom, left, right))
    return first, above, last, below


def _edge(tone: Channel, paper: Channel, place: tuple[int, int, int]) -> float:
    """The outermost column of the grid's left edge, which runs near column ``place[0]`` from row to row."""
    rough, top, bottom = place
    reach = max(8, max(tone.shape) // 28)
    begin, end = max(0, rough - reach), min(tone.shape[1], rough + 2 * reach)
    rows, columns = [], []
    for upper, lower in _strips(top, bottom):
        weights = paper[upper:lower, begin:end]
        total = weights.sum(axis=0)
        # darkness against the brightest paper near by, on average over the strip
        part = tone[upper:lower, begin:end]
        darkness = (np.percentile(part, 90) - part) * weights
        profile = np.where(total > 0.2 * len(weights), darkness.sum(axis=0) / np.maximum(total, 1), np.nan)
        column = _first_rise(profile, reach)
        if column is not None:
            rows.append((upper + lower) / 2)
            columns.append(begin + column)
    if len(rows) < 4:
        return float(rough)
    return _outermost(np.array(rows), np.array(columns), (top, bottom))


def _strips(top: int, bottom: int) -> list[tuple[int, int]]:
    inset = (bottom - top) // 20
    bounds = np.linspace(top + inset, bottom - inset, 17).astype(int)
    return list(zip(bounds[:-1].tolist(), bounds[1:].tolist(), strict=True))


def _first_rise(profile: Channel, reach: int) -> float | None:
    """Where margin turns into grid: the cut that leaves the smallest squared error to one level on each side."""
    known = ~np.isnan(profile)
    if known[:reach].sum() < 3 or known[-reach:].sum() < 3:
        return None
    outside = float(np.nanpercentile(profile[:reach], 20))
    inside = float(np.nanmean(profile[-reach:]))
    if not inside > outside:
        return None
    # above the level of the grid all is alike: a strong frame or a smear of text must not outweigh the rest
    levels = np.where(known, np.clip(profile, outside, inside), (outside + inside) / 2)
    gain = np.cumsum(levels - (outside + inside) / 2)
    return float(np.argmin(np.concatenate([[0.0], gain])))


def _outermost(rows: NDArray[np.float64], columns: NDArray[np.float64], span: tuple[int, int]) -> float:
    """Smallest column of the robust line through the points. Source: Theil 1950, Sen 1968 (median of slopes)."""
    first, second = np.triu_indices(len(rows), 1)
    slope = float(np.median((columns[second] - columns[first]) / (rows[second] - rows[first])))
    slope = float(np.clip(slope, -MAX_SLOPE, MAX_SLOPE))
    offset = float(np.median(columns - slope * rows))
    return min(offset + slope * span[0], offset + slope * span[1])
