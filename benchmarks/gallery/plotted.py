"""Plots as matplotlib draws them, spectrograms, and other signals on plain paper."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from gallery.source import Curve, Pixels, Source, scanned, sheet, smooth
from gallery.texts import font

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Draw = Callable[["Axes", np.random.Generator], None]


def plot(draw: Draw, name: str, *, grid: str = "", panels: tuple[int, int] = (1, 1), style: str = "default") -> Source:
    """``grid`` is nothing, ``major`` or ``both`` (fine lines between)."""

    def picture(rng: np.random.Generator) -> Pixels:
        from matplotlib import style as styles
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure

        with styles.context(style):
            figure = Figure(figsize=(11, 7.8), dpi=100)
            canvas = FigureCanvasAgg(figure)
            for axes in np.ravel(figure.subplots(*panels, squeeze=False)):
                draw(axes, rng)
                if grid:
                    axes.minorticks_on()
                    axes.grid(True, which=grid, linewidth=0.5)
            canvas.draw()
        return np.asarray(canvas.buffer_rgba())[..., :3].copy()

    return Source(f"{name}{', grid ' + grid if grid else ''}", picture)


def _lines(axes: Axes, rng: np.random.Generator) -> None:
    for _ in range(int(rng.integers(1, 5))):
        axes.plot(smooth(rng, 200, float(rng.uniform(3, 20))), color="black" if rng.random() < 0.3 else None)
    axes.set_title("measured values")


def _random_walk(axes: Axes, rng: np.random.Generator) -> None:
    axes.plot(np.cumsum(rng.standard_normal(1000)), color="black", linewidth=1)
    axes.set_xlabel("day")


def _bars(axes: Axes, rng: np.random.Generator) -> None:
    axes.bar(range(14), rng.uniform(1, 9, 14))


def _scatter(axes: Axes, rng: np.random.Generator) -> None:
    axes.scatter(*rng.standard_normal((2, 300)), s=12, c=rng.random(300))


def _heatmap(axes: Axes, rng: np.random.Generator) -> None:
    axes.imshow(rng.random((12, 18)), cmap="viridis", aspect="auto")


def _fine_heatmap(axes: Axes, rng: np.random.Generator) -> None:
    axes.pcolormesh(rng.random((60, 90)), edgecolors="white", linewidth=0.3, cmap="Reds")


def _histogram(axes: Axes, rng: np.random.Generator) -> None:
    axes.hist(rng.standard_normal(800), bins=40, color="grey", edgecolor="black")


def _boxes(axes: Axes, rng: np.random.Generator) -> None:
    axes.boxplot(rng.standard_normal((50, 9)))


def _contours(axes: Axes, rng: np.random.Generator) -> None:
    field = smooth(rng, 60, 6)[:, None] * smooth(rng, 80, 6)[None]
    axes.contour(field, 14, colors="black", linewidths=0.8)


def _steps(axes: Axes, rng: np.random.Generator) -> None:
    axes.step(range(30), np.cumprod(rng.uniform(0.92, 1, 30)), where="post", color="black")
    axes.step(range(30), np.cumprod(rng.uniform(0.9, 1, 30)), where="post", color="black", linestyle="--")


def _stack(axes: Axes, rng: np.random.Generator) -> None:
    axes.stackplot(range(40), rng.uniform(1, 3, (4, 40)))


def _stems(axes: Axes, rng: np.random.Generator) -> None:
    axes.stem(rng.uniform(0, 1, 40))


def _pie(axes: Axes, rng: np.random.Generator) -> None:
    axes.pie(rng.uniform(1, 5, 6), labels=list("ABCDEF"))


def _errors(axes: Axes, rng: np.random.Generator) -> None:
    axes.errorbar(range(20), rng.uniform(1, 5, 20), rng.uniform(0.2, 1, 20), fmt="o", color="black", capsize=4)


def _roc(axes: Axes, rng: np.random.Generator) -> None:
    rise = np.sort(np.r_[0, rng.random(60) ** 2, 1])
    axes.plot(np.linspace(0, 1, 62), rise, color="black", drawstyle="steps")
    axes.plot([0, 1], [0, 1], color="grey", linestyle=":")


def _sines(axes: Axes, rng: np.random.Generator) -> None:
    at = np.linspace(0, 10, 800)
    axes.plot(at, np.sin(at * rng.uniform(2, 6)), color="black")


def _spectrum(axes: Axes, rng: np.random.Generator) -> None:
    axes.semilogy(np.abs(np.fft.rfft(smooth(rng, 1024, 3))) + 1e-3, color="black", linewidth=0.8)


def _spectrogram(map_name: str, axis: bool) -> Draw:
    def draw(axes: Axes, rng: np.random.Generator) -> None:
        at = np.arange(20000) / 4000
        wave = np.sin(2 * np.pi * (300 + 200 * smooth(rng, 20000, 900)) * at) + 0.3 * rng.standard_normal(20000)
        axes.specgram(wave, NFFT=256, Fs=4000, cmap=map_name)
        if not axis:
            axes.set_axis_off()

    return draw


def _scalogram(axes: Axes, rng: np.random.Generator) -> None:
    wave = smooth(rng, 600, 4)
    rows = [
        np.abs(np.convolve(wave, np.exp(1j * np.arange(-40, 41) / w) * np.hanning(81), "same")) for w in range(1, 40)
    ]
    axes.imshow(np.array(rows), aspect="auto", cmap="jet")


def channels(wave: Callable[[np.random.Generator, int], Curve], rows: int, name: str, labels: bool = True) -> Source:
    """Traces in rows on plain white paper."""

    def draw(rng: np.random.Generator) -> Pixels:
        image, pen = sheet((1100, 780))
        step = 700 / rows
        for row in range(rows):
            y = 60 + step * (row + 0.5) - 0.35 * step * wave(rng, 1000)
            pen.line(list(zip(80 + np.arange(1000), y, strict=True)), fill=(15, 15, 20), width=2 if rows < 5 else 1)
            if labels:
                pen.text((20, 60 + step * (row + 0.5) - 8), f"ch{row + 1}", fill=(0, 0, 0), font=font("DejaVuSans", 14))
        return scanned(image, rng)

    return Source(name, draw)


def alpha_rhythm(rng: np.random.Generator, size: int) -> Curve:
    """Like an EEG: a rhythm that swells and fades, and noise."""
    swell = 0.5 + 0.5 * np.abs(smooth(rng, size, 60))
    return 0.5 * swell * np.sin(np.arange(size) * rng.uniform(0.25, 0.4) + smooth(rng, size, 20)) + 0.2 * smooth(
        rng, size, 1.5
    )


def breathing(rng: np.random.Generator, size: int) -> Curve:
    """Slow and round."""
    return np.sin(np.arange(size) / rng.uniform(18, 30) + 0.5 * smooth(rng, size, 80))


def pulse(rng: np.random.Generator, size: int) -> Curve:
    """Like a plethysmogram."""
    phase = np.arange(size) / rng.uniform(60, 90) % 1
    return 1.8 * np.exp(-(((phase - 0.25) / 0.1) ** 2)) + 0.7 * np.exp(-(((phase - 0.55) / 0.1) ** 2)) - 0.7


def earthquake(rng: np.random.Generator, size: int) -> Curve:
    """Quiet, then a burst that decays."""
    at = np.arange(size) - rng.integers(150, 500)
    return (0.05 + np.where(at > 0, np.exp(-np.maximum(at, 0) / 150), 0)) * rng.standard_normal(size)


def speech(rng: np.random.Generator, size: int) -> Curve:
    """Sound: syllables of noise."""
    return np.maximum(smooth(rng, size, 25), 0) * rng.standard_normal(size) * 0.6


def _oscilloscope(rng: np.random.Generator) -> Pixels:
    image, pen = sheet((1000, 800), (8, 20, 16))
    for k in range(11):
        pen.line((100 * k, 0, 100 * k, 800), fill=(40, 80, 70))
        pen.line((0, 80 * k, 1000, 80 * k), fill=(40, 80, 70))
    at = np.arange(1000)
    pen.line(list(zip(at, 400 - 200 * np.sin(at / rng.uniform(20, 60)), strict=True)), fill=(90, 255, 120), width=3)
    return np.asarray(image)


KINDS = {
    "plot": (
        plot(_lines, "lines"),
        plot(_lines, "lines", grid="major"),
        plot(_random_walk, "random walk", grid="both"),
        plot(_lines, "lines, six panels", grid="both", panels=(3, 2)),
        plot(_bars, "bars", grid="major"),
        plot(_scatter, "scatter", grid="both"),
        plot(_heatmap, "heat map"),
        plot(_fine_heatmap, "fine heat map with white lines"),
        plot(_histogram, "histogram"),
        plot(_boxes, "box plots", grid="both"),
        plot(_contours, "contours"),
        plot(_steps, "survival curves", grid="both"),
        plot(_stack, "stacked areas", style="ggplot"),
        plot(_stems, "stems", grid="both"),
        plot(_pie, "pies", panels=(2, 2)),
        plot(_errors, "error bars", grid="both"),
        plot(_roc, "ROC", grid="both"),
        plot(_sines, "sine", grid="both"),
        plot(_spectrum, "spectrum", grid="both"),
        plot(_random_walk, "random walks, four panels", panels=(4, 1), style="bmh"),
        plot(_sines, "sine on dark", style="dark_background", grid="both"),
        plot(_histogram, "histograms, nine panels", panels=(3, 3)),
    ),
    "spectrogram": (
        plot(_spectrogram("viridis", True), "spectrogram"),
        plot(_spectrogram("gray_r", True), "spectrogram in grey"),
        plot(_spectrogram("magma", False), "spectrogram without axes"),
        plot(_scalogram, "scalogram"),
    ),
    "signal on plain paper": (
        channels(alpha_rhythm, 19, "EEG-like, 19 channels"),
        channels(alpha_rhythm, 8, "EEG-like, 8 channels", False),
        channels(earthquake, 3, "seismogram"),
        channels(breathing, 4, "breathing"),
        channels(pulse, 2, "pulse"),
        channels(speech, 2, "sound"),
        Source("oscilloscope, round wave", _oscilloscope),
        channels(earthquake, 12, "seismograms, 12 stations"),
    ),
}
