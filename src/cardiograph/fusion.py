"""Image and clinical blocks become one feature vector per record, each block with its recorded share of the variance."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from cardiograph.config import FusionConfig
from cardiograph.containers import NodeFeatures
from cardiograph.errors import ConfigError

DEAD_SPREAD = 0.01
"""Image features whose spread is under this share of the median spread carry no signal (a random network has such)."""


@dataclass(frozen=True)
class Fusion:
    """Standardises the image block, drops its dead features and weights the blocks; fitted on training rows alone.

    Args:
        kept: [image features] bool, False for a dead feature; empty without images.
        mean: [kept] float64, of the image features in training rows.
        std: [kept] float64.
        factors: What each block is multiplied by: ``sqrt(share * width_total / variance_block)``, so that a block's share
            of the total variance is its weight and a feature has unit variance on average.
        clinical_names: Names of the clinical columns, which come scaled; empty without clinical values.
        shares: Share of each block in the total variance of the training rows.
    """

    kept: NDArray[np.bool_]
    mean: NDArray[np.float64]
    std: NDArray[np.float64]
    factors: dict[str, float]
    clinical_names: tuple[str, ...]
    shares: dict[str, float]

    @classmethod
    def fit(
        cls,
        image: NDArray[np.float32] | None,
        clinical: tuple[NDArray[np.float64], tuple[str, ...]] | None,
        rows: NDArray[np.int64],
        config: FusionConfig,
    ) -> Self:
        """Learn mean, spread, dead features and block factors from ``rows``.

        Args:
            image: [records, 512] embeddings, or None for a clinical-only cohort.
            clinical: [records, columns] scaled clinical values and the columns' names, or None for pages alone.
            rows: Training rows.
            config: Block weights.

        Raises:
            ConfigError: Every block is absent or has weight 0.
        """
        kept, mean, std = np.zeros(0, bool), np.zeros(0), np.zeros(0)
        if image is not None:
            train = image[rows].astype(np.float64)
            mean, std = train.mean(0), train.std(0)
            kept = std > DEAD_SPREAD * np.median(std)
            mean, std = mean[kept], std[kept]
        values, names = (np.zeros((0, 0)), ()) if clinical is None else clinical
        widths = {"image": int(kept.sum()), "clinical": len(names)}
        variances = {"image": float(kept.sum()), "clinical": float(values[rows].var(0).sum()) if len(names) else 0.0}
        weights = {"image": config.image, "clinical": config.clinical}
        weights = {block: weight for block, weight in weights.items() if variances[block] and weight > 0}
        if not weights:
            message = (
                f"fusion: no block to use (widths {widths}, weights {config.model_dump()}); give one a weight above 0"
            )
            raise ConfigError(message)
        shares = {block: weight / sum(weights.values()) for block, weight in weights.items()}
        width = sum(widths[block] for block in weights)
        factors = {block: float(np.sqrt(share * width / variances[block])) for block, share in shares.items()}
        return cls(kept, mean, std, factors, names, shares)

    def transform(self, image: NDArray[np.float32] | None, clinical: NDArray[np.float64] | None) -> NodeFeatures:
        """Fuse records.

        Args:
            image: [records, 512] embeddings; ignored without an image block.
            clinical: [records, columns] scaled; ignored without a clinical block.
        """
        parts: list[NDArray[np.float64]] = []
        names: list[str] = []
        blocks: dict[str, tuple[int, int]] = {}
        if "image" in self.factors and image is not None:
            parts.append((image[:, self.kept] - self.mean) / self.std * self.factors["image"])
            names += [f"image_{column}" for column in np.flatnonzero(self.kept)]
            blocks["image"] = (0, len(names))
        if "clinical" in self.factors and clinical is not None:
            blocks["clinical"] = (len(names), len(names) + len(self.clinical_names))
            parts.append(clinical * self.factors["clinical"])
            names += self.clinical_names
        return NodeFeatures(np.hstack(parts).astype(np.float32), tuple(names), blocks)

    def facts(self) -> dict[str, Any]:
        """What was decided, for the report and the bundle: widths, shares of the variance, factors, dead features."""
        widths = {"image": int(self.kept.sum()), "clinical": len(self.clinical_names)}
        return {
            "widths": {block: widths[block] for block in self.factors},
            "shares": self.shares,
            "factors": self.factors,
            "dead_image_features": [int(column) for column in np.flatnonzero(~self.kept)],
        }

    def arrays(self) -> dict[str, NDArray[Any]]:
        """The fitted arrays, for the bundle."""
        return {"kept": self.kept.astype(np.uint8), "mean": self.mean, "std": self.std}

    @classmethod
    def restore(cls, arrays: dict[str, NDArray[Any]], recorded: dict[str, Any]) -> Self:
        """The inverse of :meth:`arrays` and :meth:`recorded`."""
        names = tuple(recorded["clinical_names"])
        kept = arrays["kept"].astype(bool)
        return cls(kept, arrays["mean"], arrays["std"], recorded["factors"], names, recorded["shares"])

    def recorded(self) -> dict[str, Any]:
        """What beside the arrays a bundle keeps, ready for JSON."""
        return {"factors": self.factors, "clinical_names": list(self.clinical_names), "shares": self.shares}
