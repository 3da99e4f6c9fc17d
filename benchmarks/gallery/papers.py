"""Empty paper of many kinds, and paper with writing and drawings that are no trace."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from PIL import Image, ImageDraw

from gallery.source import Colour, Pixels, Source, pick, scanned, sheet, smooth
from gallery.texts import font, lines, sentence

INK = (20, 20, 24)
PEN = (24, 40, 130)
PENCIL = (90, 90, 95)

Sheet = tuple[Image.Image, ImageDraw.ImageDraw]


def squared(size: tuple[int, int], step: float, fine: Colour, *, bold: Colour | None = None, every: int = 5) -> Sheet:
    """Paper ruled along both axes, each ``every``-th line in another colour."""
    image, pen = sheet(size)
    for colour, stride in ((fine, 1), (bold, every)):
        if colour is None:
            continue
        for x in np.arange(0, size[0], step * stride):
            pen.line((x, 0, x, size[1]), fill=colour)
        for y in np.arange(0, size[1], step * stride):
            pen.line((0, y, size[0], y), fill=colour)
    return image, pen


PINK, PINK2 = (250, 214, 212), (238, 160, 158)
ORANGE, ORANGE2 = (253, 222, 196), (243, 160, 104)
GREEN, GREEN2 = (208, 238, 208), (126, 198, 126)
BLUE, BLUE2 = (206, 226, 250), (132, 172, 238)
GREY, GREY2 = (226, 226, 226), (176, 176, 176)
PAGE = (1100, 780)


def _millimetre(fine: Colour, bold: Colour, step: float) -> Callable[[], Sheet]:
    return lambda: squared(PAGE, step, fine, bold=bold)


def _dots() -> Sheet:
    image, pen = sheet(PAGE)
    for x in range(10, PAGE[0], 9):
        for y in range(10, PAGE[1], 9):
            pen.point([(x, y), (x + 1, y)], fill=(150, 150, 160))
    return image, pen


def _logarithmic() -> Sheet:
    image, pen = sheet(PAGE)
    for decade in range(4):
        for k in range(1, 10):
            x = 275 * (decade + np.log10(k))
            pen.line((x, 0, x, PAGE[1]), fill=(230, 170, 140))
    for y in range(0, PAGE[1], 8):
        pen.line((0, y, PAGE[0], y), fill=(240, 205, 185))
    return image, pen


def _isometric() -> Sheet:
    image, pen = sheet(PAGE)
    for x in range(-800, 1900, 14):
        pen.line((x, 0, x + 450, 780), fill=(190, 215, 190))
        pen.line((x, 0, x - 450, 780), fill=(190, 215, 190))
    for y in range(0, 780, 12):
        pen.line((0, y, 1100, y), fill=(190, 215, 190))
    return image, pen


def _ruled(step: int, colour: Colour, margin: bool) -> Callable[[], Sheet]:
    def draw() -> Sheet:
        image, pen = sheet((850, 1170), (253, 253, 250))
        for y in range(90, 1150, step):
            pen.line((0, y, 850, y), fill=colour)
        if margin:
            pen.line((110, 0, 110, 1170), fill=(230, 120, 120), width=2)
        return image, pen

    return draw


PAPERS: dict[str, Callable[[], Sheet]] = {
    "white": lambda: sheet((850, 1170)),
    "cream": lambda: sheet((850, 1170), (248, 242, 226)),
    "wide ruled": _ruled(40, (170, 195, 225), True),
    "narrow ruled": _ruled(24, (205, 205, 205), False),
    "squared 5 mm blue": lambda: squared((850, 1170), 20, (180, 205, 235)),
    "squared 5 mm grey": lambda: squared((850, 1170), 20, (205, 205, 205)),
    "pink millimetre": _millimetre(PINK, PINK2, 4),
    "orange millimetre": _millimetre(ORANGE, ORANGE2, 4.5),
    "green millimetre": _millimetre(GREEN, GREEN2, 5),
    "blue millimetre": _millimetre(BLUE, BLUE2, 3.6),
    "grey millimetre": _millimetre(GREY, GREY2, 4),
    "red millimetre, strong": _millimetre((255, 180, 175), (232, 92, 88), 6),
    "dotted": _dots,
    "logarithmic": _logarithmic,
    "isometric": _isometric,
    "pink 2 mm": lambda: squared(PAGE, 8, PINK2),
}


def _empty(name: str) -> Source:
    """The second picture has a printed headline and a frame: not blank any more."""

    def draw(rng: np.random.Generator) -> Pixels:
        image, pen = PAPERS[name]()
        if rng.random() < 0.7:
            pen.rectangle((0, 0, image.width, 100), fill=(255, 255, 255))
            pen.text((60, 24), sentence(rng, 5).title(), fill=INK, font=font("DejaVuSerif", 30))
            lines(pen, rng, (60, 66, image.width - 60, 100), ("DejaVuSans", 15))
            if rng.random() < 0.6:
                pen.rectangle((30, 104, image.width - 30, image.height - 30), outline=INK, width=2)
        return scanned(image, rng)

    return Source(f"{name} paper, empty", draw, 3)


def written(paper: str, write: Callable[[Sheet, np.random.Generator], None], name: str) -> Source:
    """A source: something drawn on one of the papers."""

    def draw(rng: np.random.Generator) -> Pixels:
        image, pen = PAPERS[paper]()
        write((image, pen), rng)
        return scanned(image, rng)

    return Source(f"{name} on {paper}", draw, 3)


def scribble(page: Sheet, rng: np.random.Generator) -> None:
    """Smooth lines that go round and round."""
    image, pen = page
    for _ in range(int(rng.integers(2, 6))):
        size, width = 400, float(rng.uniform(6, 25))
        x = rng.uniform(200, image.width - 200) + 120 * smooth(rng, size, width)
        y = rng.uniform(150, image.height - 150) + 100 * smooth(rng, size, width)
        pen.line(list(zip(x, y, strict=True)), fill=pick(rng, INK, PEN, PENCIL), width=3)


def handwriting(page: Sheet, rng: np.random.Generator) -> None:
    """Joined loops in lines, a word each."""
    image, pen = page
    for y in range(120, image.height - 60, int(rng.integers(34, 60))):
        x = 60.0
        while x < image.width - 140:
            size = int(rng.integers(30, 110))
            at = np.arange(size)
            across = x + 1.3 * at + 6 * np.sin(at / 2.6) + 2 * smooth(rng, size, 4)
            down = y - 9 * np.cos(at / 2.6) - 5 * np.abs(smooth(rng, size, 3))
            pen.line(list(zip(across, down, strict=True)), fill=PEN, width=2)
            x += 1.3 * size + 22


def _capitals(page: Sheet, rng: np.random.Generator) -> None:
    image, pen = page
    for y in range(110, image.height - 60, 44):
        for x in range(60, image.width - 80, 26):
            if rng.random() < 0.8:
                pen.text(
                    (x + rng.normal(0, 2), y + rng.normal(0, 2)),
                    chr(65 + int(rng.integers(26))),
                    PEN,
                    font("cmss10", 26),
                )


def print_(page: Sheet, rng: np.random.Generator) -> None:
    """Lines of printed text."""
    image, pen = page
    lines(pen, rng, (60, 120, image.width - 60, image.height - 60), ("DejaVuSerif", int(rng.integers(13, 24))))


def _sums(page: Sheet, rng: np.random.Generator) -> None:
    image, pen = page
    for x in range(60, image.width - 150, 190):
        for y in range(90, image.height - 150, 190):
            for row in range(3):
                pen.text(
                    (x, y + 34 * row), f"{rng.integers(100, 99999):>6}", fill=PENCIL, font=font("DejaVuSansMono", 26)
                )
            pen.line((x, y + 106, x + 110, y + 106), fill=PENCIL, width=2)


def _function_graph(page: Sheet, rng: np.random.Generator) -> None:
    image, pen = page
    width, height = image.size
    pen.line((80, height / 2, width - 60, height / 2), fill=INK, width=2)
    pen.line((width / 2, 50, width / 2, height - 50), fill=INK, width=2)
    x = np.linspace(80, width - 60, 500)
    for _ in range(int(rng.integers(1, 4))):
        y = height / 2 - 120 * smooth(rng, 500, float(rng.uniform(40, 90)))
        pen.line(list(zip(x, y, strict=True)), fill=pick(rng, INK, PEN, (170, 30, 30)), width=3)
    for k in range(-5, 6):
        pen.text((width / 2 + 80 * k, height / 2 + 6), str(k), fill=INK, font=font("DejaVuSans", 15))


def _points_and_line(page: Sheet, rng: np.random.Generator) -> None:
    image, pen = page
    width, height = image.size
    pen.line((100, height - 100, width - 60, height - 100), fill=INK, width=2)
    pen.line((100, 60, 100, height - 100), fill=INK, width=2)
    pen.line((100, height - 140, width - 80, 120), fill=PENCIL, width=2)
    for x in range(130, width - 90, 50):
        y = height - 140 - (x - 100) / (width - 180) * (height - 260) + rng.normal(0, 25)
        pen.line((x - 6, y - 6, x + 6, y + 6), fill=INK, width=2)
        pen.line((x - 6, y + 6, x + 6, y - 6), fill=INK, width=2)


def _floor_plan(page: Sheet, rng: np.random.Generator) -> None:
    image, pen = page
    for _ in range(9):
        x, y = 40 * int(rng.integers(2, image.width // 40 - 8)), 40 * int(rng.integers(2, image.height // 40 - 6))
        w, h = 40 * int(rng.integers(3, 8)), 40 * int(rng.integers(2, 6))
        pen.rectangle((x, y, x + w, y + h), outline=INK, width=4)
        pen.text((x + 12, y + 12), sentence(rng, 1), fill=INK, font=font("DejaVuSans", 16))


def _doodles(page: Sheet, rng: np.random.Generator) -> None:
    image, pen = page
    for _ in range(24):
        x, y, r = rng.uniform(60, image.width - 90), rng.uniform(60, image.height - 90), rng.uniform(10, 50)
        if rng.random() < 0.5:
            pen.ellipse((x - r, y - r, x + r, y + r), outline=PEN, width=3)
        else:
            turn = np.linspace(0, 4 * np.pi, 11)
            pen.line(list(zip(x + r * np.sin(2 * turn), y + r * np.cos(turn), strict=True)), fill=PEN, width=3)


def _cross_stitch(page: Sheet, rng: np.random.Generator) -> None:
    image, pen = page
    for x in range(60, image.width - 60, 20):
        for y in range(60, image.height - 60, 20):
            if np.sin(x / 90) * np.cos(y / 70) + 0.3 * rng.random() > 0.3:
                pen.text((x, y), "x" if rng.random() < 0.5 else "o", INK, font("DejaVuSans", 17))


def _bar_chart(page: Sheet, rng: np.random.Generator) -> None:
    image, pen = page
    for x in range(100, image.width - 100, 60):
        tall = int(rng.integers(60, image.height - 220))
        pen.rectangle(
            (x, image.height - 100 - tall, x + 40, image.height - 100), fill=pick(rng, PENCIL, PEN, (150, 40, 40))
        )
    pen.line((80, image.height - 100, image.width - 60, image.height - 100), fill=INK, width=2)


def _temperature(page: Sheet, rng: np.random.Generator) -> None:
    """A fever chart: points of a few days, joined by straight strokes."""
    image, pen = page
    x = np.arange(100, image.width - 80, 70)
    y = image.height / 2 + rng.normal(0, 90, len(x))
    pen.line(list(zip(x, y, strict=True)), fill=PEN, width=2)
    for at, level in zip(x, y, strict=True):
        pen.ellipse((at - 5, level - 5, at + 5, level + 5), fill=PEN)
    lines(pen, rng, (80, 30, image.width - 80, 80), ("DejaVuSans", 16))


def _circuit(page: Sheet, rng: np.random.Generator) -> None:
    image, pen = page
    for _ in range(40):
        x, y = 20 * int(rng.integers(4, image.width // 20 - 4)), 20 * int(rng.integers(4, image.height // 20 - 4))
        across = rng.random() < 0.5
        length = 20 * int(rng.integers(3, 12))
        pen.line((x, y, x + length * across, y + length * (not across)), fill=INK, width=2)
        pen.rectangle((x - 16, y - 7, x + 16, y + 7), outline=INK, fill=(255, 255, 255), width=2)


_BLANK = tuple(_empty(name) for name in PAPERS)
_DRAWN = (
    written("white", scribble, "scribble"),
    written("cream", handwriting, "handwriting"),
    written("squared 5 mm blue", _sums, "sums"),
    written("squared 5 mm grey", _floor_plan, "floor plan"),
    written("pink millimetre", scribble, "scribble"),
    written("orange millimetre", handwriting, "handwriting"),
    written("green millimetre", _function_graph, "function graph"),
    written("blue millimetre", _points_and_line, "points and a line"),
    written("pink 2 mm", print_, "print"),
    written("pink millimetre", print_, "print"),
    written("orange millimetre", _floor_plan, "floor plan"),
    written("grey millimetre", _circuit, "circuit"),
    written("red millimetre, strong", _bar_chart, "bar chart"),
    written("green millimetre", _temperature, "fever chart"),
    written("blue millimetre", _doodles, "doodles"),
    written("pink millimetre", _function_graph, "function graph"),
    written("dotted", _cross_stitch, "cross stitch"),
    written("isometric", _doodles, "doodles"),
    written("logarithmic", _points_and_line, "points and a line"),
    written("grey millimetre", _capitals, "capitals"),
)

KINDS = {"empty paper": _BLANK, "drawn paper": _DRAWN}
