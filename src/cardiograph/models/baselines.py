"""What the same features give without a graph: logistic regression."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cardiograph.models.training import Examples

PENALTIES = (1e-4, 1e-3, 1e-2, 1e-1, 1.0, 10.0)
"""Inverse strengths of the L2 penalty that are tried; validation log loss chooses."""


def logistic_probabilities(
    train_set: Examples, val_set: Examples, features: NDArray[np.float32]
) -> NDArray[np.float64]:
    """Probability of label 1 from an L2 logistic regression on the very examples that the networks learn from.

    Args:
        train_set: Features, labels and loss weights; whom a record hears is not looked at.
        val_set: Chooses the penalty by log loss.
        features: [records, features] to be scored.

    Returns:
        [records] float64 probabilities.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import log_loss

    weights = train_set.weights.numpy()
    used = weights > 0
    x, y = train_set.features.numpy()[used].astype(np.float64), train_set.labels.numpy()[used]
    x_val, y_val = val_set.features.numpy().astype(np.float64), val_set.labels.numpy()
    judged = y_val >= 0
    models = [LogisticRegression(C=c, max_iter=2000).fit(x, y, sample_weight=weights[used]) for c in PENALTIES]
    losses = [log_loss(y_val[judged], model.predict_proba(x_val[judged])[:, 1], labels=[0, 1]) for model in models]
    best = models[int(np.argmin(losses))]
    return np.asarray(best.predict_proba(features.astype(np.float64))[:, 1])
