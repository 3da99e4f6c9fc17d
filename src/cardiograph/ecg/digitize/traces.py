"""Traces of a rectified page: one continuous line per row, followed from column to column."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cardiograph.ecg.digitize.calibration import Pulse, pulses_in_traces
from cardiograph.ecg.digitize.ink import Ink, Mask
from cardiograph.ecg.digitize.rectified import PIXELS_PER_MM

MIN_ROW_MM = 30.0
"""Shortest row of traces."""

MIN_ROW_SPACING_MM = 9.0
MAX_RUNS = 28
"""Vertical runs of ink considered in each column."""

SCRAP_MM, SCRAP_GAP_MM = 10.0, 5.0
"""A piece at an end of a row that is shorter, and farther from the rest, is no part of it, such as the edge of the sheet."""

SHARED_MM = 12.0
"""Length over which a row may run on the line of another one, as where two waves cross or touch."""

GAP = 3.0
"""Cost of a column in which a trace has no ink, in pixels of vertical distance."""

GAP_ENDS = 6.0
JUMP_LIMIT = 40.0
"""Largest cost of a jump: traces of neighbouring leads do not meet at the boundary."""

OFF_BASELINE = 0.012
"""Cost of a column at one pixel from the baseline of the row."""

OTHER_ROW, OTHER_ROW_MM = 2.0, 3.0
"""Cost of a column within so many mm of the baseline of another row."""

SMALL_PART = 2.5
"""Cost of a column on a small piece of ink, such as a letter."""

JOINED = 5
"""Distance in pixels at which pieces of ink count as one part."""

PEN_EDGE = 0.4
"""Part of half the width of the pen that does not darken a column enough, pixels; fitted to drawn pages."""

_FAR = 1e6

Strokes = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]
"""First row, first row after the end, and column of vertical runs of ink, column after column."""

Runs = tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]
"""Upper edge, lower edge, centre and cost of the runs, each [columns, runs]; NaN where a column has fewer."""


@dataclass(frozen=True, eq=False)
class Trace:
    """The line of one row.

    Args:
        baseline: Median height of the line, pixels from the top.
        height: [columns] height of the line in each column of the page, pixels from the top; NaN where there is none.
    """

    baseline: float
    height: NDArray[np.float64]

    @property
    def extent(self) -> tuple[int, int]:
        """First column of the line, and the first one after it."""
        there = np.flatnonzero(np.isfinite(self.height))
        return int(there[0]), int(there[-1]) + 1


def follow_traces(ink: Ink) -> tuple[tuple[Trace, ...], tuple[Pulse, ...]]:
    """Find the rows of traces and follow the line of each.

    Args:
        ink: Pen strokes of the page.

    Returns:
        Traces from top to bottom, empty if no row was found; and the calibration pulses, which are no part of them.
    """
    found = _all_runs(ink.mask)
    small, wide = _small_and_wide(ink.mask, found)
    baselines = find_rows(found[0][wide], found[1][wide], len(ink.mask))
    if not len(baselines):
        return (), ()
    runs = _runs(ink, found, small, baselines)
    pen = _pen(runs)
    rows = [_heights(runs, path, pen) for path in _own_lines(_paths(runs, baselines), runs, baselines)]
    for row, baseline in zip(rows, baselines, strict=True):
        _cut(row, [pulse for pulse in ink.pulses if abs(pulse.bottom - baseline) < MIN_ROW_SPACING_MM * PIXELS_PER_MM])
    rows = [_trim(row) for row in rows]
    sloping = pulses_in_traces(rows)
    for row in rows:
        _cut(row, sloping)
    rows = [_without_scraps(_trim(row)) for row in rows]
    long = [row for row in rows if np.isfinite(row).sum() >= MIN_ROW_MM * PIXELS_PER_MM]
    return _apart([Trace(float(np.nanmedian(row)), row) for row in long]), (*ink.pulses, *sloping)


def _apart(traces: list[Trace]) -> tuple[Trace, ...]:
    """Return the rows from top to bottom, of two on one height the longer one."""
    kept: list[Trace] = []
    for trace in sorted(traces, key=lambda trace: -np.isfinite(trace.height).sum()):
        if all(abs(trace.baseline - other.baseline) > MIN_ROW_SPACING_MM / 2 * PIXELS_PER_MM for other in kept):
            kept.append(trace)
    return tuple(sorted(kept, key=lambda trace: trace.baseline))


def _own_lines(paths: NDArray[np.int64], runs: Runs, baselines: NDArray[np.float64]) -> NDArray[np.int64]:
    """Take the ink that two rows follow for long away from the row whose baseline is farther, [rows, columns].

    Where the line of a row is hidden, its path runs on the line of a neighbour.
    """
    own, length = paths.copy(), round(SHARED_MM * PIXELS_PER_MM)
    columns = np.arange(paths.shape[1])
    heights = np.where(paths >= 0, runs[2][columns, paths], np.nan)
    for one, other in itertools.combinations(range(len(paths)), 2):
        shared = (paths[one] == paths[other]) & (paths[one] >= 0)
        for first, last in _pieces(shared):
            if last - first < length:
                continue
            middle = np.nanmedian(heights[one, first:last])
            farther = one if abs(middle - baselines[one]) > abs(middle - baselines[other]) else other
            own[farther, first:last] = -1
    return own


def _pieces(where: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Return the first column of each uninterrupted piece, and the first one after it."""
    ends = np.flatnonzero(np.diff(np.concatenate([[0], where.astype(np.int8), [0]])))
    return [(int(first), int(last)) for first, last in zip(ends[::2], ends[1::2], strict=True)]


