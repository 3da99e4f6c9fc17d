"""Measure an ECG."""

from __future__ import annotations

import math

import numpy as np

from cardiograph.ecg.ecg import Ecg
from cardiograph.ecg.measure.delineate import delineate
from cardiograph.ecg.measure.limb_swap import limb_swap_warning
from cardiograph.ecg.measure.measurements import LeadQuality, Measurement, Measurements
from cardiograph.ecg.measure.prepare import prepare
from cardiograph.ecg.measure.quality import assess, pacing_spikes
from cardiograph.ecg.measure.reference import MEASUREMENTS, MeasurementSpec
from cardiograph.ecg.measure.shapes import Shape, Unmeasurable

MEASUREMENT_VERSION = "2"
"""Version of the measurements: it changes whenever the same leads give other values."""

LOW_QUALITY = 0.3
"""Score below which a lead is named in a warning."""

MAINS_MV = 0.05
"""Amplitude of mains noise that is named in a warning."""

MIN_SPIKES = 3
"""Fewer pacing spikes than this may be artefacts."""


def measure(ecg: Ecg) -> Measurements:
    """Measure rhythm, intervals, axes and amplitudes of an ECG.

    Beats are found over all leads at once and grouped by shape; intervals and amplitudes are those of the mean beat of
    the most frequent shape. Leads may have gaps or different times, as on a printed page: each is averaged over the
    beats that it shows.

    Args:
        ecg: The ECG.

    Returns:
        A value for every entry of :data:`cardiograph.ecg.measure.reference.MEASUREMENTS`; NaN with a reason where it
        cannot be measured.
    """
    prepared = prepare(ecg)
    quality = assess(prepared)
    delineation = delineate(prepared)
    warnings = _quality_warnings(quality)
    if delineation is None:
        values = {name: _missing(spec, "no QRS complex was found") for name, spec in MEASUREMENTS.items()}
        return Measurements(values, quality, warnings)
    spikes = len(pacing_spikes(prepared.signal, prepared.valid))
    if spikes >= MIN_SPIKES:
        warnings += (f"{spikes} pacing spikes were found: intervals and amplitudes may be those of paced beats.",)
    shape = Shape.of(delineation)
    swap = limb_swap_warning(shape)
    values = {name: _value(spec, shape) for name, spec in MEASUREMENTS.items()}
    beat = delineation.beat.signal.astype(np.float32)
    beat.setflags(write=False)
    return Measurements(values, quality, (*warnings, *swap), beat)


def _value(spec: MeasurementSpec, shape: Shape) -> Measurement:
    try:
        value = spec.function(shape)
    except Unmeasurable as reason:
        return _missing(spec, str(reason))
    return Measurement(value, spec.unit, spec.low, spec.high, title=spec.title)


def _missing(spec: MeasurementSpec, reason: str) -> Measurement:
    return Measurement(math.nan, spec.unit, spec.low, spec.high, reason, spec.title)


def _quality_warnings(quality: dict[str, LeadQuality]) -> tuple[str, ...]:
    result = []
    for what, leads in (
        ("flat", [lead for lead, each in quality.items() if each.flat]),
        ("clipped", [lead for lead, each in quality.items() if each.clipped]),
        ("of low quality", [lead for lead, each in quality.items() if each.score < LOW_QUALITY and not each.flat]),
        ("disturbed by mains noise", [lead for lead, each in quality.items() if each.mains_mv > MAINS_MV]),
    ):
        if leads:
            result.append(f"{'Leads' if len(leads) > 1 else 'Lead'} {', '.join(leads)}: {what}.")
    return tuple(result)
