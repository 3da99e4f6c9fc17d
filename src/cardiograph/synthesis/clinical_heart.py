"""Hearts with the findings that clinical ECGs show: conduction, rhythm, infarction, ST segment, T wave and load."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from cardiograph.synthesis.waves import Heart

ClinicalRhythm = Literal["sinus", "af", "flutter", "junctional", "svt", "av2", "av3"]
Ectopy = Literal["", "atrial", "ventricular"]

TERRITORIES: Final = ("anterior", "inferior", "lateral", "posterior")


@dataclass(frozen=True, kw_only=True)
class ClinicalHeart:
    """A :class:`Heart` and the findings that it cannot express.

    Args:
        heart: Rate, intervals, axes, anterior and inferior infarction, and the shape of P, ST and T.
        rhythm: ``sinus``, ``af``, ``flutter``, ``junctional``, ``svt`` (narrow, without P waves), ``av2`` (second- or
            ``av3`` (third-degree block of the AV node). ``heart.rate`` is the ventricular rate, except with ``av2`` and
            ``av3``, where it is the atrial rate.
        ratio: Flutter waves for each QRS complex, or P waves for each beat that is dropped in ``av2``.
        ectopy: Origin of premature beats; empty for none.
        ectopic_share: Share of beats that are premature, 0..0.5.
        paced: Whether a pacemaker stimulates the right ventricle.
        right_block: Complete right bundle branch block.
        fascicle: Blocked fascicle of the left bundle: ``anterior``, ``posterior`` or empty.
        delta_mv: Height of the delta wave of pre-excitation, mV.
        infarct_lateral: Loss of lateral forces, 0..1.
        infarct_posterior: Loss of posterior forces, 0..1.
        right_load: Right ventricular hypertrophy with strain, 0..1.
        st_mv: Elevation of the ST segment towards each of ``TERRITORIES``, mV; negative for depression.
        t_inversion: Inversion of the T wave in each of the first three of ``TERRITORIES``, 0..1.5.
        t_width: Factor on the duration of the T wave.
        t_biphasic: Share of the T wave that its second half reverses, 0..1.
        p_right: Factor on the first (right atrial) half of the P wave.
        p_size: Factor on the amplitude of the P wave.
        p_duration: Factor on the duration of the P wave, which is 100 ms.
        p_turn_deg: Rotation of the P wave in the frontal plane.
        u_mv: Height of the U wave, mV.
    """

    heart: Heart = field(default_factory=Heart)
    rhythm: ClinicalRhythm = "sinus"
    ratio: int = 2
    ectopy: Ectopy = ""
    ectopic_share: float = 0.0
    paced: bool = False
    right_block: bool = False
    fascicle: Literal["", "anterior", "posterior"] = ""
    delta_mv: float = 0.0
    infarct_lateral: float = 0.0
    infarct_posterior: float = 0.0
    right_load: float = 0.0
    st_mv: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 0.0)
    t_inversion: tuple[float, float, float] = (0.0, 0.0, 0.0)
    t_width: float = 1.0
    t_biphasic: float = 0.0
    p_right: float = 1.0
    p_size: float = 1.0
    p_duration: float = 1.0
    p_turn_deg: float = 0.0
    u_mv: float = 0.0

    @property
    def has_p(self) -> bool:
        """Whether P waves precede the QRS complexes or run independently of them."""
        return self.rhythm in ("sinus", "av2", "av3")

    @property
    def p_onset_s(self) -> float:
        """Seconds from the onset of the P wave to the onset of the QRS complex."""
        return float(np.clip(self.heart.pr_ms, 80, 320)) / 1000


def parameters(heart: ClinicalHeart) -> NDArray[np.float32]:
    """Return the parameters of a heart as targets of a regression, NaN where the rhythm has no such parameter.

    Returns:
        [parameters] float32 in the order of :data:`PARAMETERS`.
    """
    plain = heart.heart
    axis = np.deg2rad(plain.axis_deg)
    one_rate, sinus = heart.rhythm not in ("av2", "av3"), heart.rhythm == "sinus"
    values: list[float] = [
        np.log(plain.rate) if one_rate else np.nan,
        *((plain.pr_ms, plain.p_terminal, heart.p_right) if sinus else (np.nan, np.nan, np.nan)),
        *(plain.qrs_ms, plain.qtc_ms, np.cos(axis), np.sin(axis), plain.rotation_deg, np.log(plain.voltage)),
        *(plain.infarct_anterior, plain.infarct_inferior, heart.infarct_lateral, heart.infarct_posterior),
        *(plain.t_wave, plain.st_mv, *heart.st_mv, *heart.t_inversion, heart.t_width, heart.t_biphasic),
        *(plain.rr_spread, plain.f_wave_mv if heart.rhythm in ("af", "flutter") else 0.0, heart.ectopic_share),
        *(heart.right_load, heart.delta_mv, heart.u_mv),
    ]
    return np.array(values, dtype=np.float32)


PARAMETERS: Final = (
    "log_rate", "pr_ms", "p_terminal", "p_right", "qrs_ms", "qtc_ms", "axis_cos", "axis_sin", "rotation_deg",
    "log_voltage", "infarct_anterior", "infarct_inferior", "infarct_lateral", "infarct_posterior", "t_wave", "st_mv",
    *(f"st_{name}_mv" for name in TERRITORIES), *(f"t_inversion_{name}" for name in TERRITORIES[:3]), "t_width",
    "t_biphasic", "rr_spread", "f_wave_mv", "ectopic_share", "right_load", "delta_mv", "u_mv",
)  # fmt: skip
"""Names of the values of :func:`parameters`."""


def statements(heart: ClinicalHeart) -> dict[str, bool]:
    """Return which statements hold for a heart, by fixed limits of its parameters.

    Source of the limits: AHA/ACCF/HRS recommendations for the standardization and interpretation of the ECG, parts III
    to VI, Circulation 119 (2009) e235-e270, as far as they apply to parameters of the model.
    """
    plain = heart.heart
    elevation = max(*heart.st_mv[:3], plain.st_mv)
    abnormal = {
        "fibrillation": heart.rhythm == "af",
        "flutter": heart.rhythm == "flutter",
        "junctional or supraventricular": heart.rhythm in ("junctional", "svt"),
        "first-degree block": heart.rhythm == "sinus" and plain.pr_ms > 200,
        "higher-degree block": heart.rhythm in ("av2", "av3"),
        "tachycardia": plain.rate > 100 and heart.rhythm not in ("av2", "av3"),
        "bradycardia": plain.rate < 55 and heart.rhythm not in ("av2", "av3"),
        "atrial ectopy": heart.ectopy == "atrial",
        "ventricular ectopy": heart.ectopy == "ventricular",
        "left bundle branch block": plain.conduction == "lbbb" and not heart.paced,
        "paced": heart.paced,
        "right bundle branch block": heart.right_block,
        "incomplete right block": plain.conduction == "irbbb" and not heart.right_block,
        "wide QRS": plain.qrs_ms >= 120,
        "left axis": plain.axis_deg < -30,
        "right axis": plain.axis_deg > 90,
        "pre-excitation": heart.delta_mv > 0,
        "anterior infarct": plain.infarct_anterior >= 0.3,
        "inferior infarct": plain.infarct_inferior >= 0.3,
        "lateral infarct": heart.infarct_lateral >= 0.3,
        "posterior infarct": heart.infarct_posterior >= 0.3,
        "ST elevation": elevation >= 0.08,
        "ST depression": min(*heart.st_mv[:3], plain.st_mv) <= -0.05,
        "T inversion": max(heart.t_inversion) >= 0.5 or plain.t_wave < -0.1,
        "flat T wave": abs(plain.t_wave) <= 0.3,
        "tall T wave": plain.t_wave >= 1.8,
        "left ventricular hypertrophy": plain.voltage >= 1.5,
        "right ventricular hypertrophy": heart.right_load >= 0.35,
        "left atrial enlargement": heart.has_p and plain.p_terminal >= 1.8,
        "right atrial enlargement": heart.has_p and heart.p_right >= 1.7,
        "low voltage": plain.voltage <= 0.55,
        "long QT": plain.qtc_ms > 460,
        "U wave": heart.u_mv >= 0.08,
    }
    return {"normal": not any(abnormal.values()), **abnormal}


STATEMENTS: Final = tuple(statements(ClinicalHeart()))
"""Names of the statements, in the order of :func:`statements`."""
