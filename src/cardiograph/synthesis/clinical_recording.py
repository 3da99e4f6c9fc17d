"""Recordings of many clinical hearts at once, at 100 Hz, with the noise, filters and mistakes of real recordings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from cardiograph.ecg.leads import twelve_leads
from cardiograph.synthesis.clinical_heart import ClinicalHeart
from cardiograph.synthesis.clinical_measurements import true_measurements
from cardiograph.synthesis.clinical_rhythm import EVENTS, Rhythm, draw_rhythm, fibrillation, flutter
from cardiograph.synthesis.clinical_waves import BeatTables, beat_tables, rendered
from cardiograph.synthesis.heart import DOWER, SECONDS

CLINICAL_RATE_HZ: Final = 100.0
CLINICAL_SAMPLES: Final = round(SECONDS * CLINICAL_RATE_HZ)
_MARGIN: Final = 150
_BEAT: Final = (-12, 88)
_P: Final = (-4, 16)

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Recordings:
    """Recordings of hearts.

    Args:
        signal: [hearts, 12, 1000] float32 in mV at 100 Hz; the relations of Einthoven and Goldberger hold exactly.
        measurements: [hearts, measurements] float32, the clean dominant beat measured between its true boundaries, in
            the order of :data:`cardiograph.ecg.measure.reference.MEASUREMENTS`; NaN where there is no such value.
    """

    signal: Floats
    measurements: Floats


def record_hearts(hearts: Sequence[ClinicalHeart], rng: np.random.Generator) -> Recordings:
    """Simulate recordings of ten seconds.

    Args:
        hearts: Parameters of the hearts.
        rng: Random number generator for everything that varies within and between recordings of a heart.
    """
    tables = [beat_tables(heart, rng) for heart in hearts]
    rhythms = [draw_rhythm(heart, rng) for heart in hearts]
    leads = np.stack([_between_beats(heart, rng) for heart in hearts])
    lung = rng.uniform(0.2, 0.3, len(hearts)), rng.uniform(0, 6.3, len(hearts))
    for events, early, waves, window in _events(tables, rhythms):
        size = 1 + 0.03 * np.sin(2 * np.pi * lung[0][:, None] * events + lung[1][:, None])
        size = size + 0.02 * rng.standard_normal(events.shape)
        _add_events(leads, (events, early, size), waves, window)
    leads = leads[:, _MARGIN : _MARGIN + CLINICAL_SAMPLES].transpose(0, 2, 1)
    noisy = _recorded(leads + _electrode_noise(len(hearts), rng), rng)
    signal = np.stack([twelve_leads(each) for each in noisy]).astype(np.float32)
    true = [true_measurements(*each) for each in zip(hearts, tables, rhythms, strict=True)]
    return Recordings(signal, np.stack(true))


def _between_beats(heart: ClinicalHeart, rng: np.random.Generator) -> NDArray[np.float64]:
    """Return [samples, 8] activity of the atria that does not belong to single beats."""
    time = (np.arange(CLINICAL_SAMPLES + 2 * _MARGIN) - _MARGIN) / CLINICAL_RATE_HZ
    if heart.rhythm == "af":
        return np.asarray(fibrillation(heart, time, rng) @ DOWER.T)
    if heart.rhythm == "flutter":
        return np.asarray(flutter(heart, time, rng) @ DOWER.T)
    return np.zeros((len(time), len(DOWER)))


Event = tuple[NDArray[np.float64], NDArray[np.intp], NDArray[np.float64], tuple[int, int]]


def _events(tables: Sequence[BeatTables], rhythms: Sequence[Rhythm]) -> list[Event]:
    """Return times [hearts, events] (NaN for none), kinds, wave tables and the window of samples of beats and P."""
    found: list[Event] = []
    for times, kinds, waves, window in (
        ([each.beats for each in rhythms], [each.early for each in rhythms], [each.beats for each in tables], _BEAT),
        ([each.atria for each in rhythms], [each.early_atria for each in rhythms], [each.atria for each in tables], _P),
    ):
        at = np.full((len(times), EVENTS), np.nan)
        early = np.zeros((len(times), EVENTS), dtype=np.intp)
        for row, (onsets, kind) in enumerate(zip(times, kinds, strict=True)):
            at[row, : len(onsets)], early[row, : len(onsets)] = onsets, kind
        found.append((at, early, np.stack(waves), window))
    return found


def _add_events(
    leads: NDArray[np.float64],
    events: tuple[NDArray[np.float64], NDArray[np.intp], NDArray[np.float64]],
    waves: NDArray[np.float64],
    window: tuple[int, int],
) -> None:
    """Add every event to [hearts, samples, 8] ``leads`` in place, one event of each heart at a time."""
    offsets = np.arange(*window)
    for at, early, size in zip(*(each.T for each in events), strict=True):
        rows = np.flatnonzero(np.isfinite(at))
        if not rows.size:
            break
        sample = np.round(at[rows] * CLINICAL_RATE_HZ).astype(np.intp)
        fine = offsets / CLINICAL_RATE_HZ - (at[rows] - sample / CLINICAL_RATE_HZ)[:, None]
        added = rendered(waves[rows, early[rows]], fine) * size[rows, None, None]
        place = sample[:, None] + offsets + _MARGIN
        leads[rows[:, None], place] += added


def _electrode_noise(hearts: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Draw [hearts, 8, samples] noise in mV: wander, muscle and hum of nine electrodes, as differences of leads."""
    hertz = np.fft.rfftfreq(CLINICAL_SAMPLES, 1 / CLINICAL_RATE_HZ)
    white = rng.standard_normal((2, hearts, 9, CLINICAL_SAMPLES), dtype=np.float32)
    wander = np.exp(rng.normal(-3.2, 0.8, (hearts, 9, 1)))
    muscle = np.exp(rng.normal(-4.8, 0.8, (hearts, 1, 1))) * np.exp(0.4 * rng.standard_normal((hearts, 9, 1)))
    limit = rng.uniform(0.15, 0.7, (hearts, 1, 1))
    slow = 12 * np.exp(-((hertz / limit) ** 2))
    spectra = np.fft.rfft(white, axis=-1)
    spectra[0] *= wander * slow
    spectra[1] *= muscle * (hertz > 3)
    electrodes = np.fft.irfft(spectra[0] + spectra[1], CLINICAL_SAMPLES, axis=-1) + _artefacts(hearts, rng)
    right, left, foot = electrodes[:, 0], electrodes[:, 1], electrodes[:, 2]
    limb = np.stack([left - right, foot - right], axis=1)
    chest = electrodes[:, 3:] - ((right + left + foot) / 3)[:, None]
    return np.concatenate([limb, chest], axis=1)


