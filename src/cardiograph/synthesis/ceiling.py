"""The best possible AUROC of a synthetic cohort, by what is known of a patient."""

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
"""What may be known of a patient."""

MISSING_SHARE = {"ef": 0.05, "bnp": 0.08}
"""Values that are missing from the table, completely at random."""


@dataclass(frozen=True)
class Ceilings:
    """AUROC of the exact posterior of the label; no reader of the same variables can expect more.

    Args:
        patients: Draws that the numbers rest on.
        prevalence: Share of label 1.
        all: ECG and the five clinical variables, complete.
        all_with_gaps: The same with values missing as in the written table.
        screening: ECG, NYHA class, systolic pressure and age.
        clinical: The five clinical variables.
        ecg: The ECG.
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
        patients: How many; the standard error of an AUROC is about 0.35 / sqrt(patients).
        rng: Chance.
    """
    draws = draw(patients, rng)
    scores = {key: auroc(draws.label, score) for key, score in posteriors(draws, SETS).items()}
    gaps = posterior(with_gaps(draws, rng), ALL_VARIABLES)
    return Ceilings(patients, float(draws.label.mean()), all_with_gaps=auroc(draws.label, gaps), **scores)


@dataclass(frozen=True)
class Single:
    """What one variable says by itself.

    Args:
        raw: AUROC of its value, in the better direction; a rhythm without the variable counts as its median.
        posterior: AUROC of the exact posterior given this variable alone.
    """

    raw: float
    posterior: float


def measure_single_variables(patients: int, rng: np.random.Generator) -> dict[str, Single]:
    """Each variable of :data:`cardiograph.synthesis.density.ALL_VARIABLES` by itself.

    Args:
        patients: How many to draw.
        rng: Chance.
    """
    draws = draw(patients, rng)
    scores = posteriors(draws, {name: (name,) for name in ALL_VARIABLES})
    result = {}
    for name, score in scores.items():
        value = getattr(draws, name) if name in ("nyha", "rhythm", "conduction") else draws.gaussian[:, column(name)]
        raw = auroc(draws.label, np.nan_to_num(value.astype(float), nan=float(np.nanmedian(value))))
        result[name] = Single(max(raw, 1 - raw), auroc(draws.label, score))
    return result


def with_gaps(draws: Draws, rng: np.random.Generator) -> Draws:
    """The same patients with values missing completely at random, in the shares of ``MISSING_SHARE``."""
    gaussian = draws.gaussian.copy()
    for name, share in MISSING_SHARE.items():
        gaussian[rng.random(len(draws)) < share, column(name)] = np.nan
    return draws.with_gaussian(gaussian)


def auroc(label: NDArray[np.int64], score: NDArray[np.float64]) -> float:
    """Area under the ROC curve: P(score of a positive > score of a negative), ties counted half (Mann-Whitney)."""
    from scipy.stats import rankdata

    positives = int(label.sum())
    negatives = len(label) - positives
    ranks = rankdata(score)[label == 1].sum()
    return float((ranks - positives * (positives + 1) / 2) / (positives * negatives))
