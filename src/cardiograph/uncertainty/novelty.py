"""Novelty detection: is a record farther from the training records than these are from each other?"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cardiograph.uncertainty.inputs import checked_scores, checked_share

ROUNDING = 1e-9
"""Subtracted from a rank before it is rounded up, so that 0.99 times 200 gives 198 in floating point."""


@dataclass(frozen=True, eq=False)
class NoveltyGate:
    """Distances between training records and the limit beyond which a record is novel; :meth:`fit` creates it.

    Args:
        distances: [n] mean distance of each training record to its nearest training records outside its own group,
            ascending, at least 0, in any unit.
        quantile: Share of records similar to the training records that stays within the limit, between 0 and 1.

    Raises:
        ValueError: If there is no distance, a distance is negative or not finite, distances are not ascending, or the
            quantile is not between 0 and 1.
    """

    distances: NDArray[np.float64]
    quantile: float

    def __post_init__(self) -> None:
        checked_share(self.quantile, name="quantile")
        distances = checked_scores(self.distances, name="distances")
        if not len(distances):
            message = "distances has 0 rows, allowed is 1 or more"
            raise ValueError(message)
        if distances.min() < 0:
            message = f"the smallest of the distances is {distances.min()}, allowed is 0 or more"
            raise ValueError(message)
        if (np.diff(distances) < 0).any():
            message = "distances of a gate are in ascending order"
            raise ValueError(message)

    @classmethod
    def fit(cls, leave_one_out_distances: NDArray[np.float64], quantile: float = 0.99) -> NoveltyGate:
        """Create the gate from distances between training records.

        Args:
            leave_one_out_distances: [n] distances, finite, at least 0, in any order; exclude records that have no
                neighbour outside their own group.
            quantile: Share of similar records that stays within the limit, between 0 and 1.

        Raises:
            ValueError: As for the class.
        """
        return cls(np.sort(checked_scores(leave_one_out_distances, name="distances")), quantile)

    @property
    def limit(self) -> float:
        """The largest distance that is not novel; infinite if there are too few records, see :attr:`enough`.

        It is the ``ceil((n + 1) quantile)``-th smallest distance, which a record exchangeable with the training records
        exceeds with a probability of at most ``1 - quantile``.

        Source: Papadopoulos, Proedrou, Vovk, Gammerman, "Inductive confidence machines for regression", ECML 2002.
        """
        rank = max(1, ceil((len(self.distances) + 1) * self.quantile - ROUNDING))
        return float(self.distances[rank - 1]) if rank <= len(self.distances) else float("inf")

    @property
    def enough(self) -> bool:
        """Whether the limit is finite; a quantile of 0.99 needs 99 records."""
        return bool(np.isfinite(self.limit))

    def percentile(self, distances: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the percentage of training records with a distance that is not larger.

        Args:
            distances: [n] distances in the unit of the training distances.

        Returns:
            [n] percentages, 0..100; NaN for a distance that is NaN.
        """
        distances = np.asarray(distances, dtype=np.float64)
        share = np.searchsorted(self.distances, distances, side="right") / len(self.distances)
        return np.where(np.isnan(distances), np.nan, 100 * share)

    def novel(self, distances: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Return whether each distance exceeds the limit; always True for a distance that is NaN or infinite.

        Args:
            distances: [n] distances in the unit of the training distances.
        """
        distances = np.asarray(distances, dtype=np.float64)
        result: NDArray[np.bool_] = ~np.isfinite(distances) | (distances > self.limit)
        return result

    def to_dict(self) -> dict[str, Any]:
        """Return plain lists and numbers, without loss of precision."""
        return {"distances": self.distances.tolist(), "quantile": self.quantile}

    @classmethod
    def from_dict(cls, content: dict[str, Any]) -> NoveltyGate:
        """Restore a gate from :meth:`to_dict`.

        Raises:
            ValueError: If the content is incomplete or invalid.
        """
        missing = [name for name in ("distances", "quantile") if name not in content]
        if missing:
            message = f"a novelty gate lacks {missing}; it has distances and quantile"
            raise ValueError(message)
        return cls(np.asarray(content["distances"], dtype=np.float64), float(content["quantile"]))
