"""Pages of text, tables and forms, and screens."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from gallery.source import Colour, Pixels, Source, pick, scanned, sheet

_WORDS = (
    "the of patient and to in was with for on at is a by from no left right heart rate report normal sinus rhythm chest "
    "ward date name dose daily tablet pressure signed history family review clinic letter dear doctor thank you yours "
    "invoice total number street account balance page table result unit value reference range blood sodium potassium"
)


@lru_cache(maxsize=64)
def font(name: str, size: int) -> ImageFont.FreeTypeFont:
    """A typeface that matplotlib ships."""
    import matplotlib as mpl

    return ImageFont.truetype(str(Path(mpl.get_data_path()) / "fonts" / "ttf" / f"{name}.ttf"), size)


def sentence(rng: np.random.Generator, words: int) -> str:
    """Words in any order."""
    known = _WORDS.split()
    return " ".join(known[int(rng.integers(len(known)))] for _ in range(words))


def lines(
    pen: ImageDraw.ImageDraw, rng: np.random.Generator, box: tuple[int, int, int, int], face: tuple[str, int]
) -> None:
    """Fill a box (left, top, right, bottom) with lines of text."""
    left, top, right, bottom = box
    for y in range(top, bottom - face[1], round(1.4 * face[1])):
        count = max(1, int((right - left) / face[1] / 3 * rng.uniform(0.6, 1)))
        pen.text((left, y), sentence(rng, count), fill=(20, 20, 25), font=font(*face))


def _prose(face: str, size: int, columns: int = 1, shape: tuple[int, int] = (850, 1170)) -> Source:
    def draw(rng: np.random.Generator) -> Pixels:
        image, pen = sheet(shape, pick(rng, (255, 255, 255), (250, 246, 235)))
        pen.text((70, 40), sentence(rng, 4).title(), fill=(0, 0, 0), font=font(face, size * 2))
        wide = (shape[0] - 140) // columns
        for column in range(columns):
            left = 70 + column * wide
            lines(pen, rng, (left, 120, left + wide - 20, shape[1] - 80), (face, size))
        return scanned(image, rng)

    return Source(f"{face} {size} px, {columns} columns", draw)


def _table(ruled: bool, shape: tuple[int, int], row: int) -> Source:
    def draw(rng: np.random.Generator) -> Pixels:
        image, pen = sheet(shape)
        columns = np.linspace(40, shape[0] - 40, int(rng.integers(5, 11))).astype(int)
        for y in range(60, shape[1] - 60, row):
            for x in columns[:-1]:
                value = sentence(rng, 1) if x == columns[0] else f"{rng.normal(50, 30):.1f}"
                pen.text((x + 4, y + 3), value, fill=(15, 15, 15), font=font("DejaVuSans", row * 11 // 20))
            if ruled:
                pen.line((40, y, shape[0] - 40, y), fill=(120, 120, 120))
        if ruled:
            for x in columns:
                pen.line((x, 60, x, shape[1] - 60), fill=(120, 120, 120))
        return scanned(image, rng)

    return Source(f"table, rows of {row} px, {'with' if ruled else 'without'} lines", draw)


def _form(rng: np.random.Generator) -> Pixels:
    image, pen = sheet((850, 1170))
    for y in range(80, 1060, 70):
        pen.text((60, y), sentence(rng, 2).title(), fill=(0, 0, 0), font=font("DejaVuSans-Bold", 16))
        for x in range(300, 780, 32):
            pen.rectangle((x, y - 4, x + 28, y + 28), outline=(90, 130, 200))
            if rng.random() < 0.5:
                pen.text(
                    (x + 7, y), chr(65 + int(rng.integers(26))), fill=(10, 10, 60), font=font("DejaVuSansMono", 20)
                )
    return scanned(image, rng)


def _letter(rng: np.random.Generator) -> Pixels:
    image, pen = sheet((850, 1170))
    pen.rectangle((60, 50, 200, 120), fill=pick(rng, (20, 60, 140), (140, 20, 30)))
    lines(pen, rng, (500, 50, 800, 160), ("DejaVuSerif", 14))
    lines(pen, rng, (80, 300, 780, 800), ("DejaVuSerif", 18))
    points = np.column_stack([np.linspace(90, 330, 60), 900 + 30 * np.sin(np.linspace(0, 17, 60)) * rng.random(60)])
    pen.line([tuple(point) for point in points], fill=(20, 30, 120), width=3)
    return scanned(image, rng)


def _receipt(rng: np.random.Generator) -> Pixels:
    image, pen = sheet((380, 1100), (244, 242, 236))
    for y in range(30, 1050, 26):
        pen.text((20, y), sentence(rng, 2)[:18], fill=(60, 60, 70), font=font("DejaVuSansMono", 17))
        pen.text((290, y), f"{rng.uniform(1, 90):6.2f}", fill=(60, 60, 70), font=font("DejaVuSansMono", 17))
    return scanned(image, rng, 4)


def _calendar(rng: np.random.Generator) -> Pixels:
    image, pen = sheet((1100, 800))
    for row in range(6):
        for column in range(7):
            x, y = 30 + column * 148, 100 + row * 112
            pen.rectangle((x, y, x + 148, y + 112), outline=(150, 150, 150))
            pen.text((x + 8, y + 6), str(row * 7 + column), fill=(20, 20, 20), font=font("DejaVuSans", 22))
            if rng.random() < 0.4:
                pen.text((x + 8, y + 50), sentence(rng, 2), fill=(150, 30, 30), font=font("DejaVuSans", 13))
    return scanned(image, rng)


def _music(rng: np.random.Generator) -> Pixels:
    image, pen = sheet((850, 1170))
    for top in range(100, 1080, 110):
        for line in range(5):
            pen.line((60, top + 10 * line, 790, top + 10 * line), fill=(30, 30, 30))
        for x in range(90, 780, int(rng.integers(24, 40))):
            y = top + 5 * int(rng.integers(-1, 9))
            pen.ellipse((x, y - 5, x + 13, y + 5), fill=(0, 0, 0))
            pen.line((x + 12, y, x + 12, y - 36), fill=(0, 0, 0), width=2)
    return scanned(image, rng)


def _windows(back: Colour, ink: Colour) -> Source:
    def draw(rng: np.random.Generator) -> Pixels:
        image, pen = sheet((1280, 800), back)
        for _ in range(5):
            x, y = int(rng.integers(800)), int(rng.integers(500))
            pen.rectangle((x, y, x + 420, y + 280), fill=tuple(min(255, part + 12) for part in back), outline=ink)
            pen.rectangle((x, y, x + 420, y + 26), fill=pick(rng, (40, 90, 200), (70, 70, 80), (200, 90, 40)))
            for row in range(6):
                pen.text((x + 14, y + 40 + 36 * row), sentence(rng, 5), fill=ink, font=font("DejaVuSans", 15))
        return np.asarray(image)

    return Source(f"windows on {back}", draw)


def _code(back: Colour) -> Source:
    def draw(rng: np.random.Generator) -> Pixels:
        image, pen = sheet((1280, 800), back)
        for y in range(10, 780, 19):
            colour = pick(rng, (90, 170, 90), (200, 150, 80), (100, 140, 230), (150, 150, 150))
            indent = 40 + 32 * int(rng.integers(5))
            text = sentence(rng, int(rng.integers(1, 9))).replace(" ", "_") + "()"
            pen.text((indent, y), text, fill=colour, font=font("DejaVuSansMono", 14))
        return np.asarray(image)

    return Source(f"source text on {back}", draw)


def _spreadsheet(rng: np.random.Generator) -> Pixels:
    image, pen = sheet((1280, 800))
    for y in range(60, 800, 20):
        pen.line((0, y, 1280, y), fill=(212, 212, 212))
        for x in range(0, 1280, 64):
            pen.line((x, 60, x, 800), fill=(212, 212, 212))
            if rng.random() < 0.5:
                pen.text((x + 20, y + 3), f"{rng.integers(9999)}", fill=(0, 0, 0), font=font("DejaVuSans", 12))
    pen.rectangle((0, 0, 1280, 58), fill=(33, 115, 70))
    return np.asarray(image)


def _dashboard(rng: np.random.Generator) -> Pixels:
    image, pen = sheet((1280, 800), (246, 247, 250))
    for place in range(6):
        x, y = 20 + place % 3 * 420, 60 + place // 3 * 370
        pen.rectangle((x, y, x + 400, y + 350), fill=(255, 255, 255), outline=(220, 222, 230))
        pen.text((x + 16, y + 12), sentence(rng, 3).title(), fill=(50, 50, 60), font=font("DejaVuSans", 16))
        for bar in range(12):
            tall = int(rng.integers(20, 250))
            colour = pick(rng, (80, 120, 220), (90, 180, 140))
            pen.rectangle((x + 20 + bar * 30, y + 330 - tall, x + 42 + bar * 30, y + 330), fill=colour)
    return np.asarray(image)


def _chat(rng: np.random.Generator) -> Pixels:
    image, pen = sheet((500, 1000), (229, 221, 213))
    for row, y in enumerate(range(30, 950, 80)):
        x = 20 if row % 2 else 160
        pen.rounded_rectangle((x, y, x + 310, y + 62), 12, fill=(255, 255, 255) if row % 2 else (220, 248, 198))
        pen.text((x + 14, y + 10), sentence(rng, 5), fill=(30, 30, 30), font=font("DejaVuSans", 14))
    return np.asarray(image)


def _collage(rng: np.random.Generator) -> Pixels:
    """A sheet of stamps: small pictures in rows."""
    image = Image.new("RGB", (1100, 800), "white")
    for y in range(20, 740, 90):
        for x in range(20, 1040, 90):
            tile = Image.fromarray(rng.integers(0, 255, (4, 4, 3), dtype=np.uint8)).resize(
                (80, 80), Image.Resampling.BICUBIC
            )
            image.paste(tile, (x, y))
    return np.asarray(image)


KINDS = {
    "text": (
        _prose("DejaVuSans", 16),
        _prose("STIXGeneral", 15),
        _prose("DejaVuSansMono", 13),
        _prose("DejaVuSerif", 26),
        _prose("cmr10", 18),
        _prose("DejaVuSans", 11, 3),
        _prose("STIXGeneral", 12, 4, (1170, 850)),
        _prose("DejaVuSansMono", 10, 1, (1170, 850)),
        _prose("DejaVuSerif", 40, 1, (1170, 850)),
        Source("letter", _letter),
        Source("receipt", _receipt),
        Source("music", _music),
    ),
    "table or form": (
        _table(True, (850, 1170), 30),
        _table(True, (1170, 850), 20),
        _table(False, (850, 1170), 24),
        _table(False, (1170, 850), 18),
        Source("form with boxes", _form),
        Source("calendar", _calendar),
    ),
    "screen": (
        _windows((240, 240, 240), (30, 30, 30)),
        _windows((30, 32, 40), (220, 220, 220)),
        _code((255, 255, 255)),
        _code((24, 26, 32)),
        Source("spreadsheet", _spreadsheet),
        Source("dashboard", _dashboard),
        Source("chat", _chat),
        Source("sheet of pictures", _collage),
    ),
}
