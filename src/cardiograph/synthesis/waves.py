"""Model one heartbeat as Gaussian loops of a dipole in Frank's axes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Rhythm = Literal["sinus", "af"]
Conduction = Literal["normal", "irbbb", "lbbb"]


@dataclass(frozen=True)
class Heart:
    """Parameters that determine the shape of an ECG, apart from noise and random variation between beats.

    Args:
        rhythm: ``sinus`` or ``af`` (atrial fibrillation).
        conduction: ``normal``, ``irbbb`` (incomplete right) or ``lbbb`` (left bundle branch block).
        rate: Heart rate, beats per minute.
        pr_ms: Interval from the onset of the P wave to the onset of the QRS complex, ms; no effect in fibrillation.
        qrs_ms: Duration of the QRS complex, ms.
        qtc_ms: QT interval at 60 beats per minute, ms (Fridericia: QT = QTc * RR^(1/3)).
        axis_deg: Electrical axis of the QRS complex in the frontal plane: 0 to the left, 90 downwards.
        rotation_deg: Rotation of the QRS complex in the horizontal plane, positive forwards (early transition).
        voltage: Factor on the QRS amplitude.
        infarct_anterior: Loss of anterior forces: 0 none, 1 QS from V1 to V3 or V4.
        infarct_inferior: Initial forces upwards: 0 none, 1 broad Q in II, III, aVF.
        t_wave: Factor on the T wave; a negative factor inverts it.
        st_mv: Shift of the ST segment in the lateral leads, mV.
        p_terminal: Factor on the second (left atrial) half of the P wave; no effect in fibrillation.
        rr_spread: Standard deviation of the RR intervals as a share of their mean.
        f_wave_mv: Height of the fibrillation waves in V1, mV; no effect in sinus rhythm.
    """

    rhythm: Rhythm = "sinus"
    conduction: Conduction = "normal"
    rate: float = 70.0
    pr_ms: float = 158.0
    qrs_ms: float = 92.0
    qtc_ms: float = 408.0
    axis_deg: float = 42.0
    rotation_deg: float = 0.0
    voltage: float = 1.0
    infarct_anterior: float = 0.0
    infarct_inferior: float = 0.0
    t_wave: float = 1.0
    st_mv: float = 0.0
    p_terminal: float = 1.0
    rr_spread: float = 0.035
    f_wave_mv: float = 0.08


@dataclass(frozen=True)
class Waves:
    """Asymmetric Gaussian loops: d(t) = sum_i vector_i * exp(-(t - centre_i)^2 / (2 width_i^2)).

    Source: McSharry et al., IEEE Trans. Biomed. Eng. 50 (2003) 289 (Gaussian waves); Sameni et al., EURASIP J. Adv.
    Signal Process. (2007) 043407 (the same in three dimensions, as a dipole).

    Args:
        centre: [waves] time of the centre after the onset of the QRS complex, s.
        rise: [waves] width before the centre, s.
        fall: [waves] width after the centre, s.
        vector: [waves, 3] dipole in mV in Frank's axes: x to the left, y downwards, z to the back.
    """

    centre: NDArray[np.float64]
    rise: NDArray[np.float64]
    fall: NDArray[np.float64]
    vector: NDArray[np.float64]


# Each row: centre and width as shares of the QRS duration, then x, y, z in mV. The widths are chosen such that less
# than 5 % of a wave is outside 0..1.
_NORMAL_QRS = ((0.22, 0.085, -0.15, -0.07, -0.29), (0.43, 0.110, 0.88, 0.78, 0.10), (0.68, 0.110, -0.06, -0.10, 0.76))
_LEFT_BLOCK_QRS = (
    (0.22, 0.100, 0.62, 0.22, 0.32),
    (0.48, 0.135, 0.60, 0.12, 0.88),
    (0.74, 0.100, 0.74, 0.10, 0.78),
)
_RIGHT_DELAY = (0.90, 0.075, -0.34, -0.08, -0.46)
_ANTERIOR_LOSS = ((0.20, 0.11, -0.10, 0.02, 0.62), (0.44, 0.12, -0.46, 0.05, 0.42))
_INFERIOR_LOSS = ((0.20, 0.10, -0.04, -0.62, 0.05), (0.48, 0.11, 0.02, -0.22, 0.0))
_NORMAL_T = np.array([0.25, 0.19, -0.13])
_LEFT_BLOCK_T = np.array([-0.36, -0.09, -0.42])
_LATERAL = np.array([0.75, 0.25, 0.30])


def _rotated(vector: NDArray[np.float64], frontal_deg: float, horizontal_deg: float) -> NDArray[np.float64]:
    x, y, z = vector.T
    a, b = np.deg2rad(frontal_deg), np.deg2rad(horizontal_deg)
    x, y = x * np.cos(a) - y * np.sin(a), x * np.sin(a) + y * np.cos(a)
    return np.stack([x * np.cos(b) + z * np.sin(b), y, z * np.cos(b) - x * np.sin(b)], axis=-1)


def _frontal_direction(axis_deg: float) -> float:
    """Return the angle in Frank's frontal plane whose projection on leads I and aVF has the given axis.

    In Dower's matrix I and aVF are 0.632 x - 0.235 y and -0.081 x + 1.184 y; an axis is arctan(2 aVF / (sqrt(3) I)).
    """
    axis = np.deg2rad(np.clip(axis_deg, -80, 115))
    one, foot = np.cos(axis), np.sin(axis) * np.sqrt(3) / 2
    return float(np.rad2deg(np.arctan2(0.081 * one + 0.632 * foot, 1.184 * one + 0.235 * foot)))


def _qrs_rows(heart: Heart) -> NDArray[np.float64]:
    base = np.array(_LEFT_BLOCK_QRS if heart.conduction == "lbbb" else _NORMAL_QRS)
    vector = base[:, 2:].copy()
    main = vector[1] if heart.conduction != "lbbb" else vector.mean(0)
    turn = _frontal_direction(heart.axis_deg) - np.rad2deg(np.arctan2(main[1], main[0]))
    base[:, 2:] = _rotated(vector, turn, heart.rotation_deg)
    rows = [base]
    if heart.conduction == "irbbb":
        rows.append(np.array([_RIGHT_DELAY]))
    anterior, inferior = max(heart.infarct_anterior, 0.0), max(heart.infarct_inferior, 0.0)
    for share, loss in ((anterior, _ANTERIOR_LOSS), (inferior, _INFERIOR_LOSS)):
        scar = np.array(loss)
        scar[:, 2:] *= share
        rows.append(scar)
    return np.concatenate(rows)


def beat_waves(heart: Heart, rr_s: float) -> Waves:
    """Return the loops of one beat.

    Args:
        heart: Parameters of the heart.
        rr_s: RR interval in seconds, which determines the QT interval.

    Returns:
        Loops with times relative to the onset of the QRS complex; P waves, before it, exist in sinus rhythm only.
    """
    qrs_s = np.clip(heart.qrs_ms, 60, 220) / 1000
    qt_s = np.clip(heart.qtc_ms, 320, 560) / 1000 * min(max(rr_s, 0.35), 1.6) ** (1 / 3)
    qrs = _qrs_rows(heart)
    volts = np.clip(heart.voltage, 0.2, 3.0)
    rows = [(u * qrs_s, w * qrs_s, w * qrs_s, *(volts * np.array(v))) for u, w, *v in qrs]
    left_block = heart.conduction == "lbbb"
    scar = np.array([0, 0, 0.24]) * max(heart.infarct_anterior, 0) - np.array([0, 0.26, 0]) * max(
        heart.infarct_inferior, 0
    )
    t_vector = (_LEFT_BLOCK_T * abs(heart.t_wave) if left_block else _t_vector(heart.t_wave) + scar) * np.sqrt(volts)
    t_fall = 0.085 * qt_s
    t_peak = qt_s - 2.4 * t_fall
    rows.append((t_peak, 1.65 * t_fall, t_fall, *t_vector))
    st = _LATERAL * heart.st_mv + np.array([0, 0, -0.06]) * max(heart.infarct_anterior, 0)
    if left_block:
        st = st + 0.28 * t_vector
    st_middle = (qrs_s + t_peak) / 2
    rows.append((st_middle, 0.30 * (t_peak - qrs_s), 0.34 * (t_peak - qrs_s), *st))
    if heart.rhythm == "sinus":
        rows += _p_rows(heart)
    table = np.array(rows)
    return Waves(table[:, 0], table[:, 1], table[:, 2], table[:, 3:])


def _t_vector(share: float) -> NDArray[np.float64]:
    """Return the T vector; a flat or inverted T wave still points forwards, as in strain: upright in V1 to V2."""
    return np.asarray(_NORMAL_T * (share, share, 0.5 + 0.5 * abs(share)))


def _p_rows(heart: Heart) -> list[tuple[float, ...]]:
    """Return the P waves of the right and left atrium: 100 ms in total, from ``pr_ms`` before the QRS complex."""
    onset = -np.clip(heart.pr_ms, 100, 300) / 1000
    left = max(heart.p_terminal, 0.0)
    return [
        (onset + 0.040, 0.016, 0.018, 0.025, 0.085, -0.040),
        (onset + 0.070, 0.017, 0.017, 0.055 * left**0.5, 0.045, 0.050 * left),
    ]