def _cut(row: NDArray[np.float64], pulses: Iterable[Pulse]) -> None:
    """Take calibration pulses, and what lies beyond them at the nearer end, out of a line."""
    for pulse in pulses:
        left, right = max(round(pulse.left) - 5, 0), round(pulse.right) + 4
        if not np.isfinite(row[:left]).any() or np.flatnonzero(np.isfinite(row))[0] > left - 4 * PIXELS_PER_MM:
            left = 0
        row[left:right] = np.nan


def _small_and_wide(mask: Mask, found: Strokes) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return which runs of ink are on small parts (letters, specks), and which on wide ones (traces)."""
    import cv2

    # the pieces of a broken line are one part
    joined = cv2.dilate(mask, np.ones((JOINED, JOINED), np.uint8))
    _, labels, boxes, _ = cv2.connectedComponentsWithStats(joined, connectivity=8)
    width, height = boxes[:, cv2.CC_STAT_WIDTH], boxes[:, cv2.CC_STAT_HEIGHT]
    part = labels[found[0], found[2]]
    return (np.maximum(width, height) < 6 * PIXELS_PER_MM)[part], (width > 10 * PIXELS_PER_MM)[part]


def find_rows(tops: NDArray[np.int64], bottoms: NDArray[np.int64], height: int) -> NDArray[np.float64]:
    """Return the height of the baseline of each row, pixels from the top.

    Args:
        tops: First row of each vertical run of ink on a trace.
        bottoms: First row after it.
        height: Height of the page, pixels.
    """
    import cv2

    flat = bottoms - tops < 1.2 * PIXELS_PER_MM
    centre = ((tops + bottoms) / 2)[flat]
    amount = np.bincount(centre.astype(int), minlength=height).astype(np.float64)
    density = cv2.GaussianBlur(amount[:, None], (0, 0), sigmaX=1, sigmaY=1.5 * PIXELS_PER_MM)[:, 0]
    reach = round(MIN_ROW_SPACING_MM * PIXELS_PER_MM)
    rows: list[float] = []
    left = density.copy()
    while len(rows) < 20:
        best = int(np.argmax(left))
        near = slice(max(best - reach // 2, 0), best + reach // 2 + 1)
        if amount[near].sum() < MIN_ROW_MM * PIXELS_PER_MM or (rows and left[best] < 0.12 * density.max()):
            break
        rows.append(float(best))
        left[max(best - reach, 0) : best + reach + 1] = 0
    return np.array(sorted(rows))


def _all_runs(mask: Mask) -> Strokes:
    """Return every vertical run of ink, ordered by column."""
    import cv2

    padded = np.asarray(cv2.copyMakeBorder(cv2.transpose(mask), 0, 0, 1, 1, cv2.BORDER_CONSTANT))
    line = padded.ravel()
    edges = np.flatnonzero(line[1:] != line[:-1])
    tops, bottoms = edges[::2], edges[1::2]
    columns = tops // padded.shape[1]
    start = columns * padded.shape[1]
    return tops - start, bottoms - start, columns


def _runs(ink: Ink, found: Strokes, small: NDArray[np.bool_], baselines: NDArray[np.float64]) -> Runs:
    """Return the runs of ink near the rows as tables of one line per column."""
    margin = 35 * PIXELS_PER_MM
    first, last = max(int(baselines[0]) - margin, 0), min(int(baselines[-1]) + margin, len(ink.mask))
    near = np.flatnonzero((found[0] < last) & (found[1] > first))
    columns = found[2][near]
    order = np.arange(len(columns)) - np.searchsorted(columns, columns)
    near, columns, order = (values[order < MAX_RUNS] for values in (near, columns, order))
    tops, bottoms = np.maximum(found[0][near], first), np.minimum(found[1][near], last)
    many = int(order.max(initial=0)) + 1
    tables = []
    for values in (tops, bottoms, _centres(ink.darkness, tops, bottoms, columns), small[near] * SMALL_PART):
        table = np.full((ink.mask.shape[1], many), np.nan, np.float32)
        table[columns, order] = values
        tables.append(table)
    return tables[0], tables[1], tables[2], tables[3]


def _centres(
    darkness: NDArray[np.float32], tops: NDArray[np.int64], bottoms: NDArray[np.int64], columns: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Return the centre of mass of runs of ink."""
    if not len(tops):
        return np.empty(0)
    lengths = bottoms - tops
    begins = np.cumsum(lengths) - lengths
    rows = np.arange(int(lengths.sum())) + np.repeat(tops - begins, lengths)
    weight = darkness[rows, np.repeat(columns, lengths)].astype(np.float64)
    mass = np.add.reduceat(weight, begins)
    return np.asarray(np.add.reduceat(weight * (rows + 0.5), begins) / np.maximum(mass, 1e-9), np.float64)


