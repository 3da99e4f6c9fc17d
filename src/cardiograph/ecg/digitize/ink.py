"""Ink of a rectified page: which pixels are dark pen strokes, apart from grid, frames and separators."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cardiograph.ecg.digitize.calibration import MAX_WIDTH_MM, MIN_WIDTH_MM, Pulse
from cardiograph.ecg.digitize.rectified import PIXELS_PER_MM

Mask = NDArray[np.uint8]
"""[h, w] uint8, 0 or 1."""

Box = tuple[int, int, int, int]
"""Left, top, right and bottom, rectified pixels."""

FRAME_MM = 90.0
"""A perfectly straight horizontal line of this length is a frame or a rule, not a trace."""

AREA_MM = 4.0
"""Side of a square that neither a trace nor a letter fills."""

CELL, BLACK = 4, 25
"""Side of the cells in which the tone of the ground is measured, pixels; and tone of a ground on which no ink is seen."""

STROKE_MM = 3.5
"""Shortest vertical line that may be a separator or the side of a calibration pulse."""


SAME_GROUND, EDGE_IN = 0.75, 8
"""Brightness of the paper beside the grid, relative to the paper so many mm within its edge."""

LONG_STROKE_MM = 45.0
"""Length from which a line one pixel wide is a frame rather than the needle of a QRS complex."""

MAX_STROKE_MM = 1.2
"""Greatest width of a separator."""

MAX_CROSSED = 0.35
"""Greatest share of the length of a vertical line at which other ink may lie next to it."""


@dataclass(frozen=True)
class Stroke:
    """A straight vertical line.

    Args:
        x: Centre, rectified pixels.
        width: Width, pixels.
        top: Upper end, pixels.
        bottom: Lower end, pixels.
    """

    x: float
    width: float
    top: float
    bottom: float


@dataclass(frozen=True, eq=False)
class Ink:
    """Dark pen strokes of a page.

    Args:
        darkness: [h, w] float32, 0 (paper) to 1 (black).
        mask: Ink without frames and straight vertical lines.
        whole: Ink with them.
        strokes: Straight vertical lines that were taken out, such as separators.
        pulses: Calibration pulses with upright sides, which were taken out.
        faint: Ink with paler strokes, for names in print that is thinner than the pen.
    """

    darkness: NDArray[np.float32]
    mask: Mask
    whole: Mask
    strokes: tuple[Stroke, ...]
    pulses: tuple[Pulse, ...]
    faint: Mask


SMOOTHED = 0.5
"""Standard deviation of the blur that joins the coarse pixels of a small picture, rectified pixels."""

PEN_SHARE = 0.8
"""Darkness of the pen relative to the darkest pixel of each column."""

FAINT = 0.6
"""Darkness of faint strokes, relative to the threshold of ink."""

DARK_GRID = 0.7
"""Darkness of the lines of a dark grid, relative to the threshold of ink."""

COPY_TONE, COPY_SHARE = 0.5, 0.1
"""Tone relative to the paper below which a pixel of the grid is black, and share of black pixels that a pen alone does not
reach; a black grid and a pen cover 0.15 or more. Source: seen on drawn pages."""

THIN, THICK = 3, 5
"""Strokes narrower than so many pixels are remains of black lines; ones as wide as the second value are no lines at all."""

PEN_KEPT, LINES_LEFT = 0.7, 0.3
"""Least share of the strokes that is wider than remains of lines, and greatest share of the lines that is as wide as the
pen; otherwise the pen is as thin as the lines."""

LINE_PIXELS = 7
"""Greatest width of a line of the grid, pixels."""

GRID_MARGIN_MM = (40.0, 10.0)
"""Paper at the sides of the grid, and above and below it, on which ink counts: rows may leave the part in which the grid
was seen; above and below may be text, the edge of the sheet and a table."""


def find_ink(pixels: NDArray[np.uint8], grid: Box | None = None, *, without_grid: bool = False) -> Ink:
    """Find the pen strokes of a rectified page.

    Args:
        pixels: [h, w, 3] uint8 RGB at 8 pixels per millimetre.
        grid: Left, top, right and bottom of the grid, pixels; if None, ink counts on the whole page.
        without_grid: Compare each pixel with the grid rather than with the paper. Needed if the grid is about as dark
            as the pen; costs the parts of a trace that lie on a line of the grid.
    """
    import cv2

    darkness = darkness_of(pixels)
    if grid is not None:
        side, above = (round(margin * PIXELS_PER_MM) for margin in GRID_MARGIN_MM)
        inside = slice(max(grid[1] - above, 0), grid[3] + above), slice(max(grid[0] - side, 0), grid[2] + side)
        kept = np.zeros_like(darkness)
        kept[inside] = darkness[inside]
        darkness = _without_table(kept, pixels, grid)
    strokes_seen = _beyond_grid(darkness, grid) if without_grid else darkness > _threshold(darkness, grid)
    mask = strokes_seen.astype(np.uint8)
    faint = (darkness > FAINT * _threshold(darkness, grid)).astype(np.uint8)
    if without_grid:
        joined = mask
    else:
        smooth = np.asarray(cv2.GaussianBlur(darkness, (0, 0), SMOOTHED), np.float32)
        joined = (smooth > _threshold(smooth, grid)).astype(np.uint8)
    cleared = _without_frames(joined)
    lines = _vertical_lines(cleared)
    pulses = find_pulses(cleared, lines)
    sides = {side for pair in pulses.values() for side in pair}
    strokes = tuple(line for line in lines if line in sides or _stands_alone(cleared, line))
    for stroke in strokes:
        _take_out(cleared, stroke, bridged=stroke not in sides)
    return Ink(darkness, cleared, mask, tuple(s for s in strokes if s not in sides), tuple(pulses), faint)


def darkness_of(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return how much darker than its ground each pixel is, in its brightest colour: a coloured grid is pale.

    The ground is what is left of the page without anything narrower than :data:`AREA_MM`: the paper with its shadows, the
    table around the sheet, a redaction bar.

    Args:
        pixels: [h, w, 3] uint8 RGB of a rectified page.

    Returns:
        [h, w] float32, 0 (ground) to 1 (black).
    """
    import cv2

    red, green, blue = cv2.split(pixels)
    tone = cv2.max(cv2.max(red, green), blue)
    cell = 1 / CELL
    small = cv2.medianBlur(cv2.resize(tone, None, fx=cell, fy=cell, interpolation=cv2.INTER_AREA), 3)
    side = round(AREA_MM * PIXELS_PER_MM / CELL) | 1
    # a narrow strip beyond the edge of the picture is no stroke
    small = cv2.copyMakeBorder(small, side, side, side, side, cv2.BORDER_CONSTANT, value=0)
    ground = cv2.morphologyEx(small, cv2.MORPH_CLOSE, np.ones((side, side), np.uint8))[side:-side, side:-side]
    black = cv2.dilate((ground < BLACK).astype(np.uint8), np.ones((3, 3), np.uint8))
    black = cv2.resize(black, tone.shape[::-1], interpolation=cv2.INTER_NEAREST)
    # the blurred edge of a shadow is no ink
    ground = cv2.blur(cv2.erode(ground, np.ones((5, 5), np.uint8)), (3, 3))
    ground = cv2.resize(ground, tone.shape[::-1], interpolation=cv2.INTER_LINEAR)
    darkness = 1 - np.minimum(cv2.divide(tone, np.maximum(ground, 1), dtype=cv2.CV_32F), 1)
    return np.asarray(np.where(black > 0, 0, darkness), np.float32)


