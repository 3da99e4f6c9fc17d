"""Check whether a page looks like a printed ECG: ink that forms traces across the page, and beats in these traces.

The check works on the *view*: the part of a page that the encoder sees, see :mod:`cardiograph.imaging.grid`. It refuses
photographs, text, other charts and other signals.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cardiograph.errors import Issue, PageError
from cardiograph.imaging.hashing import percentiles

GATE_VERSION = "1"
"""Version of the check; it changes whenever the same view gives other evidence or another verdict."""

WORKING_SIDE = 1000
"""Longer side in pixels of the reduced copy that is measured; 1 mm of a usual view is then about 4 pixels."""

MIN_CONTRAST = 30.0
"""Least difference between paper and the darkest ink in grey levels; below it, nothing counts as ink."""

MIN_TRACE_WIDTH = 0.15
"""Share of the width that connected ink has to span to be a trace; a lead of 2.5 s spans 0.23, a word less than 0.1."""

LINE_ACROSS, LINE_DOWN = 0.12, 0.2
"""Shares of the width: straight ink of this length is a rule, a frame or a separator, not a trace."""

MIN_BEAT_HEIGHT = 0.011
"""Least height of a beat as a share of the width: 0.3 mV on a page of 10 s at 10 mm/mV."""

MAX_BEAT_WIDTH = 0.035
"""Greatest width of a beat as a share of the width: 0.35 s on a page of 10 s."""

BEAT_FOOT = 0.012
"""Share of the width over which the trace is followed on both sides of a beat."""

SAME_TIME, OTHER_TRACE = 0.01, 0.03
"""Shares of the width: beats within 0.1 s (on a page of 10 s) are simultaneous; beats 8 mm apart are of two traces."""

MIN_PERIOD, MAX_PERIOD = 0.02, 0.2
"""Shortest and longest period as shares of the width: 0.2 s and 2 s on a page of 10 s."""

MIN_INK, MAX_INK = 0.003, 0.15
MIN_COVER, MIN_SHARE, MIN_STEADY = 0.5, 0.35, 0.7
MAX_STEEPNESS = 6.0
MIN_BEATS, REGULAR = 3, 0.9
LONE_BEAT_COVER, FIBRILLATING_COVER = 0.5, 0.8
MIN_SEVERAL_TRACES, MIN_TOGETHER = 3, 0.5
MIN_RHYTHM, MIN_TOGETHER_IRREGULAR = 0.5, 0.7
"""Limits of :func:`not_an_ecg`. Source: ``benchmarks/page_gate.py``; ``docs/concepts/pages.md`` explains them."""

Mask = NDArray[np.uint8]
"""[h, w] uint8 mask: 1 on ink, 0 elsewhere."""

Runs = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]


@dataclass(frozen=True)
class EcgEvidence:
    """Measurements of the traces on a view; shares are in 0..1, and every value is 0 if no trace was found.

    Args:
        ink_share: Share of the pixels that are ink, that is dark in every channel.
        trace_share: Share of the ink that belongs to traces: connected parts at least 0.15 of the width long, without
            straight lines.
        trace_cover: Share of the columns that a trace crosses.
        traces: Median number of traces in a crossed column.
        steady: Share of the crossed columns whose number of traces is near the median (within 1 or a fifth).
        steepness: Mean height of a trace within a column, in stroke widths; 1 for a level line.
        beats: Number of narrow, high strokes that the trace enters and leaves at about the same level.
        beat_cover: Share of ten equal parts of the width that contain a beat.
        together: Share of the beats that are simultaneous with a beat of another trace, as in the leads of one heart.
        rhythm: Largest rise of the autocorrelation of the ink along the width at periods of 0.2 to 2 s; 1 or more is a
            regular rhythm, below 0.5 there is none.
    """

    ink_share: float
    trace_share: float
    trace_cover: float
    traces: float
    steady: float
    steepness: float
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
        view: [h, w, 3] uint8 RGB from :func:`cardiograph.imaging.grid.select_view`, at least 16 px on each side.

    Returns:
        The traces; the mask is empty where there are none.

    Raises:
        PageError: If the view has another shape or type, or is smaller (code ``too_small``).
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
        steepness=float(lengths.mean() / found.stroke),
        beats=len(beats),
        beat_cover=len({int(10 * across) for across, _ in beats}) / 10,
        together=_together(beats),
        rhythm=_rhythm(np.bincount(columns, lengths, minlength=width).astype(np.float64)),
    )


def not_an_ecg(evidence: EcgEvidence) -> str | None:
    """Return the reason why a view does not look like a printed ECG.

    The limits are wide: they refuse what no ECG shows, not ECGs that differ from the pages used for tuning.

    Args:
        evidence: Measurements from :func:`ecg_evidence`.

    Returns:
        The reason as text with the value and its limit, or None if the view passes.
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
    if e.steepness > MAX_STEEPNESS and e.rhythm < REGULAR:  # a fast ventricular tachycardia is steep, too
        steepness = _number(e.steepness, MAX_STEEPNESS)
        return f"its lines are on average {steepness} strokes high, traces at most {MAX_STEEPNESS:.0f}"
    return _without_beats(e)


