"""L2-regularised logistic regression on the training examples of the networks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

if TYPE_CHECKING:
    from cardiograph.models.examples import Examples

PENALTIES = (1e-3, 3e-3, 1e-2, 3e-2, 1e-1, 3e-1, 1.0, 3.0, 10.0)
"""Candidate inverse strengths of the L2 penalty; the validation loss after recalibration selects one."""


def fit_logistic(train_set: Examples, val_set: Examples, *, classes: int = 2) -> tuple[Tensor, Tensor]:
    """Fit a logistic regression; the validation log loss after recalibration selects the penalty.

    A strong penalty ranks records well but makes their probabilities too moderate. All models are calibrated after
    training, so penalties are compared by what is left after one slope and the intercepts are fitted to the validation
    scores, and the result is scaled in the same way.

    Args:
        train_set: Features, labels and loss weights; neighbours are ignored.
        val_set: Examples that select the penalty.
        classes: Number of different labels.

    Returns:
        [classes, features] coefficients and [classes] intercepts, float32; zero for class 0 of two.
    """
    from sklearn.linear_model import LogisticRegression

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
    places = np.searchsorted(known, y_val[judged])
    for c in PENALTIES:
        model.set_params(C=c).fit(seen, y, sample_weight=weights[used])
        slope, shifts, loss = _recalibrate(judged_x @ model.coef_.T, model.intercept_, places)
        if loss < best_loss:
            best, best_loss = (slope * model.coef_, shifts), loss
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


def _recalibrate(
    scores: NDArray[np.float64], intercepts: NDArray[np.float64], labels: NDArray[np.int64]
) -> tuple[float, NDArray[np.float64], float]:
    """Fit one slope and new intercepts to validation scores.

    Targets are smoothed as in Platt scaling, one record of each class added to those of a class, so that the slope stays
    finite when the scores separate the classes.

    Args:
        scores: [records, logits] linear scores without intercepts; a single logit is that of the second class.
        intercepts: [logits] intercepts of the regression, where the search starts.
        labels: [records] 0..classes-1.

    Returns:
        The slope, at least 0; the intercepts [logits]; and the mean cross-entropy with the unsmoothed labels.

    Source: Platt, "Probabilistic outputs for support vector machines", Advances in Large Margin Classifiers, 1999.
    """
    from scipy.optimize import minimize
    from scipy.special import log_softmax

    two = scores.shape[1] == 1
    full = np.pad(scores, ((0, 0), (1, 0))) if two else scores
    classes = full.shape[1]
    counts = np.bincount(labels, minlength=classes)
    targets = np.repeat(1 / (counts[labels] + classes)[:, None], classes, axis=1)
    targets[np.arange(len(labels)), labels] = (counts[labels] + 1) / (counts[labels] + classes)

    def logs(found: NDArray[np.float64]) -> NDArray[np.float64]:
        shifts = np.concatenate([[0.0], found[1:]]) if two else found[1:]
        return np.asarray(log_softmax(found[0] * full + shifts, axis=1))

    def loss_and_gradient(found: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        chances = logs(found)
        errors = (np.exp(chances) - targets) / len(labels)
        gradient = np.concatenate([[(errors * full).sum()], errors.sum(0)[1 if two else 0 :]])
        return float(-(targets * chances).sum() / len(labels)), gradient

    bounds = [(0.0, None), *([(None, None)] * len(intercepts))]
    found = minimize(loss_and_gradient, np.concatenate([[1.0], intercepts]), jac=True, method="L-BFGS-B", bounds=bounds)
    return float(found.x[0]), found.x[1:], float(-logs(found.x)[np.arange(len(labels)), labels].mean())


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