def has_dark_grid(pixels: NDArray[np.uint8], grid: Box | None) -> bool:
    """Return whether the grid of a rectified page is nearly as dark as what counts as ink."""
    darkness = darkness_of(pixels)
    lines = _grid_darkness(darkness, grid)
    return bool(np.percentile(lines[::3, ::3], 99) > DARK_GRID * _threshold(darkness, grid))


def has_black_grid(pixels: NDArray[np.uint8], grid: Box | None) -> bool:
    """Return whether the grid of a rectified page is as black as the pen, as on a copy in black and white."""
    left, top, right, bottom = grid or (0, 0, *pixels.shape[1::-1])
    tone = pixels[top:bottom:3, left:right:3].max(axis=2)
    if (tone < COPY_TONE * np.median(tone)).mean() <= COPY_SHARE:
        return False
    # a table or a redaction bar is as dark, but does not repeat with the grid
    return bool(np.percentile(_grid_darkness(darkness_of(pixels), grid)[::3, ::3], 99) > COPY_TONE)


def _beyond_grid(darkness: NDArray[np.float32], grid: Box | None) -> NDArray[np.bool_]:
    """Return the pixels that are darker than the grid there; strokes are joined where they cross its lines."""
    import cv2

    lines = np.asarray(cv2.dilate(_grid_darkness(darkness, grid), np.ones((3, 3), np.uint8)), np.float32)
    beyond = np.asarray(np.clip((darkness - lines) / np.maximum(1 - lines, 0.05), 0, 1), np.float32)
    threshold = _threshold(beyond, grid)
    strokes = (beyond > threshold).astype(np.uint8)
    kernels = (np.ones((LINE_PIXELS, 1), np.uint8), np.ones((1, LINE_PIXELS), np.uint8))
    joined = [np.asarray(cv2.morphologyEx(strokes, cv2.MORPH_CLOSE, kernel), np.uint8) for kernel in kernels]
    found = np.asarray(((joined[0] | joined[1]) > 0) & (darkness > threshold), np.bool_)
    return _by_width(found, darkness, lines)


