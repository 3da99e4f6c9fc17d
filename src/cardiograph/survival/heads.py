"""Network heads for time-to-event outcomes on the features of SIGN and of the MLP.

The network is :class:`cardiograph.models.sign.Sign`; without a neighbour table it has no hops and is an MLP with a linear
path. It starts as the penalised Cox regression of its own features and keeps the epoch of the lowest validation loss, so
a network that learns nothing beyond the regression returns the regression.

Sources: Katzman et al., BMC Med Res Methodol 18:24 (2018) (Cox head); Gensheimer and Narasimhan, PeerJ 7:e6257 (2019)
(discrete-time hazard head). Competing events count as censored in both losses.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from cardiograph.config import ModelConfig
from cardiograph.models.neighbour_table import NeighbourTable
from cardiograph.models.sign import Sign
from cardiograph.survival.cox import absolute_risk, choose_cox
from cardiograph.survival.curves import Floats, survival
from cardiograph.survival.outcome import EVENT, SurvivalOutcome

Head = Literal["cox", "discrete"]
INTERVALS = 8
"""Intervals of the discrete-time head, with equally many events each."""


@dataclass(frozen=True)
class SurvivalExamples:
    """Features, neighbours among the training records, and outcomes.

    Args:
        features: [n, features] float64, standardised on training records.
        outcome: Outcome of each record.
        neighbours: Neighbours of each record among the training records; None without a graph.
    """

    features: Floats
    outcome: SurvivalOutcome
    neighbours: NeighbourTable | None = None


@dataclass(frozen=True)
class SurvivalNetwork:
    """A trained network with what its absolute risks need."""

    network: Sign
    head: Head
    edges: Floats
    train_set: SurvivalExamples
    log_hazards: Floats
    best_epoch: int

    def score(self, examples: SurvivalExamples) -> Floats:
        """Return [n] relative log hazards (Cox), or log cumulative hazards at the last edge (discrete time)."""
        logits = self._logits(examples)
        return logits[:, 0] if self.head == "cox" else np.log(np.logaddexp(0, logits).sum(1))

    def risk(self, examples: SurvivalExamples, *, days: Floats) -> Floats:
        """Return [n, days] probabilities of the event by each day."""
        if self.head == "cox":
            return absolute_risk(self.log_hazards, self.train_set.outcome, self.score(examples), days=days)
        hazard = np.logaddexp(0, self._logits(examples))
        cumulative = np.concatenate([np.zeros((len(hazard), 1)), hazard.cumsum(1)], axis=1)
        grid = np.unique(np.r_[np.linspace(0, self.edges[-1], 200), days.clip(max=self.edges[-1])])
        mine = np.stack([np.interp(grid, self.edges, row) for row in cumulative])
        free = _free_of_others(self.train_set.outcome, grid)
        incidence = np.cumsum(np.exp(-mine[:, :-1]) * free[:-1] * -np.expm1(-np.diff(mine, axis=1)), axis=1)
        padded = np.concatenate([np.zeros((len(hazard), 1)), incidence], axis=1)
        risk: Floats = padded[:, np.searchsorted(grid, days.clip(max=self.edges[-1]))]
        return risk

    def _logits(self, examples: SurvivalExamples) -> Floats:
        own, reference = _tensor(examples.features), _tensor(self.train_set.features)
        with torch.no_grad():
            sources = _sources(self.network, reference, self.train_set)
            means = _means(self.network, own, examples, sources)
            logits: Floats = self.network.scored(own, means, torch.zeros(len(own))).mean(1).double().numpy()
        return logits


def train_survival(
    train_set: SurvivalExamples, val_set: SurvivalExamples, *, head: Head, config: ModelConfig, seed: int
) -> SurvivalNetwork:
    """Fit a network with early stopping on validation records.

    Args:
        train_set: Reference records.
        val_set: Validation records, with neighbours among the reference records.
        head: ``cox`` or ``discrete``.
        config: Sizes and optimiser; ``depth`` is the number of hops where there is a neighbour table.
        seed: The same seed gives the same network.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        edges = interval_edges(train_set.outcome)
        hops = config.depth if train_set.neighbours is not None else 0
        outputs = 1 if head == "cox" else len(edges) - 1
        config = config.model_copy(update={"depth": hops, "votes": False})
        network = Sign("sign", train_set.features.shape[1], config, classes=outputs)
        _begin(network, train_set, val_set, edges, head)
        sources = _sources(network, _tensor(train_set.features), train_set)
        losses = [_loss_of(each.outcome, edges, head) for each in (train_set, val_set)]
        inputs = [(x := _tensor(e.features), _means(network, x, e, sources)) for e in (train_set, val_set)]
        best = _descend(network, inputs, losses, config)
    network.eval()
    trained = SurvivalNetwork(network, head, edges, train_set, np.zeros(0), best)
    return SurvivalNetwork(network, head, edges, train_set, trained.score(train_set), best)


def interval_edges(outcome: SurvivalOutcome) -> Floats:
    """Return increasing edges, from 0 to the longest follow-up, of intervals with equally many events."""
    inner = np.quantile(outcome.time[outcome.event == EVENT], np.arange(1, INTERVALS) / INTERVALS)
    edges: Floats = np.unique(np.r_[0.0, inner, outcome.time.max()])
    return edges


