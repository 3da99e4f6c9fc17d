"""How figures look: palette, fonts, and the way from a matplotlib figure to an SVG of the same bytes each time."""

from __future__ import annotations

import base64
import io
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from cardiograph.registry import MODELS

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK, SOFT, FAINT = "#1f2a37", "#5b6676", "#d5dae1"
NEGATIVE, POSITIVE, UNLABELLED = "#0072b2", "#d55e00", "#9aa3af"
"""Of the classes, everywhere. Source: Okabe and Ito, "Color Universal Design", 2008 (told apart by colour-blind readers)."""

SPARE_LINES = (("#5b6676", (0, (5, 1))), ("#7a4a21", (0, (1, 1))))
"""Colour and dash of curves that belong to no model of the registry."""

STYLE: Any = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans", "Verdana", "Arial"],
    "font.size": 9,
    "axes.titlesize": 10,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.titlepad": 8,
    "axes.labelsize": 9,
    "axes.labelcolor": INK,
    "axes.edgecolor": SOFT,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.unicode_minus": False,
    "grid.color": "#e9ecf0",
    "grid.linewidth": 0.7,
    "text.color": INK,
    "text.parse_math": False,
    "xtick.color": SOFT,
    "ytick.color": SOFT,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    "legend.fontsize": 8,
    "legend.frameon": False,
    "legend.handlelength": 2.4,
    "lines.linewidth": 1.6,
    "svg.fonttype": "none",
    "svg.hashsalt": "cardiograph",
    "pdf.fonttype": 42,
    "figure.facecolor": "white",
    "figure.constrained_layout.use": True,
}


@dataclass(frozen=True)
class Picture:
    """A figure ready for the page.

    Args:
        svg: The drawing.
        alt: What it shows, for who cannot see it.
        caption: How to read it, with the number of records.
        wide: Whether it takes the whole width.
        figure: What was drawn, for other formats; None where only the drawing is left.
    """

    svg: str
    alt: str
    caption: str
    wide: bool = False
    figure: Figure | None = field(default=None, repr=False, compare=False)

    @property
    def source(self) -> str:
        """As a data URI."""
        return "data:image/svg+xml;base64," + base64.b64encode(self.svg.encode()).decode()


def picture(
    size: tuple[float, float], paint: Callable[[Figure], None], alt: str, caption: str, *, wide: bool = False
) -> Picture:
    """Let ``paint`` fill a figure of ``size`` inches, and keep it with its words.

    Args:
        size: Width and height, inches.
        paint: Draws into the empty figure.
        alt: See :class:`Picture`.
        caption: See :class:`Picture`.
        wide: See :class:`Picture`.
    """
    with _styled():
        figure = _painted(size, paint)
        svg = _saved(figure, "svg").decode()
        figure.set_layout_engine("none")  # it is laid out now; a second time costs as much as the drawing
        return Picture(svg, alt, caption, wide, figure)


def as_pdf(figure: Figure) -> bytes:
    """The figure as PDF with text that can be edited; the same figure gives the same bytes: no date, no program."""
    with _styled():
        return _saved(figure, "pdf")


def draw(size: tuple[float, float], paint: Callable[[Figure], None]) -> str:
    """Let ``paint`` fill a figure of ``size`` inches and give it back as SVG.

    The same content gives the same bytes: no date, fixed ids. Text stays text, so files are small.
    """
    with _styled():
        return _saved(_painted(size, paint), "svg").decode()


@contextmanager
def _styled() -> Iterator[None]:
    import matplotlib as mpl

    with mpl.rc_context(STYLE), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing")
        yield


def _painted(size: tuple[float, float], paint: Callable[[Figure], None]) -> Figure:
    from matplotlib.figure import Figure

    figure = Figure(figsize=size)
    paint(figure)
    return figure


def _saved(figure: Figure, kind: Literal["svg", "pdf"]) -> bytes:
    undated = {"svg": ("Date", "Creator"), "pdf": ("CreationDate", "Creator", "Producer")}[kind]
    buffer = io.BytesIO()
    figure.savefig(buffer, format=kind, metadata=dict.fromkeys(undated))
    return buffer.getvalue()


def model_line(name: str, names: tuple[str, ...]) -> dict[str, Any]:
    """Colour and dash of a model: the same in every figure."""
    if name in MODELS:
        return {"color": MODELS[name].colour, "linestyle": MODELS[name].dash}
    spare = [other for other in names if other not in MODELS]
    colour, dash = SPARE_LINES[spare.index(name) % len(SPARE_LINES)]
    return {"color": colour, "linestyle": dash}


def shown(text: str, length: int = 34) -> str:
    """Text that a figure can carry: no control characters, which no SVG may hold, and not too long."""
    clean = "".join(letter if letter.isprintable() else " " for letter in text)
    return clean if len(clean) <= length else clean[: length - 1] + "…"


def unit_square(axes: Axes, x: str, y: str) -> None:
    """Both axes from 0 to 1 at one scale."""
    axes.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.01), xlabel=x, ylabel=y, aspect="equal")


def legend(figure: Figure, *axes: Axes, columns: int = 1) -> None:
    """Under the axes, where it covers nothing; what was drawn last comes first."""
    pairs = [pair for each in axes for pair in reversed([*zip(*each.get_legend_handles_labels(), strict=True)])]
    handles, labels = zip(*pairs, strict=True) if pairs else ((), ())
    figure.legend(handles, labels, loc="outside lower left", ncols=columns)
