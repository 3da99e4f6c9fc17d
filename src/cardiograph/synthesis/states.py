"""Hidden states of synthetic patients: tables of diseases, severities and ECG patterns."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from cardiograph.synthesis.variables import CONDUCTIONS, LATENTS, NAMES, RHYTHMS

PHENOTYPES = ("healthy", "ischaemic", "dilated", "hypertensive", "fibrillating", "infiltrative")
FAILING = 2
"""Severity from which the label is 1. 0: no disease; 1: disease without heart failure; 2: failing; 3: advanced."""


@dataclass(frozen=True)
class Pattern:
    """ECG pattern.

    Args:
        medians: Medians of the latent variables that differ from a healthy heart, in their units.
        worse: Change of latent variables per grade of severity above 1, on their Gaussian scales.
        conduction: ``normal``, ``irbbb`` or ``lbbb``.
    """

    medians: MappingProxyType[str, float] = field(default_factory=lambda: MappingProxyType({}))
    worse: MappingProxyType[str, float] = field(default_factory=lambda: MappingProxyType({}))
    conduction: str = "normal"


def _pattern(worse: dict[str, float] | None = None, conduction: str = "normal", **medians: float) -> Pattern:
    return Pattern(MappingProxyType(medians), MappingProxyType(worse or {}), conduction)


_STRAIN = {"rate": 0.04, "qtc_ms": 6.0, "p_terminal": 0.08}
PATTERNS = MappingProxyType(
    {
        "normal": _pattern(),
        "early repolarisation": _pattern(st_mv=0.09, t_wave=1.5, voltage=1.15, rate=60),
        "incomplete right block": _pattern(conduction="irbbb", qrs_ms=107, axis_deg=62),
        "athletic": _pattern(rate=52, pr_ms=176, voltage=1.28, t_wave=1.3, rr_spread=0.055),
        "left axis": _pattern(axis_deg=-22, rotation_deg=-9, qrs_ms=98),
        "nonspecific T": _pattern(t_wave=0.40, st_mv=-0.02, rate=75, qtc_ms=417),
        "anterior infarct": _pattern(
            {**_STRAIN, "qrs_ms": 5.0, "infarct_anterior": 0.10, "t_wave": -0.10},
            infarct_anterior=0.72,
            t_wave=0.65,
            voltage=0.92,
            qtc_ms=418,
            p_terminal=1.10,
        ),
        "inferior infarct": _pattern(
            {**_STRAIN, "qrs_ms": 5.0, "infarct_inferior": 0.10, "t_wave": -0.10},
            infarct_inferior=0.75,
            t_wave=0.70,
            axis_deg=15,
            qtc_ms=415,
            p_terminal=1.10,
        ),
        "left bundle branch block": _pattern(
            {**_STRAIN, "qrs_ms": 7.0},
            "lbbb",
            qrs_ms=146,
            axis_deg=2,
            rotation_deg=-6,
            pr_ms=178,
            qtc_ms=440,
            p_terminal=1.2,
        ),
        "dilated": _pattern(
            {**_STRAIN, "qrs_ms": 6.0, "infarct_anterior": 0.06},
            qrs_ms=110,
            rotation_deg=-20,
            infarct_anterior=0.20,
            t_wave=-0.10,
            st_mv=-0.03,
            axis_deg=0,
            p_terminal=1.3,
            qtc_ms=425,
        ),
        "hypertrophy with strain": _pattern(
            {**_STRAIN, "voltage": 0.03, "t_wave": -0.14},
            voltage=1.55,
            t_wave=-0.30,
            st_mv=-0.07,
            axis_deg=8,
            rotation_deg=-8,
            qrs_ms=100,
            p_terminal=1.35,
            qtc_ms=424,
        ),
        "low voltage": _pattern(
            {**_STRAIN, "pr_ms": 8.0, "voltage": -0.06},
            voltage=0.55,
            t_wave=0.50,
            infarct_anterior=0.40,
            axis_deg=-20,
            pr_ms=188,
            p_terminal=1.2,
            rate=78,
        ),
    }
)
_FIBRILLATION = {"rate": 88.0, "rr_spread": 0.19, "t_wave": 0.75}

_HEALTHY_PATTERNS = {
    "normal": 0.46,
    "early repolarisation": 0.09,
    "incomplete right block": 0.09,
    "athletic": 0.08,
    "left axis": 0.12,
    "nonspecific T": 0.16,
}


@dataclass(frozen=True)
class Condition:
    """A disease at one severity.

    Args:
        weight: Share of all patients, 0..1.
        phenotype: One of ``PHENOTYPES``.
        severity: Grade of severity, 0..3.
        patterns: Pattern -> probability; ``normal`` is a normal ECG, which a diseased heart may have.
        fibrillation: Probability of atrial fibrillation.
        clinical: Medians of the clinical variables in their units.
        nyha: Probabilities of the NYHA classes 1 to 4.
    """

    weight: float
    phenotype: str
    severity: int
    patterns: dict[str, float]
    fibrillation: float
    clinical: dict[str, float]
    nyha: tuple[float, float, float, float]


_NYHA = ((0.58, 0.29, 0.11, 0.02), (0.46, 0.35, 0.16, 0.03), (0.34, 0.37, 0.23, 0.06), (0.22, 0.36, 0.31, 0.11))
_BNP_FACTOR = (1.0, 1.35, 2.2, 3.7)
_WEIGHTS = MappingProxyType(
    {
        "healthy": (0.34,),
        "ischaemic": (0.100, 0.055, 0.035),
        "dilated": (0.035, 0.035, 0.035),
        "hypertensive": (0.125, 0.040, 0.020),
        "fibrillating": (0.070, 0.030, 0.015),
        "infiltrative": (0.030, 0.020, 0.015),
    }
)
_ECG_SHOWS = MappingProxyType(
    {
        "ischaemic": ({"anterior infarct": 0.55, "inferior infarct": 0.45}, (0.48, 0.60, 0.72), (0.03, 0.09, 0.16)),
        "dilated": ({"left bundle branch block": 0.60, "dilated": 0.40}, (0.46, 0.64, 0.78), (0.04, 0.14, 0.24)),
        "hypertensive": ({"hypertrophy with strain": 1.0}, (0.44, 0.56, 0.68), (0.04, 0.13, 0.22)),
        "fibrillating": ({"nonspecific T": 1.0}, (0.30, 0.40, 0.50), (0.62, 0.76, 0.84)),
        "infiltrative": ({"low voltage": 1.0}, (0.40, 0.58, 0.72), (0.06, 0.16, 0.26)),
    }
)
_CLINICAL = MappingProxyType(
    {
        "healthy": ({"ef": 0.61, "sbp": 127, "age": 59},),
        "ischaemic": (
            {"ef": 0.56, "sbp": 130, "age": 66},
            {"ef": 0.46, "sbp": 124, "age": 68},
            {"ef": 0.38, "sbp": 115, "age": 70},
        ),
        "dilated": (
            {"ef": 0.53, "sbp": 123, "age": 58},
            {"ef": 0.41, "sbp": 117, "age": 60},
            {"ef": 0.32, "sbp": 109, "age": 62},
        ),
        "hypertensive": (
            {"ef": 0.62, "sbp": 146, "age": 65},
            {"ef": 0.58, "sbp": 143, "age": 69},
            {"ef": 0.52, "sbp": 132, "age": 72},
        ),
        "fibrillating": (
            {"ef": 0.58, "sbp": 127, "age": 69},
            {"ef": 0.51, "sbp": 122, "age": 71},
            {"ef": 0.44, "sbp": 115, "age": 73},
        ),
        "infiltrative": (
            {"ef": 0.59, "sbp": 121, "age": 70},
            {"ef": 0.54, "sbp": 114, "age": 72},
            {"ef": 0.47, "sbp": 105, "age": 74},
        ),
    }
)


@lru_cache(maxsize=1)
def conditions() -> tuple[Condition, ...]:
    """Return every disease at every severity; the weights sum to 1, those with label 1 to 0.3."""
    healthy = _CLINICAL["healthy"][0] | {"bnp": 42.0}
    rows = [Condition(_WEIGHTS["healthy"][0], "healthy", 0, _HEALTHY_PATTERNS, 0.01, healthy, _NYHA[0])]
    for phenotype in PHENOTYPES[1:]:
        shown, shares, fibrillation = _ECG_SHOWS[phenotype]
        for grade in range(3):
            share = shares[grade]
            patterns = {name: share * weight for name, weight in shown.items()}
            quiet = {name: (1 - share) * weight for name, weight in (("normal", 0.7), ("left axis", 0.3))}
            clinical = _CLINICAL[phenotype][grade]
            bnp = 46.0 * _BNP_FACTOR[grade + 1] * (1.35 if phenotype == "fibrillating" else 1.0)
            rows.append(
                Condition(
                    _WEIGHTS[phenotype][grade],
                    phenotype,
                    grade + 1,
                    patterns | quiet,
                    fibrillation[grade],
                    clinical | {"bnp": bnp},
                    _NYHA[grade + 1],
                )
            )
    return tuple(rows)


@dataclass(frozen=True)
class Components:
    """Components of the mixture; given the component, the latent variables of a patient are independent.

    Args:
        weight: [components] probabilities that sum to 1.
        label: [components] 0 or 1.
        phenotype: [components] index into ``PHENOTYPES``.
        severity: [components] grade of severity, 0..3.
        pattern: [components] index into the keys of ``PATTERNS``.
        rhythm: [components] index into ``RHYTHMS``.
        conduction: [components] index into ``CONDUCTIONS``.
        mean: [components, latents] means on the Gaussian scales, NaN if the rhythm has no such variable.
        spread: [latents] standard deviations on the Gaussian scales.
        nyha: [components, 4] probabilities of the NYHA classes.
    """

    weight: NDArray[np.float64]
    label: NDArray[np.int64]
    phenotype: NDArray[np.int64]
    severity: NDArray[np.int64]
    pattern: NDArray[np.int64]
    rhythm: NDArray[np.int64]
    conduction: NDArray[np.int64]
    mean: NDArray[np.float64]
    spread: NDArray[np.float64]
    nyha: NDArray[np.float64]


@lru_cache(maxsize=1)
def components() -> Components:
    """Combine the tables of this module into the mixture: condition x pattern x rhythm."""
    rows = []
    for condition in conditions():
        for number, (name, pattern) in enumerate(PATTERNS.items()):
            for rhythm, share in enumerate((1 - condition.fibrillation, condition.fibrillation)):
                share_of_all = condition.weight * condition.patterns.get(name, 0.0) * share
                if share_of_all > 0:
                    mean = _mean(condition, pattern, RHYTHMS[rhythm])
                    rows.append((share_of_all, condition, number, rhythm, CONDUCTIONS.index(pattern.conduction), mean))
    weight = np.array([row[0] for row in rows])
    severity = np.array([row[1].severity for row in rows])
    return Components(
        weight=weight / weight.sum(),
        label=(severity >= FAILING).astype(np.int64),
        phenotype=np.array([PHENOTYPES.index(row[1].phenotype) for row in rows]),
        severity=severity,
        pattern=np.array([row[2] for row in rows]),
        rhythm=np.array([row[3] for row in rows]),
        conduction=np.array([row[4] for row in rows]),
        mean=np.array([row[5] for row in rows]),
        spread=np.array([latent.spread for latent in LATENTS]),
        nyha=np.array([row[1].nyha for row in rows]),
    )


def _mean(condition: Condition, pattern: Pattern, rhythm: str) -> NDArray[np.float64]:
    medians = dict(pattern.medians)
    if rhythm == "af":
        medians = {**_FIBRILLATION, **medians, "rr_spread": _FIBRILLATION["rr_spread"], "rate": _FIBRILLATION["rate"]}
    medians |= condition.clinical
    mean = np.full(len(NAMES), np.nan)
    for place, latent in enumerate(LATENTS):
        if latent.rhythm in ("", rhythm):
            mean[place] = latent.to_gaussian(medians.get(latent.name, latent.median))
            mean[place] += pattern.worse.get(latent.name, 0.0) * max(condition.severity - 1, 0)
    return mean
