"""Turned copies of real recordings: the same heart from another angle, at another size and pace, measured like any ECG."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from cardiograph.ecg.ecg import Ecg
from cardiograph.ecg.leads import INDEPENDENT, LEADS, twelve_leads
from cardiograph.encoders.leads_input import INPUT_RATE_HZ
from cardiograph.pretrain.records import Records
from cardiograph.synthesis.heart import DOWER

TURN_DEG: Final = 15.0
"""Standard deviation of the rotation about each of Frank's axes."""

STRETCH: Final = 0.12
"""Standard deviation of the logarithm of a factor on the size along each axis."""

SIZE: Final = (0.45, 1.1)
"""Range of a factor on all amplitudes. Recordings of CODE-15 are about 1.65 times as large as those of other sources."""

PACE: Final = 0.10
"""Standard deviation of the logarithm of a factor on time."""

Floats = NDArray[np.float32]


def with_turned_copies(
    records: Records, copies: int, *, seed: int = 0, each: Callable[[], None] = lambda: None
) -> Records:
    """Add turned copies to recordings.

    The eight independent leads are projected on a dipole by the inverse of Dower's matrix. The dipole is rotated and
    stretched and projected back; what a dipole does not explain is kept. Recordings that lack a lead are only changed in
    size and pace.

    Args:
        records: Real recordings.
        copies: Copies of each recording.
        seed: Seed of all turns.
        each: Called after each recording.

    Returns:
        The recordings, followed by the copies, each with measurements of its own.

    Source: Gopal et al., 3KG: contrastive learning of 12-lead ECGs using physiologically-inspired augmentations,
    Machine Learning for Health, PMLR 158 (2021) 156.
    """
    rng = np.random.default_rng([seed, 3])
    signals, measured = [records.signal], [records.measurements]
    for signal in records.signal:
        turned = np.stack([_turned(signal, rng) for _ in range(copies)])
        signals.append(turned)
        values = [Ecg(signal=one, rate=INPUT_RATE_HZ, source="turned").measure().vector() for one in turned]
        measured.append(np.array(values, dtype=np.float32))
        each()
    rows = np.concatenate([np.arange(len(records.age)), np.repeat(np.arange(len(records.age)), copies)])
    return replace(
        records,
        signal=np.concatenate(signals),
        measurements=np.concatenate(measured),
        age=records.age[rows],
        male=records.male[rows],
    )


def _turned(signal: Floats, rng: np.random.Generator) -> Floats:
    angles = np.deg2rad(rng.normal(0, TURN_DEG, 3))
    matrix = _rotation(angles) @ np.diag(np.exp(STRETCH * rng.standard_normal(3)))
    size, pace = rng.uniform(*SIZE), np.exp(PACE * rng.standard_normal())
    there = np.isfinite(signal).all(axis=0)
    result = np.full_like(signal, np.nan)
    if there.any():
        leads = signal[[LEADS.index(name) for name in INDEPENDENT]][:, there]
        dipole = np.linalg.pinv(DOWER) @ leads
        shown = twelve_leads(leads + DOWER @ (matrix - np.eye(3)) @ dipole)
        result[:, np.flatnonzero(there)] = shown
    else:
        result = signal.copy()
    return _paced(np.float32(size) * result, pace)


def _paced(signal: Floats, pace: float) -> Floats:
    """Run faster (``pace`` above 1) or slower; what is then missing at the end is NaN."""
    samples = np.arange(signal.shape[1])
    result = np.full_like(signal, np.nan)
    for row, values in zip(result, signal, strict=True):
        there = np.isfinite(values)
        if there.any():
            row[:] = np.interp(samples * pace, samples[there], values[there], left=np.nan, right=np.nan)
    return result


def _rotation(angles: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the rotation by three angles in radians about x, y and z."""
    (a, b, c), (d, e, f) = np.cos(angles), np.sin(angles)
    about_x = np.array([[1, 0, 0], [0, a, -d], [0, d, a]])
    about_y = np.array([[b, 0, e], [0, 1, 0], [-e, 0, b]])
    about_z = np.array([[c, -f, 0], [f, c, 0], [0, 0, 1]])
    return np.asarray(about_x @ about_y @ about_z)
