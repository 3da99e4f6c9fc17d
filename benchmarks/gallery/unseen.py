"""Recipes written before the digitiser was changed to refuse what has no beats; looked at only once, at the end."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from gallery import papers, plotted, texts
from gallery.source import Curve, Pixels, Source, scanned, sheet, smooth

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COPIES = 4
LEAD_NAMES = ("I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6")


def _poles(axes: Axes, rng: np.random.Generator) -> None:
    at = np.linspace(-9, 9, 900)
    axes.plot(at, np.clip(np.tan(rng.uniform(0.6, 1.4) * at), -6, 6), color="black", linewidth=1)


def _share_price(axes: Axes, rng: np.random.Generator) -> None:
    price = 100 + np.cumsum(rng.standard_t(3, 500))
    axes.plot(price, color="black", linewidth=1)
    axes.bar(range(500), rng.gamma(2, 3, 500), bottom=price.min() - 30, color="grey")


def _tide(axes: Axes, rng: np.random.Generator) -> None:
    hour = np.arange(0, 240, 0.2)
    axes.plot(hour, np.sin(hour / 1.98) + 0.4 * np.sin(hour / 3.8) + 0.05 * smooth(rng, len(hour), 9), color="black")


def _step_response(axes: Axes, rng: np.random.Generator) -> None:
    at = np.linspace(0, 30, 800)
    damping = rng.uniform(0.1, 0.4)
    axes.plot(at, 1 - np.exp(-damping * at) * np.cos(at * rng.uniform(1, 3)), color="black")
    axes.axhline(1, color="black", linewidth=0.7)


def _quantiles(axes: Axes, rng: np.random.Generator) -> None:
    axes.plot(np.sort(rng.standard_normal(200)), np.sort(rng.standard_t(4, 200)), ".", color="black")
    axes.plot([-3, 3], [-3, 3], color="black")


def _gantt(axes: Axes, rng: np.random.Generator) -> None:
    axes.barh(range(12), rng.uniform(3, 20, 12), left=np.cumsum(rng.uniform(1, 6, 12)), height=0.3, color="black")


def _lined_heatmap(axes: Axes, rng: np.random.Generator) -> None:
    axes.pcolormesh(rng.random((24, 40)), edgecolors="white", linewidth=1.5, cmap="Greys")


def _waterfall(axes: Axes, rng: np.random.Generator) -> None:
    level = np.cumsum(rng.normal(0, 4, 18))
    axes.bar(range(17), np.diff(level), bottom=level[:-1], color="black", width=0.5)


def _decay(axes: Axes, rng: np.random.Generator) -> None:
    axes.semilogy(np.exp(-np.arange(400) / rng.uniform(60, 120)) + 0.02 * rng.random(400), color="black")


def _shared(shape: Callable[[np.random.Generator], Curve], noise: float) -> plotted.Draw:
    """Panels that show the same events, each with its own size."""

    def draw(axes: Axes, rng: np.random.Generator) -> None:
        seed = axes.figure.axes[0].__dict__.setdefault("seed", int(rng.integers(1 << 30)))
        curve = rng.uniform(0.4, 1.5) * shape(np.random.default_rng(seed))
        axes.plot(curve + noise * rng.standard_normal(len(curve)), color="black", linewidth=0.8)

    return draw


def _quake(rng: np.random.Generator) -> Curve:
    at = np.arange(1200)
    first = rng.integers(200, 400)
    fade = np.exp(-np.maximum(at - first, 0) / 160) * (at > first)
    return fade * smooth(rng, 1200, 2) + 0.02 * smooth(rng, 1200, 3)


def _elution(rng: np.random.Generator) -> Curve:
    at = np.arange(1200)
    peaks = [(rng.uniform(80, 1150), rng.uniform(4, 14), rng.exponential(1)) for _ in range(9)]
    return np.asarray(sum(high * np.exp(-(((at - middle) / wide) ** 2)) for middle, wide, high in peaks))


def _market(rng: np.random.Generator) -> Curve:
    return np.asarray(np.cumsum(rng.standard_t(3, 600)))


def _sleep(rng: np.random.Generator, size: int) -> Curve:
    waves = 0.3 * smooth(rng, size, float(rng.uniform(1.5, 25)))
    return waves + 0.6 * np.exp(-(((np.arange(size) - rng.uniform(0, size)) / 25) ** 2))


def _on_paper(
    wave: Callable[[np.random.Generator, int], Curve], names: tuple[str, ...], name: str, *, paper: str
) -> Source:
    """Rows of a signal on millimetre paper, each with a name at its left."""

    def draw(rng: np.random.Generator) -> Pixels:
        image, pen = papers.PAPERS[paper]()
        step = 720 / len(names)
        for row, title in enumerate(names):
            middle = 30 + step * (row + 0.5)
            y = middle - 0.35 * step * wave(rng, 1000)
            pen.line(list(zip(60 + np.arange(1000), y, strict=True)), fill=papers.INK, width=2)
            pen.text((62, middle - 0.4 * step), title, fill=papers.INK, font=texts.font("DejaVuSans", 16))
        return scanned(image, rng)

    return Source(f"{name} on {paper}", draw)


def _scattered_names(page: papers.Sheet, rng: np.random.Generator) -> None:
    image, pen = page
    for _ in range(30):
        place = (int(rng.uniform(20, image.width - 80)), int(rng.uniform(20, image.height - 40)))
        pen.text(place, str(rng.choice(LEAD_NAMES)), fill=papers.INK, font=texts.font("DejaVuSans", 16))
    for y in (200, 400, 600):
        pen.line(list(zip(range(60, 1040), y + 30 * smooth(rng, 980, 25), strict=True)), fill=papers.INK, width=2)


def _word_search(page: papers.Sheet, rng: np.random.Generator) -> None:
    for x in range(40, page[0].width - 40, 32):
        for y in range(40, page[0].height - 40, 32):
            letter = "AVLFRI123456"[int(rng.integers(12))]
            page[1].text((x, y), letter, fill=papers.INK, font=texts.font("DejaVuSansMono", 20))


def _nonogram(page: papers.Sheet, rng: np.random.Generator) -> None:
    for x in range(100, page[0].width - 60, 20):
        for y in range(100, page[0].height - 60, 20):
            if rng.random() < 0.45:
                page[1].rectangle((x, y, x + 18, y + 18), fill=papers.INK)


def _branches(page: papers.Sheet, rng: np.random.Generator) -> None:
    image, pen = page
    for y in np.linspace(80, image.height - 80, 8):
        at = np.arange(40, image.width - 40, 60)
        heights = y + 20 * rng.integers(-1, 2, len(at))
        pen.line(list(zip(at, heights, strict=True)), fill=papers.PEN, width=4)
        for x, height in zip(at, heights, strict=True):
            pen.ellipse((x - 6, height - 6, x + 6, height + 6), outline=papers.INK, width=2)


def _chess(rng: np.random.Generator) -> Pixels:
    image, pen = sheet((900, 900))
    for x in range(8):
        for y in range(8):
            grey = int(rng.integers(60, 110)) if (x + y) % 2 else 230
            pen.rectangle((50 + 100 * x, 50 + 100 * y, 149 + 100 * x, 149 + 100 * y), fill=(grey, grey, grey))
    return scanned(image, rng)


def _elements(rng: np.random.Generator) -> Pixels:
    image, pen = sheet((1200, 760))
    for x in range(18):
        for y in range(9):
            if rng.random() < 0.8:
                left, top = 30 + 63 * x, 40 + 74 * y
                pen.rectangle((left, top, left + 60, top + 70), outline=(20, 20, 20))
                pen.text((left + 8, top + 20), "V" + str(rng.integers(1, 7)), fill=0, font=texts.font("DejaVuSans", 22))
    return scanned(image, rng)


def _waves(rng: np.random.Generator) -> Pixels:
    at = np.mgrid[0:780, 0:1100]
    level = sum(np.sin(at[0] * rng.uniform(0.02, 0.5) + at[1] * rng.uniform(0.02, 0.5)) for _ in range(4))
    return np.repeat((128 + 28 * np.asarray(level))[..., None], 3, axis=2).clip(0, 255).astype(np.uint8)


_WRITTEN = papers.written
_SOURCES = {
    "plot": (
        plotted.plot(_poles, "poles", grid="both"),
        plotted.plot(_share_price, "share price", grid="both"),
        plotted.plot(_tide, "tides, three panels", grid="both", panels=(3, 1)),
        plotted.plot(_step_response, "step responses", grid="both", panels=(3, 2)),
        plotted.plot(_quantiles, "quantiles", grid="both"),
        plotted.plot(_gantt, "Gantt chart", grid="both"),
        plotted.plot(_lined_heatmap, "heat map with lines"),
        plotted.plot(_waterfall, "waterfall", grid="both"),
        plotted.plot(_decay, "decay", grid="both"),
        plotted.plot(_shared(_quake, 0.01), "seismogram, three components", grid="both", panels=(3, 1)),
        plotted.plot(_shared(_elution, 0.01), "chromatogram, three detectors", grid="both", panels=(3, 1)),
        plotted.plot(_shared(_market, 0.4), "three shares", grid="both", panels=(3, 1)),
    ),
    "named signal on millimetre paper": (
        _on_paper(_sleep, ("EOG-L", "EOG-R", "C3-A2", "O1-A2", "EMG", "Flow"), "sleep", paper="pink millimetre"),
        _on_paper(plotted.alpha_rhythm, ("F3", "C3", "P3", "O1"), "EEG", paper="orange millimetre"),
        _on_paper(plotted.earthquake, ("Z", "N", "E"), "earthquake", paper="grey millimetre"),
        _on_paper(plotted.pulse, ("V1", "II"), "pulse with the names of leads", paper="pink millimetre"),
        _on_paper(plotted.breathing, ("Flow",), "breathing", paper="green millimetre"),
    ),
    "drawn paper": (
        _WRITTEN("pink millimetre", _scattered_names, "scattered lead names and curves"),
        _WRITTEN("orange millimetre", _word_search, "word search"),
        _WRITTEN("grey millimetre", _nonogram, "nonogram"),
        _WRITTEN("blue millimetre", _branches, "railway lines"),
        _WRITTEN("pink 2 mm", _scattered_names, "scattered lead names and curves"),
    ),
    "other": (Source("chess board", _chess), Source("table of elements", _elements), Source("waves", _waves)),
}

KINDS = {kind: tuple(replace(source, copies=COPIES) for source in sources) for kind, sources in _SOURCES.items()}
