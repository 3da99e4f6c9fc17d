"""The sample of the patient graph that the report draws, and the contact sheet of pages."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cardiograph.config import RunConfig
from cardiograph.containers import TEST, TRAIN
from cardiograph.imaging.augment import augment, contact_sheet
from cardiograph.ingest.page_index import read_view
from cardiograph.train.data import Dataset, PartScores
from cardiograph.train.fit import FittedModels

MIN_TSNE_RECORDS = 30
"""Minimum number of records for t-SNE; with fewer, the layout shows two principal components."""

MAX_DRAWN_REFERENCE, MAX_DRAWN_QUERIES = 320, 80


def sample_graph(
    dataset: Dataset, fitted: FittedModels, test: PartScores, config: RunConfig
) -> dict[str, NDArray[Any]]:
    """Return a sample of the graph on a 2-D map, and in-degree and label agreement of the whole graph.

    Args:
        dataset: Dataset of the run.
        fitted: Fitted models with their graph.
        test: Scores of the test records, with their neighbours.
        config: Settings; the seed draws the sample.
    """
    graph, labels = fitted.prepared.graph, dataset.cohort.labels
    rng = np.random.default_rng([config.seed, 4])
    reference = np.sort(rng.permutation(len(graph.rows))[:MAX_DRAWN_REFERENCE])
    rows = dataset.rows(TEST)
    queries = np.sort(rng.permutation(len(rows))[:MAX_DRAWN_QUERIES])
    shown = np.concatenate([graph.rows[reference], rows[queries]])
    node = np.full(len(labels), -1)
    node[shown] = np.arange(len(shown))
    tables = (
        (graph.neighbours.index[reference], graph.rows, 0),
        (test.neighbours.index[queries], test.sources, len(reference)),
    )
    edges = []
    for index, sources, first in tables:
        position, rank = np.nonzero(index >= 0)
        edges.append(np.stack([node[sources[index[position, rank]]], first + position]))
    drawn = np.hstack(edges)
    index_all = graph.neighbours.index
    valid = index_all >= 0
    own, other = labels[graph.rows][:, None], labels[graph.rows][index_all.clip(min=0)]
    judged = valid & (own >= 0) & (other >= 0)
    known = labels[graph.rows][labels[graph.rows] >= 0]
    shares = np.bincount(known) / len(known)
    return {
        "xy": graph_layout(fitted.prepared.features.values[shown], config.seed),
        "edges": drawn[:, drawn[0] >= 0],
        "labels": labels[shown],
        "query": np.repeat([0, 1], [len(reference), len(queries)]).astype(np.uint8),
        "in_degree": np.bincount(index_all[valid], minlength=len(graph.rows)),
        "agreement": np.array([(own == other)[judged].mean() if judged.any() else np.nan, (shares**2).sum()]),
    }


MAX_TILES = 8
"""Maximum number of pages on the contact sheet."""


def sample_sheet(dataset: Dataset, config: RunConfig) -> bytes:
    """Draw a PNG of encoder inputs: training records next to their copies, or training records of each class.

    Raises:
        ValueError: If the cohort has no pages.
    """
    cohort, page_index, augmented = dataset.cohort, dataset.page_index, dataset.augmented
    if page_index is None:
        message = "a contact sheet needs pages"
        raise ValueError(message)
    tiles: list[tuple[str, NDArray[np.uint8]]] = []

    def view(row: int) -> NDArray[np.uint8]:
        return read_view(*page_index.page(row), config.pages)

    if augmented is not None and augmented.draws:
        pairs = list(zip(augmented.copies.source, augmented.draws, strict=True))
        for row, draw in pairs[: MAX_TILES // 2]:
            pixels = view(int(row))
            caption = f"copy, {draw.rotation_degrees:+.1f} degrees"
            tiles += [(str(cohort.record_ids[row]), pixels), (caption, augment(pixels, draw))]
        return contact_sheet(tiles)
    shown = np.array([facts is not None and facts.box[2] > 0 for facts in page_index.facts])  # a page that can be shown
    train = dataset.split.rows(TRAIN)
    train = train[shown[train]]
    for label in range(cohort.class_count):
        rows = train[cohort.labels[train] == label]
        for row in np.random.default_rng([config.seed, 3]).permutation(rows)[: max(1, MAX_TILES // cohort.class_count)]:
            tiles.append((f"{cohort.record_ids[row]} ({cohort.table['class_name'][row]})", view(int(row))))
    return contact_sheet(tiles)


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
