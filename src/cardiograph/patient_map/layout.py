"""Places of records on a 2-D map, on which similar records are close to each other."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

MIN_TSNE_RECORDS = 30
"""Minimum number of records for t-SNE; with fewer, the layout shows two principal components."""

LANDMARKS = 2000
"""Number of records that t-SNE places; each further record is placed between the landmarks that are most like it."""

NEAREST_LANDMARKS = 3


def map_layout(features: NDArray[np.float32], seed: int) -> NDArray[np.float64]:
    """Compute a deterministic map on which similar records are close to each other.

    Distances on the map are not to scale, and large ones have no meaning. Of more than :data:`LANDMARKS` records, a
    random sample is placed by t-SNE, and every other record at the mean of its nearest landmarks, weighted by the
    inverse of their distance.

    Args:
        features: [n, d] node features.
        seed: Seed of the sample and of t-SNE.

    Returns:
        [n, 2] coordinates within -1..1.
    """
    from sklearn.neighbors import NearestNeighbors

    if len(features) <= LANDMARKS:
        return graph_layout(features, seed)
    landmarks = np.sort(np.random.default_rng([seed, 5]).permutation(len(features))[:LANDMARKS])
    places = graph_layout(features[landmarks], seed)
    search = NearestNeighbors(n_neighbors=NEAREST_LANDMARKS).fit(features[landmarks])
    distance, index = search.kneighbors(features)
    weight = 1 / (distance + 1e-9)  # a landmark has distance 0 and keeps its own place
    mean: NDArray[np.float64] = (places[index] * weight[..., None]).sum(1) / weight.sum(1, keepdims=True)
    return mean


def graph_layout(features: NDArray[np.float32], rng_seed: int) -> NDArray[np.float64]:
    """Place at most a few thousand records by t-SNE on their principal components.

    t-SNE runs on one thread, because the order of sums over several threads varies.

    Args:
        features: [n, d] node features.
        rng_seed: Seed of t-SNE.

    Returns:
        [n, 2] coordinates within -1..1.

    Source: van der Maaten and Hinton, JMLR 9:2579, 2008 (t-SNE).
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
