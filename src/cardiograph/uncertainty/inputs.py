"""Checks of scores, labels and confidence levels for calibration."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def checked_scores(scores: NDArray[np.float64], *, name: str = "scores") -> NDArray[np.float64]:
    """Return scores as float64 after checking that they are one finite number per record.

    Args:
        scores: [n] real numbers.
        name: Name of the scores in error messages.

    Raises:
        ValueError: If there is not exactly one dimension, or a value is not finite.
    """
    checked = np.asarray(scores, dtype=np.float64)
    if checked.ndim != 1:
        message = f"{name} have shape {checked.shape}, allowed is one value per record: [n]"
        raise ValueError(message)
    bad = np.flatnonzero(~np.isfinite(checked))
    if len(bad):
        message = (
            f"{name}[{bad[0]}] is {checked[bad[0]]}, allowed are finite numbers; {len(bad)} of {len(checked)} are not"
        )
        raise ValueError(message)
    return checked


def checked_labels(labels: NDArray[np.int64], records: int) -> NDArray[np.int64]:
    """Return labels as int64 after checking that they are one 0 or 1 per record.

    Args:
        labels: [n] 0 or 1.
        records: Required number of labels.

    Raises:
        ValueError: If the length differs, or a label is not 0 or 1.
    """
    given = np.asarray(labels)
    if given.shape != (records,):
        message = f"labels have shape {given.shape}, allowed is one label per score: ({records},)"
        raise ValueError(message)
    bad = np.flatnonzero(~np.isin(given, (0, 1)))
    if len(bad):
        message = f"labels[{bad[0]}] is {given[bad[0]]}, allowed are 0 and 1; leave unlabelled records out"
        raise ValueError(message)
    return given.astype(np.int64)


def checked_share(value: float, *, name: str) -> float:
    """Return a number after checking that it is strictly between 0 and 1.

    Raises:
        ValueError: If it is not.
    """
    if not 0 < value < 1:
        message = f"{name} is {value}, allowed is a number between 0 and 1, both excluded"
        raise ValueError(message)
    return float(value)
