"""Style of figures (palette, fonts, axes), and their export to SVG and PDF with reproducible bytes."""

from __future__ import annotations

import base64
import io
import math
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from cardiograph.artifacts.spreadsheet import csv_of
from cardiograph.registry import MODELS
from cardiograph.report.figure_inline import inline_svg
from cardiograph.report.figure_spots import Spot, reach_every_value, spots_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK, SOFT, FAINT = "#1f2a37", "#5b6676", "#d5dae1"
NEGATIVE, POSITIVE, UNLABELLED = "#0072b2", "#d55e00", "#9aa3af"
"""Colours of the classes. Source: Okabe and Ito, "Color Universal Design", 2008 (safe for colour-blind readers)."""

CLASS_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#f0e442", "#000000")
"""Colours of several classes, from the same source; they repeat from the ninth on."""

ON_COLOUR = "#fefefe"
"""Text on a strong colour: it stays white on a dark page, where plain white becomes the colour of the page."""
STRONG = 0.6
"""Opacity of a cell from which its text is :data:`ON_COLOUR`."""

SPARE_LINES = (("#5b6676", (0, (5, 1))), ("#7a4a21", (0, (1, 1))))
"""Colour and dash of models that are not in the registry."""

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
class Values:
    """The numbers behind a figure, which a reader can download.

    Args:
        columns: Name of each column.
        rows: Cells of each row; None where a number is undefined.
    """

    columns: tuple[str, ...]
    rows: tuple[tuple[object, ...], ...]

    @classmethod
    def of(cls, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> Values:
        """Return the values with plain numbers; NaN becomes None."""
        return cls(tuple(columns), tuple(tuple(_plain(cell) for cell in row) for row in rows))

    @property
    def csv(self) -> str:
        """The values as CSV with a header."""
        return csv_of(self.columns, self.rows)

    @property
    def address(self) -> str:
        """The CSV as a data URI, from which a browser saves it without a request."""
        return "data:text/csv;base64," + base64.b64encode(self.csv.encode("utf-8", "replace")).decode()


def _plain(cell: object) -> object:
    if isinstance(cell, np.generic):
        cell = cell.item()
    if isinstance(cell, float):
        return round(cell, 6) if math.isfinite(cell) else None
    return cell


@dataclass(frozen=True)
class Picture:
    """A figure ready for a report.

    Args:
        svg: The drawing as SVG.
        alt: Alternative text for readers who cannot see the figure.
        caption: Explanation of the figure, with the number of records.
        wide: Whether the figure takes the full width.
        values: The numbers that the figure shows; None for a figure of which there are none to download.
        spots: Values that are shown on hover.
        figure: The matplotlib figure, for export to other formats; None if only the SVG is available.
    """

    svg: str
    alt: str
    caption: str
    wide: bool = False
    values: Values | None = None
    spots: tuple[Spot, ...] = ()
    figure: Figure | None = field(default=None, repr=False, compare=False)

    def inline(self, name: str) -> str:
        """Return the drawing as an ``svg`` element of an HTML page in which ``name`` is unique."""
        return inline_svg(self.svg, name, self.alt, self.spots)


def picture(
    size: tuple[float, float],
    paint: Callable[[Figure], None],
    alt: str,
    caption: str,
    *,
    values: Values | None = None,
    wide: bool = False,
) -> Picture:
    """Draw a figure and return it with its texts.

    Args:
        size: Width and height in inches.
        paint: Function that draws into the empty figure.
        alt: See :class:`Picture`.
        caption: See :class:`Picture`.
        values: See :class:`Picture`.
        wide: See :class:`Picture`.
    """
    with _styled():
        figure = _painted(size, paint)
        svg = _saved(figure, "svg").decode()
        figure.set_layout_engine("none")  # the layout is final; repeating it costs as much as drawing
        return Picture(svg, alt, caption, wide, values, spots_of(figure), figure)


def as_pdf(figure: Figure) -> bytes:
    """Return the figure as PDF with editable text, without date or program name, so that the bytes are reproducible."""
    with _styled():
        return _saved(figure, "pdf")


def draw(size: tuple[float, float], paint: Callable[[Figure], None]) -> str:
    """Draw a figure of ``size`` inches with ``paint`` and return it as SVG.

    The same content gives the same bytes: there is no date, and ids are fixed. Text stays text, which keeps files
    small.
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
    reach_every_value(figure)
    return figure


def _saved(figure: Figure, kind: Literal["svg", "pdf"]) -> bytes:
    undated = {"svg": ("Date", "Creator"), "pdf": ("CreationDate", "Creator", "Producer")}[kind]
    buffer = io.BytesIO()
    figure.savefig(buffer, format=kind, metadata=dict.fromkeys(undated))
    return buffer.getvalue()


def class_colours(classes: int) -> tuple[str, ...]:
    """Return the colour of each label."""
    return tuple(CLASS_COLOURS[label % len(CLASS_COLOURS)] for label in range(classes))


def model_line(name: str, names: tuple[str, ...]) -> dict[str, Any]:
    """Return colour and dash of a model, the same in every figure.

    Args:
        name: Key of the model.
        names: Keys of all models of the figure, which decide the style of those outside the registry.
    """
    if name in MODELS:
        return {"color": MODELS[name].colour, "linestyle": MODELS[name].dash}
    spare = [other for other in names if other not in MODELS]
    colour, dash = SPARE_LINES[spare.index(name) % len(SPARE_LINES)]
    return {"color": colour, "linestyle": dash}


def shown(text: str, length: int = 34) -> str:
    """Shorten text to ``length`` characters and remove control characters, which SVG does not allow."""
    clean = "".join(letter if letter.isprintable() else " " for letter in text)
    return clean if len(clean) <= length else clean[: length - 1] + "…"


def unit_square(axes: Axes, x: str, y: str) -> None:
    """Set both axes to 0..1 at equal scale, with the labels ``x`` and ``y``."""
    axes.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.01), xlabel=x, ylabel=y, aspect="equal")


def cells(
    axes: Axes,
    opacity: NDArray[np.float64],
    texts: Sequence[Sequence[str]],
    *,
    colours: NDArray[np.str_] | str,
    size: float,
) -> None:
    """Draw a matrix of coloured cells with text; the page shows through, so that it suits a dark one, too.

    Args:
        axes: Axes to draw in.
        opacity: [rows, columns] opacity of each cell, 0..1; NaN leaves a cell without colour.
        texts: Text of each cell.
        colours: Colour of all cells, or [rows, columns] colours as matplotlib reads them.
        size: Size of the text in points.
    """
    from matplotlib.colors import to_rgb

    shades = np.zeros((*opacity.shape, 4))
    for row, column in np.ndindex(*opacity.shape):
        colour = colours if isinstance(colours, str) else colours[row, column]
        shades[row, column] = *to_rgb(str(colour)), np.nan_to_num(opacity[row, column])
        ink = ON_COLOUR if shades[row, column, 3] > STRONG else INK
        axes.text(column, row, texts[row][column], ha="center", va="center", size=size, color=ink)
    axes.imshow(shades, interpolation="nearest")
    axes.grid(visible=False)
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0)


def legend(figure: Figure, *axes: Axes, columns: int = 1) -> None:
    """Put a legend below the axes; what was drawn last comes first."""
    pairs = [pair for each in axes for pair in reversed([*zip(*each.get_legend_handles_labels(), strict=True)])]
    handles, labels = zip(*pairs, strict=True) if pairs else ((), ())
    figure.legend(handles, labels, loc="outside lower left", ncols=columns)
