"""Two-dimensional layout of the patient graph."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

MIN_TSNE_RECORDS = 30
"""Minimum number of records for t-SNE; with fewer, the layout shows two principal components."""


def graph_layout(features: NDArray[np.float32], rng_seed: int) -> NDArray[np.float64]:
    """Compute a deterministic map on which similar records are close to each other.

    Distances on the map are not to scale, and large ones have no meaning. t-SNE runs on one thread, because the order
    of sums over several threads varies.

    Args:
        features: [n, d] node features of at most a few hundred records (the caller samples).
        rng_seed: Seed of t-SNE.

    Returns:
        [n, 2] coordinates within -1..1.

    Source: van der Maaten and Hinton, JMLR 9:2579, 2008 (t-SNE), on principal components.
    """
    from sklearn.decomposition import PCA
    from sklearn.manifold import TSNE
    from threadpoolctl import threadpool_limits

    count, width = features.shape
    if count < 3 or width < 2:
        return _scaled(np.column_stack([features[:, 0] if width else np.zeros(count), np.zeros(count)]))
    components = min(30 if count >= MIN_TSNE_RECORDS else 2, width, count - 1)
    reduced = PCA(components, svd_solver="full").fit_transform(features.astype(np.float64))
    if count >= MIN_TSNE_RECORDS:
        perplexity = min(30.0, (count - 1) / 4)
        embedding = TSNE(2, perplexity=perplexity, init="pca", random_state=rng_seed, max_iter=400)
        with threadpool_limits(1):
            reduced = embedding.fit_transform(reduced)
    return _scaled(np.asarray(reduced[:, :2], dtype=np.float64))


def _scaled(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Centre the points and scale the longer side to -1..1."""
    if not len(points):
        return points
    low, high = points.min(axis=0), points.max(axis=0)
    half = float((high - low).max()) / 2
    scaled: NDArray[np.float64] = (points - (low + high) / 2) / (half or 1.0)
    return scaled
