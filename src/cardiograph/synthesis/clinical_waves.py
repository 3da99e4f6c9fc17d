"""Waves of a clinical heart in the eight independent leads: dominant beat, premature beat, and P waves."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from cardiograph.synthesis.clinical_heart import ClinicalHeart
from cardiograph.synthesis.heart import DOWER
from cardiograph.synthesis.waves import beat_waves

BEAT_WAVES: Final = 24
P_WAVES: Final = 4
P_S: Final = 0.1
"""Duration of a P wave of usual length in seconds."""
_COLUMNS: Final = 3 + len(DOWER)

_ST_DIRECTION: Final = np.array([[0.10, 0.0, -0.75], [0.0, 0.9, 0.15], [0.9, -0.35, 0.35], [0.05, 0.1, 0.8]])
_T_INVERSION: Final = np.array([[0.0, 0.0, 0.36], [0.0, -0.42, 0.0], [-0.50, -0.05, -0.05]])
_SMOOTHING_S: Final = 0.002
"""Width that is added to every wave, as the amplifier and the anti-aliasing filter of an electrocardiograph do."""

_SHARPNESS: Final = (0.62, 0.95)
"""Range of a factor on the width of the waves of the QRS complex; those of real recordings are steeper than the model's."""

_SEPTUM: Final = (0.8, 2.2)
"""Range of a factor on the first forward forces of the QRS complex, which make the R waves of V1 to V3."""

_T_RISE: Final = (1.0, 1.4)
"""Range of a factor on the rise of the T wave; the ST segments of real recordings slope more than the model's."""

_T_SPREAD_MV: Final = np.array([0.06, 0.05, 0.10])
"""Standard deviation of the T vector between hearts with the same parameters."""

_THORAX: Final = 1.3
"""Median factor on Dower's matrix, which gives smaller QRS complexes than real recordings have."""

Table = NDArray[np.float64]


@dataclass(frozen=True)
class BeatTables:
    """Waves of one heart; a row holds centre, rise and fall in seconds, then mV in the eight independent leads.

    Args:
        beats: [2, 24, 11] dominant and premature beat, relative to the onset of the QRS complex.
        atria: [2, 4, 11] P wave of sinus and of premature beats, relative to the onset of the P wave.
        qrs_s: Duration of the dominant QRS complex in seconds.
        qt_s: QT interval of the dominant beat in seconds.
        p_s: Duration of the P wave in seconds.
    """

    beats: Table
    atria: Table
    qrs_s: float
    qt_s: float
    p_s: float


def beat_tables(heart: ClinicalHeart, rng: np.random.Generator) -> BeatTables:
    """Build the waves of a heart.

    Args:
        heart: Parameters of the heart.
        rng: Random number generator for the placement of the electrodes, the individual shape of each wave, and the
            origin of premature beats.
    """
    rr_s = 60 / heart.heart.rate if heart.rhythm not in ("av2", "av3") else 1.2
    plain = beat_waves(replace(heart.heart, rhythm="sinus"), rr_s)
    rows = np.column_stack([plain.centre, plain.rise, plain.fall, plain.vector])
    beat, p_rows = rows[:-2], rows[-2:]
    p_rows = _p_rows(heart, p_rows)
    qrs_s = float(np.clip(heart.heart.qrs_ms, 60, 220) / 1000)
    peak, fall = beat[-2, 0], beat[-2, 2]
    main = _individual(_with_findings(heart, beat, qrs_s, rng), rng)
    early = _premature(heart, main, rng)
    leads = _electrodes(rng)
    atria = np.stack([_padded(_individual(p_rows, rng), leads, P_WAVES) for _ in range(2)])
    beats = np.stack([_padded(main, leads, BEAT_WAVES), _padded(early, leads, BEAT_WAVES)])
    return BeatTables(beats, atria, qrs_s, float(peak + 2.4 * fall), P_S * heart.p_duration)


