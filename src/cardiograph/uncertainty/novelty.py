"""Whether a record lies farther from the training records than these lie from each other."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cardiograph.uncertainty.inputs import checked_scores, checked_share

ROUNDING = 1e-9
"""Taken off a rank before it is rounded up: 0.99 times 200 is 198, whatever the last bit says."""


@dataclass(frozen=True, eq=False)
class NoveltyGate:
    """Distances of the training records, and the limit beyond which a record counts as unlike them; made by :meth:`fit`.

    Args:
        distances: [n] ascending, at least 0, any unit: mean distance of each training record to its nearest training
            records outside its own group.
        quantile: 0..1, the share of records like those of training that stays within the limit.

    Raises:
        ValueError: No distance, one that is not finite or negative, or they do not ascend; a quantile not within 0..1.
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
        """From the training records.

        Args:
            leave_one_out_distances: [n] finite, at least 0, in any order; leave a record out that has no neighbour outside
                its own group.
            quantile: 0..1.

        Raises:
            ValueError: See the class.
        """
        return cls(np.sort(checked_scores(leave_one_out_distances, name="distances")), quantile)

    @property
    def limit(self) -> float:
        """The largest distance that is not novel; infinite where the records are too few, see :attr:`enough`.

        The ``ceil((n + 1) quantile)``-th smallest, so that a record exchangeable with those of training passes it with
        probability ``1 - quantile`` at most.

        Source: Papadopoulos, Proedrou, Vovk, Gammerman, "Inductive confidence machines for regression", ECML 2002.
        """
        rank = max(1, ceil((len(self.distances) + 1) * self.quantile - ROUNDING))
        return float(self.distances[rank - 1]) if rank <= len(self.distances) else float("inf")

    @property
    def enough(self) -> bool:
        """Whether there is a finite limit; a quantile of 0.99 wants 99 records."""
        return bool(np.isfinite(self.limit))

    def percentile(self, distances: NDArray[np.float64]) -> NDArray[np.float64]:
        """Percent of the training records that lie no farther out.

        Args:
            distances: [n] in the unit of those it was fitted on.

        Returns:
            [n] 0..100; NaN for a distance that is NaN.
        """
        distances = np.asarray(distances, dtype=np.float64)
        share = np.searchsorted(self.distances, distances, side="right") / len(self.distances)
        return np.where(np.isnan(distances), np.nan, 100 * share)

    def novel(self, distances: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Whether each record lies beyond the limit; always for one whose distance is NaN or infinite.

        Args:
            distances: [n] in the unit of those it was fitted on.
        """
        distances = np.asarray(distances, dtype=np.float64)
        result: NDArray[np.bool_] = ~np.isfinite(distances) | (distances > self.limit)
        return result

    def to_dict(self) -> dict[str, Any]:
        """As plain lists and numbers, without loss."""
        return {"distances": self.distances.tolist(), "quantile": self.quantile}

    @classmethod
    def from_dict(cls, content: dict[str, Any]) -> NoveltyGate:
        """Back from :meth:`to_dict`.

        Raises:
            ValueError: A part is missing, or see the class.
        """
        missing = [name for name in ("distances", "quantile") if name not in content]
        if missing:
            message = f"a novelty gate lacks {missing}; it has distances and quantile"
            raise ValueError(message)
        return cls(np.asarray(content["distances"], dtype=np.float64), float(content["quantile"]))
