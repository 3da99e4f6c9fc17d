"""Fusion of blocks (image, clinical values, ECG measurements) into one feature vector per record.

Each block has a fixed share of the variance. The image block can hold the embedding, readings of it, or both, each with a
share of its own.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from cardiograph.config import FusionConfig
from cardiograph.containers import NodeFeatures
from cardiograph.containers.readings import LinearReadings
from cardiograph.errors import CohortError, ConfigError

BLOCKS = ("image", "clinical", "measurements")
"""Names of the blocks, in the order of their columns in the node features."""

_PARTS = ("image", "readings", "clinical", "measurements")
"""What has a weight of its own: the blocks, and the readings in the image block."""

Scaled = tuple[NDArray[np.float64], tuple[str, ...]]
"""[records, columns] scaled values of a block, NaN for a record without the block, and the names of the columns."""

MIN_FEATURE_STD = 0.01
"""Minimum standard deviation of an image feature, relative to the median; features below carry no signal.

Encoders with random weights have such features.
"""


@dataclass(frozen=True)
class Fusion:
    """Standardisation of the image block without its dead features, and block weights; fitted on training rows only.

    Args:
        kept: [image features] bool, False for a dead feature; empty without images.
        mean: [kept] float64 means of the image features in training rows.
        std: [kept] float64 standard deviations of the image features in training rows.
        factors: Factor of each block, and of the readings: ``sqrt(share * width_total / variance)``, so that a block's
            share of the total variance is its weight and features have unit variance on average.
        names: Names of the scaled columns of the clinical and the measurements block; empty without the block.
        shares: Share of each block, and of the readings, in the total variance of the training rows.
        axes: [kept, components] float64 principal axes of the standardised image features; no columns if the features
            are used without reduction.
        readings: Standardised readings of the embedding, which follow its features in the image block; None without.
    """

    kept: NDArray[np.bool_]
    mean: NDArray[np.float64]
    std: NDArray[np.float64]
    factors: dict[str, float]
    names: dict[str, tuple[str, ...]]
    shares: dict[str, float]
    axes: NDArray[np.float64] = field(default_factory=lambda: np.zeros((0, 0)))
    readings: LinearReadings | None = None

    @classmethod
    def fit(
        cls,
        image: NDArray[np.float32] | None,
        clinical: Scaled | None,
        rows: NDArray[np.int64],
        config: FusionConfig,
        *,
        measurements: Scaled | None = None,
        readings: LinearReadings | None = None,
    ) -> Self:
        """Fit means, standard deviations, dead features and block factors on ``rows``.

        Args:
            image: [records, width] embeddings, NaN for a record without a page; None for a clinical-only cohort.
            clinical: Scaled clinical values; None for a cohort of pages only.
            rows: Training rows.
            config: Block weights and number of principal components.
            measurements: Scaled ECG measurements, or None.
            readings: Readings of the embedding, or None.

        Raises:
            ConfigError: If every block is absent or has weight 0.
            CohortError: If no clinical column varies and no other block is used.
        """
        kept, mean, std, axes = np.zeros(0, bool), np.zeros(0), np.zeros(0), np.zeros((0, 0))
        widths, variances = dict.fromkeys(_PARTS, 0), dict.fromkeys(_PARTS, 0.0)
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
            if readings is not None:
                readings = readings.standardised(train)
                widths["readings"] = len(readings.names)
                variances["readings"] = float(np.count_nonzero(readings.weight.any(1)))
        names: dict[str, tuple[str, ...]] = {}
        for block, scaled in (("clinical", clinical), ("measurements", measurements)):
            names[block] = () if scaled is None else scaled[1]
            if scaled is not None and names[block]:
                widths[block], variances[block] = len(names[block]), float(np.nanvar(scaled[0][rows], axis=0).sum())
        weights = {block: getattr(config, block) for block in _PARTS if variances[block]}
        weights = {block: weight for block, weight in weights.items() if weight > 0}
        if not weights:
            raise _nothing_to_use(names["clinical"] if config.clinical > 0 else (), widths, config)
        shares = {block: weight / sum(weights.values()) for block, weight in weights.items()}
        width = sum(widths[block] for block in weights)
        factors = {block: float(np.sqrt(share * width / variances[block])) for block, share in shares.items()}
        return cls(kept, mean, std, factors, names, shares, axes, readings if "readings" in factors else None)

    def transform(
        self,
        image: NDArray[np.float32] | None,
        clinical: NDArray[np.float64] | None,
        measurements: NDArray[np.float64] | None = None,
    ) -> NodeFeatures:
        """Fuse the blocks of records.

        Args:
            image: [records, width] embeddings, NaN for a record without a page; ignored without an image block.
            clinical: [records, columns] scaled values, NaN for a record without clinical values; ignored without a
                clinical block.
            measurements: [records, columns] scaled measurements, NaN for a record without readable leads; ignored
                without a measurements block.

        Returns:
            Node features; an absent block is all 0, the mean of the training records.
        """
        parts: list[NDArray[np.float64]] = []
        names, blocks = self.layout
        if "image" in blocks and image is not None:
            parts.append(self._image_block(image))
        for block, scaled in (("clinical", clinical), ("measurements", measurements)):
            if block in blocks and scaled is not None:
                parts.append(scaled * self.factors[block])
        present = np.stack([~np.isnan(part).any(1) for part in parts], axis=1)
        return NodeFeatures(np.nan_to_num(np.hstack(parts), nan=0.0).astype(np.float32), names, blocks, present)

    def _image_block(self, image: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return the columns of the image block: features of the embedding, then its readings."""
        parts = [np.zeros((len(image), 0))]
        if "image" in self.factors:
            standard = (image[:, self.kept] - self.mean) / self.std
            parts.append((standard @ self.axes if self.axes.shape[1] else standard) * self.factors["image"])
        if self.readings is not None:
            parts.append(self.readings.of(image) * self.factors["readings"])
        return np.hstack(parts)

    def embedding_gradient(self, gradient: NDArray[np.float64]) -> NDArray[np.float64]:
        """Convert a gradient with respect to node features into one with respect to the embedding (chain rule).

        Args:
            gradient: [features] gradient with respect to the node features of one record with an image block.

        Returns:
            [image features] gradient with respect to the embedding.
        """
        start, stop = self.layout[1]["image"]
        found = np.zeros(len(self.kept))
        if self.readings is not None:
            stop -= len(self.readings.names)
            found += (
                gradient[stop : stop + len(self.readings.names)] * self.factors["readings"]
            ) @ self.readings.weight
        if "image" in self.factors:
            block = gradient[start:stop] * self.factors["image"]
            found[self.kept] += (self.axes @ block if self.axes.shape[1] else block) / self.std
        return found

    @cached_property
    def layout(self) -> tuple[tuple[str, ...], dict[str, tuple[int, int]]]:
        """Names of the node features, and the column range of each block."""
        columns = [f"image_{column}" for column in np.flatnonzero(self.kept)] if "image" in self.factors else []
        if columns and self.axes.shape[1]:
            columns = [f"image_component_{column}" for column in range(self.axes.shape[1])]
        if self.readings is not None:
            columns += [f"reading: {name}" for name in self.readings.names]
        names = {"image": tuple(columns), **self.names}
        used = [block for block in BLOCKS if names.get(block) and (block in self.factors or block == "image")]
        ends = np.cumsum([0, *(len(names[block]) for block in used)]).tolist()
        blocks = {block: (ends[number], ends[number + 1]) for number, block in enumerate(used)}
        return tuple(name for block in used for name in names[block]), blocks

    def facts(self) -> dict[str, Any]:
        """Return widths, variance shares, factors and dead features, for the report and the bundle."""
        return {
            "image_components": self.axes.shape[1],
            "widths": {block: stop - start for block, (start, stop) in self.layout[1].items()},
            "shares": self.shares,
            "factors": self.factors,
            "dead_image_features": [int(column) for column in np.flatnonzero(~self.kept)],
        }

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return the fitted arrays, for the bundle."""
        arrays: dict[str, NDArray[Any]] = {
            "kept": self.kept.astype(np.uint8),
            "mean": self.mean,
            "std": self.std,
            "axes": self.axes,
        }
        if self.readings is not None:
            arrays |= {"reading_weight": self.readings.weight, "reading_bias": self.readings.bias}
        return arrays

    @classmethod
    def restore(cls, arrays: dict[str, NDArray[Any]], recorded: dict[str, Any]) -> Self:
        """Rebuild a fusion from :meth:`arrays` and :meth:`recorded`."""
        names = {"clinical": tuple(recorded["clinical_names"])}
        names["measurements"] = tuple(recorded.get("measurement_names", ()))  # older bundles have none
        kept = arrays["kept"].astype(bool)
        shares, axes = recorded["shares"], arrays["axes"]
        readings = None
        if "reading_names" in recorded:
            weight, bias = arrays["reading_weight"], arrays["reading_bias"]
            readings = LinearReadings(weight, bias, tuple(recorded["reading_names"]))
        return cls(kept, arrays["mean"], arrays["std"], recorded["factors"], names, shares, axes, readings)

    def recorded(self) -> dict[str, Any]:
        """Return the fitted values that are not arrays, ready for JSON."""
        names = {"clinical_names": self.names["clinical"], "measurement_names": self.names["measurements"]}
        if self.readings is not None:
            names["reading_names"] = self.readings.names
        return {"factors": self.factors, **{name: list(each) for name, each in names.items()}, "shares": self.shares}


def _nothing_to_use(names: tuple[str, ...], widths: dict[str, int], config: FusionConfig) -> CohortError | ConfigError:
    if not names:
        return ConfigError(
            f"fusion: no block to use (widths {widths}, weights {config.model_dump()}); set a weight above 0"
        )
    columns = ", ".join(name for name in names if not name.endswith("_missing"))
    return CohortError(
        f"no clinical column varies in the training records ({columns}), and no page is used, so a model has no input; "
        "check that the right columns are read (--map), or add pages or a column that varies"
    )


def _principal(standard: NDArray[np.float64], requested: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return [features, components] principal axes, at most a fifth as many as training records, and their variances."""
    _, singular, axes = np.linalg.svd(standard, full_matrices=False)
    components = max(1, min(requested, len(standard) // 5, int((singular > 1e-6 * singular[0]).sum())))
    largest = np.abs(axes[:components]).argmax(1)
    signs = np.sign(axes[np.arange(components), largest])  # the sign of an axis depends on the library build
    return (axes[:components] * signs[:, None]).T, singular[:components] ** 2 / len(standard)
