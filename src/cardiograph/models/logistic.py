"""L2-regularised logistic regression on the training examples of the networks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

if TYPE_CHECKING:
    from cardiograph.models.examples import Examples

PENALTIES = (1e-4, 1e-3, 1e-2, 1e-1, 1.0, 10.0)
"""Candidate inverse strengths of the L2 penalty; validation log loss selects one."""


def fit_logistic(train_set: Examples, val_set: Examples, *, classes: int = 2) -> tuple[Tensor, Tensor]:
    """Fit a logistic regression; validation log loss selects the penalty.

    Args:
        train_set: Features, labels and loss weights; neighbours are ignored.
        val_set: Examples that select the penalty.
        classes: Number of different labels.

    Returns:
        [classes, features] coefficients and [classes] intercepts, float32; zero for class 0 of two.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import log_loss

    weights = train_set.weights.numpy()
    used = weights > 0
    x, y = train_set.features.numpy()[used].astype(np.float64), train_set.labels.numpy()[used]
    x_val, y_val = val_set.features.numpy().astype(np.float64), val_set.labels.numpy()
    known = np.unique(y)
    judged = np.isin(y_val, known)
    # for two classes Newton's method takes a thirtieth of the time; for more its matrix has classes x directions rows
    solver, tolerance = ("newton-cholesky", 1e-6) if len(known) == 2 else ("lbfgs", 1e-4)
    basis = _basis(x)
    seen, judged_x = (x, x_val[judged]) if basis is None else (x @ basis, x_val[judged] @ basis)
    # warm start: the loss is convex, so the minimum is the same and takes half the steps
    model = LogisticRegression(max_iter=2000, tol=tolerance, solver=solver, warm_start=solver == "newton-cholesky")
    best, best_loss = None, np.inf
    for c in PENALTIES:
        model.set_params(C=c).fit(seen, y, sample_weight=weights[used])
        loss = float(log_loss(y_val[judged], model.predict_proba(judged_x), labels=known))
        if loss < best_loss:
            best, best_loss = (model.coef_.copy(), model.intercept_.copy()), loss
    if best is None:
        message = "logistic regression: no finite validation loss"
        raise ValueError(message)
    fitted, shifts = best
    coefficients = np.zeros((classes, x.shape[1]))
    intercepts = np.zeros(classes) if len(known) == classes else np.full(classes, -30.0)
    rows = known if len(known) > 2 else known[1:]  # two classes: one row of coefficients, for the second
    coefficients[rows], intercepts[rows] = fitted if basis is None else fitted @ basis.T, shifts
    if len(known) == 2:
        intercepts[known[0]] = 0.0
    return torch.from_numpy(coefficients).float(), torch.from_numpy(intercepts).float()


def _basis(x: NDArray[np.float64]) -> NDArray[np.float64] | None:
    """Return [features, directions] orthonormal directions that the records span; None if they span all features.

    An L2 penalty is invariant under rotation, and directions that no record spans get coefficient 0, so the fit is the
    same with fewer columns.
    """
    if len(x) >= x.shape[1]:
        return None
    _, singular, directions = np.linalg.svd(x, full_matrices=False)
    kept: NDArray[np.float64] = directions[singular > 1e-9 * max(singular[0], 1e-300)].T
    return kept if kept.shape[1] else None