def discrete_loss(logits: Tensor, outcome: SurvivalOutcome, edges: Floats) -> Tensor:
    """Mean negative log likelihood of [n, intervals] hazard logits.

    A record counts in each interval that it survived, and in the one with its event. A censored record counts in
    the interval of its censoring only if it was followed for at least half of it. A record that was followed beyond
    the last edge survived all intervals, whatever came later.
    """
    last = (np.searchsorted(edges, outcome.time, side="left") - 1).clip(max=len(edges) - 2)
    had = (outcome.event == EVENT) & (outcome.time <= edges[-1])
    middle = (edges[:-1] + edges[1:]) / 2
    survived = last + (~had & (outcome.time >= middle[last]))
    position = np.arange(len(edges) - 1)
    at_risk = torch.from_numpy((position < survived[:, None]) | (had[:, None] & (position == last[:, None])))
    target = torch.from_numpy(had[:, None] & (position == last[:, None])).float()
    each = torch.nn.functional.binary_cross_entropy_with_logits(logits, target, reduction="none")
    return (each * at_risk).sum() / len(logits)


def cox_loss(logits: Tensor, outcome: SurvivalOutcome) -> Tensor:
    """Mean negative partial log likelihood of [n, 1] relative log hazards, ties by Breslow."""
    order = np.argsort(-outcome.time, kind="stable")
    time, had = outcome.time[order], outcome.event[order] == EVENT
    eta = logits[torch.from_numpy(order), 0]
    last = torch.from_numpy(np.searchsorted(-time, -time, side="right") - 1)
    gain = (eta - torch.logcumsumexp(eta, 0)[last])[torch.from_numpy(had)]
    return -gain.sum() / max(int(had.sum()), 1)


def _loss_of(outcome: SurvivalOutcome, edges: Floats, head: Head) -> Callable[[Tensor], Tensor]:
    if head == "cox":
        return lambda logits: cox_loss(logits, outcome)
    return lambda logits: discrete_loss(logits, outcome, edges)


def _begin(network: Sign, train_set: SurvivalExamples, val_set: SurvivalExamples, edges: Floats, head: Head) -> None:
    """Start as the penalised Cox regression; the discrete-time head with the marginal hazard of each interval."""
    fit = choose_cox((train_set.features, train_set.outcome), (val_set.features, val_set.outcome))
    width = train_set.features.shape[1]
    with torch.no_grad():
        network.linear.weight[:, :width] = torch.from_numpy(fit.coefficients).float()
        if head == "discrete":
            kept = survival(_only_event(train_set.outcome)).at(edges)[0].clip(1e-6)
            hazard = (1 - kept[1:] / kept[:-1]).clip(1e-4, 0.999)
            network.linear.bias.copy_(torch.from_numpy(np.log(hazard / (1 - hazard))).float())


def _descend(
    network: Sign,
    inputs: list[tuple[Tensor, list[Tensor]]],
    losses: list[Callable[[Tensor], Tensor]],
    config: ModelConfig,
) -> int:
    """Run Adam on all records until the validation loss has not improved for ``patience`` epochs."""
    optimiser = torch.optim.Adam(network.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay)
    best_loss, best_epoch, best_state = float("inf"), 0, copy.deepcopy(network.state_dict())
    for epoch in range(config.epochs + 1):
        network.eval()
        with torch.no_grad():
            own, means = inputs[1]
            loss = float(losses[1](network.scored(own, means, torch.zeros(len(own))).mean(1)))
        if loss < best_loss:
            best_loss, best_epoch, best_state = loss, epoch, copy.deepcopy(network.state_dict())
        if epoch - best_epoch >= config.patience:
            break
        network.train()
        own, means = inputs[0]
        optimiser.zero_grad()
        torch.autograd.backward(losses[0](network.scored(own, means, torch.zeros(len(own))).mean(1)))
        optimiser.step()
    network.load_state_dict(best_state)
    return best_epoch


def _sources(network: Sign, reference: Tensor, train_set: SurvivalExamples) -> list[Tensor]:
    """Return features of the reference records and their means of all hops but the last."""
    return [reference, *_means(network, reference, train_set, None)[:-1]]


def _means(network: Sign, own: Tensor, examples: SurvivalExamples, sources: list[Tensor] | None) -> list[Tensor]:
    return [] if examples.neighbours is None else network.aggregate(own, examples.neighbours, sources)


def _only_event(outcome: SurvivalOutcome) -> SurvivalOutcome:
    return SurvivalOutcome(outcome.time, (outcome.event == EVENT).astype(np.int64))


def _free_of_others(outcome: SurvivalOutcome, days: Floats) -> Floats:
    """Probability of no competing event by each day, as if the event did not exist."""
    others = SurvivalOutcome(outcome.time, (outcome.event > EVENT).astype(np.int64))
    free: Floats = survival(others).at(days)[0]
    return free


def _tensor(values: Floats) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(values, np.float32))
