"""Image and clinical blocks become one feature vector per record, each block with its recorded share of the variance."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from cardiograph.config import FusionConfig
from cardiograph.containers import NodeFeatures
from cardiograph.errors import CohortError, ConfigError

MIN_FEATURE_STD = 0.01
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
        axes: [kept, components] float64 principal axes of the standardised image features; no columns where the features
            themselves are used.
    """

    kept: NDArray[np.bool_]
    mean: NDArray[np.float64]
    std: NDArray[np.float64]
    factors: dict[str, float]
    clinical_names: tuple[str, ...]
    shares: dict[str, float]
    axes: NDArray[np.float64] = field(default_factory=lambda: np.zeros((0, 0)))

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
            image: [records, width] embeddings, or None for a clinical-only cohort; NaN where a record has no page.
            clinical: [records, columns] scaled clinical values and the columns' names, or None for pages alone; NaN where a
                record has no clinical value.
            rows: Training rows.
            config: Block weights, and whether the image block is reduced.

        Raises:
            ConfigError: Every block is absent or has weight 0.
            CohortError: No clinical column varies, and nothing else is used.
        """
        kept, mean, std, axes = np.zeros(0, bool), np.zeros(0), np.zeros(0), np.zeros((0, 0))
        widths, variances = {"image": 0, "clinical": 0}, {"image": 0.0, "clinical": 0.0}
        if image is not None:
            train = image[rows].astype(np.float64)
            train = train[~np.isnan(train).any(1)]
            mean, std = train.mean(0), train.std(0)
            kept = std > MIN_FEATURE_STD * np.median(std)
            mean, std = mean[kept], std[kept]
            widths["image"], variances["image"] = int(kept.sum()), float(kept.sum())
            if config.image_components:
                axes, spread = _principal((train[:, kept] - mean) / std, config.image_components)
                widths["image"], variances["image"] = len(spread), float(spread.sum())
        values, names = (np.zeros((0, 0)), ()) if clinical is None else clinical
        if len(names):
            widths["clinical"], variances["clinical"] = len(names), float(np.nanvar(values[rows], axis=0).sum())
        weights = {"image": config.image, "clinical": config.clinical}
        weights = {block: weight for block, weight in weights.items() if variances[block] and weight > 0}
        if not weights:
            raise _nothing_to_use(names if config.clinical > 0 else (), widths, config)
        shares = {block: weight / sum(weights.values()) for block, weight in weights.items()}
        width = sum(widths[block] for block in weights)
        factors = {block: float(np.sqrt(share * width / variances[block])) for block, share in shares.items()}
        return cls(kept, mean, std, factors, names, shares, axes)

    def transform(self, image: NDArray[np.float32] | None, clinical: NDArray[np.float64] | None) -> NodeFeatures:
        """Fuse records.

        Args:
            image: [records, width] embeddings, NaN without a page; ignored without an image block.
            clinical: [records, columns] scaled, NaN without any value; ignored without a clinical block.

        Returns:
            Features, an absent block being all 0: the mean of the training records.
        """
        parts: list[NDArray[np.float64]] = []
        names, blocks = self.layout
        if "image" in blocks and image is not None:
            standard = (image[:, self.kept] - self.mean) / self.std
            parts.append((standard @ self.axes if self.axes.shape[1] else standard) * self.factors["image"])
        if "clinical" in blocks and clinical is not None:
            parts.append(clinical * self.factors["clinical"])
        present = np.stack([~np.isnan(part).any(1) for part in parts], axis=1)
        return NodeFeatures(np.nan_to_num(np.hstack(parts), nan=0.0).astype(np.float32), names, blocks, present)

    def embedding_gradient(self, gradient: NDArray[np.float64]) -> NDArray[np.float64]:
        """[image features] gradient of a number by the embedding, from that by the node features (the chain rule).

        Args:
            gradient: [features] by the node features of one record, which has an image block.
        """
        start, stop = self.layout[1]["image"]
        block = gradient[start:stop] * self.factors["image"]
        found = np.zeros(len(self.kept))
        found[self.kept] = (self.axes @ block if self.axes.shape[1] else block) / self.std
        return found

    @property
    def layout(self) -> tuple[tuple[str, ...], dict[str, tuple[int, int]]]:
        """Names of the node features, and the columns of each block."""
        columns = [f"image_{column}" for column in np.flatnonzero(self.kept)]
        if self.axes.shape[1]:
            columns = [f"image_component_{column}" for column in range(self.axes.shape[1])]
        names = {"image": tuple(columns), "clinical": self.clinical_names}
        used = [block for block in names if block in self.factors]
        ends = np.cumsum([0, *(len(names[block]) for block in used)]).tolist()
        blocks = {block: (ends[number], ends[number + 1]) for number, block in enumerate(used)}
        return tuple(name for block in used for name in names[block]), blocks

    def facts(self) -> dict[str, Any]:
        """What was decided, for the report and the bundle: widths, shares of the variance, factors, dead features."""
        image = self.axes.shape[1] or int(self.kept.sum())
        widths = {"image": image, "clinical": len(self.clinical_names)}
        return {
            "image_components": self.axes.shape[1],
            "widths": {block: widths[block] for block in self.factors},
            "shares": self.shares,
            "factors": self.factors,
            "dead_image_features": [int(column) for column in np.flatnonzero(~self.kept)],
        }

    def arrays(self) -> dict[str, NDArray[Any]]:
        """The fitted arrays, for the bundle."""
        return {"kept": self.kept.astype(np.uint8), "mean": self.mean, "std": self.std, "axes": self.axes}

    @classmethod
    def restore(cls, arrays: dict[str, NDArray[Any]], recorded: dict[str, Any]) -> Self:
        """The inverse of :meth:`arrays` and :meth:`recorded`."""
        names = tuple(recorded["clinical_names"])
        kept = arrays["kept"].astype(bool)
        shares, axes = recorded["shares"], arrays["axes"]
        return cls(kept, arrays["mean"], arrays["std"], recorded["factors"], names, shares, axes)

    def recorded(self) -> dict[str, Any]:
        """What beside the arrays a bundle keeps, ready for JSON."""
        return {"factors": self.factors, "clinical_names": list(self.clinical_names), "shares": self.shares}


def _nothing_to_use(names: tuple[str, ...], widths: dict[str, int], config: FusionConfig) -> CohortError | ConfigError:
    if not names:
        return ConfigError(
            f"fusion: no block to use (widths {widths}, weights {config.model_dump()}); give one a weight above 0"
        )
    columns = ", ".join(name for name in names if not name.endswith("_missing"))
    return CohortError(
        f"no clinical column varies in the training records ({columns}), and no page is used, so there is nothing to learn "
        "from; check that the right columns are read (--map), or add pages or a column that varies"
    )


def _principal(standard: NDArray[np.float64], wanted: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Principal axes [features, components] of training records and their variances; at most a fifth as many as records."""
    _, singular, axes = np.linalg.svd(standard, full_matrices=False)
    components = max(1, min(wanted, len(standard) // 5, int((singular > 1e-6 * singular[0]).sum())))
    largest = np.abs(axes[:components]).argmax(1)
    signs = np.sign(axes[np.arange(components), largest])  # the sign of an axis is a matter of the library's build
    return (axes[:components] * signs[:, None]).T, singular[:components] ** 2 / len(standard)