def _paths(runs: Runs, baselines: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the run that each row takes in each column, [rows, columns]; -1 where the row has no ink.

    The cheapest path through the columns (Viterbi): runs that touch follow each other at no cost, others cost the
    distance between them. The states of a column are its runs and, last, a gap.
    """
    centre, extra = runs[2:]
    columns = len(centre)
    gap = np.isfinite(centre).sum(axis=1)
    steps = _steps(runs, gap)
    cost = np.full((columns, len(baselines), centre.shape[1] + 1), _FAR, np.float32)
    distance = np.abs(centre[:, None, :] - baselines[None, :, None])
    nearest = np.min(np.nan_to_num(distance, nan=_FAR), axis=1, keepdims=True)
    strange = OTHER_ROW * ((nearest < OTHER_ROW_MM * PIXELS_PER_MM) & (distance > nearest))
    cost[:, :, :-1] = np.nan_to_num(OFF_BASELINE * distance + strange + extra[:, None, :], nan=_FAR)
    cost[np.arange(columns), :, gap] = GAP
    total = cost[0, :, : gap[0] + 1]
    back = np.empty(cost.shape, np.int8)
    for column, step in enumerate(steps, start=1):
        ways = total[:, None, :] + step
        back[column, :, : len(step)] = ways.argmin(axis=2)
        total = ways.min(axis=2) + cost[column, :, : len(step)]
    rows = np.arange(len(baselines))
    chosen = np.empty((len(baselines), columns), np.int64)
    chosen[:, -1] = total.argmin(axis=1)
    for column in range(columns - 1, 0, -1):
        chosen[:, column - 1] = back[column, rows, chosen[:, column]]
    return np.where(chosen == gap, -1, chosen)


def _steps(runs: Runs, gap: NDArray[np.int64]) -> list[NDArray[np.float32]]:
    """Return the cost [to, from] of the steps between the states of neighbouring columns; the gap is the last state."""
    top, bottom, centre = (np.pad(table, ((0, 0), (0, 1)), constant_values=np.nan) for table in runs[:3])
    states = gap + 1
    sizes = states[1:] * states[:-1]
    ends = np.cumsum(sizes)
    column = np.repeat(np.arange(1, len(gap)), sizes)
    state = np.arange(int(sizes.sum())) - np.repeat(ends - sizes, sizes)
    after, before = (column, state // states[column - 1]), (column - 1, state % states[column - 1])
    apart = np.fmax(top[after] - bottom[before], top[before] - bottom[after])
    cost = np.minimum(np.fmax(apart, 0) + 0.02 * np.abs(centre[after] - centre[before]), JUMP_LIMIT)
    cost = np.nan_to_num(cost, nan=GAP_ENDS)
    cost[ends - 1] = 0
    parts = np.split(cost, ends[:-1])
    return [part.reshape(now, last) for part, now, last in zip(parts, states[1:], states[:-1], strict=True)]


def _pen(runs: Runs) -> float:
    """Return the width of the pen in pixels: the median height of the runs."""
    return float(np.nanmedian(runs[1] - runs[0]))


def _heights(runs: Runs, path: NDArray[np.int64], pen: float) -> NDArray[np.float64]:
    """Return the height of a line in each column, read from the runs on its path; NaN where it has none.

    The centre of a short run is the height of the line. A pen of finite width spreads a steep line over several columns:
    the upper ends of the runs are the line after a minimum filter as wide as the pen, the lower ends the line after a
    maximum filter. The opposite filters restore upward waves from the upper ends and downward waves from the lower ends.
    """
    known = np.flatnonzero(path >= 0)
    values = np.full(len(path), np.nan)
    if len(known) < 8:
        return values
    top, bottom, centre = (table[known, path[known]].astype(np.float64) for table in runs[:3])
    spread = max(pen / 2 - PEN_EDGE, 0.0)
    above = np.maximum(_at(known, top, spread), _at(known, top, -spread)) + pen / 2
    below = np.minimum(_at(known, bottom, spread), _at(known, bottom, -spread)) - pen / 2
    far = np.ceil(2 * spread) + 3
    around = (_at(known, centre, far) + _at(known, centre, -far)) / 2
    wave = np.where(np.abs(above - around) >= np.abs(below - around), above, below)
    line = np.where(np.abs(above - below) < pen, (above + below) / 2, wave)
    if spread < 1:
        # the tip of a wave drawn with a thin pen is one column wide
        before, after = np.maximum(np.arange(len(known)) - 1, 0), np.minimum(np.arange(len(known)) + 1, len(known) - 1)
        up = np.minimum(top[before], top[after]) - top
        down = bottom - np.maximum(bottom[before], bottom[after])
        line = np.where(up >= np.maximum(down, 0), top + pen / 2, np.where(down >= 0, bottom - pen / 2, line))
    values[known] = np.where(bottom - top < 1.8 * pen, centre, line)
    return values


def _without_scraps(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Take short pieces far from the rest off both ends of a line."""
    known = np.flatnonzero(np.isfinite(values))
    pieces = np.split(known, np.flatnonzero(np.diff(known) > SCRAP_GAP_MM * PIXELS_PER_MM) + 1)
    while len(pieces) > 1 and len(pieces[0]) < SCRAP_MM * PIXELS_PER_MM:
        pieces = pieces[1:]
    while len(pieces) > 1 and len(pieces[-1]) < SCRAP_MM * PIXELS_PER_MM:
        pieces = pieces[:-1]
    kept = np.full_like(values, np.nan)
    for piece in pieces:
        kept[piece] = values[piece]
    return kept


def _at(columns: NDArray[np.int64], values: NDArray[np.float64], shift: float) -> NDArray[np.float64]:
    """Return values at a distance of ``shift`` columns, between neighbours by interpolation."""
    return np.asarray(np.interp(columns + shift, columns, values), np.float64)


def _trim(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Fill gaps of up to 2 mm along a straight line, and drop short pieces."""
    known = np.flatnonzero(np.isfinite(values))
    filled = values.copy()
    for first, last in itertools.pairwise(known):
        if 1 < last - first <= 2 * PIXELS_PER_MM:
            filled[first : last + 1] = np.interp(np.arange(first, last + 1), [first, last], values[[first, last]])
    for begin, end in _pieces(np.isfinite(filled)):
        if end - begin < 4 * PIXELS_PER_MM:
            filled[begin:end] = np.nan
    return filled
