"""Pages of many kinds for the distillation: layouts, papers, pens, scans and photographs of drawn and real ECGs."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cardiograph.ecg.draw.paper import (
    MM_PER_SECOND,
    SIX_BY_TWO_ROWS,
    STANDARD_ROWS,
    TWELVE_BY_ONE_ROWS,
    Colour,
    DrawnPage,
    PaperLayout,
    draw_page,
)
from cardiograph.ecg.draw.scan import draw_scan_style, encode_jpeg, scan_page
from cardiograph.ecg.leads import LEADS
from cardiograph.encoders.leads_input import INPUT_RATE_HZ
from cardiograph.imaging.prepare import INPUT_SIZE

_COLUMNS: Final = STANDARD_ROWS[:3]
ROWS: Final[tuple[tuple[float, tuple[tuple[str, ...], ...], tuple[float, float]], ...]] = (
    (0.34, STANDARD_ROWS, (24.0, 40.0)),
    (0.12, _COLUMNS, (28.0, 48.0)),
    (0.10, (*_COLUMNS, ("V1",)), (24.0, 40.0)),
    (0.12, (*_COLUMNS, ("II",), ("V1",), ("V5",)), (18.0, 30.0)),
    (0.14, SIX_BY_TWO_ROWS, (18.0, 30.0)),
    (0.04, (*SIX_BY_TWO_ROWS, ("II",)), (16.0, 26.0)),
    (0.14, TWELVE_BY_ONE_ROWS, (12.0, 20.0)),
)
"""Share, rows and range of the distance of rows in mm of each layout."""

INKS: Final[tuple[Colour, ...]] = ((16, 16, 20), (0, 0, 0), (60, 60, 66), (30, 34, 90))
GRIDS: Final[tuple[Colour, ...]] = (
    (235, 150, 148),
    (240, 168, 166),
    (236, 170, 110),
    (150, 200, 150),
    (150, 180, 225),
    (180, 180, 180),
    (200, 160, 130),
)
"""Colours of the 5 mm grid."""

PHOTOGRAPHED: Final = 0.3
"""Share of the pages that are seen at an angle and in uneven light."""

_FIRST_X_MM: Final = 10.0

Floats = NDArray[np.float32]
Pixels = NDArray[np.uint8]


def random_layout(rng: np.random.Generator) -> PaperLayout:
    """Draw the layout, size, colours and resolution of a page."""
    _, rows, distance = ROWS[int(rng.choice(len(ROWS), p=[share for share, *_ in ROWS]))]
    major = np.array(GRIDS[int(rng.integers(len(GRIDS)))])
    paper = np.full(3, 255) - rng.integers(0, [6, 10, 22])
    left, top, right, bottom = (float(each) for each in rng.uniform((2, 4, 2, 2), (20, 40, 20, 20)))
    pale, faint = rng.uniform(0.0, 0.5), rng.uniform(0.35, 1.0)
    strong = _colour(major + pale * (paper - major))
    return PaperLayout(
        rows=rows,
        row_mm=float(rng.uniform(*distance)),
        margins_mm=(left, top, right, bottom),
        pixels_per_mm=float(rng.uniform(1.6, 4.0)),
        grid="dots" if rng.random() < 0.15 else "lines",
        paper=_colour(paper),
        minor=_colour(np.array(strong) + faint * (paper - np.array(strong))),
        major=strong,
        frame=strong if rng.random() < 0.7 else _colour(paper),
        ink=INKS[int(rng.integers(len(INKS)))],
    )


def shown_part(signal: Floats, layout: PaperLayout) -> Floats:
    """Return what a page shows of [12, 1000] leads at 100 Hz, NaN elsewhere."""
    shown = np.full_like(signal, np.nan)
    for leads in layout.rows:
        share = round(layout.seconds * INPUT_RATE_HZ) / len(leads)
        for column, lead in enumerate(leads):
            part = slice(round(column * share), round((column + 1) * share))
            shown[LEADS.index(lead), part] = signal[LEADS.index(lead), part]
    return shown


def random_view(signal: Floats, layout: PaperLayout, rng: np.random.Generator) -> Pixels:
    """Draw a page, scan or photograph it, and scale its grid to the encoder's input.

    Args:
        signal: [12, 1000] in mV at 100 Hz, NaN where nothing is drawn.
        layout: Layout from :func:`random_layout`.
        rng: Random number generator.

    Returns:
        [224, 224, 3] uint8 RGB, the view before :func:`cardiograph.imaging.prepare.to_input`.
    """
    import cv2

    digits = rng.integers(10, 1000, 8)
    header = (f"ID {digits[0]}{digits[1]}  {digits[2]} bpm", f"QRS {digits[3]} ms  QT {digits[4]} ms  {digits[5]}")
    page = draw_page(signal.astype(np.float64), INPUT_RATE_HZ, layout=layout, header=header)
    page = scan_page(_printed(page, layout, rng), draw_scan_style(rng), rng)
    if rng.random() < PHOTOGRAPHED:
        page = _photographed(page, rng)
    quality = int(rng.integers(35, 96))
    decoded = cv2.imdecode(np.frombuffer(encode_jpeg(page, quality), np.uint8), cv2.IMREAD_COLOR)
    pixels = cv2.cvtColor(np.asarray(decoded, np.uint8), cv2.COLOR_BGR2RGB)
    left, top, right, bottom = _view_box(page, rng)
    view = pixels[top:bottom, left:right]
    if rng.random() < 0.15:
        view = np.repeat(cv2.cvtColor(view, cv2.COLOR_RGB2GRAY)[:, :, None], 3, axis=2)
    return np.asarray(cv2.resize(view, (INPUT_SIZE, INPUT_SIZE), interpolation=cv2.INTER_AREA), np.uint8)


def _colour(values: ArrayLike) -> Colour:
    red, green, blue = (int(value) for value in np.clip(np.round(np.asarray(values)), 0, 255))
    return red, green, blue


def _printed(page: DrawnPage, layout: PaperLayout, rng: np.random.Generator) -> DrawnPage:
    """Print with a thicker pen on some pages, and with text inside the grid on some."""
    import cv2

    pixels = page.pixels
    if rng.random() < 0.35:
        pixels = np.asarray(cv2.erode(pixels, np.ones((2, 2), np.uint8)), np.uint8)
    if rng.random() < 0.4:
        left, top, _, bottom = page.grid_box
        y = bottom - 3 if rng.random() < 0.6 else top + 4 * layout.pixels_per_mm
        text = f"25 mm/s 10 mm/mV 0.{rng.integers(5, 68):02d}-{rng.integers(25, 151)} Hz {rng.integers(100, 9999)}"
        place = (round(left + rng.uniform(1, 120) * layout.pixels_per_mm), round(y))
        size = 0.1 * layout.pixels_per_mm
        pixels = np.ascontiguousarray(pixels)
        cv2.putText(pixels, text, place, cv2.FONT_HERSHEY_SIMPLEX, size, layout.ink, 1, cv2.LINE_AA)
    return DrawnPage(pixels, page.grid_corners)


def _photographed(page: DrawnPage, rng: np.random.Generator) -> DrawnPage:
    """Look at the page at a small angle, in light that falls off to one side."""
    import cv2

    height, width = page.pixels.shape[:2]
    corners = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
    moved = corners + rng.uniform(-0.02, 0.02, (4, 2)).astype(np.float32) * np.array([width, height], np.float32)
    turn = cv2.getPerspectiveTransform(corners, moved.astype(np.float32))
    seen = cv2.warpPerspective(page.pixels, turn, (width, height), borderMode=cv2.BORDER_REPLICATE)
    across, down = rng.uniform(-0.18, 0.18, 2)
    light = 0.9 + across * np.linspace(-1, 1, width)[None, :] + down * np.linspace(-1, 1, height)[:, None]
    lit = np.clip(seen * light[:, :, None], 0, 255).astype(np.uint8)
    grid = cv2.perspectiveTransform(page.grid_corners[None].astype(np.float32), turn)[0]
    return DrawnPage(lit, np.asarray(grid, np.float64))


def _view_box(page: DrawnPage, rng: np.random.Generator) -> tuple[int, int, int, int]:
    """Return the box of the grid as a search finds it, off by up to 5 mm of a page on each side."""
    height, width = page.pixels.shape[:2]
    left, top, right, bottom = page.grid_box
    slack = 5.0 * (right - left) / (10 * MM_PER_SECOND + _FIRST_X_MM)
    off = np.round(np.array([left, top, right, bottom]) + rng.uniform(-slack, slack, 4))
    first, upper, last, lower = (int(edge) for edge in off)
    return max(first, 0), max(upper, 0), min(last, width), min(lower, height)
