"""ECGs as small SVG drawings at one scale, for pages that compare them: 25 mm/s and 10 mm/mV."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Final

import numpy as np
from numpy.typing import NDArray

from cardiograph.ecg.leads import LEADS
from cardiograph.ecg.resample import runs_of

MM_PER_S: Final = 25
MM_PER_MV: Final = 10
ROWS: Final = 6
"""Rows of the drawing: limb leads in the first column, chest leads in the second."""

_GRID_MM = 5
_NAME_MM = 9
"""Room for the name of a lead before its trace."""

_GAP_MM = 1.5
_REACH_MV = (0.5, 3.0)
"""Smallest and largest room in mV above and below the baseline of a row; a larger wave overlaps the next row."""

_Y_PER_MM = 10
_Leads = NDArray[np.float32]


def draw_side_by_side(ecgs: Sequence[_Leads], titles: Sequence[str], *, rate: float) -> list[str]:
    """Draw ECGs with the same rows at the same heights, so that they can be compared side by side.

    The unit of a drawing is a millimetre of paper, and a square of its grid is 0.2 s by 0.5 mV. Colours are attributes of
    the elements, and traces have the colour of the text around the drawing.

    Args:
        ecgs: [12, samples] float32 each, in mV, NaN where nothing was recorded; all with the same number of samples.
        titles: Text alternative of each drawing.
        rate: Sampling rate in Hz.

    Returns:
        An ``svg`` element for each ECG; texts are escaped.
    """
    if not ecgs:
        return []
    column = _NAME_MM + ecgs[0].shape[1] / rate * MM_PER_S
    baselines, height = _baselines(ecgs)
    return [_drawing(ecg, title, (column, height), baselines, rate) for ecg, title in zip(ecgs, titles, strict=True)]


def _baselines(ecgs: Sequence[_Leads]) -> tuple[list[float], float]:
    """Return the height of the baseline of each row from the top, and the whole height, in mm."""
    values = np.nan_to_num(np.stack(ecgs)).reshape(len(ecgs), 2, ROWS, -1)  # [ecgs, column, row, samples]
    above = np.clip(values.max(axis=(0, 1, 3)), *_REACH_MV) * MM_PER_MV + _GAP_MM
    below = np.clip(-values.min(axis=(0, 1, 3)), *_REACH_MV) * MM_PER_MV + _GAP_MM
    ends = np.cumsum(above + below)
    return (ends - below).tolist(), float(np.ceil(ends[-1]))


def _drawing(ecg: _Leads, title: str, size: tuple[float, float], baselines: Sequence[float], rate: float) -> str:
    column, height = size
    traces, names = [], []
    for number, (lead, row) in enumerate(zip(LEADS, ecg, strict=True)):
        x, y = number // ROWS * column, baselines[number % ROWS]
        traces.append(_trace(row, f"translate({x + _NAME_MM:g} {y:.1f}) scale({MM_PER_S / rate:g} {1 / _Y_PER_MM:g})"))
        names.append(f'<text x="{x + 1:g}" y="{y + 1.3:.1f}">{lead}</text>')
    width = 2 * column
    return (
        f'<svg class="ecg-drawing" xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" role="img" '
        f'aria-label="{escape(title)}"><path d="{_grid(width, height)}" fill="none" stroke="#d0707a" '
        'stroke-opacity=".45" stroke-width=".15"/><g fill="none" stroke="currentColor" stroke-width="1.1" '
        f'stroke-linejoin="round">{"".join(traces)}</g><g fill="currentColor" font-family="sans-serif" '
        f'font-size="3.6" font-weight="700">{"".join(names)}</g></svg>'
    )


def _trace(row: _Leads, place: str) -> str:
    """Return the path of a lead in steps of one sample and a tenth of a millimetre; empty for an absent lead."""
    parts = []
    for start, stop in runs_of(np.isfinite(row)):
        heights = np.round(-row[start:stop].astype(np.float64) * MM_PER_MV * _Y_PER_MM).astype(int)
        steps = " ".join(f"1{step}" if step < 0 else f"1 {step}" for step in np.diff(heights).tolist())
        parts.append(f"M{start} {heights[0]}l{steps or '0 0'}")
    path = "".join(parts)
    return f'<path d="{path}" transform="{place}" vector-effect="non-scaling-stroke"/>' if path else ""


def _grid(width: float, height: float) -> str:
    across = [f"M{x:g} 0V{height:g}" for x in np.arange(0, width + 0.1, _GRID_MM).tolist()]
    down = [f"M0 {y:g}H{width:g}" for y in np.arange(0, height + 0.1, _GRID_MM).tolist()]
    return "".join(across + down)
