"""A figure of a twelve-lead ECG for people, with the standard grid and the main measurements above it."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from cardiograph.ecg.draw.paper import MM_PER_MV, MM_PER_SECOND, STANDARD_ROWS
from cardiograph.ecg.ecg import Ecg
from cardiograph.ecg.leads import LEADS

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from cardiograph.ecg.measure.measurements import Measurements

MM_PER_INCH = 25.4
ROW_MM = 30.0
SECONDS = 10.0
HEADER_MM, EDGE_MM = 20.0, 5.0
PULSE_MM = 10.0
MINOR, MAJOR, INK = "#f6d5d3", "#eba9a6", "#101014"
RAISED, LOWERED = "#d01010", "#1040d0"
MIN_MARK = 0.05
"""Emphasis below which a trace is not marked."""

HEADER = ("heart_rate", "pr", "qrs_duration", "qt", "qtc_fridericia", "p_axis", "qrs_axis", "t_axis", "sokolow_lyon")
"""Measurements in the header."""

SHORT_TITLES = {
    "heart_rate": "Rate",
    "pr": "PR",
    "qrs_duration": "QRS",
    "qt": "QT",
    "qtc_fridericia": "QTcF",
    "p_axis": "P axis",
    "qrs_axis": "QRS axis",
    "t_axis": "T axis",
    "sokolow_lyon": "Sokolow-Lyon",
}
"""Measurement -> name where space is short."""

FigureFormat = Literal["svg", "png", "pdf"]


def ecg_figure(
    ecg: Ecg,
    measurements: Measurements | None = None,
    *,
    title: str = "",
    emphasis: NDArray[np.float64] | None = None,
) -> Figure:
    """Draw an ECG at 25 mm/s and 10 mm/mV: three rows of four leads and a rhythm strip of lead II.

    A row shows 2.5 s of each lead, taken from where the lead was recorded: on a printed page each lead has its own
    time. A stretch that was not recorded stays empty.

    Args:
        ecg: The ECG; of a longer one, the first ten seconds are drawn.
        measurements: Measurements for the header; measured here if None.
        title: First line of the header, such as the name of the file.
        emphasis: [12, points] -1..1 over the duration of the ECG: the trace is marked red above 0 and blue below.
    """
    from matplotlib.figure import Figure

    from cardiograph.ecg.measure.measure import measure

    measurements = measure(ecg) if measurements is None else measurements
    width = PULSE_MM + SECONDS * MM_PER_SECOND + 2 * EDGE_MM
    height = HEADER_MM + len(STANDARD_ROWS) * ROW_MM + 2 * EDGE_MM
    figure = Figure(figsize=(width / MM_PER_INCH, height / MM_PER_INCH))
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(-EDGE_MM, width - EDGE_MM), ylim=(-height + HEADER_MM + EDGE_MM, HEADER_MM + EDGE_MM))
    axes.axis("off")
    _draw_grid(axes, width - 2 * EDGE_MM)
    for number, row in enumerate(STANDARD_ROWS):
        _draw_row(axes, ecg, row, -(number + 0.5) * ROW_MM, emphasis)
    _write_header(axes, measurements, title)
    foot = f"{MM_PER_SECOND:g} mm/s   {MM_PER_MV:g} mm/mV   {ecg.rate:g} Hz   {ecg.source}"
    axes.text(0, -len(STANDARD_ROWS) * ROW_MM - 1, foot, va="top", fontsize=6, color=INK)
    return figure


def figure_bytes(figure: Figure, file_format: FigureFormat) -> bytes:
    """Return a figure as SVG, PNG (200 dpi) or PDF; the same figure gives the same bytes.

    The lines of SVG and PDF keep every sample, so that the voltages can be read back: by default matplotlib leaves out
    points, which changes steep flanks by up to 0.1 mV.
    """
    import matplotlib as mpl

    undated = {"svg": ("Date", "Creator"), "pdf": ("CreationDate", "Creator", "Producer"), "png": ("Software",)}
    buffer = io.BytesIO()
    with mpl.rc_context({"svg.hashsalt": "cardiograph", "svg.fonttype": "none", "path.simplify": False}):
        figure.savefig(buffer, format=file_format, dpi=200, metadata=dict.fromkeys(undated[file_format]))
    return buffer.getvalue()


def _draw_grid(axes: Axes, width: float) -> None:
    height = len(STANDARD_ROWS) * ROW_MM
    for step, colour, line in ((1, MINOR, 0.3), (5, MAJOR, 0.5)):
        axes.vlines(np.arange(0, width + 0.1, step), -height, 0, colors=colour, linewidth=line)
        axes.hlines(np.arange(-height, 0.1, step), 0, width, colors=colour, linewidth=line)


def _draw_row(axes: Axes, ecg: Ecg, row: tuple[str, ...], y: float, emphasis: NDArray[np.float64] | None) -> None:
    pulse = np.array([(1, 0), (3, 0), (3, MM_PER_MV), (8, MM_PER_MV), (8, 0), (10, 0)])
    axes.plot(pulse[:, 0], y + pulse[:, 1], color=INK, linewidth=0.6)
    seconds = SECONDS / len(row)
    for column, lead in enumerate(row):
        left = PULSE_MM + column * seconds * MM_PER_SECOND
        first, values = _shown_part(ecg, lead, column * seconds, seconds)
        axes.text(left + 1, y + ROW_MM / 2 - 1, lead, va="top", fontsize=8, color=INK)
        x = left + np.arange(len(values)) / ecg.rate * MM_PER_SECOND
        middle = np.nanmedian(values) if np.isfinite(values).any() else 0.0
        height = y + (values - middle) * MM_PER_MV
        if emphasis is not None and len(values) > 1:
            of_lead = emphasis[LEADS.index(lead)]
            at = (first + np.arange(len(values) - 1) + 0.5) / ecg.signal.shape[1] * len(of_lead)
            _mark(axes, np.column_stack([x, height]), of_lead[at.astype(int).clip(0, len(of_lead) - 1)])
        axes.plot(x, height, color=INK, linewidth=0.6, solid_joinstyle="round")
        if column:
            axes.plot([left, left], [y - 3, y + 3], color=INK, linewidth=0.6)


def _mark(axes: Axes, points: NDArray[np.float64], strength: NDArray[np.float64]) -> None:
    """Draw a line behind a trace, red where the strength is above 0 and blue below; the opacity is its size."""
    from matplotlib.collections import LineCollection
    from matplotlib.colors import to_rgb

    colours = np.where(strength[:, None] > 0, to_rgb(RAISED), to_rgb(LOWERED))
    coloured = np.column_stack([colours, np.abs(strength).clip(0, 1)])
    shown = coloured[:, 3] > MIN_MARK
    segments = np.stack([points[:-1], points[1:]], axis=1)[shown]
    axes.add_collection(LineCollection(list(segments), colors=coloured[shown], linewidths=3.5, capstyle="round"))


def _shown_part(ecg: Ecg, lead: str, start: float, seconds: float) -> tuple[int, NDArray[np.float64]]:
    """Return the first sample of what a column shows of a lead, and the [samples] in mV.

    It is the part at the column's own time, or, where most of that was not recorded, the part from the first recorded
    sample.
    """
    values = ecg.lead(lead).astype(np.float64)
    first, count = round(start * ecg.rate), round(seconds * ecg.rate)
    recorded = np.flatnonzero(np.isfinite(values))
    own = np.isfinite(values[first : first + count]).sum()
    if len(recorded) and own < min(len(recorded), count) / 2:
        first = int(recorded[0])
    return first, values[first : first + count]


def _write_header(axes: Axes, measurements: Measurements, title: str) -> None:
    parts = []
    for name in HEADER:
        each = measurements[name]
        number = "–" if each.reason else f"{each.value:.{2 if each.unit == 'mV' else 0}f}"
        parts.append(f"{SHORT_TITLES[name]} {number}{'' if each.unit == '°' else ' '}{each.unit}")
    top = HEADER_MM
    axes.text(0, top, title, va="top", fontsize=10, fontweight="bold", color=INK, parse_math=False)
    axes.text(0, top - 6, "    ".join(parts), va="top", fontsize=7, color=INK, parse_math=False)
    axes.text(
        0, top - 11, "  ".join(measurements.warnings[:3]), va="top", fontsize=6, color="#a03000", parse_math=False
    )
