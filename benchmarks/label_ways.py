"""Ways to score records from few labels, with and without their neighbours; used by benchmarks/label_curves.py.

A way takes the nodes, the labels and the rows that it may fit on, and returns a score of every node for every label. It
reads no label of another row. Neighbours are pool records, labelled or not; a test record is never a neighbour.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import csr_array
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import KFold
from torch.nn.functional import binary_cross_entropy_with_logits as cross_entropy

from cardiograph.config import ModelConfig
from cardiograph.containers import NearestNeighbours
from cardiograph.graph.exact import nearest
from cardiograph.models.build import build
from cardiograph.models.neighbour_table import NeighbourTable

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]
MOST = 20
"""Neighbours that are looked up for each node; a way uses the first of them."""

STRENGTHS = (3e-4, 3e-3, 3e-2)
"""Inverse L2 penalties of logistic regression."""

EPOCHS = (10, 30)
WIDTH = 64
"""Components that networks and attention read."""

CONFIG = ModelConfig(width=32, members=4, heads=2, dropout=0.3)


@dataclass(frozen=True)
class Nodes:
    """Pool records, then test records.

    Args:
        x: [nodes, features] standardised on the pool.
        pool: Number of pool records.
        index: [nodes, MOST] nearest pool records of another patient, nearest first.
        kept: Regressions that several ways share.
        links: Matrix of the mean over the k nearest, by k.
    """

    x: Floats
    pool: int
    index: Rows
    kept: dict[Any, Floats] = field(default_factory=dict)
    links: dict[int, csr_array] = field(default_factory=dict)

    @cached_property
    def distances(self) -> Floats:
        """[nodes, pool] squared distances; infinite to the record itself."""
        reference = self.x[: self.pool]
        found = (self.x**2).sum(1)[:, None] + (reference**2).sum(1) - 2 * self.x @ reference.T
        found[np.arange(self.pool), np.arange(self.pool)] = np.inf
        return found

    def mean(self, values: Floats, k: int) -> Floats:
        """Mean over the k nearest pool records: [nodes, width] -> [nodes, width]."""
        if k not in self.links:
            starts = np.arange(0, len(self.x) * k + 1, k)
            shares = np.full(len(self.x) * k, 1 / k)
            columns = self.index[:, :k].ravel()
            self.links[k] = csr_array((shares, columns, starts), shape=(len(self.x), len(self.x)))
        return np.asarray(self.links[k] @ values)

    def table(self, k: int) -> NeighbourTable:
        """The package's neighbour table, over all nodes."""
        index = self.index[:, :k]
        return NeighbourTable.of(NearestNeighbours(index, np.zeros(index.shape, np.float32)))


def linked(x: Floats, groups: Rows, pool: int) -> Rows:
    """[nodes, MOST] nearest pool records; no record of the same patient."""
    single = x.astype(np.float32)
    own = [np.flatnonzero(groups[:pool] == group) for group in groups]
    return nearest(single[:pool], single, k=MOST, forbidden=own).index


def rewired(nodes: Nodes, rng: np.random.Generator) -> Nodes:
    """The same nodes with random pool records as neighbours."""
    index = np.stack([rng.choice(nodes.pool - 1, MOST, replace=False) for _ in nodes.x])
    own = np.arange(len(nodes.x))[:, None]
    return Nodes(nodes.x, nodes.pool, index + (index >= own))


def regression(x: Floats, y: Rows, rows: Rows, strength: float) -> Floats:
    """[nodes, labels] logits of logistic regressions fitted on some rows; the base rate where one class is alone."""
    if len(rows) < x.shape[1]:  # the solution lies in the span of the rows
        x = x @ np.linalg.svd(x[rows], full_matrices=False)[2].T
    found = np.zeros((len(x), y.shape[1]))
    for column, target in enumerate(y[rows].T):
        share = (target.sum() + 0.5) / (len(target) + 1)
        found[:, column] = np.log(share / (1 - share))
        if 0 < target.sum() < len(target):
            found[:, column] = LogisticRegression(C=strength).fit(x[rows], target).decision_function(x)
    return found


def own(nodes: Nodes, y: Rows, rows: Rows, strength: float) -> Floats:
    """Logistic regression on own features: the control."""
    key = (strength, rows.tobytes(), y[rows].tobytes())
    if key not in nodes.kept:
        nodes.kept[key] = regression(nodes.x, y, rows, strength)
    return nodes.kept[key]


