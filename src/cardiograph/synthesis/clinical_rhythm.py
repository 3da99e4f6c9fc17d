"""Times of the beats and P waves of a clinical heart."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from cardiograph.synthesis.clinical_heart import ClinicalHeart
from cardiograph.synthesis.heart import SECONDS

EVENTS: Final = 48
"""Most beats, and most P waves, of a recording."""

_BEFORE_S: Final = 1.2
_LONGEST_S: Final = SECONDS + 0.4


@dataclass(frozen=True)
class Rhythm:
    """Beats and P waves of one recording.

    Args:
        beats: [beats] onset of each QRS complex in seconds.
        early: [beats] whether the beat is premature.
        atria: [P waves] onset of each P wave in seconds.
        early_atria: [P waves] whether the P wave belongs to a premature atrial beat.
    """

    beats: NDArray[np.float64]
    early: NDArray[np.bool_]
    atria: NDArray[np.float64]
    early_atria: NDArray[np.bool_]


def draw_rhythm(heart: ClinicalHeart, rng: np.random.Generator) -> Rhythm:
    """Draw the beats and P waves of a recording of ten seconds.

    Args:
        heart: Parameters of the heart.
        rng: Random number generator for RR intervals and premature beats.
    """
    pr_s = heart.p_onset_s
    if heart.rhythm == "av3":
        return _independent(heart, rng)
    if heart.rhythm == "av2":
        return _dropping(heart, pr_s, rng)
    intervals = _intervals(heart, rng)
    beats, early = _with_ectopy(heart, intervals, rng)
    if not heart.has_p:
        return _rhythm(beats, early, np.zeros(0), np.zeros(0, dtype=bool))
    hidden = early & (heart.ectopy == "ventricular")
    return _rhythm(beats, early, (beats - pr_s)[~hidden], early[~hidden])


def _rhythm(
    beats: NDArray[np.float64], early: NDArray[np.bool_], atria: NDArray[np.float64], early_atria: NDArray[np.bool_]
) -> Rhythm:
    near, close = (beats > -0.9) & (beats < _LONGEST_S), (atria > -0.3) & (atria < _LONGEST_S)
    return Rhythm(beats[near][:EVENTS], early[near][:EVENTS], atria[close][:EVENTS], early_atria[close][:EVENTS])


def _intervals(heart: ClinicalHeart, rng: np.random.Generator) -> NDArray[np.float64]:
    mean, spread = 60 / heart.heart.rate, max(heart.heart.rr_spread, 0.003)
    count = int((SECONDS + 3) / mean) + 6
    if heart.rhythm == "af":
        return np.maximum(mean * rng.gamma(spread**-2, spread**2, count), 0.30)
    if heart.rhythm != "sinus" or heart.paced:
        return mean * (1 + min(spread, 0.01) * rng.standard_normal(count))
    # respiratory sinus arrhythmia: a cycle of about 4 s, and a small random part
    phase = 2 * np.pi * (np.arange(count) * mean * rng.uniform(0.2, 0.3) + rng.uniform())
    varied = mean * (1 + spread * (1.3 * np.sin(phase) + 0.4 * rng.standard_normal(count)))
    return np.asarray(np.maximum(varied, 0.3))


def _with_ectopy(
    heart: ClinicalHeart, intervals: NDArray[np.float64], rng: np.random.Generator
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Return onsets, and which beats are premature; a premature beat never follows another one."""
    early = np.zeros(len(intervals), dtype=bool)
    if heart.ectopy:
        drawn = rng.random(len(intervals)) < heart.ectopic_share / (1 - heart.ectopic_share)
        if not drawn[3:8].any():
            drawn[int(rng.integers(3, 8))] = True
        for place in range(1, len(early)):
            early[place] = drawn[place] and not early[place - 1]
    coupling = rng.uniform(0.5, 0.78)
    changed = intervals.copy()
    after = np.concatenate([[False], early[:-1]])
    changed[early] = np.maximum(coupling * intervals[early], 0.32)
    # a ventricular beat does not reset the sinus node: the pause is compensatory
    changed[after] *= (2 - coupling) if heart.ectopy == "ventricular" else rng.uniform(1.0, 1.25)
    return np.cumsum(changed) - _BEFORE_S - rng.uniform(0, intervals[0]), early


def _atrial_times(heart: ClinicalHeart, rng: np.random.Generator) -> NDArray[np.float64]:
    mean = 60 / heart.heart.rate
    count = int((SECONDS + 4) / mean) + 4
    return np.asarray(np.cumsum(mean * (1 + 0.015 * rng.standard_normal(count))) - 2 - rng.uniform(0, mean))


def _dropping(heart: ClinicalHeart, pr_s: float, rng: np.random.Generator) -> Rhythm:
    """Second-degree block: each ``ratio``-th P wave is not conducted; PR grows before it (Wenckebach) or does not."""
    atria = _atrial_times(heart, rng)
    place = (np.arange(len(atria)) + rng.integers(heart.ratio)) % heart.ratio
    growth = rng.uniform(0.03, 0.09) if heart.ratio > 2 and rng.random() < 0.6 else 0.0
    conducted = place < heart.ratio - 1
    beats = (atria + pr_s + growth * place)[conducted]
    return _rhythm(beats, np.zeros(len(beats), dtype=bool), atria, np.zeros(len(atria), dtype=bool))


def _independent(heart: ClinicalHeart, rng: np.random.Generator) -> Rhythm:
    """Third-degree block: P waves and an escape rhythm of 28 to 48 beats per minute know nothing of each other."""
    atria = _atrial_times(heart, rng)
    mean = 60 / rng.uniform(28, 48)
    beats = np.arange(-2, SECONDS + 2, mean) + rng.uniform(0, mean)
    return _rhythm(beats, np.zeros(len(beats), dtype=bool), atria, np.zeros(len(atria), dtype=bool))


def fibrillation(heart: ClinicalHeart, time: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
    """Return the [samples, 3] dipole in mV of fibrillation waves, 4.5 to 8.5 Hz, largest in V1."""
    beat = 2 * np.pi * rng.uniform(4.5, 8.5) * time
    drift = rng.uniform(0.5, 3) * np.sin(2 * np.pi * rng.uniform(0.1, 0.9) * time + rng.uniform(0, 6.3))
    swell = 1 + 0.4 * np.sin(2 * np.pi * rng.uniform(0.1, 0.7) * time + rng.uniform(0, 6.3))
    one = swell * (np.sin(beat + drift) + 0.35 * np.sin(2 * (beat + drift) + 0.8))
    two = swell * np.sin(0.83 * beat + 1.4 * drift + 1.0)
    height = 0.5 * heart.heart.f_wave_mv
    return np.asarray(height * (np.outer(one, [-0.15, 0.35, -0.9]) + np.outer(two, [0.25, 0.30, 0.10])))


def flutter(heart: ClinicalHeart, time: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
    """Return the [samples, 3] dipole in mV of flutter waves: a sawtooth, negative in II, III and aVF in most hearts."""
    phase = 2 * np.pi * (heart.heart.rate * heart.ratio / 60 * time + rng.uniform())
    saw = np.sin(phase) - 0.45 * np.sin(2 * phase) + 0.2 * np.sin(3 * phase)
    sign = 1 if rng.random() < 0.75 else -1
    return np.asarray(sign * heart.heart.f_wave_mv * np.outer(saw, [0.05, 0.8, -0.35]))