def _by_width(
    strokes: NDArray[np.bool_], darkness: NDArray[np.float32], lines: NDArray[np.float32]
) -> NDArray[np.bool_]:
    """Tell a wide pen from the lines of a black grid by its width: remains of lines go, strokes that lines cover stay."""
    import cv2

    black = lines > COPY_TONE
    if not black.any():
        return strokes
    seen, all_dark = strokes.astype(np.uint8), (darkness > COPY_TONE).astype(np.uint8)
    without_remains = np.asarray(cv2.morphologyEx(seen, cv2.MORPH_OPEN, np.ones((THIN, THIN), np.uint8))) > 0
    disc = np.ones((THICK, THICK), np.uint8)
    disc[[0, 0, -1, -1], [0, -1, 0, -1]] = 0
    wide = np.asarray(cv2.morphologyEx(all_dark, cv2.MORPH_OPEN, disc)) > 0
    kept = without_remains if without_remains.sum() > PEN_KEPT * strokes.sum() else strokes
    return kept | wide if wide[black].sum() < LINES_LEFT * all_dark[black].sum() else kept


def _grid_darkness(darkness: NDArray[np.float32], grid: Box | None) -> NDArray[np.float32]:
    """Return the darkness of the printed grid: the median over the squares of 5 mm around each one.

    A trace covers the same pixels of only a few neighbouring squares, while the grid covers them in all.
    """
    import cv2

    side = 5 * PIXELS_PER_MM
    height, width = darkness.shape
    left, top, right, bottom = grid or (0, 0, width, height)
    first, last = (-(-top // side), -(-left // side)), (bottom // side, right // side)
    down, across = last[0] - first[0], last[1] - first[1]
    if min(down, across) < 3:
        return np.zeros_like(darkness)
    part = darkness[first[0] * side : last[0] * side, first[1] * side : last[1] * side]
    blocks = (255 * part).astype(np.uint8).reshape(down, side, across, side).transpose(0, 2, 1, 3)
    squares = np.ascontiguousarray(blocks).reshape(down, across, side * side)
    medians = np.concatenate(
        [cv2.medianBlur(np.ascontiguousarray(squares[:, :, at : at + 4]), 5) for at in range(0, side * side, 4)], axis=2
    )
    # the outermost squares stand for those that the edge of the grid cuts
    over = [(first[axis], -(-size // side) - last[axis]) for axis, size in enumerate((height, width))]
    medians = np.pad(medians, [*over, (0, 0)], mode="edge")
    rows, columns = medians.shape[:2]
    page = medians.reshape(rows, columns, side, side).transpose(0, 2, 1, 3).reshape(rows * side, columns * side)
    return np.asarray(page[:height, :width] / 255, np.float32)


def _threshold(darkness: NDArray[np.float32], grid: Box | None) -> float:
    """Return the darkness between the grid, which covers a large share of the page, and the pen, which covers little.

    Of a single row, the pen covers so little that only the darkest pixel of each column shows how dark it is.
    """
    left, top, right, bottom = grid or (0, 0, *darkness.shape[::-1])
    part = darkness[top:bottom, left:right]
    lines, most, few = np.percentile(part[::3, ::3], (91, 99, 99.5))
    pen = max(most, min(PEN_SHARE * float(np.median(part.max(axis=0))), few))
    return float(max(lines + 0.42 * (pen - lines), 0.12))


def _without_table(darkness: NDArray[np.float32], pixels: NDArray[np.uint8], grid: Box) -> NDArray[np.float32]:
    """Take out what lies beside the grid on darker ground than the paper at its edge, such as the grain of a table."""
    import cv2

    step, (left, _, right, _) = PIXELS_PER_MM, grid
    tone = cv2.resize(pixels, None, fx=1 / step, fy=1 / step, interpolation=cv2.INTER_AREA).max(axis=2)
    ground = cv2.blur(cv2.dilate(tone, np.ones((5, 5), np.uint8)), (5, 5)).astype(np.float32)
    dark = np.zeros(ground.shape, np.uint8)
    for beside, edge in (
        (slice(0, left // step), left // step + EDGE_IN),
        (slice(right // step, None), right // step - EDGE_IN),
    ):
        dark[:, beside] = ground[:, beside] < SAME_GROUND * ground[:, [min(max(edge, 0), ground.shape[1] - 1)]]
    covered = cv2.resize(dark, darkness.shape[::-1], interpolation=cv2.INTER_NEAREST) > 0
    return np.where(covered, np.float32(0), darkness)


def _without_frames(mask: Mask) -> Mask:
    import cv2

    length = round(FRAME_MM * PIXELS_PER_MM)
    joined = np.asarray(cv2.dilate(mask, np.ones((3, 1), np.uint8)), np.uint8)
    # few rows have enough ink for a frame; what is beyond the page counts as ink
    amount = np.asarray(cv2.reduce(joined, 1, cv2.REDUCE_SUM, dtype=cv2.CV_32S)).ravel()
    rows = np.flatnonzero(amount >= min(length // 2, mask.shape[1]))
    long = np.zeros_like(mask)
    if len(rows):
        long[rows] = cv2.morphologyEx(joined[rows], cv2.MORPH_OPEN, np.ones((1, length), np.uint8))
    if not long.any():
        return mask
    covered = cv2.dilate(long, np.ones((3, 9), np.uint8)) > 0
    return np.asarray(np.where(covered, 0, mask), np.uint8)


def part_boxes(mask: Mask) -> list[tuple[int, int, int, int]]:
    """Return left, top, width and height of the connected parts of a mask, from top to bottom.

    Contours cost a tenth of ``connectedComponentsWithStats``, which also counts every pixel of paper.
    """
    import cv2

    outlines, nested = cv2.findContours(mask, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE)
    # contours with a parent surround holes
    outer = [] if nested is None else np.flatnonzero(nested[0, :, 3] < 0).tolist()
    boxes = np.array([cv2.boundingRect(outlines[number]) for number in outer], np.int64).reshape(-1, 4)
    return [tuple(box) for box in boxes[np.lexsort((boxes[:, 0], boxes[:, 1]))].tolist()]


def _vertical_lines(mask: Mask) -> tuple[Stroke, ...]:
    """Find straight vertical lines; among them may be the steep side of a QRS complex."""
    import cv2

    long = round(STROKE_MM * PIXELS_PER_MM)
    vertical = cv2.morphologyEx(mask, cv2.MORPH_OPEN, np.ones((long, 1), np.uint8))
    lines = []
    for left, top, width, height in part_boxes(np.asarray(vertical, np.uint8)):
        if width > MAX_STROKE_MM * PIXELS_PER_MM or (width < 2 and height < LONG_STROKE_MM * PIXELS_PER_MM):
            continue
        part = vertical[top : top + height, left : left + width] > 0
        if part.mean() < 0.8:
            continue
        inner = part[:, 1:-1] if width > 3 else part
        tops, bottoms = inner.argmax(axis=0), inner[::-1].argmax(axis=0)
        if max(np.ptp(tops), np.ptp(bottoms)) > max(0.05 * height, 2):
            continue
        sides = mask[top : top + height, [max(left - 3, 0), min(left + width + 2, mask.shape[1] - 1)]]
        if sides.any(axis=1).mean() <= MAX_CROSSED:
            lines.append(Stroke(left + (width - 1) / 2, float(width), float(top), float(top + height - 1)))
    return tuple(lines)


def _take_out(mask: Mask, line: Stroke, *, bridged: bool) -> None:
    """Take a vertical line out of the ink; a bridge prolongs what touches it on either side to its middle."""
    left, right = max(round(line.x - line.width / 2 - 0.5), 0), round(line.x + line.width / 2 + 1.5)
    rows = slice(int(line.top), int(line.bottom) + 1)
    before, after = mask[rows, max(left - 1, 0)].copy(), mask[rows, min(right, mask.shape[1] - 1)].copy()
    mask[rows, left:right] = 0
    if bridged and left > 1 and right < mask.shape[1] - 1:
        middle = round(line.x + 0.5)
        mask[rows, left:middle] = before[:, None]
        mask[rows, middle:right] = after[:, None]


def _stands_alone(mask: Mask, line: Stroke) -> bool:
    """Return whether no other ink begins at the ends of a vertical line, as it does at the side of a QRS complex."""
    if line.bottom - line.top > LONG_STROKE_MM * PIXELS_PER_MM:
        return True
    left, right = max(round(line.x - line.width / 2) - 4, 0), round(line.x + line.width / 2) + 6
    top, bottom = round(line.top), round(line.bottom)
    for first, last in ((top - 4, top + 5), (bottom - 4, bottom + 5)):
        around = mask[max(first, 0) : last, left:right].copy()
        around[:, 3 : -4 if right < mask.shape[1] else None] = 0
        if around.any():
            return False
    return True


def find_pulses(mask: Mask, lines: tuple[Stroke, ...]) -> dict[Pulse, tuple[Stroke, Stroke]]:
    """Find pairs of vertical lines of one height that a horizontal line joins at the top."""
    ordered = sorted(lines, key=lambda line: line.x)
    pulses = {}
    for number, left in enumerate(ordered):
        for right in ordered[number + 1 :]:
            wide = right.x - left.x
            if wide > MAX_WIDTH_MM * PIXELS_PER_MM:
                break
            if wide >= MIN_WIDTH_MM * PIXELS_PER_MM and _is_pulse(mask, left, right):
                pen = (left.width + right.width) / 2
                top, bottom = (left.top + right.top + pen) / 2, (left.bottom + right.bottom - pen) / 2
                pulses[Pulse(left.x, right.x, top, bottom)] = (left, right)
                break
    return pulses


def _is_pulse(mask: Mask, left: Stroke, right: Stroke) -> bool:
    tolerance = 0.6 * PIXELS_PER_MM
    if abs(left.top - right.top) > tolerance or abs(left.bottom - right.bottom) > 2 * tolerance:
        return False
    first, last = round(left.x + left.width / 2) + 2, round(right.x - right.width / 2) - 1
    roof = mask[max(round(left.top) - 3, 0) : round(left.top) + round(left.width) + 4, first:last]
    return roof.size > 0 and bool(roof.any(axis=0).mean() > 0.8)