def held_out(nodes: Nodes, y: Rows, rows: Rows, strength: float) -> Floats:
    """Logits of every node, in which each row of ``rows`` is scored by regressions fitted without it."""
    honest = own(nodes, y, rows, strength).copy()
    for fit, out in KFold(3, shuffle=True, random_state=0).split(rows):
        honest[rows[out]] = own(nodes, y, rows[fit], strength)[rows[out]]
    return honest


def components(nodes: Nodes, y: Rows, rows: Rows, count: int, strength: float) -> Floats:
    """Whitened principal components of all pool records: unlabelled records without a graph."""
    x = nodes.x[:, :count] / nodes.x[: nodes.pool, :count].std(0)
    return regression(x, y, rows, strength)


def means(nodes: Nodes, y: Rows, rows: Rows, k: int, strength: float) -> Floats:
    """Own features with the means of the neighbours and of their neighbours."""
    first = nodes.mean(nodes.x, k)
    return regression(np.hstack([nodes.x, first, nodes.mean(first, k)]), y, rows, strength)


def smoothed(nodes: Nodes, y: Rows, rows: Rows, k: int, strength: float) -> Floats:
    """Half the own features, half the mean of the neighbours."""
    return regression((nodes.x + nodes.mean(nodes.x, k)) / 2, y, rows, strength)


def spread(nodes: Nodes, start: Floats, k: int, alpha: float) -> Floats:
    """Spread [nodes, labels] over the neighbours of the pool until it settles.

    Source: Zhou et al., Learning with Local and Global Consistency, NeurIPS 2003, with rows normalised.
    """
    found = start.copy()
    for _ in range(30):
        found = alpha * nodes.mean(found, k) + (1 - alpha) * start
    return found


def spreading(nodes: Nodes, y: Rows, rows: Rows, k: int, alpha: float) -> Floats:
    """Label spreading; the share of spread positive labels among all spread labels, as log odds."""
    start = np.zeros((len(nodes.x), y.shape[1] + 1))
    start[rows] = np.hstack([y[rows], np.ones((len(rows), 1))])
    found = spread(nodes, start, k, alpha)
    prior = y[rows].mean(0)
    few = 1e-3 * found[rows, -1].mean() + 1e-12
    share = (found[:, :-1] + few * prior) / (found[:, -1:] + few)
    share = np.clip(share, 1e-4, 1 - 1e-4)
    return np.log(share / (1 - share))


def corrected(nodes: Nodes, y: Rows, rows: Rows, alpha: float, strength: float) -> Floats:
    """Correct and smooth: residuals of held-out predictions are spread and added.

    Source: Huang et al., Combining Label Propagation and Simple Models Out-performs Graph Neural Networks, ICLR 2021.
    """
    full, honest = own(nodes, y, rows, strength), held_out(nodes, y, rows, strength)
    start = np.zeros((len(nodes.x), y.shape[1] + 1))
    start[rows] = np.hstack([y[rows] - 1 / (1 + np.exp(-honest[rows])), np.ones((len(rows), 1))])
    found = spread(nodes, start, 10, alpha)
    share = 1 / (1 + np.exp(-full)) + found[:, :-1] / (found[:, -1:] + 0.05)
    share = nodes.mean(share, 10) * 0.2 + share * 0.8
    share = np.clip(share, 1e-3, 1 - 1e-3)
    return np.log(share / (1 - share))


def ballot(distances: Floats, y: Rows, rows: Rows, k: int) -> Floats:
    """[nodes, labels] log odds among the k nearest labelled rows, with one record of the labelled mix added."""
    near = rows[np.argsort(distances[:, rows], axis=1)[:, : min(k, len(rows) - 1)]]
    prior = (y[rows].sum(0) + 0.5) / (len(rows) + 1)
    share = (y[near].sum(1) + prior) / (near.shape[1] + 1)
    return np.log(share / (1 - share))


def votes(nodes: Nodes, y: Rows, rows: Rows, k: int, weight: float, strength: float) -> Floats:
    """Own logit plus weighted votes of the nearest labelled records."""
    return own(nodes, y, rows, strength) + weight * ballot(nodes.distances, y, rows, k)


def metric(nodes: Nodes, y: Rows, rows: Rows, k: int, weight: float, strength: float) -> Floats:
    """The same, with neighbours in a space learnt for the outcome: the held-out logits of all five labels."""
    learnt = Nodes(held_out(nodes, y, rows, strength), nodes.pool, nodes.index)
    return own(nodes, y, rows, strength) + weight * ballot(learnt.distances, y, rows, k)


