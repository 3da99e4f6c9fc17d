"""Delineation: beats, their shapes, and the boundaries of the waves of each beat in each lead."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np

from cardiograph.ecg.ecg import Ecg
from cardiograph.ecg.leads import LEADS
from cardiograph.ecg.measure.beats import (
    BeatClasses,
    MeanBeat,
    group_beats,
    mean_beats,
    onset_offsets,
    remove_baseline,
    slopes,
)
from cardiograph.ecg.measure.boundaries import BOUNDARIES, LeadBoundaries, locate
from cardiograph.ecg.measure.prepare import RATE_HZ, Floats, Prepared, prepare
from cardiograph.ecg.measure.qrs import detect_qrs

MIN_SHARE = 0.4
"""Share of the recorded leads that must show a P or T wave."""

LATE = 0.8
"""Quantile over the leads that stands for the latest end; the earliest onset is the opposite quantile."""

MIN_P_BEATS = 3
MIN_P_RATIO = 4.0
"""F ratio of a P wave that repeats from beat to beat; far more than the 1 of waves without a fixed place."""


@dataclass(frozen=True)
class Aligned:
    """Beats of an ECG, grouped by shape and averaged.

    Args:
        prepared: The signal at the rate of all measurements.
        signal: [12, samples] the same without baseline.
        beats: The beats.
        means: Mean beat of each class.
    """

    prepared: Prepared
    signal: Floats
    beats: BeatClasses
    means: list[MeanBeat]


def align(prepared: Prepared) -> Aligned | None:
    """Find, group and average the beats; None if there are no QRS complexes."""
    peaks = detect_qrs(prepared)
    if not len(peaks):
        return None
    slope = slopes(prepared)
    beats = group_beats(slope, peaks)
    signal = remove_baseline(prepared, beats, onset_offsets(slope, beats))
    return Aligned(prepared, signal, beats, mean_beats(signal, prepared.valid, beats))


@dataclass(frozen=True)
class Delineation:
    """Beats of an ECG and the boundaries of their waves.

    Args:
        aligned: Beats, their shapes and mean beats.
        leads: Boundaries in each lead of the mean beat of each class.
        waves: Boundaries over all leads of the most frequent class, [6] seconds from the reference point of a beat,
            columns as in :data:`cardiograph.ecg.measure.boundaries.BOUNDARIES`; NaN where the wave is absent.
    """

    aligned: Aligned
    leads: tuple[LeadBoundaries, ...]
    waves: Floats

    @property
    def beat(self) -> MeanBeat:
        """Mean beat of the most frequent shape."""
        return self.aligned.means[0]

    @property
    def beat_seconds(self) -> Floats:
        """[beats] time of the reference point of each beat in seconds."""
        return self.aligned.beats.samples / RATE_HZ

    @property
    def rr_s(self) -> Floats:
        """[intervals] RR intervals in seconds, without those across a stretch in which no lead was recorded."""
        beats, recorded = self.aligned.beats.samples, np.atleast_1d(self.aligned.prepared.valid.any(axis=0))
        whole = [recorded[a:b].all() for a, b in itertools.pairwise(beats)]
        return np.asarray(np.diff(beats)[np.array(whole, dtype=bool)] / RATE_HZ)

    def boundaries(self, lead: str) -> Floats:
        """Return [beats, 6] seconds from the start of the signal of each boundary in a lead; NaN where absent.

        Boundaries of a beat that reach beyond the complex before or after it are NaN as well.
        """
        row = LEADS.index(lead)
        shapes = np.stack([each.at[row] for each in self.leads])
        at = self.beat_seconds[:, None] + shapes[self.aligned.beats.classes]
        end, onset = np.roll(at[:, 3], 1), np.roll(at[:, 2], -1)
        end[0], onset[-1] = -np.inf, np.inf
        at[at[:, 0] <= end, :2] = np.nan
        at[at[:, 5] >= onset, 4:] = np.nan
        return np.asarray(at)


def delineate(ecg: Ecg | Prepared) -> Delineation | None:
    """Delineate an ECG; None if there are no QRS complexes."""
    aligned = align(prepare(ecg) if isinstance(ecg, Ecg) else ecg)
    if aligned is None:
        return None
    leads = tuple(locate(beat) for beat in aligned.means)
    waves = over_all_leads(leads[0])
    if not p_repeats(aligned, waves):
        leads[0].at[:, :2] = waves[:2] = np.nan
    return Delineation(aligned, leads, waves)


def p_repeats(aligned: Aligned, waves: Floats) -> bool:
    """Whether the P wave is at the same place in the beats of the most frequent shape.

    Fibrillation waves, which have no fixed place, leave a rest in the mean of a few beats that can look like a P wave.
    The variance of the mean, times the number of beats, is then about the variance of single beats: an F ratio near 1.
    With fewer than three beats the question is open and the answer is yes.

    Args:
        aligned: The beats.
        waves: [6] boundaries over all leads in seconds from the reference point; NaN where absent.
    """
    at = aligned.beats.samples[aligned.beats.classes == 0]
    if np.isnan(waves[:3]).any():
        return True
    start, stop = (round(float(edge) * RATE_HZ) for edge in (waves[0], min(waves[1], waves[2])))
    at = at[(at + start >= 0) & (at + stop < aligned.signal.shape[1])]
    if len(at) < MIN_P_BEATS or stop - start < 10:
        return True
    beats = np.stack([aligned.signal[:, s + start : s + stop] for s in at])
    beats = beats - beats.mean(axis=2, keepdims=True)
    shown = np.stack([aligned.prepared.valid[:, s + start : s + stop].all(axis=1) for s in at])[:, :, None]
    count = shown.sum(axis=0)
    mean = (beats * shown).sum(axis=0) / np.maximum(count, 1)
    between = (count * mean**2)[count[:, 0] > 1].sum()
    within = (((beats - mean) * shown) ** 2).sum(axis=0) / np.maximum(count - 1, 1)
    return bool(between > MIN_P_RATIO * within[count[:, 0] > 1].sum())


def over_all_leads(leads: LeadBoundaries) -> Floats:
    """Combine the boundaries of the leads: an early quantile of the onsets and a late quantile of the ends.

    Intervals are measured from the earliest onset to the latest end in any lead; quantiles stand for the extremes,
    which a single noisy lead would decide. A P or T wave counts as present if at least 0.4 of the leads have it.

    Source: Kligfield et al., J. Am. Coll. Cardiol. 49 (2007) 1109 (global intervals).
    """
    waves = np.full(len(BOUNDARIES), np.nan)
    recorded = np.isfinite(leads.at[:, 2]).sum()
    for column in range(len(BOUNDARIES)):
        found = leads.at[np.isfinite(leads.at[:, column]), column]
        if recorded and len(found) >= MIN_SHARE * recorded:
            waves[column] = np.quantile(found, LATE if column % 2 else 1 - LATE)
    return waves
