"""Check whether bfloat16 embeddings can replace float32 ones: small error, and the same nearest neighbours."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

MAX_RMS_ERROR = 0.05
"""Largest allowed RMS error of a feature, in standard deviations of the feature between pages."""

MIN_PAGES_KEPT = 0.99
"""Smallest allowed share of pages whose nearest neighbours stay the same."""


@dataclass(frozen=True)
class PrecisionCheck:
    """Result of comparing bfloat16 with float32 embeddings on some pages.

    Args:
        pages: Number of pages.
        rms_error: RMS error of the worst feature, in standard deviations of that feature between pages.
        pages_kept: Share of the pages whose set of ``k`` nearest pages stays the same, 0..1.
    """

    pages: int
    rms_error: float
    pages_kept: float

    @property
    def allowed(self) -> bool:
        """Whether bfloat16 may be used."""
        return self.rms_error <= MAX_RMS_ERROR and self.pages_kept >= MIN_PAGES_KEPT

    def __str__(self) -> str:
        verdict = "allowed" if self.allowed else "refused"
        return (
            f"bf16 {verdict} on {self.pages} training pages: RMS error {self.rms_error:.3f} of a feature's spread (at "
            f"most {MAX_RMS_ERROR}), {self.pages_kept:.1%} of pages keep their neighbours (at least {MIN_PAGES_KEPT:.0%})"
        )


def check_precision(f32: NDArray[np.float32], bf16: NDArray[np.float32], *, k: int, min_std: float) -> PrecisionCheck:
    """Compare float32 and bfloat16 embeddings of the same training pages.

    Args:
        f32: [pages, width] embeddings in float32.
        bf16: [pages, width] embeddings computed in bfloat16.
        k: Number of neighbours that have to stay the same.
        min_std: Smallest standard deviation of a feature, as a share of the median one; other features are ignored.
    """
    exact, coarse = f32.astype(np.float64), bf16.astype(np.float64)
    mean, std = exact.mean(0), exact.std(0)
    live = std > min_std * np.median(std)
    exact, coarse = ((values[:, live] - mean[live]) / std[live] for values in (exact, coarse))
    rms = np.sqrt(((coarse - exact) ** 2).mean(0)).max()
    kept = (_neighbours(exact, k) == _neighbours(coarse, k)).all(1).mean()
    return PrecisionCheck(len(f32), float(rms), float(kept))


def _neighbours(values: NDArray[np.float64], k: int) -> NDArray[np.int64]:
    norms = (values**2).sum(1)
    squared = norms[:, None] + norms[None] - 2 * values @ values.T
    np.fill_diagonal(squared, np.inf)
    nearest: NDArray[np.int64] = np.argsort(squared, axis=1, kind="stable")[:, :k]
    return np.sort(nearest, axis=1)