def _artefacts(hearts: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Draw steps of single electrodes that decay, in one recording of five."""
    found = np.zeros((hearts, 9, CLINICAL_SAMPLES))
    time = np.arange(CLINICAL_SAMPLES) / CLINICAL_RATE_HZ
    for heart in np.flatnonzero(rng.random(hearts) < 0.2):
        since = time - rng.uniform(0, SECONDS)
        step = rng.normal(0, 0.35) * np.exp(-np.maximum(since, 0) / rng.uniform(0.05, 1.0)) * (since > 0)
        found[heart, rng.integers(9)] = step
    return found


def _recorded(leads: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
    """Apply a device to [hearts, 8, samples]: filters, gain, and in one recording of fifty swapped arm electrodes."""
    hertz = np.fft.rfftfreq(CLINICAL_SAMPLES, 1 / CLINICAL_RATE_HZ)
    hearts = len(leads)
    low = rng.choice([0.0, 0.05, 0.15, 0.5, 0.67], hearts, p=[0.2, 0.3, 0.15, 0.2, 0.15])[:, None, None]
    high = rng.choice([25.0, 35.0, 40.0, 150.0], hearts, p=[0.05, 0.1, 0.25, 0.6])[:, None, None]
    blur = rng.uniform(0, 0.005, hearts)[:, None, None]
    passed = (1j * hertz / (1j * hertz + low + 1e-9)) / np.sqrt(1 + (hertz / high) ** 4)
    passed *= np.exp(-0.5 * (2 * np.pi * hertz * blur) ** 2)
    passed[..., 0] = 0
    filtered = np.fft.irfft(np.fft.rfft(leads.astype(np.float32), axis=-1) * passed, CLINICAL_SAMPLES, axis=-1)
    filtered *= np.exp(0.08 * rng.standard_normal((hearts, 1, 1)))
    for heart in np.flatnonzero(rng.random(hearts) < 0.02):
        # swapped arms: lead I turns over, and II becomes III = II - I
        filtered[heart, 0], filtered[heart, 1] = -filtered[heart, 0], filtered[heart, 1] - filtered[heart, 0]
    return np.asarray(filtered)