def _without_beats(e: EcgEvidence) -> str | None:
    """Return the reason why the beats are not those of an ECG, or None."""
    several = e.traces >= MIN_SEVERAL_TRACES
    # small beats are below the least height, and ventricular tachycardia has no baseline: a regular rhythm suffices
    regular = e.rhythm >= REGULAR
    if e.beats < MIN_BEATS and not (several and regular):
        return f"its traces contain {e.beats} beats, {MIN_BEATS} or more are needed"
    if several and e.together < MIN_TOGETHER and not regular:
        together = _share(e.together, MIN_TOGETHER)
        return f"{together} of its beats occur in several traces at once, {MIN_TOGETHER:.0%} or more are needed"
    fibrillating_strip = e.traces < 2 and e.beat_cover >= FIBRILLATING_COVER
    if not several and e.rhythm < MIN_RHYTHM and e.together < MIN_TOGETHER_IRREGULAR and not fibrillating_strip:
        return f"its beats do not repeat as those of a heart do ({_number(e.rhythm, MIN_RHYTHM)}, {MIN_RHYTHM} needed)"
    if e.traces < 2 and e.beat_cover < LONE_BEAT_COVER:
        return f"its only trace has beats in {e.beat_cover:.0%} of its length, {LONE_BEAT_COVER:.0%} or more are needed"
    return None


def _share(value: float, limit: float) -> str:
    """Format a share in per cent, with as many decimals as distinguish it from its limit."""
    return _apart(value, limit, "%", 0)


def _number(value: float, limit: float) -> str:
    """Format a number with one decimal, or with as many as distinguish it from its limit."""
    return _apart(value, limit, "f", 1)


def _apart(value: float, limit: float, kind: str, min_decimals: int) -> str:
    shown = [f"{value:.{digits}{kind}}" for digits in range(min_decimals, 8)]
    limits = [f"{limit:.{digits}{kind}}" for digits in range(min_decimals, 8)]
    return next((own for own, other in zip(shown, limits, strict=True) if own != other), shown[-1])


def _check(view: NDArray[np.uint8]) -> None:
    if view.ndim == 3 and view.shape[2] == 3 and view.dtype == np.uint8 and min(view.shape[:2]) >= 16:
        return
    value = f"an array of {view.shape} {view.dtype}"
    rule = "the selected part is [h, w, 3] uint8 with 16 px or more on each side"
    issue = Issue("page", "", value, rule, "correct pages.box", "too_small")
    message = "The selected part of a page cannot be used."
    raise PageError(message, [issue])


def _ink(view: NDArray[np.uint8]) -> Mask:
    """Return the ink on a copy of at most ``WORKING_SIDE`` px: dark in every channel, unlike a coloured grid."""
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
    """Return the ink that is covered by solid rectangles of this size (morphological opening)."""
    import cv2

    return np.asarray(cv2.morphologyEx(ink, cv2.MORPH_OPEN, np.ones((high, wide), np.uint8)), np.uint8)


def _without_lines(ink: Mask) -> Mask:
    """Remove rules, frames, axes and the separators between leads from the ink."""
    import cv2

    width = ink.shape[1]
    across = _lines(ink, max(12, round(LINE_ACROSS * width)))
    upright = np.asarray(cv2.transpose(ink), np.uint8)
    down = np.asarray(cv2.transpose(_lines(upright, max(12, round(LINE_DOWN * width)))), np.uint8)
    return np.asarray(ink & (1 - (across | down)), np.uint8)


