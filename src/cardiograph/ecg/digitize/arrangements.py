"""Arrangements of leads on a page, and what the leads of one moment must fulfil."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cardiograph.ecg.leads import CHEST, LEADS, LIMB_WEIGHTS

_CABRERA = ("aVL", "I", "-aVR", "II", "aVF", "III")


@dataclass(frozen=True)
class Arrangement:
    """Leads of the rows of a page, without rhythm strips.

    Args:
        name: Name such as ``3 x 4``.
        rows: Leads of each row from left to right; a leading minus marks an inverted lead.
        strips: Numbers of rhythm strips that may follow.
    """

    name: str
    rows: tuple[tuple[str, ...], ...]
    strips: tuple[int, ...] = (0,)

    @property
    def columns(self) -> int:
        """Number of columns."""
        return len(self.rows[0])


def _by_columns(*columns: tuple[str, ...]) -> tuple[tuple[str, ...], ...]:
    return tuple(zip(*columns, strict=True))


ARRANGEMENTS = (
    Arrangement("3 x 4", _by_columns(LEADS[:3], LEADS[3:6], LEADS[6:9], LEADS[9:]), (0, 1, 2, 3)),
    Arrangement("3 x 4 Cabrera", _by_columns(_CABRERA[:3], _CABRERA[3:], LEADS[6:9], LEADS[9:]), (0, 1, 2, 3)),
    Arrangement("6 x 2", _by_columns(LEADS[:6], CHEST), (0, 1)),
    Arrangement("6 x 2 Cabrera", _by_columns(_CABRERA, CHEST), (0, 1)),
    Arrangement("12 x 1", _by_columns(LEADS), (0, 1)),
    Arrangement("12 x 1 Cabrera", _by_columns((*_CABRERA, *CHEST)), (0, 1)),
    Arrangement("6 x 1 limb", _by_columns(LEADS[:6])),
    Arrangement("6 x 1 chest", _by_columns(CHEST)),
)

WEIGHTS = {**LIMB_WEIGHTS, "-aVR": (0.5, 0.5)}
"""Weight of lead I and of lead II in each limb lead, and in the inverted aVR of the Cabrera order."""


def limb_agreement(leads: tuple[str, ...], signals: NDArray[np.float64]) -> float | None:
    """Return how well simultaneous signals fulfil the relations of their limb leads.

    Args:
        leads: Name of each row; chest leads are ignored.
        signals: [leads, samples], any one unit; NaN where a lead was not read.

    Returns:
        1 if all relations hold exactly, about 0 for unrelated signals; None with fewer than three limb leads.
    """
    limb = [number for number, lead in enumerate(leads) if lead in WEIGHTS]
    if len(limb) < 3:
        return None
    rows = signals[limb]
    rows = rows[:, np.isfinite(rows).all(axis=0)]
    if rows.shape[1] < 20:
        return None
    rows = rows - np.median(rows, axis=1, keepdims=True)
    plane = np.linalg.svd(np.array([WEIGHTS[leads[number]] for number in limb]))[0]
    beyond = plane[:, 2:].T @ rows
    share = np.square(beyond).sum() / max(np.square(rows).sum(), 1e-9)
    return float(1 - share * len(limb) / (len(limb) - 2))
