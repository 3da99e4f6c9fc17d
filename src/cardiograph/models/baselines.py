"""What the same features give without a graph: logistic regression."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

PENALTIES = (1e-4, 1e-3, 1e-2, 1e-1, 1.0, 10.0)
"""Inverse strengths of the L2 penalty that are tried; validation log loss chooses."""


def logistic_probabilities(
    features: NDArray[np.float32],
    labels: NDArray[np.int64],
    train: NDArray[np.int64],
    val: NDArray[np.int64],
    *,
    weights: NDArray[np.float64] | None = None,
) -> NDArray[np.float64]:
    """Probability of label 1 for every record, from an L2 logistic regression fitted on labelled training rows.

    Args:
        features: [records, features] float32.
        labels: [records] 0, 1 or -1.
        train: Training rows; unlabelled ones are left out.
        val: Validation rows, which choose the penalty by log loss.
        weights: [train] weight of each training row, all 1 where None.

    Returns:
        [records] float64 probabilities.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import log_loss

    weights = np.ones(len(train)) if weights is None else weights
    used = labels[train] >= 0
    rows, weights = train[used], weights[used]
    wide = features.astype(np.float64)
    best, lowest = np.full(len(labels), np.nan), np.inf
    for penalty in PENALTIES:
        model = LogisticRegression(C=penalty, max_iter=2000).fit(wide[rows], labels[rows], sample_weight=weights)
        probabilities = model.predict_proba(wide)[:, 1]
        loss = log_loss(labels[val], probabilities[val], labels=[0, 1])
        if loss < lowest:
            best, lowest = probabilities, loss
    return best
