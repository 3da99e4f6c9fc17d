"""Initialises SIGN as a logistic regression of own features, or of own features and means of neighbours."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from cardiograph.models.logistic import fit_logistic

if TYPE_CHECKING:
    from cardiograph.models.examples import Examples
    from cardiograph.models.sign import Sign

MAX_START_RECORDS = 20_000
"""Maximum number of training and validation records for the initial regression, which has three times as many columns as
features; with this many records Newton's method takes a minute."""

MIN_STANDARD_ERRORS = 2.0
"""Standard errors by which neighbours must lower the mean validation loss to be part of the initial regression."""


def begin(network: Sign, train_set: Examples, val_set: Examples, aggregated: Sequence[Tensor], *, classes: int) -> None:
    """Set the linear path of a network.

    The initial regression uses own features, unless a regression on own features and means of neighbours lowers the
    validation loss by :data:`MIN_STANDARD_ERRORS` standard errors of the paired difference: on few validation
    records, twice as many features would sometimes win by chance.

    Args:
        network: SIGN with fresh weights.
        train_set: Reference records first, then copies.
        val_set: Examples that select the penalties and one of the two regressions.
        aggregated: Result of ``network.aggregate`` for the training records.
        classes: Number of different labels.
    """
    sources = [train_set.features, *aggregated[:-1]]
    train_set, aggregated = _some(train_set, aggregated)
    val_set, _ = _some(val_set, [])
    val_aggregated = network.aggregate(val_set.features, val_set.neighbour_table, sources)
    wide_train, wide_val = (
        dataclasses.replace(examples, features=torch.cat([examples.features, *means], dim=1))
        for examples, means in ((train_set, aggregated), (val_set, val_aggregated))
    )
    own = fit_logistic(train_set, val_set, classes=classes)
    both = fit_logistic(wide_train, wide_val, classes=classes)
    gain = _losses(val_set, own) - _losses(wide_val, both)
    error = gain.std() / len(gain) ** 0.5
    coefficients, intercepts = own
    with torch.no_grad():
        network.linear.weight.zero_()
        if len(gain) > 1 and gain.mean() > MIN_STANDARD_ERRORS * error:
            coefficients, intercepts = both
        network.linear.weight[:, : coefficients.shape[1]] = coefficients
        network.linear.bias.copy_(intercepts)


def _some(examples: Examples, aggregated: Sequence[Tensor]) -> tuple[Examples, Sequence[Tensor]]:
    """At most :data:`MAX_START_RECORDS` of the records in the loss, with their means of neighbours."""
    used = torch.nonzero(examples.weights > 0).flatten()
    if len(used) <= MAX_START_RECORDS:
        return examples, aggregated
    rows = used[torch.randperm(len(used))[:MAX_START_RECORDS]].sort().values
    some = dataclasses.replace(
        examples,
        features=examples.features[rows],
        neighbour_table=examples.neighbour_table.of_rows(rows),
        labels=examples.labels[rows],
        weights=examples.weights[rows],
    )
    return some, [means[rows] for means in aggregated]


def _losses(examples: Examples, fitted: tuple[Tensor, Tensor]) -> Tensor:
    """Return the [labelled records] cross-entropy of a regression."""
    judged = examples.labels >= 0
    logits = examples.features[judged] @ fitted[0].T + fitted[1]
    return cross_entropy(logits, examples.labels[judged], reduction="none")
