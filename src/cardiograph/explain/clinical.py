"""What each clinical value, and each block, moved the calibrated probability by, neighbours that it chose included."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import factorial

import numpy as np
from numpy.typing import NDArray

from cardiograph.explain.case import ExplainedCase
from cardiograph.schema import ClinicalVariable

Game = Callable[[NDArray[np.bool_]], NDArray[np.float64]]
"""[coalitions, players] who is there -> [coalitions] what they are worth."""


EXACT_UP_TO = 8
"""Players up to whom every coalition is asked for: 256 of them."""


PAIRS = 128
"""Random orders beyond that, each with its reverse."""


@dataclass(frozen=True)
class Shares:
    """What each player adds.

    Args:
        effects: [players] which sum to what all are worth less what nobody is worth.
        errors: [players] standard errors of the effects; None where they are exact.
        nobody: What the empty coalition is worth.
    """

    effects: NDArray[np.float64]
    errors: NDArray[np.float64] | None
    nobody: float


def shapley(game: Game, players: int, *, rng: np.random.Generator) -> Shares:
    """Exact shares of up to eight players, estimated ones of more.

    Args:
        game: Asked for all coalitions at once.
        players: How many.
        rng: Draws orders where there are more players.
    """
    return exact_shares(game, players) if players <= EXACT_UP_TO else sampled_shares(game, players, rng=rng)


def exact_shares(game: Game, players: int) -> Shares:
    """``phi_i = sum over S without i of |S|! (n - |S| - 1)! / n! (v(S + i) - v(S))``.

    Source: Shapley, A value for n-person games, Contributions to the Theory of Games II, 1953.
    """
    numbers = np.arange(1 << players)
    there = (numbers[:, None] >> np.arange(players) & 1).astype(bool)
    worth, size = game(there), there.sum(1)
    weight = np.array([factorial(s) * factorial(players - s - 1) / factorial(players) for s in range(players)])
    effects = np.zeros(players)
    for player in range(players):
        without = numbers[~there[:, player]]
        effects[player] = (weight[size[without]] * (worth[without | 1 << player] - worth[without])).sum()
    return Shares(effects, None, float(worth[0]))


def sampled_shares(game: Game, players: int, *, rng: np.random.Generator, pairs: int = PAIRS) -> Shares:
    """Means over random orders. They sum to the same as exact ones, since what players add in any one order does.

    Each order comes with its reverse, whose error tends to be the opposite one; the standard error is that of the mean of
    pairs.

    Source: Castro, Gomez and Tejada, Polynomial calculation of the Shapley value based on sampling, Computers and
    Operations Research 36, 2009; the reverse orders: Mitchell, Cooper, Frank and Holmes, Sampling permutations for Shapley
    value estimation, Journal of Machine Learning Research 23, 2022.

    Args:
        game: Asked for each coalition once.
        players: How many, at least one.
        rng: Draws the orders.
        pairs: How many, at least two.
    """
    orders = rng.permuted(np.tile(np.arange(players), (pairs, 1)), axis=1)
    orders = np.stack([orders, orders[:, ::-1]], axis=1)  # [pairs, 2, players]
    place = np.argsort(orders, axis=2)
    there = place[:, :, None, :] < np.arange(players + 1)[:, None]  # [pairs, 2, steps, players]
    different, known = np.unique(there.reshape(-1, players), axis=0, return_inverse=True)
    worth = game(different)[known.reshape(pairs, 2, players + 1)]
    added = np.take_along_axis(np.diff(worth, axis=2), place, axis=2).mean(1)
    errors: NDArray[np.float64] = added.std(0, ddof=1) / np.sqrt(pairs)
    return Shares(added.mean(0), errors, float(worth[0, 0, 0]))


@dataclass(frozen=True)
class ClinicalEffect:
    """What one given value moved.

    Args:
        name: Name of the variable.
        value: In its unit.
        unit: As printed; empty for a class.
        effect: Points of calibrated probability, -1..1; above 0: raised.
        standard_error: Standard error of a sampled effect; None where it is exact.
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


def clinical_effects(case: ExplainedCase, *, rng: np.random.Generator) -> ClinicalEffects:
    """Shapley values of the given clinical values.

    A value that is taken away becomes what the predictor makes of a missing one: the median of the training records, with
    the indicator up where the variable has one. That holds for the last one, too: taking all away is not taking the
    clinical block away, or the first value to come would be credited with the whole block. Neighbours are sought again for
    each set of values, so an effect includes the neighbours that the value chooses. The effects sum to the
    probability less that with no value given, and a variable that neither the network nor the search reads has effect 0.

    Args:
        case: The patient.
        rng: Draws orders where more than eight values are given.

    Source: Shapley 1953, see :mod:`cardiograph.explain.clinical`; a missing value in place of a removed one: Covert,
    Lundberg and Lee, Explaining by removing, Journal of Machine Learning Research 22, 2021.
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


def block_effects(case: ExplainedCase) -> Shares:
    """Shapley values of the two blocks, image and clinical: each the mean of what it adds first and what it adds last.

    An absent block is what the predictor makes of a patient without it: its features are 0, the mean of the training
    records, and neighbours are sought by the blocks that are left. A block that the patient, or the model, does not have
    moves nothing.

    Args:
        case: The patient.
    """
    return exact_shares(lambda there: _with(case, there, case.without_blocks(there).probabilities), 2)


def _with(case: ExplainedCase, there: NDArray[np.bool_], probabilities: NDArray[np.float64]) -> NDArray[np.float64]:
    """The same, the whole patient's being the number of the prediction to the last bit."""
    return np.where(there.all(1), case.probability, probabilities)
