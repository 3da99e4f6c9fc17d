"""Decides from the beats of a view whether the page is upright, turned by 180 degrees or mirrored."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from cardiograph.imaging.ecg_check import Beat, Mask, Traces

ORIENTATION_VERSION = "1"
"""Changes whenever the same view gives another verdict."""

WIDTHS_PER_MV = 1 / 26.5
"""1 mV (10 mm) as a share of the width of a usual view: 10 s at 25 mm/s, and 15 mm for the calibration pulse."""

REACH, SHORTEST_REACH = 0.05, 0.012
"""Of the width: how far a trace is followed on both sides of a beat, 0.5 s on a page of 10 s, and the least distance."""

REACH_OF_PERIOD = 0.47
"""Of the time between two beats: the trace is followed no farther, so that the next beat is left out."""

PACE, MAX_LOST = 0.002, 2
"""Of the width: the distance of two places at which a trace is read; and places at which it may be missing in a row."""

MAX_BEATS = 64
"""Beats that are followed; of more, every second or third."""

MIN_TRACKED = 0.8
"""Share of the reach over which the trace of a beat must be found, on both sides."""

MAX_RUNS = 16
"""Traces that are looked at in one column; a page has 12 at most."""

PULSE_STRIP, PULSE_FLAT, PULSE_WIDEST, PULSE_TALL = 0.08, 0.006, 0.03, 0.03
"""Of the width: where calibration pulses are looked for, shortest and longest level part of one, least height."""

MIN_BEATS = 8
MIN_FOUND = 0.4
MAX_WIDTH = 0.009
MARGIN = 4.0
"""Signs count from so many beats, from such a share of the beats, and up to this width of a beat (0.09 s on a page of 10 s);
a page is refused above this log odds. Source: ``benchmarks/page_orientation.py``."""

Lie = Literal["upside_down", "left_right", "top_bottom"]

Floats = NDArray[np.float64]

TIME_WEIGHTS = np.array([1.03, 2.84, 1.69, 4.70])
POLARITY_WEIGHTS = np.array([2.32, 1.67, 8.14])
BOTH_WEIGHTS = np.array([0.83, 11.38, -2.45, 4.47])
"""Of the signs of the beats, in the order of :class:`Signs`. A sum of signs times weights is half a difference of log odds.
Source: fitted by ``benchmarks/page_orientation.py --fit``."""

PULSE_WEIGHT, MAX_PULSES = 1.5, 3
"""Weight of each calibration pulse for polarity, and how many count: a printed pulse always points up."""

SIDE_WEIGHT = 0.75
"""Weight for time of the side that has two pulses more than the other; log odds of 1.5, as some devices print them right."""


@dataclass(frozen=True)
class Signs:
    """What the beats of a page say of its orientation: means over the beats, each sign between about -1 and 1.

    Mirroring a page left to right changes the sign of ``time`` and ``both``; mirroring it top to bottom changes the sign of
    ``polarity`` and ``both``; turning it by 180 degrees changes the sign of ``time`` and ``polarity``.

    Args:
        time: [4] The waves after the QRS complex are larger than those before it; the larger wave falls faster than it
            rises; the trace strays farther after the complex; complexes are larger on the right (V1 to V6).
        polarity: [3] P and T waves point up; QRS complexes point up; they do so more at both sides of the page than in its
            middle (aVR and V1 to V3).
        both: [4] The wave after the complex points up more than the one before it; R precedes S; the trace leaves the
            complex higher than it enters it; complexes point up more in the second quarter of the page's
            width than in the third (V1 to V3).
        beats: How many beats were averaged.
        found: Beats found, as a share of those that the page would have if each trace showed each beat.
        width: Of a beat, as a share of the width of the view, in the median; its stroke is left out.
    """

    time: Floats
    polarity: Floats
    both: Floats
    beats: int
    found: float
    width: float

    @property
    def clear(self) -> bool:
        """Whether there are beats enough, and QRS complexes so narrow that the waves around them are the usual ones."""
        return self.beats >= MIN_BEATS and self.found >= MIN_FOUND and self.width <= MAX_WIDTH


def lie_of(traces: Traces) -> Lie | None:
    """Decide how a page lies, if it does not lie upright.

    Args:
        traces: Of the view, from :func:`cardiograph.imaging.ecg_check.find_traces`.

    Returns:
        ``upside_down`` (turned by 180 degrees), or mirrored ``left_right`` or ``top_bottom``; None for an upright page, and
        for one that does not say it clearly.
    """
    lie, odds = max(log_odds(traces).items(), key=lambda item: item[1])
    return lie if odds > MARGIN else None


def log_odds(traces: Traces) -> dict[Lie, float]:
    """Log odds of each wrong orientation against upright, from the beats and the calibration pulses."""
    pointing, on_the_left = _pulses(traces.ink)
    polarity = PULSE_WEIGHT * max(-MAX_PULSES, min(MAX_PULSES, pointing))
    time, both = SIDE_WEIGHT * ((on_the_left > 1) - (on_the_left < -1)), 0.0
    signs = read_signs(traces)
    if signs is not None and signs.clear:
        time += float(signs.time @ TIME_WEIGHTS)
        polarity += float(signs.polarity @ POLARITY_WEIGHTS)
        both += float(signs.both @ BOTH_WEIGHTS)
    return {
        "upside_down": -2 * (time + polarity),
        "left_right": -2 * (time + both),
        "top_bottom": -2 * (polarity + both),
    }


def read_signs(traces: Traces) -> Signs | None:
    """Follow the trace from each beat to both sides, and average the values that show time and polarity.

    Returns:
        The signs, or None where no beat can be followed or beats follow too closely.
    """
    width = traces.mask.shape[1]
    reach, found = _reach_and_found(traces)
    if len(traces.beats) < 2 or reach < max(4, SHORTEST_REACH * width):
        return None
    beats = traces.beats[:: 1 + len(traces.beats) // MAX_BEATS]
    rows, tracked = _follow(traces, beats, reach)
    good = (tracked >= MIN_TRACKED * rows.shape[2]).all(axis=0)
    if not good.any():
        return None
    beats = [beat for beat, kept in zip(beats, good.tolist(), strict=True) if kept]
    rows = rows[:, good]
    millivolt = WIDTHS_PER_MV * width
    level = np.median(np.concatenate([rows[0], rows[1]], axis=1), axis=1)
    before, after = (level[:, None] - _smooth(rows)[:, :, 1:]) / millivolt
    time, polarity, both = _wave_signs(before, after)
    for signs, more in zip((time, polarity, both), _complex_signs(beats, traces, millivolt), strict=True):
        signs.extend(more)
    widest = (float(np.median([beat.width for beat in traces.beats])) - traces.stroke) / width
    return Signs(_mean(time), _mean(polarity), _mean(both), len(beats), found, widest)


def _mean(signs: list[Floats]) -> Floats:
    return np.array([float(each.mean()) for each in signs])


def _reach_and_found(traces: Traces) -> tuple[int, float]:
    """Columns to follow on each side of a beat, and the share of beats found."""
    width = traces.mask.shape[1]
    middles = np.sort([beat.left + beat.width / 2 for beat in traces.beats])
    if len(middles) < 2:
        return 0, 0.0
    first = np.flatnonzero(np.diff(middles, prepend=-np.inf) > 0.02 * width)
    times = np.add.reduceat(middles, first) / np.diff(first, append=len(middles))
    period = float(np.median(np.diff(times))) if len(times) > 2 else 2 * REACH * width
    counts = np.bincount(traces.runs[0], minlength=width)
    return int(min(REACH * width, REACH_OF_PERIOD * period)), len(middles) / max(
        1.0, len(times) * float(np.median(counts))
    )


def _follow(traces: Traces, beats: list[Beat], reach: int) -> tuple[Floats, NDArray[np.int64]]:
    """Rows of the trace outward from each beat, [2, beats, places] before and after, and at how many places it was found."""
    width = traces.mask.shape[1]
    tops, bottoms = _run_table(traces)
    count = len(beats)
    pace = max(1, round(PACE * width))
    places = reach // pace
    columns = np.array([b.left for b in beats] + [b.left + b.width - 1 for b in beats])
    step = np.repeat([-pace, pace], count)
    row = np.array([b.before for b in beats] + [b.after for b in beats])
    half = (traces.stroke - 1) / 2
    rows = np.empty((2 * count, places))
    tracked, lost = np.zeros(2 * count, np.int64), np.zeros(2 * count, np.int64)
    each = np.arange(2 * count)
    for place in range(places):
        columns = columns + step
        at = np.clip(columns, 0, width - 1)
        top, bottom = tops[at], bottoms[at]
        nearest = np.abs(np.clip(row[:, None], top, bottom) - row[:, None]).argmin(axis=1)
        top, bottom = top[each, nearest], bottom[each, nearest]
        # a high run is another stroke that crosses: the trace stays within it
        seen = np.where(bottom - top > 3 * traces.stroke, np.clip(row, top + half, bottom - half), (top + bottom) / 2)
        near = (np.abs(seen - row) <= 3 * traces.stroke) & (at == columns)
        lost = np.where(near, 0, lost + 1)
        lost[lost > MAX_LOST] = places  # for good
        near &= lost == 0
        row = np.where(near, seen, row)
        tracked += lost < places
        rows[:, place] = row
    return rows.reshape(2, count, places), tracked.reshape(2, count)


def _run_table(traces: Traces) -> tuple[Floats, Floats]:
    """First and last row of the runs of ink in each column, [width, runs]; far outside where there are fewer."""
    columns, begin, end = traces.runs
    width = traces.mask.shape[1]
    rank = np.arange(len(columns)) - np.searchsorted(columns, np.arange(width))[columns]
    kept = rank < MAX_RUNS
    shape = (width, int(rank[kept].max()) + 1)
    tops, bottoms = np.full(shape, -1e6), np.full(shape, -1e6)
    tops[columns[kept], rank[kept]] = begin[kept]
    bottoms[columns[kept], rank[kept]] = end[kept] - 1
    return tops, bottoms


def _smooth(rows: Floats) -> Floats:
    """Running means of three places."""
    import cv2

    sides, beats, places = rows.shape
    flat = cv2.blur(rows.reshape(-1, places), (3, 1), borderType=cv2.BORDER_REPLICATE)
    return np.asarray(flat, np.float64).reshape(sides, beats, places)


def _wave_signs(before: Floats, after: Floats) -> tuple[list[Floats], list[Floats], list[Floats]]:
    """Signs of the slow waves, [beats] each; ``before`` and ``after`` are [beats, columns] mV, outward from the beat."""
    size_before, size_after = np.ptp(before, axis=1), np.ptp(after, axis=1)
    peak_before, peak_after = _peak(before), _peak(after)
    stray = np.abs(after).mean(axis=1) - np.abs(before).mean(axis=1)
    skew = np.where(
        size_after > size_before, _falls_faster(after, peak_after), -_falls_faster(before, peak_before)
    )  # outward from a beat is back in time on its left
    up_before, up_after = np.tanh(peak_before / 0.1), np.tanh(peak_after / 0.1)
    time = [np.tanh((size_after - size_before) / 0.15), skew, np.tanh(stray / 0.05)]
    return time, [up_after + up_before], [up_after - up_before]


def _peak(wave: Floats) -> Floats:
    high, low = wave.max(axis=1), wave.min(axis=1)
    return np.asarray(np.where(high > -low, high, low), np.float64)


def _falls_faster(wave: Floats, peak: Floats) -> Floats:
    """-1 to 1, [beats]: 1 where a wave reaches its peak slowly and leaves it fast."""
    slope = np.diff(wave, axis=1)
    cubes = slope**3
    return np.asarray(-np.sign(peak) * cubes.sum(axis=1) / (np.abs(cubes).sum(axis=1) + 1e-6), np.float64)


def _complex_signs(
    beats: list[Beat], traces: Traces, millivolt: float
) -> tuple[list[Floats], list[Floats], list[Floats]]:
    """Signs of the QRS complexes, [beats] each."""
    width = traces.mask.shape[1]
    left, top, wide, high, before, after = np.array(
        [(b.left, b.top, b.width, b.height, b.before, b.after) for b in beats]
    ).T
    across = (left + wide / 2) / (width + 1) - 0.5
    level = (before + after) / 2
    up = np.maximum(level - top, 0) / millivolt
    down = np.maximum(top + high - level, 0) / millivolt
    pointing = (up - down) / (up + down + 0.05)
    size = np.log(up + down + 0.1)
    quarter = np.where(np.abs(across) < 0.25, -np.sign(across), 0.0)
    order = np.array([_r_before_s(beat, traces, millivolt) for beat in beats])
    step = np.tanh((before - after) / millivolt / 0.1)
    time = [4 * (size - size.mean()) * across]
    return time, [pointing, 4 * pointing * (np.abs(across) - 0.25)], [order, step, pointing * quarter]


def _r_before_s(beat: Beat, traces: Traces, millivolt: float) -> float:
    """-1 to 1: 1 where the upward part of a complex lies left of an equal downward part; 0 where it has only one."""
    width = traces.mask.shape[1]
    box = traces.mask[beat.top : beat.top + beat.height, beat.left : beat.left + beat.width]
    level = round((beat.before + beat.after) / 2) - beat.top
    clear = round(0.05 * millivolt) + 2
    parts = box[: max(0, level - clear)], box[max(0, level + clear) :]
    above, below = (part.sum(axis=0, dtype=np.float64) for part in parts)
    inked = above.sum(), below.sum()
    if min(inked) <= 3:
        return 0.0
    columns = np.arange(box.shape[1])
    apart = (columns @ below) / inked[1] - (columns @ above) / inked[0]
    return float(np.tanh(apart / (0.004 * width)) * 2 * min(inked) / sum(inked))


def _pulses(ink: Mask) -> tuple[int, int]:
    """Calibration pulses at the edges of a view: those that point up less those that point down, and left less right.

    A pulse is a level line of 3 to 5 mm with a stroke of 8 mm or more at each end, both on the same side of it.
    """
    width = ink.shape[1]
    strip = round(PULSE_STRIP * width)
    left, right = _pulses_in(ink[:, :strip], width), _pulses_in(ink[:, width - strip :], width)
    return left[0] - left[1] + right[0] - right[1], sum(left) - sum(right)


def _pulses_in(strip: Mask, width: int) -> tuple[int, int]:
    """Pulses in a strip that point up, and that point down."""
    import cv2

    shortest, tall = max(4, round(PULSE_FLAT * width)), max(6, round(PULSE_TALL * width))
    level = cv2.erode(strip, np.ones((1, shortest), np.uint8), borderType=cv2.BORDER_CONSTANT, borderValue=0)
    level = cv2.dilate(level, np.ones((1, shortest), np.uint8), anchor=(shortest - 1 - shortest // 2, 0))
    outlines, _ = cv2.findContours(level, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    up = down = 0
    for x, y, wide, high in map(cv2.boundingRect, outlines):
        if wide <= PULSE_WIDEST * width:
            ends = strip[:, max(0, x - 1) : x + 3], strip[:, max(0, x + wide - 3) : x + wide + 1]
            below = [int(end[y + high : y + high + tall].any(axis=1).sum()) for end in ends]
            above = [int(end[max(0, y - tall) : y].any(axis=1).sum()) for end in ends]
            up += min(below) >= 0.9 * tall > 3 * max(above)
            down += min(above) >= 0.9 * tall > 3 * max(below)
    return up, down