def _p_rows(heart: ClinicalHeart, rows: Table) -> Table:
    """Return the P waves relative to the onset of the P wave, with the size, duration and axis of the heart."""
    p_rows = rows.copy()
    p_rows[:, 0] += np.clip(heart.heart.pr_ms, 100, 300) / 1000
    p_rows[:, :3] *= heart.p_duration
    p_rows[0, 3:] *= heart.p_right
    angle = np.deg2rad(heart.p_turn_deg)
    x, y = p_rows[:, 3].copy(), p_rows[:, 4].copy()
    p_rows[:, 3], p_rows[:, 4] = x * np.cos(angle) - y * np.sin(angle), x * np.sin(angle) + y * np.cos(angle)
    p_rows[:, 3:] *= heart.p_size
    return p_rows


def rendered(waves: Table, time: Table) -> NDArray[np.float64]:
    """Evaluate [hearts, waves, 11] tables at [hearts, samples] seconds: [hearts, samples, 8] mV."""
    table, when = waves.astype(np.float32), time.astype(np.float32)
    distance = when[:, :, None] - table[:, None, :, 0]
    distance /= np.where(distance < 0, table[:, None, :, 1], table[:, None, :, 2])
    return np.asarray(np.exp(-0.5 * distance * distance) @ table[:, :, 3:], dtype=np.float64)


def _with_findings(heart: ClinicalHeart, beat: Table, qrs_s: float, rng: np.random.Generator) -> Table:
    """Add the findings to the [waves, 6] dipoles of a beat, whose last two rows are the T wave and the ST segment."""
    rows = beat.copy()
    ventricle, t_wave, st = rows[:-2], rows[-2], rows[-1]
    volts = float(np.clip(heart.heart.voltage, 0.2, 3.0))
    ventricle[:, 1:3] *= rng.uniform(*_SHARPNESS)
    ventricle[0, 5] *= rng.uniform(*_SEPTUM)
    t_wave[1] *= rng.uniform(*_T_RISE)
    t_wave[3:] += np.sqrt(volts) * _T_SPREAD_MV * rng.standard_normal(3)
    if heart.right_block:
        ventricle[:, 0] *= 0.66
        ventricle[:, 1:3] *= 0.70
        t_wave[3:] += (-0.04, 0.0, 0.22)
    t_wave[1:3] *= heart.t_width
    t_wave[3:] += np.array(heart.t_inversion) @ _T_INVERSION * np.sqrt(volts)
    t_wave[3:] += heart.right_load * np.array([-0.04, -0.06, 0.26]) - heart.infarct_posterior * np.array([0, 0, 0.10])
    st[3:] += np.array(heart.st_mv) @ _ST_DIRECTION + heart.right_load * np.array([0, 0, 0.05])
    return np.concatenate([rows, *_extra_rows(heart, rows, qrs_s, rng)])


def _extra_rows(heart: ClinicalHeart, rows: Table, qrs_s: float, rng: np.random.Generator) -> list[Table]:
    volts = float(np.clip(heart.heart.voltage, 0.2, 3.0))
    shares = [
        (heart.right_block, 0.80, 0.095, (-0.42, -0.06, -0.78)),
        (heart.fascicle == "anterior", 0.20, 0.080, (-0.14, 0.26, 0.0)),
        (heart.fascicle == "posterior", 0.20, 0.080, (0.16, -0.22, 0.0)),
        (heart.right_load, 0.50, 0.130, (-0.50, 0.15, -0.75)),
        (heart.infarct_lateral, 0.20, 0.100, (-0.50, 0.0, 0.0)),
        (heart.infarct_lateral, 0.46, 0.120, (-0.35, 0.0, -0.05)),
        (heart.infarct_posterior, 0.45, 0.130, (0.0, 0.0, -0.55)),
        *(_notch(rng) for _ in range(2)),
    ]
    found = [
        np.array([[at * qrs_s, width * qrs_s, width * qrs_s, *(share * volts * np.asarray(vector))]])
        for share, at, width, vector in shares
        if share
    ]
    if heart.delta_mv:
        direction = rng.standard_normal(3) + np.array([0.4, 0.2, 0.0])
        height = heart.delta_mv * direction / np.linalg.norm(direction)
        found.append(np.array([[0.25 * qrs_s, 0.14 * qrs_s, 0.20 * qrs_s, *height]]))
    if heart.paced:
        found.append(np.array([[-0.015, 0.006, 0.006, *(rng.uniform(0.15, 0.8) * np.array([0.4, 0.8, 0.2]))]]))
    peak, _, fall = rows[-2, :3]
    if heart.t_biphasic:
        late = [peak + 0.9 * fall, 0.6 * fall, 0.6 * fall, *(-0.8 * heart.t_biphasic * rows[-2, 3:])]
        found.append(np.array([late]))
    if heart.u_mv:
        found.append(np.array([[peak + 3.4 * fall, 0.035, 0.045, *(heart.u_mv * np.array([0.6, 0.5, -0.8]))]]))
    return found


