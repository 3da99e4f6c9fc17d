"""Drawn pages as a phone photographs them: a curled, tilted sheet of another printer on a table, beside a second sheet.

Recordings of PTB-XL are drawn by code of its own, not that of the package: names in several fonts that touch the traces,
dotted separators, one or three rhythm strips with their names at the left, a header, a footer and handwriting.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from cardiograph.ecg.draw.paper import STANDARD_ROWS
from cardiograph.ecg.leads import LEADS
from gallery.texts import font, sentence
from rectify import COLOURS, Case, blur, distort, noise, shadow

Pixels = NDArray[np.uint8]
Rows = tuple[tuple[str, ...], ...]

SCALE = 7
"""Pixels per mm."""

ROWS: dict[str, Rows] = {
    "3 x 4": STANDARD_ROWS[:3],
    "3 x 4 + 1": STANDARD_ROWS,
    "3 x 4 + V1": (*STANDARD_ROWS[:3], ("V1",)),
    "3 x 4 + 3": (*STANDARD_ROWS[:3], ("V1",), ("II",), ("V5",)),
}
FACES = ("DejaVuSans", "DejaVuSans-Bold", "DejaVuSerif", "DejaVuSansMono", "STIXGeneral")
PHONES = tuple(
    Case(rotation=rotation, tilt=tilt, curl_mm=curl, fold=fold, finish=(shadow, *soft, noise))
    for rotation, tilt, curl, fold, soft in (
        (6, 0.22, 2.0, False, ()),
        (4, 0.1, 4.0, False, ()),
        (9, 0.25, 3.0, False, (blur,)),
        (5, 0.15, 2.0, True, ()),
    )
)


@dataclass(frozen=True)
class Printer:
    """How a printer sets a page; lengths in mm.

    Args:
        rows: Leads of each row.
        row_mm: Distance of the rows.
        face: Font of the names.
        letter_mm: Size of the names.
        lift_mm: Height of the names above the baseline.
        pen: Width of the pen, pixels.
        separators: ``dots``, ``ticks`` or ``none``.
        pulse: ``left``, ``right`` or ``none``.
        ink: Grey level of the ink.
        strip_name_left: Whether the name of a rhythm strip stands before its trace.
    """

    rows: Rows
    row_mm: float
    face: str
    letter_mm: float
    lift_mm: float
    pen: int
    separators: str
    pulse: str
    ink: int
    strip_name_left: bool


def printer(rng: np.random.Generator) -> Printer:
    """Choose a printer."""
    rows = ROWS[str(rng.choice(list(ROWS)))]
    return Printer(
        rows=rows,
        row_mm=float(rng.uniform(22, 30) if len(rows) > 4 else rng.uniform(28, 38)),
        face=str(rng.choice(FACES)),
        letter_mm=float(rng.uniform(2.6, 4.2)),
        lift_mm=float(rng.uniform(4, 10)),
        pen=int(rng.integers(1, 4)),
        ink=int(rng.integers(20, 100)),
        separators=str(rng.choice(["dots", "ticks", "none"])),
        pulse=str(rng.choice(["left", "right", "none"])),
        strip_name_left=bool(rng.random() < 0.5),
    )


def sheet(signal: NDArray[np.float64], rng: np.random.Generator, style: Printer) -> Pixels:
    """Print a recording [12, 5000] in mV at 500 Hz."""
    left, top = 22.0, 26.0
    size = (left + 250 + 16, top + len(style.rows) * style.row_mm + 20)
    minor, major = list(COLOURS.values())[int(rng.integers(len(COLOURS)))]
    page = np.full((round(size[1] * SCALE), round(size[0] * SCALE), 3), 253, np.uint8)
    for step, colour in ((1, minor), (5, major)):
        page[:: step * SCALE] = page[:, :: step * SCALE] = colour
    page[: 14 * SCALE] = 250
    names = []
    for row, leads in enumerate(style.rows):
        middle = top + (row + 0.55) * style.row_mm
        _traces(page, signal, (left, middle), leads, style)
        _pulse(page, (left, middle), style)
        width = 250 / len(leads)
        for column, lead in enumerate(leads):
            before = -11.0 if style.strip_name_left and len(leads) == 1 else 1.0
            names.append((left + column * width + before, middle - style.lift_mm - style.letter_mm, lead))
    return _written(page, names, rng, style)


def _traces(
    page: Pixels, signal: NDArray[np.float64], at: tuple[float, float], leads: tuple[str, ...], style: Printer
) -> None:
    share = signal.shape[1] // len(leads)
    for column, lead in enumerate(leads):
        samples = np.arange(column * share, (column + 1) * share)
        x = at[0] + samples / 500 * 25
        points = np.column_stack([x, at[1] - 10 * signal[LEADS.index(lead), samples]]) * SCALE * 16
        cv2.polylines(page, [np.round(points).astype(np.int32)], False, (style.ink,) * 3, style.pen, cv2.LINE_AA, 4)
        if column and style.separators != "none":
            for y in np.arange(-5, 5, 1.2 if style.separators == "dots" else 0.1):
                corner = (round(float(x[0]) * SCALE), round((at[1] + float(y)) * SCALE))
                cv2.line(page, corner, (corner[0], corner[1] + 3), (style.ink,) * 3, style.pen)


def _pulse(page: Pixels, at: tuple[float, float], style: Printer) -> None:
    if style.pulse == "none":
        return
    x = at[0] - 8 if style.pulse == "left" else at[0] + 252
    points = np.array([(-1, 0), (0, 0), (0, -10), (5, -10), (5, 0), (6, 0)]) + np.array([x, at[1]])
    cv2.polylines(page, [np.round(points * SCALE).astype(np.int32)], False, (style.ink,) * 3, style.pen, cv2.LINE_AA)


def _written(page: Pixels, names: list[tuple[float, float, str]], rng: np.random.Generator, style: Printer) -> Pixels:
    image = Image.fromarray(page)
    pen = ImageDraw.Draw(image)
    face: ImageFont.FreeTypeFont = font(style.face, round(1.3 * style.letter_mm * SCALE))
    for x, y, name in names:
        pen.text((x * SCALE, y * SCALE), name, fill=(style.ink,) * 3, font=face)
    small = font(style.face, round(3 * SCALE))
    for line in range(3):
        pen.text((60 + 700 * (line % 2), 8 + 4.2 * SCALE * line), sentence(rng, 5), fill=(style.ink,) * 3, font=small)
    footer = "25 mm/s   10 mm/mV   0.05-40 Hz   " + sentence(rng, 3)
    pen.text((80, image.height - 6 * SCALE), footer, fill=(style.ink,) * 3, font=small)
    if rng.random() < 0.5:
        for y in range(7, 27, 5):
            pen.line((50, y * SCALE, image.width * 0.45, y * SCALE), fill=(style.ink,) * 3, width=2)
    if rng.random() < 0.5:
        at = np.linspace(0, 1, 120)
        x = image.width * (rng.uniform(0.2, 0.6) + 0.2 * at) + 20 * np.sin(50 * at)
        y = image.height * rng.uniform(0.02, 0.95) + 25 * np.cos(44 * at)
        pen.line(list(zip(x, y, strict=True)), fill=(40, 50, 150), width=5)
    return np.asarray(image)


def on_table(page: Pixels, other: Pixels, rng: np.random.Generator) -> Pixels:
    """Lay a sheet on a table of wood, with a second sheet above or below it that the picture cuts off."""
    height, width = page.shape[:2]
    beyond, side = int(rng.uniform(8, 70) * SCALE), int(rng.uniform(3, 14) * SCALE)
    wood = cv2.resize(
        rng.normal(0, 1, (height + 2 * beyond, 9)).astype(np.float32), (width + 2 * side, height + 2 * beyond)
    )
    table = np.clip(wood[..., None] * [14, 12, 9] + [150, 112, 78], 0, 255).astype(np.uint8)
    if rng.random() < 0.6:
        part = other[:, : table.shape[1]]
        gap = int(rng.uniform(0, 4) * SCALE)
        if rng.random() < 0.5:
            shown = part[-max(beyond - gap, 1) :]
            table[: len(shown), : shown.shape[1]] = shown
        else:
            shown = part[: max(beyond - gap, 1)]
            table[-len(shown) :, : shown.shape[1]] = shown
    table[beyond : beyond + height, side : side + width] = page
    return table


def _cropped(photo: Pixels, rng: np.random.Generator) -> Pixels:
    """Cut off up to 8 % at each edge."""
    height, width = photo.shape[:2]
    top, left, bottom, right = (int(rng.uniform(0, 0.08) * side) for side in (height, width, height, width))
    return np.ascontiguousarray(photo[top : height - bottom, left : width - right])


def phone_pages(signals: Iterator[NDArray[np.float64]]) -> Iterator[tuple[str, Rows, NDArray[np.float64], Pixels]]:
    """Yield name, rows, recording and photograph of one page for each recording [12, 5000] in mV."""
    previous = None
    for number, signal in enumerate(signals):
        rng = np.random.default_rng([2026, number])
        style = printer(rng)
        page = sheet(signal, rng, style)
        photo = distort(
            on_table(page, page if previous is None else previous, rng), SCALE, PHONES[number % 4], rng
        ).pixels
        photo = _cropped(photo, rng)
        previous = page
        share = float(rng.uniform(0.45, 0.9))
        small = cv2.resize(photo, None, fx=share, fy=share, interpolation=cv2.INTER_AREA)
        coded = cv2.imencode(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, 80])[1]
        yield f"{number}", style.rows, signal, np.asarray(cv2.imdecode(coded, cv2.IMREAD_COLOR), np.uint8)


def recordings(data: Path, first: int, number: int) -> Iterator[NDArray[np.float64]]:
    """Every 60th recording of the shared part of PTB-XL from the ``first``."""
    from printed_pages import wfdb_signal

    for header in sorted((data / "ptb-xl").rglob("*.hea"))[first::60][:number]:
        yield wfdb_signal(header)
