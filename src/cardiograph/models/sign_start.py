"""Where SIGN begins: as the logistic regression of a record's own features, or of these and what it hears."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from cardiograph.models.logistic import fit_logistic

if TYPE_CHECKING:
    from cardiograph.models.sign import Sign
    from cardiograph.models.training import Examples

CERTAIN = 2.0
"""Standard errors of the mean difference by which neighbours have to lower the validation loss to be begun with."""


def begin(network: Sign, train_set: Examples, val_set: Examples, *, classes: int) -> None:
    """Set the linear path of a network.

    Regression on the record's own features is the start, unless regression on these and the means of the neighbours has a
    lower validation loss by :data:`CERTAIN` standard errors of the paired difference: on a few validation records twice
    as many features would win by chance now and then.

    Args:
        network: With fresh weights.
        train_set: Reference records first, then copies.
        val_set: Chooses penalties, and between the two.
        classes: Different labels.
    """
    heard = network.heard(train_set.features, train_set.hearing)
    val_heard = network.heard(val_set.features, val_set.hearing, [train_set.features, *heard[:-1]])
    wide = tuple(
        dataclasses.replace(examples, features=torch.cat([examples.features, *means], dim=1))
        for examples, means in ((train_set, heard), (val_set, val_heard))
    )
    own = fit_logistic(train_set, val_set, classes=classes)
    both = fit_logistic(*wide, classes=classes)
    gain = _losses(val_set, own) - _losses(wide[1], both)
    error = gain.std() / len(gain) ** 0.5
    coefficients, intercepts = own
    with torch.no_grad():
        network.linear.weight.zero_()
        if len(gain) > 1 and gain.mean() > CERTAIN * error:
            coefficients, intercepts = both
        network.linear.weight[:, : coefficients.shape[1]] = coefficients
        network.linear.bias.copy_(intercepts)


def _losses(examples: Examples, fitted: tuple[Tensor, Tensor]) -> Tensor:
    """[labelled records] cross-entropy of a regression."""
    judged = examples.labels >= 0
    logits = examples.features[judged] @ fitted[0].T + fitted[1]
    return cross_entropy(logits, examples.labels[judged], reduction="none")
