"""Shapley values of any game: what each player adds, averaged over the orders in which players may come."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import factorial

import numpy as np
from numpy.typing import NDArray

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
