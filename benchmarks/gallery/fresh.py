"""Harder recipes, written after the first limits; what passed at first then changed a rule: they are no test any more."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from gallery import papers, plotted, texts
from gallery.found import picture
from gallery.source import Curve, Pixels, Source, pick, scanned, sheet, smooth

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def _staves(page: papers.Sheet, rng: np.random.Generator) -> None:
    """Joined notes and bars between lines."""
    image, pen = page
    for top in range(60, image.height - 100, 120):
        for x in range(60, image.width - 160, 90):
            heights = top + 8 * rng.integers(0, 6, 4)
            for note, y in enumerate(heights.tolist()):
                pen.ellipse((x + 20 * note, y, x + 20 * note + 10, y + 8), fill=papers.INK)
                pen.line((x + 20 * note + 9, y, x + 20 * note + 9, top - 20), fill=papers.INK, width=2)
            pen.line((x + 9, top - 20, x + 69, top - 20), fill=papers.INK, width=5)


def _maze(page: papers.Sheet, rng: np.random.Generator) -> None:
    image, pen = page
    for x in range(40, image.width - 60, 24):
        for y in range(40, image.height - 60, 24):
            across = rng.random() < 0.5
            pen.line((x, y, x + 24 * across, y + 24 * (not across)), fill=papers.INK, width=2)


def _tree(page: papers.Sheet, rng: np.random.Generator) -> None:
    image, pen = page
    level = [image.width / 2]
    for row in range(5):
        below = []
        for x in level:
            for side in (-1, 1):
                child = x + side * image.width / 2 ** (row + 2.2)
                pen.line((x, 60 + 130 * row, child, 190 + 130 * row), fill=papers.INK, width=2)
                below.append(child)
        level = below
    for x in level:
        pen.text((x - 8, 700), texts.sentence(rng, 1)[:3], fill=papers.INK, font=texts.font("DejaVuSans", 11))


def _zigzag(page: papers.Sheet, rng: np.random.Generator) -> None:
    image, pen = page
    x = np.arange(50, image.width - 50, int(rng.integers(14, 30)))
    for y in range(120, image.height - 60, 130):
        pen.line(
            list(zip(x, y + 40 * (np.arange(len(x)) % 2), strict=True)), fill=pick(rng, papers.INK, papers.PEN), width=3
        )


def _spirals(page: papers.Sheet, rng: np.random.Generator) -> None:
    image, pen = page
    for _ in range(5):
        turn = np.linspace(0, rng.uniform(20, 50), 500)
        x = rng.uniform(150, image.width - 150) + 3 * turn * np.cos(turn)
        y = rng.uniform(150, image.height - 150) + 3 * turn * np.sin(turn)
        pen.line(list(zip(x, y, strict=True)), fill=papers.PEN, width=2)


def _signature(page: papers.Sheet, rng: np.random.Generator) -> None:
    image, pen = page
    at = np.linspace(0, 1, 300)
    x = 150 + (image.width - 300) * at + 25 * np.sin(55 * at)
    y = image.height / 2 + 60 * np.cos(50 * at) * smooth(rng, 300, 15)
    pen.line(list(zip(x, y, strict=True)), fill=papers.PEN, width=3)


def _staircase(page: papers.Sheet, rng: np.random.Generator) -> None:
    image, pen = page
    for y in (200, 400, 600):
        x = np.repeat(np.arange(60, image.width - 60, int(rng.integers(20, 50))), 2)[1:]
        level = np.repeat(y + rng.integers(-60, 60, len(x) // 2 + 1), 2)[: len(x)]
        pen.line(list(zip(x, level, strict=True)), fill=papers.INK, width=2)


def _label(page: papers.Sheet, rng: np.random.Generator) -> None:
    """A printed label with a bar code."""
    _, pen = page
    pen.rectangle((200, 200, 820, 560), fill=(255, 255, 255), outline=papers.INK, width=2)
    texts.lines(pen, rng, (220, 220, 800, 380), ("DejaVuSans", 20))
    for x in range(230, 780, 9):
        pen.rectangle((x, 400, x + int(rng.integers(2, 8)), 530), fill=papers.INK)


def _hills(axes: Axes, rng: np.random.Generator) -> None:
    for row in range(6):
        axes.plot(row + 0.8 * np.abs(smooth(rng, 300, 8)), color="black")


def _candles(axes: Axes, rng: np.random.Generator) -> None:
    price = np.cumsum(rng.standard_normal(60))
    axes.vlines(range(60), price - rng.random(60), price + rng.random(60), color="black")
    axes.bar(
        range(60), rng.normal(0, 0.6, 60), bottom=price, color=["white" if r < 0.5 else "black" for r in rng.random(60)]
    )


def _noise(axes: Axes, rng: np.random.Generator) -> None:
    axes.plot(rng.standard_normal(400), color="black", linewidth=0.8)


def _combs(axes: Axes, rng: np.random.Generator) -> None:
    axes.vlines(np.sort(rng.uniform(0, 100, 40)), 0, rng.uniform(0.1, 1, 40), color="black", linewidth=1)
    axes.axhline(0, color="black", linewidth=1)


def _peaks(axes: Axes, rng: np.random.Generator) -> None:
    """A chromatogram: narrow peaks of chance heights on a level line."""
    at = np.linspace(0, 100, 2000)
    axes.plot(
        at, sum(rng.random() ** 2 * np.exp(-(((at - rng.uniform(5, 95)) / 0.5) ** 2)) for _ in range(12)), color="black"
    )


def _letters(axes: Axes, rng: np.random.Generator) -> None:
    for x, y in rng.random((60, 2)):
        axes.text(x, y, texts.sentence(rng, 1), fontsize=11)


def _arrows(axes: Axes, rng: np.random.Generator) -> None:
    axes.quiver(*np.meshgrid(range(20), range(14)), *rng.standard_normal((2, 14, 20)))


def _triangles(axes: Axes, rng: np.random.Generator) -> None:
    axes.triplot(*rng.random((2, 90)), color="black", linewidth=0.7)


def _violins(axes: Axes, rng: np.random.Generator) -> None:
    axes.violinplot([rng.standard_normal(100) + k for k in range(6)])


def _square_wave(rng: np.random.Generator, size: int) -> Curve:
    return np.sign(np.sin(np.arange(size) / rng.uniform(8, 25))).astype(np.float64) * 0.8


def _saw(rng: np.random.Generator, size: int) -> Curve:
    return 2 * (np.arange(size) / rng.uniform(50, 110) % 1) - 1


def _drift(rng: np.random.Generator, size: int) -> Curve:
    return np.cumsum(rng.standard_normal(size)) / 15


def _clicks(rng: np.random.Generator, size: int) -> Curve:
    return np.where(rng.random(size) < 0.02, rng.uniform(-1, 1, size), 0) + 0.05 * rng.standard_normal(size)


def _map(rng: np.random.Generator) -> Pixels:
    image, pen = sheet((1100, 780), (238, 236, 228))
    for _ in range(25):
        walk = np.cumsum(rng.normal(0, 12, (80, 2)), axis=0) + rng.uniform(0, 1, 2) * np.array([1100, 780])
        pen.line([tuple(point) for point in walk.tolist()], fill=pick(rng, (60, 60, 60), (230, 170, 80)), width=3)
    return scanned(image, rng)


def _contact_sheet(rng: np.random.Generator) -> Pixels:
    image = Image.new("RGB", (1100, 780), "black")
    for x in range(14, 1060, 70):
        for y in range(14, 740, 55):
            shade = int(rng.integers(30, 220))
            image.paste((shade, shade, min(255, shade + 20)), (x, y, x + 60, y + 44))
    return scanned(image, rng)


def _abacus(rng: np.random.Generator) -> Pixels:
    image, pen = sheet((1000, 700), (250, 240, 220))
    for x in range(60, 960, 60):
        pen.line((x, 30, x, 670), fill=(90, 60, 30), width=4)
        for y in range(50, 640, 36):
            if rng.random() < 0.6:
                pen.ellipse((x - 22, y, x + 22, y + 28), fill=(150, 40, 30))
    return scanned(image, rng)


def _typewritten(rng: np.random.Generator) -> Pixels:
    image, pen = sheet((850, 1170), (247, 243, 232))
    for y in range(90, 1080, 34):
        pen.text(
            (80, y + rng.normal(0, 1)), texts.sentence(rng, 9), fill=(50, 50, 60), font=texts.font("DejaVuSansMono", 15)
        )
    return scanned(image, rng, 5)


def _small_print(rng: np.random.Generator) -> Pixels:
    image, pen = sheet((1100, 780))
    texts.lines(pen, rng, (20, 20, 1080, 760), ("DejaVuSans", 10))
    return scanned(image, rng)


_WRITTEN = papers.written
_SKETCHES = (
    _WRITTEN("pink millimetre", _staves, "notes"),
    _WRITTEN("grey millimetre", _maze, "maze"),
    _WRITTEN("orange millimetre", _tree, "tree"),
    _WRITTEN("blue millimetre", _zigzag, "zigzag"),
    _WRITTEN("pink millimetre", _spirals, "spirals"),
    _WRITTEN("green millimetre", _signature, "signature"),
    _WRITTEN("pink 2 mm", _staircase, "staircase"),
    _WRITTEN("pink millimetre", _label, "label"),
    _WRITTEN("orange millimetre", papers.scribble, "scribble"),
    _WRITTEN("pink millimetre", papers.handwriting, "handwriting"),
    _WRITTEN("red millimetre, strong", papers.print_, "print"),
    _WRITTEN("squared 5 mm grey", papers.scribble, "scribble"),
)
_PLOTS = (
    plotted.plot(_hills, "hills", grid="both"),
    plotted.plot(_candles, "candles", grid="both"),
    plotted.plot(_noise, "noise", grid="both"),
    plotted.plot(_noise, "noise, three panels", grid="both", panels=(3, 1)),
    plotted.plot(_combs, "combs", grid="both"),
    plotted.plot(_peaks, "chromatogram", grid="both"),
    plotted.plot(_letters, "words", grid="both"),
    plotted.plot(_arrows, "arrows", grid="both"),
    plotted.plot(_triangles, "triangles", grid="both"),
    plotted.plot(_violins, "violins", grid="both"),
)
_SIGNALS = (
    plotted.channels(_square_wave, 4, "square waves"),
    plotted.channels(_saw, 6, "saw teeth"),
    plotted.channels(_drift, 5, "drifts"),
    plotted.channels(_clicks, 8, "clicks"),
)
_OTHERS = (
    Source("map", _map),
    Source("contact sheet", _contact_sheet),
    Source("abacus", _abacus),
    Source("typewritten", _typewritten),
    Source("small print", _small_print),
    *(
        Source(f"{package} {inside.rpartition('/')[2]}", picture(package, inside))
        for package, inside in (
            ("networkx", "drawing/tests/baseline/test_display_complex.png"),
            ("networkx", "drawing/tests/baseline/test_house_with_colors.png"),
            ("networkx", "drawing/tests/baseline/test_display_shortest_path.png"),
            ("sympy", "plotting/tests/test_region_xor.png"),
            ("sympy", "plotting/tests/test_region_not.png"),
            ("matplotlib", "mpl-data/sample_data/logo2.png"),
            ("skimage", "data/motorcycle_right.png"),
        )
    ),
)

KINDS = {"drawn paper": _SKETCHES, "plot": _PLOTS, "signal on plain paper": _SIGNALS, "other": _OTHERS}
