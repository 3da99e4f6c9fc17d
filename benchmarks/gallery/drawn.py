"""Codes, textures, and greys like those of medical images."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from gallery.source import Curve, Pixels, Source, pick, scanned, sheet
from gallery.texts import font

Grid = NDArray[np.int64]


def _barcode(rng: np.random.Generator) -> Pixels:
    image, pen = sheet((900, 600))
    x = 80
    while x < 820:
        wide = int(rng.integers(2, 10))
        pen.rectangle((x, 80, x + wide, 480), fill=(0, 0, 0))
        x += wide + int(rng.integers(2, 10))
    pen.text((250, 500), str(rng.integers(10**12)), fill=(0, 0, 0), font=font("DejaVuSansMono", 44))
    return scanned(image, rng)


def _matrix_code(rng: np.random.Generator) -> Pixels:
    size = int(rng.integers(25, 60))
    code = (rng.random((size, size)) < 0.5).astype(np.uint8) * 255
    big = Image.fromarray(code).resize((800, 800), Image.Resampling.NEAREST)
    image, _ = sheet((900, 900))
    image.paste(big.convert("RGB"), (50, 50))
    return scanned(image, rng)


def _crossword(rng: np.random.Generator) -> Pixels:
    image, pen = sheet((900, 900))
    for x in range(50, 850, 50):
        for y in range(50, 850, 50):
            pen.rectangle(
                (x, y, x + 50, y + 50), outline=(0, 0, 0), fill=(0, 0, 0) if rng.random() < 0.25 else (255, 255, 255)
            )
    return scanned(image, rng)


def _sudoku(rng: np.random.Generator) -> Pixels:
    image, pen = sheet((900, 900))
    for k in range(10):
        wide = 5 if k % 3 == 0 else 1
        pen.line((45 + 90 * k, 45, 45 + 90 * k, 855), fill=(0, 0, 0), width=wide)
        pen.line((45, 45 + 90 * k, 855, 45 + 90 * k), fill=(0, 0, 0), width=wide)
    for k in range(81):
        if rng.random() < 0.5:
            x, y = 75 + k % 9 * 90, 65 + k // 9 * 90
            pen.text((x, y), str(rng.integers(1, 10)), fill=(0, 0, 0), font=font("DejaVuSans", 44))
    return scanned(image, rng)


def _coordinates(shape: tuple[int, int] = (780, 1100)) -> tuple[Grid, Grid]:
    return np.meshgrid(np.arange(shape[1]), np.arange(shape[0]))


def _shade(level: Curve | Pixels, rng: np.random.Generator, colour: tuple[float, float, float] = (1, 1, 1)) -> Pixels:
    return scanned(np.clip(np.asarray(level)[..., None] * np.array(colour), 0, 255).astype(np.uint8), rng, 4)


def _cloth(rng: np.random.Generator) -> Pixels:
    x, y = _coordinates()
    step = rng.uniform(3, 7)
    return _shade(160 + 50 * np.sin(x / step) * np.sin(y / step) + 20 * np.sin(x / 97), rng, (0.7, 0.8, 1))


def _gingham(rng: np.random.Generator) -> Pixels:
    x, y = _coordinates()
    step = int(rng.integers(8, 24))
    return _shade(255 - 60 * (x // step % 2) - 60 * (y // step % 2), rng, (1, 0.85, 0.85))


def _tiles(rng: np.random.Generator) -> Pixels:
    x, y = _coordinates()
    step = int(rng.integers(20, 45))
    tone = rng.normal(200, 12, (780 // step + 1, 1100 // step + 1))[y // step, x // step]
    return _shade(np.where((x % step < 3) | (y % step < 3), 110, tone), rng, (1, 0.95, 0.9))


def _wall(rng: np.random.Generator) -> Pixels:
    x, y = _coordinates()
    row = y // 26
    shifted = x + 30 * (row % 2)
    tone = rng.normal(150, 18, (40, 30))[row, shifted // 60]
    return _shade(np.where((y % 26 < 4) | (shifted % 60 < 4), 200, tone), rng, (1, 0.6, 0.5))


def _mesh(rng: np.random.Generator) -> Pixels:
    x, y = _coordinates()
    step = int(rng.integers(10, 18))
    return _shade(np.where(((x + y) % step < 3) | ((x - y) % step < 3), 70, 210), rng)


def _halftone(rng: np.random.Generator) -> Pixels:
    x, y = _coordinates()
    picture = cv2.resize(rng.random((5, 7)), (1100, 780), interpolation=cv2.INTER_CUBIC)
    screen = 0.5 + 0.25 * (np.cos(2 * np.pi * x / 7) + np.cos(2 * np.pi * y / 7))
    return _shade(255 * (screen < 0.2 + 0.6 * picture), rng)


def _keyboard(rng: np.random.Generator) -> Pixels:
    image, pen = sheet((1100, 480), (40, 40, 44))
    for row in range(5):
        for key in range(14):
            x, y = 20 + key * 76 + row * 9, 20 + row * 90
            pen.rounded_rectangle((x, y, x + 66, y + 78), 8, fill=(70, 70, 76))
            pen.text(
                (x + 22, y + 20), chr(65 + int(rng.integers(26))), fill=(230, 230, 230), font=font("DejaVuSans", 26)
            )
    return scanned(image, rng)


def _facade(rng: np.random.Generator) -> Pixels:
    image, pen = sheet((1000, 800), (190, 182, 170))
    for x in range(20, 980, 46):
        for y in range(20, 780, 60):
            pen.rectangle((x, y, x + 28, y + 42), fill=pick(rng, (70, 90, 120), (50, 60, 80), (210, 200, 140)))
    return scanned(image, rng, 5)


def _board(rng: np.random.Generator) -> Pixels:
    image, pen = sheet((1000, 800), (20, 90, 50))
    for _ in range(160):
        x, y = 10 * int(rng.integers(100)), 10 * int(rng.integers(80))
        pen.line((x, y, x + 10 * int(rng.integers(25)), y), fill=(60, 150, 90), width=3)
        pen.line((x, y, x, y + 10 * int(rng.integers(25))), fill=(60, 150, 90), width=3)
        pen.rectangle((x, y, x + 30, y + 14), fill=(25, 25, 25))
    return scanned(image, rng)


def _sieve(rng: np.random.Generator) -> Pixels:
    x, y = _coordinates()
    step = int(rng.integers(9, 15))
    return _shade(np.where((x % step - step / 2) ** 2 + (y % step - step / 2) ** 2 < (step / 3.2) ** 2, 30, 190), rng)


def _clouds(rng: np.random.Generator, shape: tuple[int, int], cells: int) -> Curve:
    return cv2.resize(rng.random((cells, cells)), shape[::-1], interpolation=cv2.INTER_CUBIC)


def _chest(rng: np.random.Generator) -> Pixels:
    x, y = _coordinates((900, 800))
    body = 200 * np.exp(-(((x - 400) / 330) ** 4))
    for centre in (255, 545):
        body -= 120 * np.exp(-(((x - centre) / 110) ** 2) - ((y - 420) / 260) ** 2)
    ribs = 18 * np.sin((y + 0.0016 * (x - 400) ** 2) / rng.uniform(13, 18)) * (np.abs(x - 400) > 60)
    heart = 80 * np.exp(-(((x - 450) / 90) ** 2) - ((y - 560) / 110) ** 2)
    return _shade(body + ribs + heart + 20 * _clouds(rng, (900, 800), 30), rng)


def _slice(rng: np.random.Generator) -> Pixels:
    x, y = _coordinates((600, 600))
    radius = np.hypot((x - 300) / 240, (y - 300) / 200)
    inside = np.where(radius < 0.93, 110 + 60 * _clouds(rng, (600, 600), 12), 230)
    return _shade(np.where(radius < 1, inside, 5), rng)


def _fan(rng: np.random.Generator) -> Pixels:
    x, y = _coordinates((700, 900))
    angle, depth = np.arctan2(x - 450, y), np.hypot(x - 450, y)
    speckle = rng.rayleigh(60, (700, 900)) * _clouds(rng, (700, 900), 14) * 1.6
    return _shade(np.where((np.abs(angle) < 0.7) & (depth < 680) & (depth > 60), speckle, 3), rng)


def _cells(rng: np.random.Generator) -> Pixels:
    image, pen = sheet((900, 700), (235, 205, 222))
    for _ in range(500):
        x, y, r = rng.uniform(0, 900), rng.uniform(0, 700), rng.uniform(6, 14)
        pen.ellipse((x - r, y - r, x + r, y + r), fill=pick(rng, (120, 70, 150), (150, 90, 170), (210, 140, 180)))
    return scanned(image, rng, 6)


def _fundus(rng: np.random.Generator) -> Pixels:
    image, pen = sheet((800, 800), (4, 3, 3))
    pen.ellipse((60, 60, 740, 740), fill=(190, 80, 40))
    pen.ellipse((500, 350, 590, 450), fill=(245, 210, 130))
    for _ in range(14):
        walk = np.cumsum(
            rng.normal(0, 4, (60, 2)) + 6 * np.array([np.cos(a := rng.uniform(0, 6.3)), np.sin(a)]), axis=0
        )
        pen.line([tuple(point) for point in walk + np.array([545, 400])], fill=(120, 20, 15), width=4)
    return scanned(image, rng, 4)


def _breast(rng: np.random.Generator) -> Pixels:
    x, y = _coordinates((1000, 750))
    inside = (x / 600) ** 2 + ((y - 500) / 420) ** 2 < 1
    return _shade(np.where(inside, 70 + 140 * _clouds(rng, (1000, 750), 20) ** 2, 4), rng)


def _gamma(rng: np.random.Generator) -> Pixels:
    x, y = _coordinates((512, 512))
    rate = 30 * sum(
        np.exp(-(((x - rng.uniform(80, 430)) / 40) ** 2) - ((y - rng.uniform(80, 430)) / 50) ** 2) for _ in range(6)
    )
    return _shade(255 - 8 * rng.poisson(rate), rng)


def _teeth(rng: np.random.Generator) -> Pixels:
    x, y = _coordinates((500, 1000))
    crowns = 90 * (np.abs(np.sin(x / rng.uniform(22, 28))) > 0.35) * (np.abs(y - 250) < 130)
    return _shade(60 + crowns + 40 * _clouds(rng, (500, 1000), 20), rng)


KINDS = {
    "code or puzzle": (
        Source("bar code", _barcode),
        Source("matrix code", _matrix_code),
        Source("crossword", _crossword),
        Source("sudoku", _sudoku),
    ),
    "texture": (
        Source("cloth", _cloth),
        Source("gingham", _gingham),
        Source("tiles", _tiles),
        Source("brick wall", _wall),
        Source("wire mesh", _mesh),
        Source("halftone print", _halftone),
        Source("keyboard", _keyboard),
        Source("facade", _facade),
        Source("circuit board", _board),
        Source("sieve", _sieve),
    ),
    "medical greys, drawn": (
        Source("chest", _chest),
        Source("slice", _slice),
        Source("ultrasound fan", _fan),
        Source("cells", _cells),
        Source("fundus", _fundus),
        Source("breast", _breast),
        Source("gamma camera", _gamma),
        Source("teeth", _teeth),
    ),
}
