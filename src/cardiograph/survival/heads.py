"""Network heads for time-to-event outcomes on the features of SIGN and of the MLP.

The network is :class:`cardiograph.models.sign.Sign`, trained by :func:`cardiograph.models.training.train`; without
neighbours it has no hops and is an MLP with a linear path. It starts as the penalised Cox regression of its own features
and keeps the epoch of the lowest validation loss, so a network that learns nothing beyond the regression returns it.

Sources: Katzman et al., BMC Med Res Methodol 18:24 (2018) (Cox head); Gensheimer and Narasimhan, PeerJ 7:e6257 (2019)
(discrete-time hazard head). Competing events count as censored in both losses.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cardiograph.config import ModelConfig
from cardiograph.models.build import Model
from cardiograph.models.examples import Examples, History
from cardiograph.models.neighbour_table import NeighbourTable
from cardiograph.models.sign import Sign
from cardiograph.models.training import train
from cardiograph.survival.cox import absolute_risk, choose_cox
from cardiograph.survival.curves import Floats, survival
from cardiograph.survival.hazards import FollowUpFacts, interval_edges
from cardiograph.survival.outcome import EVENT, SurvivalOutcome

Head = Literal["cox", "discrete"]


@dataclass(frozen=True)
class SurvivalExamples(Examples):
    """Records in a training step with a time-to-event outcome in place of labels.

    Args:
        outcome: Outcome of each record; that of a record with weight 0 is not used.
        edges: Edges of the intervals of the discrete-time head; None for the Cox head.
    """

    outcome: SurvivalOutcome = field(kw_only=True)
    edges: Floats | None = field(default=None, kw_only=True)

    @classmethod
    def timed(
        cls,
        features: Floats | NDArray[np.float32],
        outcome: SurvivalOutcome,
        neighbours: NeighbourTable | None = None,
        *,
        weights: NDArray[np.float64] | None = None,
        blocks: tuple[tuple[int, int], ...] = (),
    ) -> SurvivalExamples:
        """Build examples from arrays.

        Args:
            features: [n, features], standardised on training records.
            outcome: Outcome of each record.
            neighbours: Neighbours of each record among the training records; None without a graph.
            weights: [n] weight in the loss, where only 0 matters; 1 for all if None.
            blocks: Column range of each block of the features.
        """
        count = len(features)
        weight = torch.ones(count) if weights is None else torch.from_numpy(weights).float()
        return cls(
            torch.from_numpy(np.ascontiguousarray(features, np.float32)),
            _no_neighbours(count) if neighbours is None else neighbours,
            torch.from_numpy((outcome.event == EVENT).astype(np.int64)),
            weight,
            blocks,
            outcome=outcome,
        )

    @property
    def used(self) -> NDArray[np.int64]:
        """Rows of the loss."""
        rows: NDArray[np.int64] = torch.nonzero(self.weights > 0).flatten().numpy()
        return rows

    @property
    def known(self) -> SurvivalOutcome:
        """Outcome of the rows of the loss."""
        return self.outcome.at(self.used)

    def loss(self, logits: Tensor, rows: Tensor | None = None) -> Tensor:
        """Loss of the head; members share the loss of their mean, which is one hazard model."""
        chosen = self.used if rows is None else rows.numpy()
        logits = logits[torch.from_numpy(chosen)] if rows is None else logits
        logits = logits.mean(1) if logits.ndim == 3 else logits
        outcome = self.outcome.at(chosen)
        return cox_loss(logits, outcome) if self.edges is None else discrete_loss(logits, outcome, self.edges)

    def accuracy(self, logits: Tensor, rows: Tensor | None = None) -> float:
        """Return NaN: a time has no class."""
        return float("nan")

    def without_neighbours(self) -> SurvivalExamples:
        """Return the same records without a graph."""
        return dataclasses.replace(self, neighbour_table=_no_neighbours(len(self.features)))

    def resampled(self, groups: NDArray[np.int64], rng: np.random.Generator) -> SurvivalExamples:
        """Return a bootstrap sample of whole groups: the records as neighbours only, then the drawn ones.

        Args:
            groups: [records] group of each record; groups without a row of the loss are never drawn.
            rng: Random generator.
        """
        members = [self.used[groups[self.used] == each] for each in np.unique(groups[self.used])]
        rows = np.concatenate([members[each] for each in rng.integers(len(members), size=len(members))])
        every = np.concatenate([np.arange(len(self.features)), rows])
        place = torch.from_numpy(every)
        return dataclasses.replace(
            self,
            features=self.features[place],
            neighbour_table=self.neighbour_table.of_rows(place),
            labels=self.labels[place],
            weights=torch.cat([torch.zeros(len(self.features)), self.weights[torch.from_numpy(rows)]]),
            outcome=self.outcome.at(every),
        )


@dataclass(frozen=True)
class SurvivalNetwork:
    """A trained network with what its absolute risks need.

    Args:
        network: Trained model in evaluation mode.
        head: Head of the network.
        facts: Intervals, and competing events in training; their horizons and unit are not used here.
        train_set: Reference records, the sources of the neighbours.
        history: Learning curves.
    """

    network: Model
    head: Head
    facts: FollowUpFacts
    train_set: SurvivalExamples
    history: History

    @property
    def best_epoch(self) -> int:
        """Epoch whose weights were kept; 0 is the Cox regression with which the network begins."""
        return self.history.best

    def score(self, examples: SurvivalExamples) -> Floats:
        """Return [n] relative log hazards (Cox), or log cumulative hazards at the last edge (discrete time)."""
        logits = self._logits(examples)
        return logits[:, 0] if self.head == "cox" else np.log(np.logaddexp(0, logits).sum(1))

    def risk(self, examples: SurvivalExamples, *, horizons: Floats) -> Floats:
        """Return [n, horizons] probabilities of the event by each horizon."""
        if self.head == "discrete":
            return self.facts.risk(self._logits(examples), horizons)
        own = self.score(self.train_set)[self.train_set.used]
        return absolute_risk(own, self.train_set.known, self.score(examples), horizons=horizons)

    def _logits(self, examples: SurvivalExamples) -> Floats:
        with torch.no_grad():
            _, states = self.network(self.train_set.features, self.train_set.neighbour_table)
            logits, _ = self.network(examples.features, examples.neighbour_table, states)
        found: Floats = logits.double().numpy()
        return found


def train_survival(  # noqa: PLR0913 - two sets and the knobs of a training
    train_set: SurvivalExamples,
    val_set: SurvivalExamples,
    *,
    head: Head,
    config: ModelConfig,
    seed: int,
    edges: Floats | None = None,
    progress: Callable[[int], None] | None = None,
) -> SurvivalNetwork:
    """Fit a network with early stopping on validation records.

    Args:
        train_set: Reference records, then resampled ones if there are any.
        val_set: Validation records, with neighbours among the reference records.
        head: ``cox`` or ``discrete``.
        config: Sizes and optimiser; ``depth`` is the number of hops where records have neighbours.
        seed: The same seed gives the same network.
        edges: Edges of the intervals; those of the training records if None.
        progress: Callback that receives the number of each finished epoch.
    """
    edges = interval_edges(train_set.known) if edges is None else edges
    given = edges if head == "discrete" else None
    train_set, val_set = (dataclasses.replace(each, edges=given) for each in (train_set, val_set))
    hops = config.depth if train_set.neighbour_table.valid.shape[1] else 0
    config = config.model_copy(update={"depth": hops, "votes": False})
    outputs = 1 if given is None else len(edges) - 1
    network, history = train(
        "sign", train_set, val_set, config=config, seed=seed, classes=outputs, progress=progress, begin=begin_as_cox
    )
    facts = FollowUpFacts.of(train_set.known, edges, unit="", horizons=(float(edges[-1]),))
    return SurvivalNetwork(network, head, facts, train_set, history)


def begin_as_cox(
    network: Sign, train_set: SurvivalExamples, val_set: SurvivalExamples, aggregated: Sequence[Tensor], *, classes: int
) -> None:
    """Start as the penalised Cox regression of own features; discrete time with the marginal hazard of each interval.

    Args:
        network: SIGN with fresh weights.
        train_set: Reference records, then resampled ones.
        val_set: Records that select the penalty.
        aggregated: Means of neighbours; not used.
        classes: Number of outputs.
    """
    parts = [(each.features.numpy()[each.used].astype(np.float64), each.known) for each in (train_set, val_set)]
    fit = choose_cox(parts[0], parts[1])
    with torch.no_grad():
        network.linear.weight[:, : train_set.features.shape[1]] = torch.from_numpy(fit.coefficients).float()
        if train_set.edges is not None:
            known = train_set.known
            only_event = SurvivalOutcome(known.time, (known.event == EVENT).astype(np.int64))
            kept = survival(only_event).at(train_set.edges)[0].clip(1e-6)
            hazard = (1 - kept[1:] / kept[:-1]).clip(1e-4, 0.999)
            network.linear.bias.copy_(torch.from_numpy(np.log(hazard / (1 - hazard))).float())


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


def _no_neighbours(count: int) -> NeighbourTable:
    empty = torch.zeros(count, 0)
    return NeighbourTable(empty.long(), empty.bool(), torch.ones(count), empty, torch.zeros(count))
