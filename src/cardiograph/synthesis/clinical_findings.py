"""Random clinical hearts: a basis without findings, and the findings that are added to it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np

from cardiograph.synthesis.clinical_heart import ClinicalHeart
from cardiograph.synthesis.waves import Heart

Values = dict[str, object]
Finding = Callable[[np.random.Generator, dict[str, float], Values], None]


def draw_heart(rng: np.random.Generator) -> ClinicalHeart:
    """Draw a heart over wide ranges: one in five without a finding, the others with one to four of them.

    Args:
        rng: Random number generator.
    """
    heart, rest = _basis(rng), _p_wave(rng)
    if rng.random() > 0.2:
        count = int(rng.choice([1, 2, 3, 4], p=[0.4, 0.3, 0.2, 0.1]))
        weights = np.array([weight for weight, _ in FINDINGS.values()])
        chosen = rng.choice(len(weights), count, replace=False, p=weights / weights.sum())
        for place in sorted(chosen):
            tuple(FINDINGS.values())[place][1](rng, heart, rest)
    conduction = rest.pop("conduction", "normal")
    rhythm = "af" if rest.get("rhythm", "sinus") not in ("sinus", "av2", "av3") else "sinus"
    return ClinicalHeart(heart=Heart(rhythm=rhythm, conduction=conduction, **heart), **rest)  # type: ignore[arg-type]


def _basis(rng: np.random.Generator) -> dict[str, float]:
    """Draw the parameters of a heart without findings; the ranges are those of adults, a little widened."""
    return {
        "rate": float(np.clip(72 * np.exp(0.2 * rng.standard_normal()), 42, 150)),
        "pr_ms": float(np.clip(rng.normal(155, 20), 110, 205)),
        "qrs_ms": float(np.clip(rng.normal(92, 9), 68, 116)),
        "qtc_ms": float(np.clip(rng.normal(408, 20), 350, 455)),
        "axis_deg": float(np.clip(rng.normal(42, 28), -35, 98)),
        "rotation_deg": float(rng.normal(0, 15)),
        "voltage": float(np.exp(0.25 * rng.standard_normal())),
        "t_wave": float(np.clip(rng.normal(1.0, 0.32), 0.35, 2.0)),
        "st_mv": float(rng.normal(0.015, 0.025)),
        "p_terminal": float(np.exp(0.3 * rng.standard_normal())),
        "rr_spread": float(np.clip(rng.gamma(1.6, 0.022), 0.004, 0.16)),
    }


def _p_wave(rng: np.random.Generator) -> Values:
    return {
        "p_size": float(np.exp(0.3 * rng.standard_normal())),
        "p_duration": float(np.clip(1.05 * np.exp(0.12 * rng.standard_normal()), 0.75, 1.4)),
        "p_turn_deg": float(rng.normal(-28, 20)),
    }


def _uniform(rng: np.random.Generator, low: float, high: float) -> float:
    return float(rng.uniform(low, high))


def _t_territory(rng: np.random.Generator, rest: Values, *places: int) -> None:
    shares = list(rest.get("t_inversion", (0.0, 0.0, 0.0)))  # type: ignore[call-overload]
    for place in places:
        shares[place] = max(shares[place], _uniform(rng, 0.5, 1.4))
    rest["t_inversion"] = tuple(shares)


def _st_territory(rng: np.random.Generator, rest: Values, place: int, low: float, high: float) -> None:
    shifts = list(rest.get("st_mv", (0.0,) * 4))  # type: ignore[call-overload]
    shifts[place] += _uniform(rng, low, high)
    rest["st_mv"] = tuple(shifts)


def _fibrillation(rng: np.random.Generator, heart: dict[str, float], rest: Values) -> None:
    rest["rhythm"] = "af"
    heart |= {"rate": _uniform(rng, 50, 160), "rr_spread": _uniform(rng, 0.12, 0.30)}
    heart["f_wave_mv"] = _uniform(rng, 0.01, 0.2)


def _flutter(rng: np.random.Generator, heart: dict[str, float], rest: Values) -> None:
    ratio = int(rng.choice([2, 3, 4], p=[0.5, 0.15, 0.35]))
    rest |= {"rhythm": "flutter", "ratio": ratio}
    heart |= {"rate": _uniform(rng, 230, 340) / ratio, "f_wave_mv": _uniform(rng, 0.08, 0.3), "rr_spread": 0.004}


def _no_p_wave(rng: np.random.Generator, heart: dict[str, float], rest: Values) -> None:
    fast = rng.random() < 0.5
    rest["rhythm"] = "svt" if fast else "junctional"
    heart |= {
        "rate": _uniform(rng, 140, 215) if fast else _uniform(rng, 36, 75),
        "rr_spread": _uniform(rng, 0.004, 0.02),
    }
    heart["f_wave_mv"] = 0.0


def _first_degree(rng: np.random.Generator, heart: dict[str, float], rest: Values) -> None:
    heart["pr_ms"] = _uniform(rng, 205, 300)


def _second_degree(rng: np.random.Generator, heart: dict[str, float], rest: Values) -> None:
    rest |= {"rhythm": "av2", "ratio": int(rng.integers(2, 6))}
    heart |= {"rate": _uniform(rng, 60, 105), "pr_ms": _uniform(rng, 150, 260)}


def _third_degree(rng: np.random.Generator, heart: dict[str, float], rest: Values) -> None:
    rest |= {"rhythm": "av3"}
    heart |= {"rate": _uniform(rng, 60, 110)}


def _tachycardia(rng: np.random.Generator, heart: dict[str, float], rest: Values) -> None:
    heart |= {"rate": _uniform(rng, 100, 150), "rr_spread": _uniform(rng, 0.004, 0.03)}


def _bradycardia(rng: np.random.Generator, heart: dict[str, float], rest: Values) -> None:
    heart["rate"] = _uniform(rng, 35, 60)


def _atrial_ectopy(rng: np.random.Generator, heart: dict[str, float], rest: Values) -> None:
    rest |= {"ectopy": "atrial", "ectopic_share": _uniform(rng, 0.06, 0.35)}


def _ventricular_ectopy(rng: np.random.Generator, heart: dict[str, float], rest: Values) -> None:
    rest |= {"ectopy": "ventricular", "ectopic_share": _uniform(rng, 0.06, 0.5)}


def _left_block(rng: np.random.Generator, heart: dict[str, float], rest: Values) -> None:
    rest |= {"conduction": "lbbb", "right_block": False}
    heart |= {
        "qrs_ms": _uniform(rng, 120, 185),
        "axis_deg": float(rng.normal(0, 30)),
        "qtc_ms": _uniform(rng, 415, 500),
    }


def _paced(rng: np.random.Generator, heart: dict[str, float], rest: Values) -> None:
    rest |= {"conduction": "lbbb", "paced": True, "right_block": False}
    heart |= {"qrs_ms": _uniform(rng, 140, 195), "axis_deg": _uniform(rng, -80, -40), "qtc_ms": _uniform(rng, 420, 500)}
    heart |= {"rr_spread": 0.004, "rate": _uniform(rng, 58, 90)}


def _right_block(rng: np.random.Generator, heart: dict[str, float], rest: Values) -> None:
    rest |= {"conduction": "normal", "right_block": True}
    heart |= {"qrs_ms": _uniform(rng, 120, 170), "qtc_ms": _uniform(rng, 400, 480)}


def _incomplete_right_block(rng: np.random.Generator, heart: dict[str, float], rest: Values) -> None:
    rest["conduction"] = "irbbb"
    heart["qrs_ms"] = _uniform(rng, 96, 119)


def _delayed(rng: np.random.Generator, heart: dict[str, float], rest: Values) -> None:
    heart["qrs_ms"] = _uniform(rng, 112, 160)


def _anterior_fascicle(rng: np.random.Generator, heart: dict[str, float], rest: Values) -> None:
    rest["fascicle"] = "anterior"
    heart |= {"axis_deg": _uniform(rng, -78, -42), "qrs_ms": max(heart["qrs_ms"], _uniform(rng, 92, 118))}


def _posterior_fascicle(rng: np.random.Generator, heart: dict[str, float], rest: Values) -> None:
    rest["fascicle"] = "posterior"
    heart |= {"axis_deg": _uniform(rng, 95, 115), "qrs_ms": max(heart["qrs_ms"], _uniform(rng, 92, 118))}


def _preexcitation(rng: np.random.Generator, heart: dict[str, float], rest: Values) -> None:
    rest |= {"delta_mv": _uniform(rng, 0.15, 0.6)}
    heart |= {"pr_ms": _uniform(rng, 100, 120), "qrs_ms": _uniform(rng, 105, 150)}


def _anterior_infarct(rng: np.random.Generator, heart: dict[str, float], rest: Values) -> None:
    heart |= {"infarct_anterior": _uniform(rng, 0.3, 1.2), "t_wave": heart["t_wave"] * _uniform(rng, 0.3, 1.0)}
    _often_acute(rng, rest, 0)


def _inferior_infarct(rng: np.random.Generator, heart: dict[str, float], rest: Values) -> None:
    heart |= {"infarct_inferior": _uniform(rng, 0.3, 1.2), "t_wave": heart["t_wave"] * _uniform(rng, 0.3, 1.0)}
    _often_acute(rng, rest, 1)


def _lateral_infarct(rng: np.random.Generator, heart: dict[str, float], rest: Values) -> None:
    rest["infarct_lateral"] = _uniform(rng, 0.3, 1.2)
    _often_acute(rng, rest, 2)


def _posterior_infarct(rng: np.random.Generator, heart: dict[str, float], rest: Values) -> None:
    rest["infarct_posterior"] = _uniform(rng, 0.3, 1.2)
    if rng.random() < 0.4:
        _st_territory(rng, rest, 3, 0.05, 0.3)


def _often_acute(rng: np.random.Generator, rest: Values, territory: int) -> None:
    """Add ST elevation or T inversion to an infarct, as in its first days and weeks."""
    if rng.random() < 0.35:
        _st_territory(rng, rest, territory, 0.08, 0.4)
    if rng.random() < 0.5:
        _t_territory(rng, rest, territory)


def _st_elevation(rng: np.random.Generator, heart: dict[str, float], rest: Values) -> None:
    _st_territory(rng, rest, int(rng.integers(3)), 0.08, 0.45)


def _st_depression(rng: np.random.Generator, heart: dict[str, float], rest: Values) -> None:
    for place in rng.choice(3, int(rng.integers(1, 3)), replace=False, p=[0.25, 0.25, 0.5]):
        _st_territory(rng, rest, int(place), -0.3, -0.05)


def _t_inversion(rng: np.random.Generator, heart: dict[str, float], rest: Values) -> None:
    _t_territory(rng, rest, *(int(place) for place in rng.choice(3, int(rng.integers(1, 3)), replace=False)))
    if rng.random() < 0.3:
        rest["t_biphasic"] = _uniform(rng, 0.4, 1.0)


def _flat_t(rng: np.random.Generator, heart: dict[str, float], rest: Values) -> None:
    heart |= {"t_wave": _uniform(rng, -0.15, 0.4), "st_mv": _uniform(rng, -0.06, 0.01)}


def _left_load(rng: np.random.Generator, heart: dict[str, float], rest: Values) -> None:
    heart |= {"voltage": _uniform(rng, 1.4, 2.6), "p_terminal": _uniform(rng, 0.8, 2.2)}
    heart["axis_deg"] = float(rng.normal(5, 30))
    heart["rotation_deg"] = float(rng.normal(-10, 12))
    if rng.random() < 0.6:
        heart |= {"t_wave": _uniform(rng, -0.7, 0.4), "st_mv": _uniform(rng, -0.18, -0.02)}


def _right_load(rng: np.random.Generator, heart: dict[str, float], rest: Values) -> None:
    rest |= {"right_load": _uniform(rng, 0.35, 1.2), "p_right": _uniform(rng, 0.8, 2.4)}
    heart["axis_deg"] = _uniform(rng, 70, 115)


def _atria(rng: np.random.Generator, heart: dict[str, float], rest: Values) -> None:
    if rng.random() < 0.6:
        heart["p_terminal"] = _uniform(rng, 1.8, 3.2)
    else:
        rest["p_right"] = _uniform(rng, 1.7, 3.0)


def _low_voltage(rng: np.random.Generator, heart: dict[str, float], rest: Values) -> None:
    heart["voltage"] = _uniform(rng, 0.25, 0.55)


def _long_qt(rng: np.random.Generator, heart: dict[str, float], rest: Values) -> None:
    heart["qtc_ms"] = _uniform(rng, 465, 555)


def _potassium(rng: np.random.Generator, heart: dict[str, float], rest: Values) -> None:
    if rng.random() < 0.5:
        heart |= {"t_wave": _uniform(rng, 1.8, 3.4), "qtc_ms": _uniform(rng, 340, 420)}
        rest["t_width"] = _uniform(rng, 0.55, 0.8)
    else:
        heart |= {"t_wave": _uniform(rng, 0.1, 0.5), "st_mv": _uniform(rng, -0.1, 0.0)}
        rest["u_mv"] = _uniform(rng, 0.08, 0.3)


def _early_repolarisation(rng: np.random.Generator, heart: dict[str, float], rest: Values) -> None:
    heart |= {"st_mv": _uniform(rng, 0.06, 0.16), "t_wave": _uniform(rng, 1.2, 2.2), "rate": _uniform(rng, 45, 80)}
    _st_territory(rng, rest, 0, 0.03, 0.15)


FINDINGS: Final[dict[str, tuple[float, Finding]]] = {
    "fibrillation": (1.2, _fibrillation),
    "flutter": (0.5, _flutter),
    "no P wave": (0.4, _no_p_wave),
    "first-degree block": (0.8, _first_degree),
    "second-degree block": (0.4, _second_degree),
    "third-degree block": (0.3, _third_degree),
    "tachycardia": (0.8, _tachycardia),
    "bradycardia": (0.8, _bradycardia),
    "atrial ectopy": (0.7, _atrial_ectopy),
    "ventricular ectopy": (0.9, _ventricular_ectopy),
    "left bundle branch block": (0.9, _left_block),
    "paced": (0.4, _paced),
    "right bundle branch block": (1.0, _right_block),
    "incomplete right block": (0.7, _incomplete_right_block),
    "conduction delay": (0.7, _delayed),
    "anterior fascicular block": (0.9, _anterior_fascicle),
    "posterior fascicular block": (0.3, _posterior_fascicle),
    "pre-excitation": (0.4, _preexcitation),
    "anterior infarct": (1.5, _anterior_infarct),
    "inferior infarct": (1.5, _inferior_infarct),
    "lateral infarct": (0.8, _lateral_infarct),
    "posterior infarct": (0.6, _posterior_infarct),
    "ST elevation": (0.7, _st_elevation),
    "ST depression": (1.0, _st_depression),
    "T inversion": (1.2, _t_inversion),
    "flat T wave": (1.0, _flat_t),
    "left ventricular load": (1.4, _left_load),
    "right ventricular load": (0.6, _right_load),
    "atrial enlargement": (0.7, _atria),
    "low voltage": (0.6, _low_voltage),
    "long QT": (0.6, _long_qt),
    "potassium": (0.6, _potassium),
    "early repolarisation": (0.6, _early_repolarisation),
}
"""Finding -> relative frequency among drawn hearts, and the function that adds it; wide cover, not prevalence."""
