"""Shapley values of clinical values, ECG measurements and blocks: their effects on the calibrated probability."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import factorial

import numpy as np
from numpy.typing import NDArray

from cardiograph.containers import NodeFeatures
from cardiograph.ecg.measure.reference import MEASUREMENT_GROUPS
from cardiograph.explain.case import ExplainedCase
from cardiograph.inference import Scores
from cardiograph.schema import ClinicalVariable

Game = Callable[[NDArray[np.bool_]], NDArray[np.float64]]
"""Function from [coalitions, players] membership to the [coalitions] value of each coalition."""


MAX_EXACT_PLAYERS = 8
"""Largest number of players for which all coalitions are evaluated: 256 of them."""


PAIRS = 128
"""Number of random orders with more players; each is paired with its reverse."""


@dataclass(frozen=True)
class Shares:
    """Shapley value of each player.

    Args:
        effects: [players] effects; they sum to the value of all players less that of the empty coalition.
        errors: [players] standard errors of the effects; None if they are exact.
        empty: Value of the empty coalition.
    """

    effects: NDArray[np.float64]
    errors: NDArray[np.float64] | None
    empty: float


def shapley(game: Game, players: int, *, rng: np.random.Generator) -> Shares:
    """Return Shapley values, exact for up to eight players and sampled for more.

    Args:
        game: Value of coalitions; called once with all of them.
        players: Number of players.
        rng: Random generator that draws the orders if there are more than eight players.
    """
    return exact_shares(game, players) if players <= MAX_EXACT_PLAYERS else sampled_shares(game, players, rng=rng)


def exact_shares(game: Game, players: int) -> Shares:
    """Return ``phi_i = sum over S without i of |S|! (n - |S| - 1)! / n! (v(S + i) - v(S))``.

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
    """Return means over random orders. They have the same sum as exact values, because the effects in each order do.

    Each order is paired with its reverse, whose error tends to have the opposite sign; the standard error is that of
    the mean over pairs.

    Source: Castro, Gomez and Tejada, Polynomial calculation of the Shapley value based on sampling, Computers and
    Operations Research 36, 2009; the reverse orders: Mitchell, Cooper, Frank and Holmes, Sampling permutations for
    Shapley value estimation, Journal of Machine Learning Research 23, 2022.

    Args:
        game: Value of coalitions; called with each coalition once.
        players: Number of players, at least one.
        rng: Random generator that draws the orders.
        pairs: Number of pairs of orders, at least two.
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
    """Effect of one given value.

    Args:
        name: Name of the variable.
        value: Value in its unit.
        unit: Printed unit; empty for a class.
        effect: Change of the calibrated probability, -1..1; positive if the value raised it.
        standard_error: Standard error of a sampled effect; None if it is exact.
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
        exact: Whether the effects are exact or sampled.
        none_given: Probability with every value missing, to which the effects add.
        effects: Effects in the order of the model's variables; a variable that is not given has none.
    """

    exact: bool
    none_given: float
    effects: tuple[ClinicalEffect, ...]


def clinical_effects(case: ExplainedCase, *, rng: np.random.Generator) -> ClinicalEffects:
    """Return Shapley values of the given clinical values.

    A removed value is treated like a missing one: it becomes the median of the training records, and its indicator is
    set if the variable has one. This also holds when all values are removed: the clinical block itself stays, because
    otherwise the first value would be credited with the whole block. Neighbours are searched again for each set of
    values, so an effect includes the neighbours that the value selects. The effects sum to the probability less that
    with no value given, and a variable that neither the network nor the search reads has effect 0.

    Args:
        case: Scored patient.
        rng: Random generator that draws the orders if more than eight values are given.

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
        return _with(case, there, case.score_copies(_changed(case, "clinical", values)))

    found = shapley(probabilities, len(given), rng=rng)
    errors = [None] * len(given) if found.errors is None else found.errors.tolist()
    given_effects = zip((scaler.variables[row] for row in given), given, found.effects, errors, strict=True)
    effects = tuple(_effect(v, case.patient.values[row], float(e), se) for v, row, e, se in given_effects)
    return ClinicalEffects(found.errors is None, found.empty, effects)


