"""Does a view show an ECG? Ink that runs across the page in traces, with beats standing in them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cardiograph.errors import Issue, PageError
from cardiograph.imaging.hashing import percentiles

GATE_VERSION = "1"
"""Changes whenever the same view gives other evidence or another verdict."""

WORKING_SIDE = 1000
"""Longer side in pixels of the copy that is looked at; 1 mm of a usual view is then about 4 pixels."""

MIN_CONTRAST = 30.0
"""Grey levels between paper and the darkest ink; with less, nothing on the view counts as ink."""

WIDE_PART = 0.15
"""Of the width: connected ink that reaches as far is a trace; a lead of 2.5 s is 0.23 of a page, a word less than 0.1."""

LINE_ACROSS, LINE_DOWN = 0.12, 0.2
"""Of the width: straight ink as long is a rule, a frame or a separator, not a trace."""

BEAT_HEIGHT = 0.011
"""Of the width: the least height of a beat, 0.3 mV on a page of 10 s at 10 mm/mV."""

BEAT_WIDTH = 0.035
"""Of the width: the most that a beat is wide, 0.35 s on a page of 10 s."""

BEAT_FOOT = 0.012
"""Of the width: how far the trace is followed on both sides of a beat."""

SAME_TIME, OTHER_TRACE = 0.01, 0.03
"""Of the width: beats are of one time within 0.1 s on a page of 10 s, and of two traces from 8 mm on."""

SHORTEST, LONGEST = 0.02, 0.2
"""Of the width: shortest and longest period, 0.2 s and 2 s on a page of 10 s."""

MIN_INK, MAX_INK = 0.003, 0.15
MIN_COVER = 0.5
MIN_SHARE = 0.35
MIN_STEADY = 0.7
MAX_CLIMB = 6.0
MIN_BEATS = 3
LONE_BEAT_COVER, FIBRILLATING_COVER = 0.5, 0.8
REGULAR = 0.9
MANY_TRACES, MIN_TOGETHER = 3, 0.5
MIN_RHYTHM, FEW_TOGETHER = 0.5, 0.7
"""Limits of :func:`not_an_ecg`. Source: ``benchmarks/page_gate.py``; ``docs/concepts/pages.md`` tells how they were set."""

_HEADLINE = "The view of a page cannot be used."

Mask = NDArray[np.uint8]
"""[h, w] 1 on ink, 0 elsewhere."""

Runs = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]


@dataclass(frozen=True)
class EcgEvidence:
    """What a view shows of traces; shares are 0..1, and all is 0 where nothing was found.

    Args:
        ink_share: Ink share of the pixels, those dark in every channel.
        trace_share: Trace share of the ink, what belongs to parts that run on for 0.15 of the width, straight lines
            left out.
        trace_cover: Trace cover of the columns, those that such a trace crosses.
        traces: How many traces cross a column, in the median.
        steady: Steady of the columns crossed, those with this number of traces (within 1 or a fifth).
        climb: How high a trace stands in a column, in widths of its stroke, in the mean; 1 for a level line.
        beats: Narrow high strokes that the trace reaches and leaves at about the same level.
        beat_cover: Beat cover of ten equal parts of the width, those with a beat.
        together: Together of the beats, those that stand in the same column as a beat of another trace, as in leads
            of one heart.
        rhythm: How far the autocorrelation of ink along the width rises again, at periods of 0.2 to 2 s; 1 or more is
            regular, below 0.5 there is none.
    """

    ink_share: float
    trace_share: float
    trace_cover: float
    traces: float
    steady: float
    climb: float
    beats: int
    beat_cover: float
    together: float
    rhythm: float


@dataclass(frozen=True)
class Beat:
    """A beat of a trace: a narrow high stroke, in pixels of the copy that is looked at.

    Args:
        left: First column.
        top: First row.
        width: In columns.
        height: In rows.
        before: Mean row of the trace just left of it.
        after: Mean row of the trace just right of it.
    """

    left: int
    top: int
    width: int
    height: int
    before: float
    after: float


@dataclass(frozen=True)
class Traces:
    """The traces of a view, on a copy of at most ``WORKING_SIDE``.

    Args:
        ink: [h, w] what is dark in every channel.
        mask: [h, w] the ink that runs on for 0.15 of the width, straight lines left out.
        runs: Column, first row and row after the last of each vertical run of ink in the mask, column after column.
        stroke: Width of the stroke of the traces in pixels, 1 or more.
        beats: The beats in them.
    """

    ink: Mask
    mask: Mask
    runs: Runs
    stroke: float
    beats: list[Beat]


def find_traces(view: NDArray[np.uint8]) -> Traces:
    """Find the traces and the beats of a view.

    Args:
        view: [h, w, 3] RGB, from :func:`cardiograph.imaging.grid.select_view`; 16 px or more on each side.

    Returns:
        The traces; the mask is empty where there are none.

    Raises:
        PageError: The view has another shape or type, or is smaller (``too_small``).
    """
    _check(view)
    ink = _ink(view)
    mask = _wide_parts(_without_lines(ink))
    if not mask.any():
        return Traces(ink, mask, _runs(mask), 1.0, [])
    stroke = _stroke_width(mask)
    return Traces(ink, mask, _runs(mask), stroke, _beats(mask, stroke))


def ecg_evidence(view: NDArray[np.uint8]) -> EcgEvidence:
    """Find the traces of a view, as :func:`find_traces` does, and measure them."""
    return trace_evidence(find_traces(view))


def trace_evidence(found: Traces) -> EcgEvidence:
    """Measure the traces of a view; the evidence depends on this view alone."""
    ink, traces = found.ink, found.mask
    if not traces.any():
        return EcgEvidence(float(ink.mean()), 0.0, 0.0, 0.0, 0.0, 0.0, 0, 0.0, 0.0, 0.0)
    width = ink.shape[1]
    columns, begin, end = found.runs
    lengths = end - begin
    counts = np.bincount(columns, minlength=width)
    crossed = counts[counts > 0]
    middle = float(np.median(crossed))
    beats = [((b.left + b.width / 2) / (width + 1), (b.top + b.height / 2) / width) for b in found.beats]
    return EcgEvidence(
        ink_share=float(ink.mean()),
        trace_share=float(traces.sum() / ink.sum()),
        trace_cover=float((counts > 0).mean()),
        traces=middle,
        steady=float((np.abs(crossed - middle) <= max(1.0, 0.2 * middle)).mean()),
        climb=float(lengths.mean() / found.stroke),
        beats=len(beats),
        beat_cover=len({int(10 * across) for across, _ in beats}) / 10,
        together=_together(beats),
        rhythm=_rhythm(np.bincount(columns, lengths, minlength=width).astype(np.float64)),
    )


def not_an_ecg(evidence: EcgEvidence) -> str | None:
    """Why a view is taken for something else than a printed ECG.

    The limits are wide: a page is refused for what no ECG has, not for being unlike the pages they were tuned on.

    Args:
        evidence: From :func:`ecg_evidence`.

    Returns:
        The reason in words, with the number and its limit, or None where the view passes.
    """
    e = evidence
    if not MIN_INK <= e.ink_share <= MAX_INK:
        limit = MIN_INK if e.ink_share < MIN_INK else MAX_INK
        return f"{_share(e.ink_share, limit)} of it is ink, traces are {MIN_INK:.1%} to {MAX_INK:.0%}"
    if e.trace_cover < MIN_COVER:
        return f"traces run over {_share(e.trace_cover, MIN_COVER)} of its width, {MIN_COVER:.0%} or more are needed"
    if e.trace_share < MIN_SHARE:
        return f"{_share(e.trace_share, MIN_SHARE)} of its ink is in traces, {MIN_SHARE:.0%} or more are needed"
    if e.steady < MIN_STEADY:
        steady = _share(e.steady, MIN_STEADY)
        return f"only {steady} of its columns have the same number of traces, {MIN_STEADY:.0%} or more are needed"
    if e.climb > MAX_CLIMB and e.rhythm < REGULAR:  # a fast ventricular tachycardia climbs, too
        return f"its lines are {_number(e.climb, MAX_CLIMB)} strokes high in the mean, traces at most {MAX_CLIMB:.0f}"
    return _without_beats(e)


def _without_beats(e: EcgEvidence) -> str | None:
    many = e.traces >= MANY_TRACES
    # small beats fall below the height that counts, and ventricular tachycardia has no level between its beats
    regular = e.rhythm >= REGULAR
    if e.beats < MIN_BEATS and not (many and regular):
        return f"{e.beats} beats stand in its traces, {MIN_BEATS} or more are needed"
    if many and e.together < MIN_TOGETHER and not regular:
        together = _share(e.together, MIN_TOGETHER)
        return f"{together} of its beats stand in several traces at once, {MIN_TOGETHER:.0%} or more are needed"
    fibrillating_strip = e.traces < 2 and e.beat_cover >= FIBRILLATING_COVER
    if not many and e.rhythm < MIN_RHYTHM and e.together < FEW_TOGETHER and not fibrillating_strip:
        return f"its beats do not repeat ({_number(e.rhythm, MIN_RHYTHM)}, {MIN_RHYTHM} needed), as those of a heart do"
    if e.traces < 2 and e.beat_cover < LONE_BEAT_COVER:
        return f"its only trace has beats in {e.beat_cover:.0%} of its length, {LONE_BEAT_COVER:.0%} or more are needed"
    return None


def _share(value: float, limit: float) -> str:
    """A share in per cent, in whole numbers or with the digits by which it differs from its limit."""
    return _apart(value, limit, "%", 0)


def _number(value: float, limit: float) -> str:
    """A number with one digit, or with those by which it differs from its limit."""
    return _apart(value, limit, "f", 1)


def _apart(value: float, limit: float, kind: str, fewest: int) -> str:
    shown = [f"{value:.{digits}{kind}}" for digits in range(fewest, 8)]
    limits = [f"{limit:.{digits}{kind}}" for digits in range(fewest, 8)]
    return next((own for own, other in zip(shown, limits, strict=True) if own != other), shown[-1])


def _check(view: NDArray[np.uint8]) -> None:
    if view.ndim == 3 and view.shape[2] == 3 and view.dtype == np.uint8 and min(view.shape[:2]) >= 16:
        return
    value = f"an array of {view.shape} {view.dtype}"
    rule = "a view is [h, w, 3] uint8 with 16 px or more on each side"
    raise PageError(_HEADLINE, [Issue("page", "", value, rule, "correct pages.box", "too_small")])


def _ink(view: NDArray[np.uint8]) -> Mask:
    """Ink on a copy of at most ``WORKING_SIDE``: dark in every channel, which a coloured grid is not."""
    import cv2

    scale = WORKING_SIDE / max(view.shape[:2])
    red, green, blue = cv2.split(np.ascontiguousarray(view))
    tone = cv2.max(cv2.max(red, green), blue)
    if scale < 1:
        size = (max(16, round(view.shape[1] * scale)), max(16, round(view.shape[0] * scale)))
        tone = cv2.resize(tone, size, interpolation=cv2.INTER_AREA)
    dark, paper = percentiles(np.asarray(tone[::2, ::2], np.uint8), 0.2, 60)
    if paper - dark < MIN_CONTRAST:
        return np.zeros(tone.shape, np.uint8)
    return np.asarray(tone < math.ceil(0.5 * (dark + paper))).view(np.uint8)


def _opened(ink: Mask, wide: int, high: int) -> Mask:
    """What of the ink holds a solid rectangle of this size."""
    import cv2

    return np.asarray(cv2.morphologyEx(ink, cv2.MORPH_OPEN, np.ones((high, wide), np.uint8)), np.uint8)


def _without_lines(ink: Mask) -> Mask:
    """The ink less rules, frames, axes and the separators between leads."""
    import cv2

    width = ink.shape[1]
    across = _lines(ink, max(12, round(LINE_ACROSS * width)))
    upright = np.asarray(cv2.transpose(ink), np.uint8)
    down = np.asarray(cv2.transpose(_lines(upright, max(12, round(LINE_DOWN * width)))), np.uint8)
    return np.asarray(ink & (1 - (across | down)), np.uint8)


def _lines(ink: Mask, long: int) -> Mask:
    """What of the ink holds a level line of this length; only rows with ink enough for one are searched, which are few."""
    import cv2

    amount = np.asarray(cv2.reduce(ink, 1, cv2.REDUCE_SUM, dtype=cv2.CV_32S)).ravel()
    rows = amount >= min(long // 2, ink.shape[1])  # what lies beyond the picture counts as ink
    lines = np.zeros_like(ink)
    if rows.any():
        lines[rows] = _opened(ink[rows], long, 1)
    return lines


def _wide_parts(ink: Mask) -> Mask:
    """Connected parts (gaps of two columns closed) that are ``WIDE_PART`` of the width or wider."""
    import cv2

    joined = np.asarray(cv2.dilate(ink, np.ones((3, 5), np.uint8)), np.uint8)
    for start, (_, _, wide, _) in _parts(joined):
        if wide >= WIDE_PART * ink.shape[1]:
            cv2.floodFill(joined, None, start, 2, flags=8)
    return np.asarray(ink & (joined >> 1), np.uint8)


def _parts(mask: Mask) -> Iterator[tuple[Sequence[int], Sequence[int]]]:
    """A pixel (x, y) of each connected part, and its left, top, width and height.

    Outlines tell both at a tenth of the cost of ``connectedComponentsWithStats``, which counts every pixel of paper, too.
    """
    import cv2

    outlines, nested = cv2.findContours(mask, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE)
    outer = [] if nested is None else np.flatnonzero(nested[0, :, 3] < 0).tolist()  # the others go round holes
    for outline in (outlines[number] for number in outer):
        yield outline[0, 0].tolist(), cv2.boundingRect(outline)


def _runs(mask: Mask) -> Runs:
    import cv2

    padded = np.asarray(cv2.copyMakeBorder(cv2.transpose(mask), 0, 0, 1, 1, cv2.BORDER_CONSTANT))
    line = padded.ravel()  # column after column, with a gap before and after each
    edges = np.flatnonzero(line[1:] != line[:-1])
    begin, end = edges[::2], edges[1::2]
    columns = begin // padded.shape[1]
    start = columns * padded.shape[1]
    return columns, begin - start, end - start


def _stroke_width(mask: Mask) -> float:
    """Pixels: a line of width s and length l has area s l and an edge of 2 l."""
    edge = sum(int(np.count_nonzero(turned[1:] != turned[:-1])) for turned in (mask, mask.T))
    return max(1.0, 2 * int(mask.sum()) / max(edge, 1))


def _beats(traces: Mask, stroke: float) -> list[Beat]:
    """The beats: narrow and high, with the trace at nearly one level on both sides."""
    import cv2

    height, width = traces.shape
    foot = max(3, round(BEAT_FOOT * width))
    level = traces & (1 - _opened(traces, 1, max(3, round(2.5 * stroke))))
    tall = _opened(traces, 1, max(4, round(2.5 * stroke), round(BEAT_HEIGHT * width)))
    joined = cv2.dilate(tall, np.ones((1, 3), np.uint8))  # up and down stroke are one beat
    found = []
    for _, (x, y, wide, high) in _parts(np.asarray(joined, np.uint8)):
        if wide > BEAT_WIDTH * width + 2 or high > 0.6 * height:
            continue
        rows = slice(max(0, y - high // 4), y + high + high // 4)
        before = _level(level[rows, max(0, x + 1 - foot) : x + 1], foot)
        after = _level(level[rows, x + wide - 1 : x + wide - 1 + foot], foot)
        if before is not None and after is not None and abs(before - after) < 0.5 * high:
            found.append(Beat(x, y, wide, high, rows.start + before, rows.start + after))
    return found


def _level(window: Mask, foot: int) -> float | None:
    """Mean row of the trace, None where it fills less than half of the columns."""
    rows, columns = np.nonzero(window)
    if 2 * len(set(columns.tolist())) < foot:  # so few that numpy's calls would cost more
        return None
    return float(rows.sum() / len(rows))


def _together(beats: list[tuple[float, float]]) -> float:
    """Share of the beats that have one of another trace above or below them."""
    if not beats:
        return 0.0
    across, down = np.array(beats).T
    same_time = np.abs(across[:, None] - across) < SAME_TIME
    return float((same_time & (np.abs(down[:, None] - down) > OTHER_TRACE)).any(axis=1).mean())


def _rhythm(amounts: NDArray[np.float64]) -> float:
    """Largest rise of the autocorrelation of the ink in each column, slow changes and the tallest columns tempered."""
    import cv2

    width = len(amounts)
    tempered = np.minimum(amounts, np.percentile(amounts, 98)).astype(np.float32)[None]
    profile = cv2.GaussianBlur(tempered, (0, 0), max(0.5, 0.004 * width))
    profile = (profile - cv2.GaussianBlur(profile, (0, 0), max(1.0, 0.04 * width)))[0]
    power = np.square(np.abs(np.fft.rfft(profile, 2 * width)))
    correlation = np.fft.irfft(power)[: max(2, round(LONGEST * width))]
    if correlation[0] <= 0:
        return 0.0
    correlation /= correlation[0]
    rise = correlation - np.minimum.accumulate(correlation)
    return float(rise[round(SHORTEST * width) :].max(initial=0.0))
