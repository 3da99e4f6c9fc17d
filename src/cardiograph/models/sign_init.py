"""Where SIGN begins: as the logistic regression of a record's own features, or of these and what it hears."""

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

MOST = 20_000
"""Training and validation records, drawn by the seed, that the start is learnt from where there are more: three times as
many columns as features, and a minute of Newton's method."""

CERTAIN = 2.0
"""Standard errors of the mean difference by which neighbours have to lower the validation loss to be begun with."""


def begin(network: Sign, train_set: Examples, val_set: Examples, heard: Sequence[Tensor], *, classes: int) -> None:
    """Set the linear path of a network.

    Regression on the record's own features is the start, unless regression on these and the means of the neighbours has a
    lower validation loss by :data:`CERTAIN` standard errors of the paired difference: on a few validation records twice
    as many features would win by chance now and then.

    Args:
        network: With fresh weights.
        train_set: Reference records first, then copies.
        val_set: Chooses penalties, and between the two.
        heard: What ``network.heard`` gave for the training records.
        classes: Different labels.
    """
    sources = [train_set.features, *heard[:-1]]
    train_set, heard = _some(train_set, heard)
    val_set, _ = _some(val_set, [])
    val_heard = network.heard(val_set.features, val_set.neighbour_table, sources)
    wide_train, wide_val = (
        dataclasses.replace(examples, features=torch.cat([examples.features, *means], dim=1))
        for examples, means in ((train_set, heard), (val_set, val_heard))
    )
    own = fit_logistic(train_set, val_set, classes=classes)
    both = fit_logistic(wide_train, wide_val, classes=classes)
    gain = _losses(val_set, own) - _losses(wide_val, both)
    error = gain.std() / len(gain) ** 0.5
    coefficients, intercepts = own
    with torch.no_grad():
        network.linear.weight.zero_()
        if len(gain) > 1 and gain.mean() > CERTAIN * error:
            coefficients, intercepts = both
        network.linear.weight[:, : coefficients.shape[1]] = coefficients
        network.linear.bias.copy_(intercepts)


def _some(examples: Examples, heard: Sequence[Tensor]) -> tuple[Examples, Sequence[Tensor]]:
    """At most :data:`MOST` of the records that are in the loss, and what they hear."""
    used = torch.nonzero(examples.weights > 0).flatten()
    if len(used) <= MOST:
        return examples, heard
    rows = used[torch.randperm(len(used))[:MOST]].sort().values
    some = dataclasses.replace(
        examples,
        features=examples.features[rows],
        neighbour_table=examples.neighbour_table.of_rows(rows),
        labels=examples.labels[rows],
        weights=examples.weights[rows],
    )
    return some, [means[rows] for means in heard]


def _losses(examples: Examples, fitted: tuple[Tensor, Tensor]) -> Tensor:
    """[labelled records] cross-entropy of a regression."""
    judged = examples.labels >= 0
    logits = examples.features[judged] @ fitted[0].T + fitted[1]
    return cross_entropy(logits, examples.labels[judged], reduction="none")
