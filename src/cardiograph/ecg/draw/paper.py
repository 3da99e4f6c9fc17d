"""Draw a twelve-lead signal on ECG paper, true to scale."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from cardiograph.ecg.leads import LEADS
from cardiograph.ecg.resample import runs_of

if TYPE_CHECKING:
    from PIL import ImageFont

MM_PER_SECOND = 25.0
MM_PER_MV = 10.0
"""Standard paper speed and gain. Source: Kligfield et al., J. Am. Coll. Cardiol. 49 (2007) 1109 (AHA/ACC/HRS)."""

Colour = tuple[int, int, int]
_OVERSAMPLING = 2

STANDARD_ROWS = (("I", "aVR", "V1", "V4"), ("II", "aVL", "V2", "V5"), ("III", "aVF", "V3", "V6"), ("II",))
SIX_BY_TWO_ROWS = (("I", "V1"), ("II", "V2"), ("III", "V3"), ("aVR", "V4"), ("aVL", "V5"), ("aVF", "V6"))
TWELVE_BY_ONE_ROWS = tuple((lead,) for lead in LEADS)


@dataclass(frozen=True)
class PaperLayout:
    """Layout of a page; lengths are in millimetres, colours are RGB.

    Args:
        rows: Leads of each row from left to right; they share the ``seconds`` of the row equally, and time continues
            from one lead to the next.
        seconds: Duration of the signal in each row, seconds.
        row_mm: Distance between the baselines of two rows, at least 12 mm.
        margins_mm: Left, top, right and bottom margin between the edge of the page and the grid.
        pixels_per_mm: Resolution of the drawn page, at least 1.
        grid: ``lines`` or ``dots`` for the 1 mm grid.
        paper: Colour of the page.
        minor: Colour of the 1 mm grid.
        major: Colour of the 5 mm grid.
        frame: Colour of the frame around the grid.
        ink: Colour of traces and text.
    """

    rows: tuple[tuple[str, ...], ...] = STANDARD_ROWS
    seconds: float = 10.0
    row_mm: float = 38.0
    margins_mm: tuple[float, float, float, float] = (6.0, 32.0, 6.0, 10.0)
    pixels_per_mm: float = 4.0
    grid: Literal["lines", "dots"] = "lines"
    paper: Colour = (255, 255, 255)
    minor: Colour = (250, 218, 216)
    major: Colour = (240, 168, 166)
    frame: Colour = (236, 140, 140)
    ink: Colour = (16, 16, 20)

    def __post_init__(self) -> None:
        unknown = sorted({lead for row in self.rows for lead in row} - set(LEADS))
        if unknown or not self.rows:
            message = f"layout rows contain the leads {unknown or 'none'}; allowed: {', '.join(LEADS)}"
            raise ValueError(message)
        if self.pixels_per_mm < 1 or min(self.margins_mm) < 0 or self.row_mm < 12 or self.seconds <= 0:
            message = "a layout needs pixels_per_mm of 1 or more, row_mm of 12 or more, margins_mm >= 0 and seconds > 0"
            raise ValueError(message)

    @property
    def grid_size_mm(self) -> tuple[float, float]:
        """Width and height of the grid in whole 5 mm squares, with 15 mm for the calibration pulse and the edge."""
        width = self.seconds * MM_PER_SECOND + 15
        height = len(self.rows) * self.row_mm
        return float(5 * np.ceil(width / 5)), float(5 * np.ceil(height / 5))

    @property
    def page_size(self) -> tuple[int, int]:
        """Width and height of the page in pixels."""
        left, top, right, bottom = self.margins_mm
        width, height = self.grid_size_mm
        return round((left + width + right) * self.pixels_per_mm), round((top + height + bottom) * self.pixels_per_mm)

    @property
    def grid_box(self) -> tuple[float, float, float, float]:
        """Left, top, right, bottom of the grid in pixels of the page."""
        left, top = self.margins_mm[0], self.margins_mm[1]
        width, height = self.grid_size_mm
        scale = self.pixels_per_mm
        return left * scale, top * scale, (left + width) * scale, (top + height) * scale

    def trace_origin_mm(self, row: int) -> tuple[float, float]:
        """Return x and y of second 0 at 0 mV of a row, from the top left corner of the page."""
        left, top = self.margins_mm[0], self.margins_mm[1]
        return left + 10.0, top + max(0.6 * self.row_mm, MM_PER_MV + 1) + row * self.row_mm


@dataclass(frozen=True)
class DrawnPage:
    """A drawn page and the position of its grid.

    Args:
        pixels: [height, width, 3] uint8 RGB.
        grid_corners: [4, 2] x and y of the corners of the grid in pixels: top left, top right, bottom right, bottom
            left.
    """

    pixels: NDArray[np.uint8]
    grid_corners: NDArray[np.float64]

    @property
    def grid_box(self) -> tuple[float, float, float, float]:
        """Left, top, right, bottom of the bounding box of the grid, in pixels."""
        (left, top), (right, bottom) = self.grid_corners.min(0), self.grid_corners.max(0)
        return float(left), float(top), float(right), float(bottom)


def draw_page(
    signal: NDArray[np.float64], rate_hz: float, *, layout: PaperLayout | None = None, header: tuple[str, ...] = ()
) -> DrawnPage:
    """Draw a signal at 25 mm/s and 10 mm/mV with grid, calibration pulses and lead names.

    Args:
        signal: [12, samples] in mV, rows as in :data:`cardiograph.ecg.leads.LEADS`; at least ``layout.seconds`` long;
            NaN where nothing is to be drawn.
        rate_hz: Sampling rate in Hz.
        layout: Layout of the page; if None, 3 x 4 leads of 2.5 s and a rhythm strip of 10 s of lead II.
        header: Lines of text above the grid; the first has a larger font.

    Returns:
        The page at ``layout.pixels_per_mm``. Traces are clipped at the edge of the grid.

    Raises:
        ValueError: If the signal has another shape, is too short, infinite or NaN throughout.
    """
    import cv2

    layout = layout or PaperLayout()
    needed = round(layout.seconds * rate_hz)
    wrong = signal.ndim != 2 or len(signal) != len(LEADS) or signal.shape[1] < needed
    if wrong or np.isinf(signal).any() or np.isnan(signal).all():
        message = (
            f"signal has shape {signal.shape}; needed: mV, finite or NaN where nothing is to be drawn, "
            f"[12, at least {needed}] at {rate_hz:g} Hz"
        )
        raise ValueError(message)
    canvas = _paper(layout).copy()
    for row, leads in enumerate(layout.rows):
        _draw_row(canvas, signal, rate_hz, (layout, row, leads))
    _write_header(canvas, layout, header)
    pixels = cv2.resize(canvas, layout.page_size, interpolation=cv2.INTER_AREA)
    left, top, right, bottom = layout.grid_box
    corners = np.array([[left, top], [right, top], [right, bottom], [left, bottom]])
    return DrawnPage(pixels.astype(np.uint8), corners)


@lru_cache(maxsize=4)
def _paper(layout: PaperLayout) -> NDArray[np.uint8]:
    """Return the empty page at twice the scale, with grid, calibration pulses and lead names."""
    width, height = layout.page_size
    canvas = np.full((height * _OVERSAMPLING, width * _OVERSAMPLING, 3), layout.paper, np.uint8)
    _draw_grid(canvas, layout)
    for row in range(len(layout.rows)):
        x, y = layout.trace_origin_mm(row)
        # 5 mm wide and 1 mV high: 0.2 s, the standard calibration pulse
        pulse = [(-9, 0), (-8, 0), (-8, -MM_PER_MV), (-3, -MM_PER_MV), (-3, 0), (-2, 0)]
        _draw_line(canvas, np.array(pulse) + np.array([x, y]), layout)
    _write_lead_names(canvas, layout)
    canvas.setflags(write=False)
    return canvas


def _draw_grid(canvas: NDArray[np.uint8], layout: PaperLayout) -> None:
    scale = layout.pixels_per_mm * _OVERSAMPLING
    left, top, right, bottom = (round(edge * _OVERSAMPLING) for edge in layout.grid_box)
    columns = np.round(left + np.arange(int(layout.grid_size_mm[0]) + 1) * scale).astype(int)
    rows = np.round(top + np.arange(int(layout.grid_size_mm[1]) + 1) * scale).astype(int)
    # a line of width w covers w/2 on each side of its position
    for step, colour, width in ((1, layout.minor, 2), (5, layout.major, 2)):
        for offset in range(-(width // 2), width - width // 2):
            if layout.grid == "dots" and step == 1:
                canvas[np.ix_(rows + offset, columns)] = colour
            else:
                canvas[top:bottom, columns[::step] + offset] = colour
                canvas[rows[::step] + offset, left:right] = colour
    for offset in range(-2, 2):
        canvas[top - 2 : bottom + 2, [left + offset, right + offset]] = layout.frame
        canvas[[top + offset, bottom + offset], left - 2 : right + 2] = layout.frame


def _draw_line(canvas: NDArray[np.uint8], points_mm: NDArray[np.float64], layout: PaperLayout) -> None:
    import cv2

    # OpenCV: integer coordinates are pixel centres; here they are edges. Shift of 4: coordinates in 1/16 pixel
    points = points_mm * layout.pixels_per_mm * _OVERSAMPLING - 0.5
    # four thin lines give a pen of 1.4 pixels of the page, three times faster than one thick line
    for shift in ((-0.9, 0), (0.9, 0), (0, -0.9), (0, 0.9)):
        cv2.polylines(canvas, [np.round((points + shift) * 16).astype(np.int32)], False, layout.ink, 1, cv2.LINE_AA, 4)


def _draw_row(
    canvas: NDArray[np.uint8],
    signal: NDArray[np.float64],
    rate_hz: float,
    place: tuple[PaperLayout, int, tuple[str, ...]],
) -> None:
    layout, row, leads = place
    x0, y0 = layout.trace_origin_mm(row)
    left, top, right, bottom = (round(edge * _OVERSAMPLING) for edge in layout.grid_box)
    inside = canvas[top + 2 : bottom - 2, left + 2 : right - 2]
    corner_mm = np.array([left + 2, top + 2]) / (layout.pixels_per_mm * _OVERSAMPLING)
    share = round(layout.seconds * rate_hz) / len(leads)
    for column, lead in enumerate(leads):
        samples = np.arange(round(column * share), round((column + 1) * share))
        points = np.column_stack(
            [x0 + samples / rate_hz * MM_PER_SECOND, y0 - signal[LEADS.index(lead), samples] * MM_PER_MV]
        )
        for start, stop in runs_of(np.isfinite(points[:, 1])):
            _draw_line(inside, points[start:stop] - corner_mm, layout)
        if column:
            tick = np.array([[points[0, 0], y0 - 4], [points[0, 0], y0 + 4]])
            _draw_line(inside, tick - corner_mm, layout)


def _write(canvas: NDArray[np.uint8], texts: list[tuple[float, float, float, str]], layout: PaperLayout) -> None:
    """Write texts ``(x, y, size, text)`` in millimetres; x and y are the top left corner of the text."""
    from PIL import Image, ImageDraw

    scale = layout.pixels_per_mm * _OVERSAMPLING
    image = Image.fromarray(canvas)
    pen = ImageDraw.Draw(image)
    for x, y, size, text in texts:
        pen.text((x * scale, y * scale), text, fill=layout.ink, font=_font(round(size * scale)))
    canvas[:] = np.asarray(image)


def _write_lead_names(canvas: NDArray[np.uint8], layout: PaperLayout) -> None:
    texts = []
    for row, leads in enumerate(layout.rows):
        x0, y0 = layout.trace_origin_mm(row)
        lift = min(15.0, layout.row_mm * 0.5)
        width = layout.seconds * MM_PER_SECOND / len(leads)
        texts += [(x0 + 1 + column * width, y0 - lift, 3.4, lead) for column, lead in enumerate(leads)]
    _write(canvas, texts, layout)


def _write_header(canvas: NDArray[np.uint8], layout: PaperLayout, header: tuple[str, ...]) -> None:
    texts, y = [], 4.0
    for number, line in enumerate(header):
        size = 5.0 if number == 0 else 3.2
        texts.append((layout.margins_mm[0], y, size, line))
        y += size * 1.6
    strip = canvas[: int(layout.grid_box[1] * _OVERSAMPLING) - 2]
    if texts and len(strip):
        _write(strip, texts, layout)


@lru_cache(maxsize=8)
def _font(pixels: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    from PIL import ImageFont

    return ImageFont.load_default(size=pixels)
