"""Measures how exactly distorted pages are rectified: scale, position, and which way up.

Pages of the synthetic cohort are drawn in several layouts and colours of grid and distorted in known ways: perspective,
rotation, shadow, a curled or folded sheet, blur, JPEG, pen, grey and black-and-white copies. Compared are the millimetres
of the rectified page with those of the drawn one: the scale in percent (95th percentile over the page), and the position in
mm after one common shift (95th percentile). Each page is also turned by 90, 180 or 270 degrees. Prints JSON. Usage:

    python benchmarks/rectify.py [--pages 10] [--case NAME ...]
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from cardiograph.ecg.digitize.geometry import rectify
from cardiograph.ecg.digitize.rectified import PIXELS_PER_MM, RectifiedPage
from cardiograph.ecg.draw.paper import SIX_BY_TWO_ROWS, TWELVE_BY_ONE_ROWS, DrawnPage, PaperLayout, draw_page
from cardiograph.errors import EcgError
from cardiograph.synthesis.heart import RATE_HZ, record_ecg
from cardiograph.synthesis.patients import patient_records

Pixels = NDArray[np.uint8]
Floats = NDArray[np.float64]
Rng = np.random.Generator

LAYOUTS = (
    {},
    {"rows": SIX_BY_TWO_ROWS, "row_mm": 30.0},
    {"rows": TWELVE_BY_ONE_ROWS, "row_mm": 16.0},
    {"pixels_per_mm": 8.0},
    {"grid": "dots", "minor": (190, 190, 190), "major": (240, 190, 190)},
)
COLOURS = {
    "pink": ((250, 218, 216), (240, 168, 166)),
    "orange": ((252, 226, 200), (244, 182, 130)),
    "green": ((214, 240, 214), (150, 210, 156)),
    "blue": ((214, 226, 250), (150, 180, 240)),
    "grey": ((222, 222, 222), (176, 176, 176)),
}
DARK: dict[str, object] = {"minor": (205, 170, 170), "major": (150, 90, 90)}


@dataclass(frozen=True, eq=False)
class Photo:
    """A distorted page; ``source`` is [h, w, 2] float32, the point of the drawn page seen in each pixel."""

    pixels: Pixels
    source: NDArray[np.float32]


@dataclass(frozen=True)
class Case:
    """How a page is distorted.

    Args:
        rotation: Largest rotation in degrees.
        tilt: Loss of size across the page through perspective, as a share.
        stretch: Ratio of the scales of the two axes.
        curl_mm: Size of smooth waves of the sheet.
        fold: Whether a crease runs across the sheet.
        finish: Changes of the pixels.
        layout: Changes of the layout.
    """

    rotation: float = 0.0
    tilt: float = 0.0
    stretch: float = 1.0
    curl_mm: float = 0.0
    fold: bool = False
    finish: tuple[Callable[[Pixels, Rng], Pixels], ...] = ()
    layout: dict[str, object] | None = None


def shadow(page: Pixels, rng: Rng) -> Pixels:
    """Darken one side to 35 %, with a soft edge of a shadow across."""
    height, width = page.shape[:2]
    y, x = np.mgrid[:height, :width].astype(np.float32)
    angle = rng.uniform(0, 2 * np.pi)
    along = ((x - width / 2) * np.cos(angle) + (y - height / 2) * np.sin(angle)) / max(height, width)
    light = 0.68 - 0.5 * along
    light *= 1 - 0.3 / (1 + np.exp(-(along - rng.uniform(-0.2, 0.2)) * 60))
    return np.clip(page * light[..., None], 0, 255).astype(np.uint8)


def blur(page: Pixels, rng: Rng) -> Pixels:
    """Blur by 0.35 mm at 4 pixels per mm."""
    return np.asarray(cv2.GaussianBlur(page, (0, 0), 1.4), np.uint8)


def jpeg(page: Pixels, rng: Rng) -> Pixels:
    """Compress with JPEG quality 50."""
    return np.asarray(cv2.imdecode(cv2.imencode(".jpg", page, [cv2.IMWRITE_JPEG_QUALITY, 50])[1], 1), np.uint8)


def pen(page: Pixels, rng: Rng) -> Pixels:
    """Draw circles, strokes and a redaction bar."""
    page = page.copy()
    height, width = page.shape[:2]
    for _ in range(6):
        at = (int(rng.uniform(0, width)), int(rng.uniform(0, height)))
        colour = [(20, 20, 180), (180, 20, 20), (20, 20, 20)][int(rng.integers(3))]
        cv2.ellipse(page, at, (int(rng.uniform(30, 120)), int(rng.uniform(20, 60))), 0, 0, 360, colour, 3, cv2.LINE_AA)
    left, top = int(rng.uniform(0, 0.7) * width), int(rng.uniform(0, 0.9) * height)
    page[top : top + height // 15, left : left + width // 4] = 0
    return page


def grey(page: Pixels, rng: Rng) -> Pixels:
    """Copy in grey."""
    return np.asarray(cv2.cvtColor(cv2.cvtColor(page, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB), np.uint8)


def two_tone(page: Pixels, rng: Rng) -> Pixels:
    """Copy in black and white; the grid is black as the traces."""
    tone = cv2.cvtColor(page, cv2.COLOR_RGB2GRAY)
    return np.asarray(cv2.cvtColor(((tone > 185) * 255).astype(np.uint8), cv2.COLOR_GRAY2RGB), np.uint8)


def noise(page: Pixels, rng: Rng) -> Pixels:
    """Add the noise of a camera."""
    return np.clip(page + rng.normal(0, 6, page.shape), 0, 255).astype(np.uint8)


PHOTO = (shadow, noise, jpeg)
CASES = {
    "flat": Case(),
    "rotated": Case(rotation=25),
    "perspective": Case(rotation=5, tilt=0.25),
    "both": Case(rotation=25, tilt=0.25),
    "stretched": Case(stretch=1.06),
    "shadow": Case(rotation=5, tilt=0.15, finish=(shadow,)),
    "curl": Case(rotation=5, tilt=0.1, curl_mm=2.5),
    "fold": Case(rotation=5, tilt=0.1, fold=True),
    "blur": Case(rotation=5, finish=(blur,)),
    "jpeg": Case(rotation=5, finish=(jpeg,)),
    "pen": Case(rotation=5, finish=(pen,)),
    "grey": Case(rotation=5, finish=(grey,)),
    "two_tone": Case(rotation=5, finish=(two_tone,), layout=DARK),
    "photo": Case(rotation=25, tilt=0.2, curl_mm=1.5, finish=PHOTO),
}


def draw(number: int, case: Case) -> tuple[DrawnPage, PaperLayout]:
    """Draw a page of the synthetic cohort in one of the layouts and colours."""
    minor, major = list(COLOURS.values())[number % len(COLOURS)]
    settings = {"minor": minor, "major": major} | LAYOUTS[number // 2 % len(LAYOUTS)] | (case.layout or {})
    layout = PaperLayout(**settings)  # type: ignore[arg-type]
    record = patient_records(7, number)[0]
    signal = record_ecg(record.heart, np.random.default_rng(number))
    return draw_page(signal, RATE_HZ, layout=layout, header=("ECG", "Name: N. N.", "25 mm/s  10 mm/mV")), layout


def distort(page: Pixels, scale: float, case: Case, rng: Rng) -> Photo:
    """Photograph a page of ``scale`` pixels per mm, on a grey table."""
    height, width = page.shape[:2]
    centre = np.array([[1, 0, -width / 2], [0, 1, -height / 2], [0, 0, 1.0]])
    angle = np.deg2rad(rng.uniform(0.6, 1) * case.rotation * rng.choice([-1, 1]))
    turn = np.array([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]])
    tilt = np.diag([case.stretch, 1.0, 1.0])
    direction = rng.uniform(0, 2 * np.pi)
    tilt[2, :2] = case.tilt / max(height, width) * np.array([np.cos(direction), np.sin(direction)])
    forward = tilt @ turn @ centre
    corners = np.array([[0, 0, 1], [width, 0, 1], [width, height, 1], [0, height, 1.0]]) @ forward.T
    corners = corners[:, :2] / corners[:, 2:]
    low, high = corners.min(axis=0) - 30, corners.max(axis=0) + 30
    wide, high_px = (int(value) for value in np.ceil(high - low))
    x, y = np.meshgrid(np.arange(wide) + low[0], np.arange(high_px) + low[1])
    back = np.linalg.inv(forward)
    depth = back[2, 0] * x + back[2, 1] * y + back[2, 2]
    source = np.stack([(back[row, 0] * x + back[row, 1] * y + back[row, 2]) / depth for row in (0, 1)], axis=-1)
    source = _bend(source, scale, case, rng).astype(np.float32)
    pixels = cv2.remap(page, source, None, cv2.INTER_LINEAR, borderValue=(110, 105, 100))  # type: ignore[call-overload]
    for change in case.finish:
        pixels = change(pixels, rng)
    return Photo(pixels, source)


def _bend(source: Floats, scale: float, case: Case, rng: Rng) -> Floats:
    """Displace the points of the drawn page by smooth waves, or by a crease in the middle of the sheet."""
    mm = source / scale
    if case.curl_mm:
        phase = rng.uniform(0, 2 * np.pi, 4)
        along = np.sin(mm[..., 0] / 45 + phase[0]) + np.sin(mm[..., 1] / 60 + phase[1])
        across = np.sin(mm[..., 0] / 60 + phase[2]) + np.sin(mm[..., 1] / 50 + phase[3])
        mm = mm + 0.5 * case.curl_mm * np.stack([along, across], axis=-1)
    if case.fold:
        middle = mm[..., 0].mean() + rng.uniform(-20, 20)
        bent = np.maximum(mm[..., 0] - middle, 0)
        mm = mm + np.stack([0.04 * bent, 0.02 * bent], axis=-1)
    return np.asarray(mm * scale)


def errors(found: RectifiedPage, photo: Photo, layout: PaperLayout, turns: int) -> tuple[float, float, bool] | None:
    """Scale in percent, position in mm, and whether the page is upright; None if less than half of the grid is there."""
    height, width = found.pixels.shape[:2]
    step = 5 * PIXELS_PER_MM
    x, y = np.meshgrid(np.arange(0, width, step), np.arange(0, height, step))
    on_photo = found.page_points(np.column_stack([x.ravel(), y.ravel()]).astype(float))
    on_photo = _unturned(on_photo, photo.pixels.shape, turns).astype(np.float32)
    far = np.array([-1e6, -1e6])
    drawn = np.stack(
        [
            cv2.remap(photo.source[..., axis], on_photo[:, None], None, cv2.INTER_LINEAR, borderValue=far[axis])  # type: ignore[call-overload]
            for axis in (0, 1)
        ],
        axis=-1,
    ).reshape(*x.shape, 2)
    mm = (drawn + 0.5) / layout.pixels_per_mm
    left, top, right, bottom = (edge / layout.pixels_per_mm for edge in layout.grid_box)
    inside = (mm[..., 0] > left) & (mm[..., 0] < right) & (mm[..., 1] > top) & (mm[..., 1] < bottom)
    if inside.sum() < 0.5 * (right - left) * (bottom - top) / 25:
        return None
    steps = [(mm[:, 1:] - mm[:, :-1])[inside[:, 1:] & inside[:, :-1]], (mm[1:] - mm[:-1])[inside[1:] & inside[:-1]]]
    scale = np.concatenate([np.linalg.norm(part, axis=1) / 5 - 1 for part in steps])
    across, down = (np.median(part, axis=0) for part in steps)
    upright = bool(across[0] > 4 and down[1] > 4)
    axes = np.round(np.stack([across, down]) / 5)
    off = (np.stack([x, y], axis=-1) / PIXELS_PER_MM @ axes - mm)[inside]
    off = np.linalg.norm(off - np.median(off, axis=0), axis=1)
    return 100 * float(np.percentile(np.abs(scale), 95)), float(np.percentile(off, 95)), upright


def _unturned(points: Floats, shape: tuple[int, ...], turns: int) -> Floats:
    """Map points of a picture that was turned counter-clockwise ``turns`` times (np.rot90) back; shape before turning."""
    height, width = shape[:2]
    x, y = points.T
    options = ((x, y), (width - 1 - y, x), (width - 1 - x, height - 1 - y), (y, height - 1 - x))
    return np.stack(options[turns], axis=1)


def measured(name: str, case: Case, pages: int) -> dict[str, object]:
    """Rectify the pages of one case, turned in four ways."""
    scales, places, ways, codes, seconds = [], [], [], [], []
    for number in range(pages):
        rng = np.random.default_rng(1000 + number)
        drawn, layout = draw(number, case)
        photo = distort(np.asarray(drawn.pixels), layout.pixels_per_mm, case, rng)
        turns = number % 4
        begin = time.process_time()
        try:
            found = rectify(np.ascontiguousarray(np.rot90(photo.pixels, turns)), name=name)
        except EcgError as error:
            codes.append(error.issues[0].code)
            continue
        seconds.append(time.process_time() - begin)
        got = errors(found, photo, layout, turns)
        if got is None:
            codes.append("wrong_place")
            continue
        scales.append(got[0])
        places.append(got[1])
        ways.append(got[2])
    return {
        "pages": pages,
        "not_rectified": {code: codes.count(code) for code in sorted(set(codes))},
        "scale_percent": _summary(scales),
        "position_mm": _summary(places),
        "within_1_percent_and_0.7_mm": sum(s < 1 and p < 0.7 for s, p in zip(scales, places, strict=True)),
        "upright": sum(ways),
        "seconds": _summary(seconds),
    }


def _summary(values: list[float]) -> dict[str, float]:
    return {"median": round(float(np.median(values)), 3), "worst": round(max(values), 3)} if values else {}


def main() -> None:
    """Print the figures of each case."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pages", type=int, default=10, help="pages of each case")
    parser.add_argument("--case", nargs="*", choices=CASES, default=list(CASES), help="cases to run")
    options = parser.parse_args()
    print(json.dumps({name: measured(name, CASES[name], options.pages) for name in options.case}, indent=1))


if __name__ == "__main__":
    main()
