"""Delineation: beats, their shapes, and the boundaries of the waves of each beat in each lead."""

from __future__ import annotations

from dataclasses import dataclass

from cardiograph.ecg.ecg import Ecg
from cardiograph.ecg.measure.beats import (
    BeatClasses,
    MeanBeat,
    group_beats,
    mean_beats,
    onset_offsets,
    remove_baseline,
    slopes,
)
from cardiograph.ecg.measure.prepare import Floats, Prepared, prepare
from cardiograph.ecg.measure.qrs import detect_qrs


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


def align(ecg: Ecg) -> Aligned | None:
    """Find, group and average the beats; None if there are no QRS complexes."""
    prepared = prepare(ecg)
    peaks = detect_qrs(prepared)
    if not len(peaks):
        return None
    slope = slopes(prepared)
    beats = group_beats(slope, peaks)
    signal = remove_baseline(prepared, beats, onset_offsets(slope, beats))
    return Aligned(prepared, signal, beats, mean_beats(signal, prepared.valid, beats))
