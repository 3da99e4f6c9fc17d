"""Measurements of the clean dominant beat of a simulated heart, by the definitions that real recordings are measured by."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from cardiograph.ecg.leads import LEADS, twelve_leads
from cardiograph.ecg.measure.beats import AFTER_S, BEFORE_S, LENGTH, MeanBeat
from cardiograph.ecg.measure.prepare import RATE_HZ
from cardiograph.ecg.measure.reference import measured
from cardiograph.ecg.measure.shapes import Shape
from cardiograph.synthesis.clinical_heart import ClinicalHeart
from cardiograph.synthesis.clinical_rhythm import Rhythm
from cardiograph.synthesis.clinical_waves import BeatTables, rendered
from cardiograph.synthesis.heart import SECONDS

_WINDOW_S: Final = np.arange(-round(BEFORE_S * RATE_HZ), round(AFTER_S * RATE_HZ)) / RATE_HZ
_ST_S: Final = 0.04
"""From the end of the QRS complex to the earliest onset of the T wave."""

Floats = NDArray[np.float32]


def true_measurements(heart: ClinicalHeart, tables: BeatTables, rhythm: Rhythm) -> Floats:
    """Measure the clean dominant beat between the boundaries that the simulation knows.

    Args:
        heart: Parameters of the heart.
        tables: Its waves.
        rhythm: Its beats.

    Returns:
        [measurements] float32 in the order of :data:`cardiograph.ecg.measure.reference.MEASUREMENTS`, NaN where the
        rhythm has no such value.
    """
    leads = rendered(tables.beats[:1], _WINDOW_S[None])[0]
    p_s = heart.p_onset_s
    boundaries = np.array([np.nan, np.nan, 0.0, tables.qrs_s, tables.qrs_s + _ST_S, tables.qt_s])
    if heart.rhythm == "sinus":
        leads = leads + rendered(tables.atria[:1], _WINDOW_S[None] + p_s)[0]
        boundaries[:2] = -p_s, min(tables.p_s - p_s, 0.0)
    beat = MeanBeat(twelve_leads(leads.T), np.ones(len(LEADS), dtype=np.intp), (0, LENGTH))
    beats = rhythm.beats[(rhythm.beats > 0) & (rhythm.beats < SECONDS)]
    other = float(rhythm.early.mean()) if heart.ectopy == "ventricular" and len(rhythm.early) else 0.0
    return measured(Shape(beat, boundaries, np.diff(beats), other)).astype(np.float32)