def _changed(case: ExplainedCase, block: str, values: NDArray[np.float64]) -> NodeFeatures:
    """Return the features of copies of the patient with other values in one block.

    A row without any value keeps the block, with every value missing; an absent block would change more.

    Args:
        case: Scored patient.
        block: ``clinical`` or ``measurements``.
        values: [copies, variables] values in their units, NaN where removed.
    """
    scaled, own = {}, {"clinical": case.queries.clinical, "measurements": case.queries.measurements}
    for name, scaler in case.predictor.bundle.scalers.items():
        given = values if name == block else own[name]
        if given is not None:
            rows = scaler.transform(given)
            if name == block:
                rows = np.where(np.isnan(given).all(axis=1, keepdims=True), scaler.not_given, rows)
            scaled[name] = rows if name == block else rows.repeat(len(values), axis=0)
    image = case.queries.image
    return case.predictor.bundle.fusion.transform(
        None if image is None else image.repeat(len(values), axis=0),
        scaled.get("clinical"),
        scaled.get("measurements"),
    )


@dataclass(frozen=True)
class MeasurementEffect:
    """Effect of the measurements that describe one part of the ECG.

    Args:
        name: Name of the group, a key of :data:`cardiograph.ecg.measure.reference.MEASUREMENT_GROUPS`.
        effect: Change of the calibrated probability, -1..1; positive if the measurements raised it.
        values: Measurement -> value in its unit, those that the model reads and that were measured.
    """

    name: str
    effect: float
    values: dict[str, float]


def measurement_effects(case: ExplainedCase) -> tuple[MeasurementEffect, ...]:
    """Return Shapley values of the groups of ECG measurements; as :func:`clinical_effects`, and always exact.

    Args:
        case: Scored patient.

    Returns:
        One effect for each group with a measured value; none for a model without measurements, or without readable
        leads.
    """
    scaler, own = case.predictor.bundle.measurement_scaler, case.queries.measurements
    if scaler is None or own is None or np.isnan(own).all():
        return ()
    names = [variable.name for variable in scaler.variables]
    measured = {name: float(value) for name, value in zip(names, own[0], strict=True) if np.isfinite(value)}
    groups = {group: [name for name in members if name in measured] for group, members in MEASUREMENT_GROUPS.items()}
    groups = {group: members for group, members in groups.items() if members}
    player = np.array([next((n for n, each in enumerate(groups.values()) if name in each), -1) for name in names])

    def probabilities(there: NDArray[np.bool_]) -> NDArray[np.float64]:
        kept = (player >= 0) & np.pad(there, ((0, 0), (0, 1)))[:, player]
        values = np.where(kept, own[0], np.nan)
        return _with(case, there, case.score_copies(_changed(case, "measurements", values)))

    effects = exact_shares(probabilities, len(groups)).effects.tolist()
    return tuple(
        MeasurementEffect(group, effect, {name: measured[name] for name in members})
        for (group, members), effect in zip(groups.items(), effects, strict=True)
    )


def _effect(variable: ClinicalVariable, value: float, effect: float, error: float | None) -> ClinicalEffect:
    return ClinicalEffect(variable.name, value, variable.unit_of(value), effect, error)


def block_effects(case: ExplainedCase) -> Shares:
    """Return Shapley values of the blocks, in the order of :attr:`ExplainedCase.blocks`.

    A removed block is treated like an absent one: its features are 0, the mean of the training records, and neighbours
    are found by the remaining blocks. A block that the patient or the model does not have has no effect.

    Args:
        case: Scored patient.
    """
    return exact_shares(lambda there: _with(case, there, case.without_blocks(there)), len(case.blocks))


def _with(case: ExplainedCase, there: NDArray[np.bool_], scores: Scores) -> NDArray[np.float64]:
    """Return the probabilities, with that of the complete patient equal to the prediction to the last bit."""
    return np.where(there.all(1), case.probability, case.probabilities_of(scores))
