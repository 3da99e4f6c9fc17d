"""What each clinical value, and each block, moved the calibrated probability by, neighbours that it chose included."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cardiograph.explain.case import Case
from cardiograph.explain.shapley import Shares, exact_shares, shapley
from cardiograph.schema import ClinicalVariable


@dataclass(frozen=True)
class ClinicalEffect:
    """What one given value moved.

    Args:
        name: Of the variable.
        value: In its unit.
        unit: As printed; empty for a class.
        effect: Points of calibrated probability, -1..1; above 0: raised.
        standard_error: Of a sampled effect; None where it is exact.
    """

    name: str
    value: float
    unit: str
    effect: float
    standard_error: float | None


@dataclass(frozen=True)
class ClinicalEffects:
    """Effects of all values that are given.

    Args:
        exact: Whether they are exact; sampled otherwise.
        none_given: Probability with every value missing, which they add up from.
        effects: In the order of the model's variables; none for a variable that is not given.
    """

    exact: bool
    none_given: float
    effects: tuple[ClinicalEffect, ...]


def clinical_effects(case: Case, *, rng: np.random.Generator) -> ClinicalEffects:
    """Shapley values of the given clinical values.

    A value that is taken away becomes what the predictor makes of a missing one: the median of the training records, with
    the indicator up where the variable has one. That holds for the last one, too: taking all away is not taking the
    clinical block away, or the first value to come would be credited with the whole block. Neighbours are sought again for
    each set of values, so an effect includes the neighbours that the value chooses. The effects sum to the
    probability less that with no value given, and a variable that neither the network nor the search reads has effect 0.

    Args:
        case: The patient.
        rng: Draws orders where more than eight values are given.

    Source: Shapley 1953, see :mod:`cardiograph.explain.shapley`; a missing value in place of a removed one: Covert, Lundberg
    and Lee, Explaining by removing, Journal of Machine Learning Research 22, 2021.
    """
    scaler = case.predictor.bundle.scaler
    given = np.flatnonzero(np.isfinite(case.patient.values))
    if scaler is None or not len(given):
        return ClinicalEffects(exact=True, none_given=case.probability, effects=())

    def probabilities(there: NDArray[np.bool_]) -> NDArray[np.float64]:
        values = np.full((len(there), len(scaler.variables)), np.nan)
        values[:, given] = np.where(there, np.array(case.patient.values)[given], np.nan)
        scaled = np.where(there.any(axis=1, keepdims=True), scaler.transform(values), scaler.not_given)
        image = case.queries.image
        features = case.predictor.bundle.fusion.transform(
            None if image is None else image.repeat(len(there), axis=0), scaled
        )
        return _with(case, there, case.judged(features).probabilities)

    found = shapley(probabilities, len(given), rng=rng)
    errors = [None] * len(given) if found.errors is None else found.errors.tolist()
    told = zip((scaler.variables[row] for row in given), given, found.effects, errors, strict=True)
    effects = tuple(_effect(v, case.patient.values[row], float(e), se) for v, row, e, se in told)
    return ClinicalEffects(found.errors is None, found.nobody, effects)


def _effect(variable: ClinicalVariable, value: float, effect: float, error: float | None) -> ClinicalEffect:
    return ClinicalEffect(variable.name, value, variable.unit_of(value), effect, error)


def block_effects(case: Case) -> Shares:
    """Shapley values of the two blocks, image and clinical: each the mean of what it adds first and what it adds last.

    An absent block is what the predictor makes of a patient without it: its features are 0, the mean of the training
    records, and neighbours are sought by the blocks that are left. A block that the patient, or the model, does not have
    moves nothing.

    Args:
        case: The patient.
    """
    return exact_shares(lambda there: _with(case, there, case.without_blocks(there).probabilities), 2)


def _with(case: Case, there: NDArray[np.bool_], probabilities: NDArray[np.float64]) -> NDArray[np.float64]:
    """The same, the whole patient's being the number of the prediction to the last bit."""
    return np.where(there.all(1), case.probability, probabilities)
