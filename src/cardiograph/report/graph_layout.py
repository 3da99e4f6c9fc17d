"""Where to draw a record: a map of the feature space on paper."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

SMALL = 30
"""Below this many records principal components are drawn; t-SNE needs more."""


def graph_layout(features: NDArray[np.float32], rng_seed: int) -> NDArray[np.float64]:
    """A deterministic map of records; near records of the feature space come out near each other.

    One thread only: sums of several come in any order, and on busy cores they are slower.

    Distances on the map are not to scale, and far ones mean nothing.

    Args:
        features: [n, d] node features; at most a few hundred records (the caller samples).
        rng_seed: Rng seed of t-SNE.

    Returns:
        [n, 2] coordinates within -1..1.

    Source: van der Maaten and Hinton, JMLR 9:2579, 2008 (t-SNE), on principal components.
    """
    from sklearn.decomposition import PCA
    from sklearn.manifold import TSNE
    from threadpoolctl import threadpool_limits

    count, width = features.shape
    if count < 3 or width < 2:
        return _fitted(np.column_stack([features[:, 0] if width else np.zeros(count), np.zeros(count)]))
    components = min(30 if count >= SMALL else 2, width, count - 1)
    reduced = PCA(components, svd_solver="full").fit_transform(features.astype(np.float64))
    if count >= SMALL:
        perplexity = min(30.0, (count - 1) / 4)
        embedding = TSNE(2, perplexity=perplexity, init="pca", random_state=rng_seed, max_iter=400)
        with threadpool_limits(1):
            reduced = embedding.fit_transform(reduced)
    return _fitted(np.asarray(reduced[:, :2], dtype=np.float64))


def _fitted(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Centred, the longer side scaled to -1..1."""
    if not len(points):
        return points
    low, high = points.min(axis=0), points.max(axis=0)
    half = float((high - low).max()) / 2
    scaled: NDArray[np.float64] = (points - (low + high) / 2) / (half or 1.0)
    return scaled