def _lines(ink: Mask, long: int) -> Mask:
    """Return the ink in horizontal lines of this length; searches only the few rows with enough ink for one."""
    import cv2

    amount = np.asarray(cv2.reduce(ink, 1, cv2.REDUCE_SUM, dtype=cv2.CV_32S)).ravel()
    rows = amount >= min(long // 2, ink.shape[1])  # pixels outside the image count as ink
    lines = np.zeros_like(ink)
    if rows.any():
        lines[rows] = _opened(ink[rows], long, 1)
    return lines


def _wide_parts(ink: Mask) -> Mask:
    """Return connected parts (gaps of two columns closed) that span ``MIN_TRACE_WIDTH`` of the width or more."""
    import cv2

    joined = np.asarray(cv2.dilate(ink, np.ones((3, 5), np.uint8)), np.uint8)
    for start, (_, _, wide, _) in _parts(joined):
        if wide >= MIN_TRACE_WIDTH * ink.shape[1]:
            cv2.floodFill(joined, None, start, 2, flags=8)
    return np.asarray(ink & (joined >> 1), np.uint8)


def _parts(mask: Mask) -> Iterator[tuple[Sequence[int], Sequence[int]]]:
    """Yield a pixel (x, y) of each connected part, and its left, top, width and height.

    Contours cost a tenth of ``connectedComponentsWithStats``, which also counts every pixel of paper.
    """
    import cv2

    outlines, nested = cv2.findContours(mask, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE)
    outer = [] if nested is None else np.flatnonzero(nested[0, :, 3] < 0).tolist()  # the others surround holes
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
    """Return the stroke width in pixels: a line of width s and length l has area s l and a perimeter of 2 l."""
    edge = sum(int(np.count_nonzero(turned[1:] != turned[:-1])) for turned in (mask, mask.T))
    return max(1.0, 2 * int(mask.sum()) / max(edge, 1))


def _beats(traces: Mask, stroke: float) -> list[Beat]:
    """The beats: narrow and high, with the trace at nearly one level on both sides."""
    import cv2

    height, width = traces.shape
    foot = max(3, round(BEAT_FOOT * width))
    level = traces & (1 - _opened(traces, 1, max(3, round(2.5 * stroke))))
    tall = _opened(traces, 1, max(4, round(2.5 * stroke), round(MIN_BEAT_HEIGHT * width)))
    joined = cv2.dilate(tall, np.ones((1, 3), np.uint8))  # an upstroke and its downstroke are one beat
    found = []
    for _, (x, y, wide, high) in _parts(np.asarray(joined, np.uint8)):
        if wide > MAX_BEAT_WIDTH * width + 2 or high > 0.6 * height:
            continue
        rows = slice(max(0, y - high // 4), y + high + high // 4)
        before = _level(level[rows, max(0, x + 1 - foot) : x + 1], foot)
        after = _level(level[rows, x + wide - 1 : x + wide - 1 + foot], foot)
        if before is not None and after is not None and abs(before - after) < 0.5 * high:
            found.append(Beat(x, y, wide, high, rows.start + before, rows.start + after))
    return found


def _level(window: Mask, foot: int) -> float | None:
    """Return the mean row of the trace, or None if it covers less than half of the columns."""
    rows, columns = np.nonzero(window)
    if 2 * len(set(columns.tolist())) < foot:  # for so few values a set is faster than numpy
        return None
    return float(rows.sum() / len(rows))


def _together(beats: list[tuple[float, float]]) -> float:
    """Return the share of the beats that have a beat of another trace above or below them."""
    if not beats:
        return 0.0
    across, down = np.array(beats).T
    same_time = np.abs(across[:, None] - across) < SAME_TIME
    return float((same_time & (np.abs(down[:, None] - down) > OTHER_TRACE)).any(axis=1).mean())


def _rhythm(amounts: NDArray[np.float64]) -> float:
    """Return the largest rise of the autocorrelation of the ink per column, after high-pass filtering and clipping."""
    import cv2

    width = len(amounts)
    tempered = np.minimum(amounts, np.percentile(amounts, 98)).astype(np.float32)[None]
    profile = cv2.GaussianBlur(tempered, (0, 0), max(0.5, 0.004 * width))
    profile = (profile - cv2.GaussianBlur(profile, (0, 0), max(1.0, 0.04 * width)))[0]
    power = np.square(np.abs(np.fft.rfft(profile, 2 * width)))
    correlation = np.fft.irfft(power)[: max(2, round(MAX_PERIOD * width))]
    if correlation[0] <= 0:
        return 0.0
    correlation /= correlation[0]
    rise = correlation - np.minimum.accumulate(correlation)
    return float(rise[round(MIN_PERIOD * width) :].max(initial=0.0))
