"""Simulation of clinical values for cohorts that have none, from the label or blind to it.

Source of every number: Bouaoune, *Prediction of Heart Failure Diseases using Deep Learning Models*, master thesis,
University of 8 May 1945 Guelma, 2025.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cardiograph.containers import ClinicalTable
from cardiograph.errors import CohortError
from cardiograph.schema import DEFAULT_VARIABLES, Provenance

# Parameters of healthy records first, of diseased records second.
_EF_MEAN, _EF_SD = np.array([0.60, 0.38]), np.array([0.07, 0.09])
_BNP_LOG_MEAN, _BNP_LOG_SD = np.array([4.2, 5.8]), 0.6
_NYHA = np.array([[0.50, 0.30, 0.15, 0.05], [0.10, 0.30, 0.40, 0.20]])
_SBP_MEAN, _SBP_SD = np.array([125.0, 110.0]), 15.0
_AGE_MEAN, _AGE_SD = np.array([55.0, 68.0]), 10.0


def simulate_from_label(labels: NDArray[np.int64], rng: np.random.Generator) -> ClinicalTable:
    """Draw the five default variables of each record from the distribution of its label.

    A score on such values measures the simulator, not the performance of a model.

    Args:
        labels: [records] 0 or 1.
        rng: Random generator.

    Returns:
        [records, 5] values of ``ef, bnp, nyha, sbp, age`` without gaps.

    Raises:
        CohortError: If a record is unlabelled.
    """
    unlabelled = int((labels < 0).sum())
    if unlabelled:
        message = (
            f"{unlabelled} record(s) have no label from which to simulate clinical values; remove them or simulate "
            "blind to the label (clinical.simulate = 'blind')"
        )
        raise CohortError(message)
    return _table(_draw(labels, rng), "simulated from the label")


def simulate_blind(n: int, prevalence: float, rng: np.random.Generator) -> ClinicalTable:
    """Draw the five default variables of each record from the mixture of both distributions, independent of its label.

    Each record draws a hidden class, diseased with probability ``prevalence``, and then all five values from the
    distribution of that class. The values are correlated as those of patients are, but carry no information about the
    label.

    Args:
        n: Number of records.
        prevalence: Share of diseased records in the mixture, 0..1, such as the prevalence in the training rows.
        rng: Random generator.

    Returns:
        [n, 5] values of ``ef, bnp, nyha, sbp, age`` without gaps.

    Raises:
        ValueError: If ``prevalence`` is outside 0..1.
    """
    if not 0 <= prevalence <= 1:
        message = f"prevalence is {prevalence}; allowed 0-1"
        raise ValueError(message)
    hidden = (rng.random(n) < prevalence).astype(np.int64)
    return _table(_draw(hidden, rng), "simulated blind to the label")


def class_distributions(label: int, n: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Draw ``n`` records of one class, as a reference to recognise simulated columns.

    Args:
        label: 0 or 1.
        n: Number of records.
        rng: Random generator.

    Returns:
        [n, 5] values of ``ef, bnp, nyha, sbp, age``.
    """
    return _draw(np.full(n, label, np.int64), rng)


def _draw(diseased: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.float64]:
    """Draw [records, 5] values, clip them and then round them."""
    ef = rng.normal(_EF_MEAN[diseased], _EF_SD[diseased])
    bnp = rng.lognormal(_BNP_LOG_MEAN[diseased], _BNP_LOG_SD)
    bounds = np.cumsum(_NYHA, axis=1)[diseased, :-1]
    nyha = 1.0 + (rng.random(len(diseased))[:, None] >= bounds).sum(axis=1)
    sbp = rng.normal(_SBP_MEAN[diseased], _SBP_SD)
    age = rng.normal(_AGE_MEAN[diseased], _AGE_SD)
    columns = [
        np.clip(ef, 0.20, 0.75).round(3),
        np.clip(bnp, 10, 2000).round(3),
        nyha,
        np.clip(sbp, 80, 180).round(1),
        np.clip(age, 20, 90).round(),
    ]
    return np.stack(columns, axis=1)


def _table(values: NDArray[np.float64], provenance: Provenance) -> ClinicalTable:
    return ClinicalTable(values, DEFAULT_VARIABLES, (provenance,) * len(DEFAULT_VARIABLES))