def _notch(rng: np.random.Generator) -> tuple[float, float, float, NDArray[np.float64]]:
    """Draw share, place, width and vector of a small steep wave in the QRS complex."""
    share, place, width = rng.exponential(0.09), rng.uniform(0.1, 0.95), rng.uniform(0.03, 0.06)
    return share, place, width, rng.standard_normal(3)


def _premature(heart: ClinicalHeart, main: Table, rng: np.random.Generator) -> Table:
    """Return the premature beat: the dominant beat, or a wide one from a random place with a discordant T wave."""
    if heart.ectopy != "ventricular":
        return main
    qrs_s, size = rng.uniform(0.13, 0.19), rng.uniform(0.8, 2.0)
    direction = rng.standard_normal((4, 3)) * 0.5 + rng.standard_normal(3)
    direction *= size / np.linalg.norm(direction, axis=1, keepdims=True)
    at = np.array([0.22, 0.48, 0.76]) * qrs_s
    width = np.full(3, 0.12 * qrs_s)
    t_wave = -rng.uniform(0.25, 0.6) * direction[:3].mean(0)
    rows = [[c, w, w, *v] for c, w, v in zip(at, width, direction[:3], strict=True)]
    rows.append([qrs_s + 0.19, 0.075, 0.055, *t_wave])
    rows.append([qrs_s + 0.07, 0.05, 0.06, *(0.4 * t_wave)])
    return np.array(rows)


def _individual(rows: Table, rng: np.random.Generator) -> Table:
    """Vary time, width and direction of each wave a little, so that no two hearts share a shape."""
    varied = rows.copy()
    size = np.linalg.norm(rows[:, 3:], axis=1, keepdims=True)
    varied[:, 3:] += 0.17 * size * rng.standard_normal((len(rows), 3))
    varied[:, 1:3] *= np.exp(0.10 * rng.standard_normal((len(rows), 2)))
    varied[:, 0] += 0.15 * rows[:, 1] * rng.standard_normal(len(rows))
    return varied


def _electrodes(rng: np.random.Generator) -> NDArray[np.float64]:
    """Return the [8, 3] lead field of a patient: Dower's, with displaced chest electrodes and another thorax."""
    field = DOWER * (1 + 0.15 * rng.standard_normal((8, 1))) + 0.08 * rng.standard_normal((8, 3))
    chest = field[2:]
    up, down = np.vstack([chest[:1], chest[:-1]]), np.vstack([chest[1:], chest[-1:]])
    shift = rng.normal(0, 0.25)
    field *= _THORAX * np.exp(0.22 * rng.standard_normal())
    field[2:] = (1 - abs(shift)) * chest + abs(shift) * (up if shift > 0 else down)
    return np.asarray(field)


def _padded(rows: Table, leads: NDArray[np.float64], count: int) -> Table:
    table = np.zeros((count, _COLUMNS))
    table[:, 1:3] = 1.0
    table[: len(rows), 0] = rows[:, 0]
    table[: len(rows), 1:3] = np.hypot(rows[:, 1:3], _SMOOTHING_S)
    table[: len(rows), 3:] = rows[:, 3:] @ leads.T
    return table
