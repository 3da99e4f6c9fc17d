"""Shares are those of the definition: the mean over all orders of what a player adds."""

import itertools

import numpy as np
import pytest

from cardiograph.explain.clinical import exact_shares, sampled_shares, shapley


def made_up(players, seed=0):
    """A game whose coalitions have any worth, and the number of coalitions of each call."""
    worth, calls = np.random.default_rng(seed).normal(size=1 << players), []

    def game(there):
        calls.append(len(there))
        return worth[there @ (1 << np.arange(players))]

    return game, calls


def by_orders(game, players):
    effects = np.zeros(players)
    orders = list(itertools.permutations(range(players)))
    for order in orders:
        there = np.zeros(players, bool)
        for player in order:
            before = game(there[None])[0]
            there[player] = True
            effects[player] += game(there[None])[0] - before
    return effects / len(orders)


@pytest.mark.parametrize("players", [0, 1, 2, 5])
def test_exact_shares_are_the_mean_over_all_orders(players):
    game, _ = made_up(players)
    np.testing.assert_allclose(exact_shares(game, players).effects, by_orders(game, players), atol=1e-12)


def test_all_coalitions_are_evaluated_at_once():
    game, calls = made_up(8)
    shares = shapley(game, 8, rng=np.random.default_rng(0))
    assert calls == [256] and shares.errors is None


@pytest.mark.parametrize("players", [4, 9])
def test_shares_sum_to_all_less_nobody(players):
    game, _ = made_up(players)
    shares = shapley(game, players, rng=np.random.default_rng(0))
    every = game(np.ones((1, players), bool))[0]
    assert shares.effects.sum() == pytest.approx(every - shares.empty, abs=1e-9)


@pytest.mark.parametrize("players", [5, 10])
def test_a_player_who_adds_nothing_has_no_share_and_equal_players_equal_ones(players):
    def game(there):
        return there[:, 0] * there[:, 1] + 0.5 * there[:, 3:].sum(1) ** 2

    effects = shapley(game, players, rng=np.random.default_rng(0)).effects
    assert effects[2] == 0
    if players == 5:
        assert effects[0] == pytest.approx(0.5) and effects[1] == pytest.approx(0.5)
        assert effects[3] == pytest.approx(effects[4])


def test_sampled_shares_lie_within_their_error_of_the_exact_ones():
    game, _ = made_up(7)
    exact = exact_shares(game, 7).effects
    off = []
    for seed in range(20):
        found = sampled_shares(game, 7, rng=np.random.default_rng(seed))
        off.append((found.effects - exact) / found.errors)
    assert np.sqrt(np.mean(np.square(off))) == pytest.approx(1, abs=0.25)


def test_sampled_shares_are_the_same_for_a_seed():
    game, _ = made_up(9)
    first, second = (shapley(game, 9, rng=np.random.default_rng(4)) for _ in range(2))
    np.testing.assert_array_equal(first.effects, second.effects)