def attention(nodes: Nodes, y: Rows, rows: Rows, epochs: int, seed: int) -> Floats:
    """A linear model plus attention over the labelled records in a learnt projection; no record attends to itself."""
    torch.manual_seed(seed)
    x, labels = torch.from_numpy(nodes.x[:, :WIDTH]).float() / 8, torch.from_numpy(y[rows]).float()
    project = torch.nn.Linear(x.shape[1], 16, bias=False)
    line, gate = torch.nn.Linear(x.shape[1], y.shape[1]), torch.nn.Parameter(torch.zeros(y.shape[1]))
    torch.nn.init.zeros_(line.weight)
    itself = torch.eye(len(rows), dtype=torch.bool)

    def logits(queries: torch.Tensor, hidden: torch.Tensor | None) -> torch.Tensor:
        near = -(torch.cdist(project(queries), project(x[rows])) ** 2)
        near = near if hidden is None else near.masked_fill(hidden, -torch.inf)
        return line(queries) + gate * (near.softmax(1) @ (labels - labels.mean(0)))

    parameters = [*project.parameters(), *line.parameters(), gate]
    descend(parameters, lambda: cross_entropy(logits(x[rows], itself), labels), epochs)
    with torch.no_grad():
        found = logits(x, None).numpy().astype(np.float64)
        found[rows] = logits(x[rows], itself).numpy()
    return found


def network(name: str) -> Callable[..., Floats]:
    """A network of the package with a logit per label, trained on the labelled nodes among all pool nodes."""

    def fit(nodes: Nodes, y: Rows, rows: Rows, epochs: int, seed: int) -> Floats:
        torch.manual_seed(seed)
        x, table = torch.from_numpy(nodes.x[:, :WIDTH]).float() / 8, nodes.table(5)
        model, at = build(name, x.shape[1], CONFIG, classes=y.shape[1]), torch.from_numpy(rows)
        labels = torch.from_numpy(y[rows]).float()
        sources = model.aggregate(x, table)

        def loss() -> torch.Tensor:
            return cross_entropy(model(x, table, None, sources)[0][at], labels)

        descend(model.parameters(), loss, epochs)
        model.eval()
        with torch.no_grad():
            return model(x, table, None, sources)[0].numpy().astype(np.float64)

    return fit


def descend(parameters: Iterable[torch.nn.Parameter], loss: Callable[[], torch.Tensor], epochs: int) -> None:
    """Full-batch AdamW."""
    optimiser = torch.optim.AdamW(parameters, lr=0.02, weight_decay=0.01)
    for _ in range(epochs):
        optimiser.zero_grad()
        loss().backward()
        optimiser.step()


def _grid(**choices: tuple) -> list[dict]:
    grid: list[dict] = [{}]
    for name, values in choices.items():
        grid = [{**each, name: value} for each in grid for value in values]
    return grid


PENALTY = {"strength": STRENGTHS}
WAYS: dict[str, tuple[Callable[..., Floats], list[dict]]] = {
    "own features": (own, _grid(**PENALTY)),
    "own, components of all records": (components, _grid(count=(32,), **PENALTY)),
    "own, MLP": (network("mlp"), _grid(epochs=EPOCHS, seed=(0,))),
    "means of neighbours": (means, _grid(k=(10,), **PENALTY)),
    "half own, half neighbours": (smoothed, _grid(k=(10,), **PENALTY)),
    "label spreading": (spreading, _grid(k=(5, 20), alpha=(0.5, 0.9, 0.99))),
    "correct and smooth": (corrected, _grid(alpha=(0.5, 0.9), strength=STRENGTHS[1:2])),
    "votes of labelled neighbours": (votes, _grid(k=(5, 20), weight=(0.25, 1.0), **PENALTY)),
    "votes in a learnt metric": (metric, _grid(k=(5, 20), weight=(0.25, 1.0), strength=STRENGTHS[1:2])),
    "attention over labelled records": (attention, _grid(epochs=EPOCHS, seed=(0,))),
    "SIGN": (network("sign"), _grid(epochs=EPOCHS, seed=(0,))),
    "GraphSAGE": (network("sage"), _grid(epochs=EPOCHS, seed=(0,))),
    "GAT": (network("gat"), _grid(epochs=EPOCHS, seed=(0,))),
}
"""Name -> the way and the settings among which inner folds choose."""

GRAPHLESS = ("own features", "own, components of all records", "own, MLP")
NETWORKS = ("own, MLP", "attention over labelled records", "SIGN", "GraphSAGE", "GAT")
