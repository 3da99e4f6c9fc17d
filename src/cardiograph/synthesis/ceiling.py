"""Best possible AUROC on a synthetic cohort, for several sets of known variables."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from cardiograph.synthesis.density import ALL_VARIABLES, CLINICAL, ECG, SCREENING, Draws, draw, posterior, posteriors
from cardiograph.synthesis.variables import column

SETS = MappingProxyType(
    {"all": ALL_VARIABLES, "screening": (*ECG, *SCREENING), "clinical": CLINICAL, "ecg": ECG},
)
"""Names of sets of variables -> variables that a model may know."""

MISSING_SHARE = {"ef": 0.05, "bnp": 0.08}
"""Share of values missing from the table, completely at random."""


@dataclass(frozen=True)
class Ceilings:
    """AUROC of the exact posterior of the label: the expected maximum for any model with the same variables.

    Args:
        patients: Number of patients drawn for the estimates.
        prevalence: Share of patients with label 1.
        all: AUROC with the ECG and the five clinical variables, all complete.
        all_with_gaps: AUROC with the same variables and values missing as in the written table.
        screening: AUROC with the ECG, NYHA class, systolic blood pressure and age.
        clinical: AUROC with the five clinical variables.
        ecg: AUROC with the ECG.
    """

    patients: int
    prevalence: float
    all: float
    all_with_gaps: float
    screening: float
    clinical: float
    ecg: float


def measure_ceilings(patients: int, rng: np.random.Generator) -> Ceilings:
    """Draw patients and score them with the exact posterior.

    Args:
        patients: Number of patients; the standard error of an AUROC is about 0.35 / sqrt(patients).
        rng: Random number generator.
    """
    draws = draw(patients, rng)
    scores = {key: auroc(draws.label, score) for key, score in posteriors(draws, SETS).items()}
    gaps = posterior(with_gaps(draws, rng), ALL_VARIABLES)
    return Ceilings(patients, float(draws.label.mean()), all_with_gaps=auroc(draws.label, gaps), **scores)


@dataclass(frozen=True)
class VariableAuroc:
    """AUROC of one variable alone.

    Args:
        raw: AUROC of its value in the better direction; its median replaces the value where the rhythm has none.
        posterior: AUROC of the exact posterior given this variable alone.
    """

    raw: float
    posterior: float


def measure_single_variables(patients: int, rng: np.random.Generator) -> dict[str, VariableAuroc]:
    """Measure each variable of :data:`cardiograph.synthesis.density.ALL_VARIABLES` alone.

    Args:
        patients: Number of patients to draw.
        rng: Random number generator.
    """
    draws = draw(patients, rng)
    scores = posteriors(draws, {name: (name,) for name in ALL_VARIABLES})
    result = {}
    for name, score in scores.items():
        value = getattr(draws, name) if name in ("nyha", "rhythm", "conduction") else draws.gaussian[:, column(name)]
        raw = auroc(draws.label, np.nan_to_num(value.astype(float), nan=float(np.nanmedian(value))))
        result[name] = VariableAuroc(max(raw, 1 - raw), auroc(draws.label, score))
    return result


def with_gaps(draws: Draws, rng: np.random.Generator) -> Draws:
    """Return the same patients with values missing completely at random in the shares ``MISSING_SHARE``."""
    gaussian = draws.gaussian.copy()
    for name, share in MISSING_SHARE.items():
        gaussian[rng.random(len(draws)) < share, column(name)] = np.nan
    return draws.with_gaussian(gaussian)


def auroc(label: NDArray[np.int64], score: NDArray[np.float64]) -> float:
    """Return the area under the ROC curve: P(positive score > negative score), ties counted half (Mann-Whitney)."""
    from scipy.stats import rankdata

    positives = int(label.sum())
    negatives = len(label) - positives
    ranks = rankdata(score)[label == 1].sum()
    return float((ranks - positives * (positives + 1) / 2) / (positives * negatives))
