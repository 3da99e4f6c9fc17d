"""Beats of one shape, aligned and averaged in each lead."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cardiograph.ecg.leads import LEADS
from cardiograph.ecg.measure.prepare import RATE_HZ, Floats, Mask, Prepared, moving_mean

BEFORE_S, AFTER_S = 0.5, 0.9
"""Extent of a mean beat around its reference point, the centre of the QRS complex."""

MIN_CORRELATION = 0.9
"""Correlation of the slopes of two QRS complexes above which they have one shape."""

_HALF = round(0.11 * RATE_HZ)
_LAG = round(0.04 * RATE_HZ)
_STEP = 2
_LAGS = range(-_LAG, _LAG + 1, _STEP)
_MIDDLE = len(_LAGS) // 2


@dataclass(frozen=True)
class BeatClasses:
    """Beats grouped by the shape of their QRS complex; the most frequent shape is class 0.

    Args:
        samples: [beats] aligned reference point of each beat, in samples at :data:`RATE_HZ`.
        classes: [beats] class of each beat.
    """

    samples: NDArray[np.intp]
    classes: NDArray[np.intp]


@dataclass(frozen=True)
class MeanBeat:
    """The mean of the beats of one class.

    Args:
        signal: [12, samples] float64 in mV from :data:`BEFORE_S` before the reference point to :data:`AFTER_S` after
            it, 0 mV before the QRS complex; NaN where a lead has no beat.
        beats: [12] number of averaged beats of each lead.
        reach: First and last (exclusive) sample that lie between the neighbouring beats.
    """

    signal: Floats
    beats: NDArray[np.intp]
    reach: tuple[int, int]


REFERENCE = round(BEFORE_S * RATE_HZ)
"""Index of the reference point in a mean beat."""

LENGTH = REFERENCE + round(AFTER_S * RATE_HZ)


def slopes(prepared: Prepared) -> Floats:
    """Return [12, samples] smoothed slope in mV per 20 ms; the smoothing over 20 ms also removes 50 Hz."""
    smooth = moving_mean(prepared.signal, 10)
    slope = np.zeros_like(smooth)
    slope[:, 5:-5] = smooth[:, 10:] - smooth[:, :-10]
    slope[moving_mean(prepared.valid.astype(float), 21) < 0.999] = 0.0
    return slope


def group_beats(slope: Floats, peaks: NDArray[np.intp]) -> BeatClasses:
    """Align the beats and group them by shape.

    Each beat joins the class with the highest correlation over the leads that both have, at the best of the lags
    within 40 ms, or founds a class. Beats of different columns of a page, which share no lead, count as one shape.

    Args:
        slope: [12, samples] slopes, 0 where nothing was recorded.
        peaks: [beats] samples of the QRS complexes.
    """
    margin = _HALF + _LAG
    padded = np.pad(slope, ((0, 0), (margin, margin)))
    windows = np.stack([padded[:, peak : peak + 2 * margin : _STEP] for peak in peaks])
    lagged = np.lib.stride_tricks.sliding_window_view(windows, 2 * _HALF // _STEP, axis=2)
    # [beats, 12, lags, window] -> lags in front of leads
    lagged = lagged[:, :, : len(_LAGS)].transpose(0, 2, 1, 3)
    templates: list[_Template] = []
    for _ in range(2):
        assigned, shift = _assign(lagged, templates)
        used = np.unique(assigned)
        assigned = np.searchsorted(used, assigned)
        templates = [_Template(lagged.shape[3]) for _ in used]
        for beat, c, lag in zip(lagged, assigned, shift, strict=True):
            templates[c].add(beat[lag])
    order = np.argsort(-np.bincount(assigned), kind="stable")
    rank = np.argsort(order)
    return BeatClasses(peaks + np.array(_LAGS)[shift], rank[assigned])


class _Template:
    """Mean slope of the beats of a class in each lead."""

    def __init__(self, samples: int) -> None:
        self.total: Floats = np.zeros((len(LEADS), samples))
        self.count: NDArray[np.intp] = np.zeros(len(LEADS), dtype=np.intp)

    def add(self, window: Floats) -> None:
        """Add the slope of a beat, [12, samples]."""
        self.total += window
        self.count += window.any(axis=1)

    def match(self, beat: Floats) -> tuple[float, int]:
        """Return the highest correlation with a beat [lags, 12, window], and the index of its lag."""
        mean = self.total / np.maximum(self.count, 1)[:, None]
        common = mean.any(axis=1) & beat[_MIDDLE].any(axis=1)
        if not common.any():
            return MIN_CORRELATION, _MIDDLE
        beat, mean = beat[:, common], mean[common]
        product = np.einsum("klw,lw->k", beat, mean)
        size = np.sqrt(np.einsum("klw,klw->k", beat, beat) * (mean**2).sum())
        correlation = product / np.maximum(size, 1e-12)
        lag = int(np.argmax(correlation))
        return float(correlation[lag]), lag


def _assign(lagged: Floats, templates: list[_Template]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return class and index of the lag of each beat [beats, lags, 12, window]; classes that are founded are added."""
    assigned, shift = [], []
    for beat in lagged:
        matches = [(*template.match(beat), c) for c, template in enumerate(templates)]
        score, lag, c = max(matches, default=(-1.0, _MIDDLE, 0))
        if score < MIN_CORRELATION:
            lag, c = _MIDDLE, len(templates)
            templates.append(_Template(lagged.shape[3]))
        templates[c].add(beat[lag])
        assigned.append(c)
        shift.append(lag)
    return np.array(assigned, dtype=np.intp), np.array(shift, dtype=np.intp)


