"""Random draws from the mixture of hidden states, and the exact posterior of the label."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace

import numpy as np
from numpy.typing import NDArray

from cardiograph.synthesis.states import Components, components
from cardiograph.synthesis.variables import ECG_NAMES, NAMES, column

ECG = (*ECG_NAMES, "rhythm", "conduction")
CLINICAL = ("ef", "bnp", "nyha", "sbp", "age")
SCREENING = ("nyha", "sbp", "age")
"""Clinical variables that are known without echocardiography and blood test."""

ALL_VARIABLES = (*ECG, *CLINICAL)


@dataclass(frozen=True)
class Draws:
    """Drawn patients, one row each.

    Args:
        component: [patients] index of the hidden state.
        gaussian: [patients, latents] latent variables on their Gaussian scales, NaN if undefined or not measured.
        nyha: [patients] NYHA class, 1..4.
        rhythm: [patients] index into ``RHYTHMS``.
        conduction: [patients] index into ``CONDUCTIONS``.
        label: [patients] 0 or 1.
    """

    component: NDArray[np.int64]
    gaussian: NDArray[np.float64]
    nyha: NDArray[np.int64]
    rhythm: NDArray[np.int64]
    conduction: NDArray[np.int64]
    label: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.component)

    def with_gaussian(self, gaussian: NDArray[np.float64]) -> Draws:
        """Return the same patients with other latent variables, for example with missing values."""
        return replace(self, gaussian=gaussian)


def join(draws: Sequence[Draws]) -> Draws:
    """Concatenate several draws."""
    return Draws(*(np.concatenate([getattr(part, field.name) for part in draws]) for field in fields(Draws)))


def draw(count: int, rng: np.random.Generator) -> Draws:
    """Draw independent patients.

    Args:
        count: Number of patients.
        rng: Random number generator.
    """
    table = components()
    state = np.searchsorted(np.cumsum(table.weight)[:-1], rng.random(count), side="right")
    gaussian = table.mean[state] + table.spread * rng.standard_normal((count, len(NAMES)))
    nyha = 1 + (rng.random(count)[:, None] > np.cumsum(table.nyha, axis=1)[state][:, :3]).sum(1)
    return Draws(state, gaussian, nyha, table.rhythm[state], table.conduction[state], table.label[state])


def posterior(draws: Draws, variables: Sequence[str]) -> NDArray[np.float64]:
    """Return [patients] P(label = 1 | the named variables); :func:`posteriors` for one set of variables."""
    return posteriors(draws, {"": variables})[""]


def posteriors(draws: Draws, sets: Mapping[str, Sequence[str]], *, chunk: int = 4000) -> dict[str, NDArray[np.float64]]:
    """Compute the exact P(label = 1 | a set of variables) for several sets, as sums over all hidden states.

    A clinical value that is NaN is left out, which is exact for values missing completely at random. A variable that
    does not exist in a rhythm reveals the rhythm by its absence.

    Args:
        draws: Patients.
        sets: Name of each set -> names from ``ALL_VARIABLES``.
        chunk: Number of patients per chunk.

    Returns:
        Name of each set -> [patients] probabilities.

    Raises:
        ValueError: If a variable is unknown.
    """
    names = sorted({name for variables in sets.values() for name in variables})
    unknown = sorted(set(names) - set(ALL_VARIABLES))
    if unknown:
        message = f"unknown variables {unknown}; allowed: {', '.join(ALL_VARIABLES)}"
        raise ValueError(message)
    table = components()
    result = {key: np.empty(len(draws)) for key in sets}
    for start in range(0, len(draws), chunk):
        rows = slice(start, start + chunk)
        evidence = {name: _log_likelihood(draws, rows, name, table) for name in names}
        for key, variables in sets.items():
            log = np.tile(np.log(table.weight), (len(draws.nyha[rows]), 1))
            for name in variables:
                log += evidence[name]
            likelihood = np.exp(log - log.max(1, keepdims=True))
            result[key][rows] = likelihood @ table.label / likelihood.sum(1)
    return result


def _log_likelihood(draws: Draws, rows: slice, name: str, table: Components) -> NDArray[np.float64]:
    """Return the [rows, components] log-likelihood of a variable, up to a constant per row."""
    if name == "nyha":
        return np.asarray(np.log(table.nyha).T[draws.nyha[rows] - 1])
    if name in ("rhythm", "conduction"):
        seen, state = getattr(draws, name)[rows], getattr(table, name)
        return np.where(seen[:, None] == state, 0.0, -np.inf)
    place = column(name)
    seen = draws.gaussian[rows, place, None]
    mean = table.mean[:, place]
    density = (seen - mean) ** 2 * (-0.5 / table.spread[place] ** 2)
    exists = ~np.isnan(mean)
    unseen = np.isnan(seen)
    if exists.all():
        return np.where(unseen, 0.0, density) if unseen.any() else np.asarray(density)
    return np.where(unseen == exists, -np.inf, np.where(exists, density, 0.0))