def onset_offsets(slope: Floats, beats: BeatClasses) -> NDArray[np.intp]:
    """Return, for each class, a sample safely before its QRS complex, relative to the reference point.

    It is the end of the quiet interval before the complex: the last sample before the peak of the spatial velocity at
    which the velocity was below a tenth of the peak for 50 ms. A plateau within a notched complex is shorter. Without
    such an interval it is the last sample below a tenth.
    """
    before, after = round(0.2 * RATE_HZ), round(0.10 * RATE_HZ)
    padded = np.pad(slope, ((0, 0), (before, after)))
    offsets = []
    for c in range(beats.classes.max() + 1):
        mean = np.mean([padded[:, s : s + before + after] for s in beats.samples[beats.classes == c]], axis=0)
        velocity = np.sqrt((mean**2).sum(axis=0))
        peak = int(np.argmax(velocity[before // 2 :])) + before // 2
        low = (velocity[:peak] < 0.1 * velocity[peak]).astype(int)
        run = round(0.05 * RATE_HZ)
        quiet = np.flatnonzero(np.convolve(low, np.ones(run, dtype=int))[:peak] == run)
        quiet = quiet if len(quiet) else np.flatnonzero(low)
        first = int(quiet[-1]) if len(quiet) else int(np.argmin(velocity[:peak]))
        offsets.append(first - before)
    return np.array(offsets, dtype=np.intp)


def remove_baseline(prepared: Prepared, beats: BeatClasses, offsets: NDArray[np.intp]) -> Floats:
    """Subtract straight lines between the levels just before the QRS complexes, separately in each lead.

    Source: C. R. Meyer and H. N. Keiser, Comput. Biomed. Res. 10 (1977) 459, with lines in place of cubic splines.
    """
    knots = beats.samples + offsets[beats.classes]
    width = round(0.016 * RATE_HZ)
    level = moving_mean(prepared.signal, width)
    known = moving_mean(prepared.valid.astype(float), width) > 0.999
    time = np.arange(prepared.signal.shape[1])
    result = prepared.signal.copy()
    inside = (knots - width // 2 >= 0) & (knots < len(time))
    for row, values, there in zip(result, level, known, strict=True):
        use = knots[inside][there[knots[inside]]] - width // 2
        row -= np.interp(time, use, values[use]) if len(use) else np.median(row)
    return result


def mean_beats(signal: Floats, valid: Mask, beats: BeatClasses) -> list[MeanBeat]:
    """Average the beats of each class in each lead.

    Beats that differ from the mean of their lead by more than 2.5 times the usual difference are left out of it.

    Args:
        signal: [12, samples] without baseline.
        valid: [12, samples], True where the lead was recorded.
        beats: The beats.
    """
    padded = np.pad(signal, ((0, 0), (REFERENCE, LENGTH)))
    there = np.pad(valid, ((0, 0), (REFERENCE, LENGTH)))
    gaps = np.diff(beats.samples)
    previous = np.concatenate([[10**6], gaps])
    following = np.concatenate([gaps, [10**6]])
    result = []
    for c in range(beats.classes.max() + 1):
        members = np.flatnonzero(beats.classes == c)
        at = beats.samples[members]
        values = np.stack([padded[:, s : s + LENGTH] for s in at])
        known = np.stack([there[:, s : s + LENGTH] for s in at])
        before = int(np.median(previous[members]))
        after = int(np.median(following[members]))
        reach = max(REFERENCE - before, 0), min(REFERENCE + after, LENGTH)
        mean, count = robust_mean(values, known)
        result.append(MeanBeat(mean, count, reach))
    return result


def robust_mean(values: Floats, known: Mask) -> tuple[Floats, NDArray[np.intp]]:
    """Average [beats, 12, samples] without outlying beats; return [12, samples] and the number of beats per lead."""
    core = slice(REFERENCE - round(0.12 * RATE_HZ), REFERENCE + round(0.3 * RATE_HZ))
    whole = known[:, :, core].mean(axis=2) > 0.8
    weights = known & whole[:, :, None]
    mean = _mean(values, weights)
    if len(values) >= 4:
        shown = weights[:, :, core]
        square = np.where(shown, values[:, :, core] - mean[:, core], 0.0) ** 2
        error = np.sqrt(square.sum(axis=2) / np.maximum(shown.sum(axis=2), 1))
        usual = np.nanmedian(np.where(whole | ~whole.any(axis=0), error, np.nan), axis=0)
        keep = whole & (error <= 2.5 * usual + 1e-9)
        mean, whole = _mean(values, known & keep[:, :, None]), keep
    return mean, whole.sum(axis=0)


def _mean(values: Floats, weights: Mask) -> Floats:
    count = weights.sum(axis=0)
    total = np.einsum("blt,blt->lt", values, weights.astype(float))
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)
