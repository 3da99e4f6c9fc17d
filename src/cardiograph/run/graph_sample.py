"""The sample of the patient graph that the report draws, and the contact sheet of pages."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cardiograph.config import RunConfig
from cardiograph.containers import TEST, TRAIN
from cardiograph.imaging.augment import augment, contact_sheet
from cardiograph.ingest.page_facts import read_view
from cardiograph.patient_map.content import PatientMap
from cardiograph.train.data import Dataset
from cardiograph.train.fit import FittedModels

MAX_DRAWN_REFERENCE, MAX_DRAWN_QUERIES = 320, 80
"""Maximum number of records on the still picture of the map."""


def sample_graph(
    dataset: Dataset, fitted: FittedModels, config: RunConfig, shown: PatientMap
) -> dict[str, NDArray[Any]]:
    """Return a sample of the map with its links, and in-degree and label agreement of the whole graph.

    Args:
        dataset: Dataset of the run.
        fitted: Fitted models with their graph.
        config: Settings; the seed draws the sample.
        shown: The map.
    """
    graph, labels = fitted.prepared.graph, dataset.cohort.labels
    rng = np.random.default_rng([config.seed, 4])
    kinds = ((TRAIN, MAX_DRAWN_REFERENCE), (TEST, MAX_DRAWN_QUERIES))
    nodes = np.concatenate(
        [np.sort(rng.permutation(np.flatnonzero(shown.part == part))[:most]) for part, most in kinds]
    )
    place = np.full(len(shown.rows), -1)
    place[nodes] = np.arange(len(nodes))
    position, rank = np.nonzero(shown.neighbours[nodes] >= 0)
    edges = np.stack([place[shown.neighbours[nodes][position, rank]], position])
    index_all = graph.neighbours.index
    valid = index_all >= 0
    own, other = labels[graph.rows][:, None], labels[graph.rows][index_all.clip(min=0)]
    judged = valid & (own >= 0) & (other >= 0)
    known = labels[graph.rows][labels[graph.rows] >= 0]
    shares = np.bincount(known) / len(known)
    return {
        "xy": shown.xy[nodes],
        "edges": edges[:, edges[0] >= 0],
        "labels": labels[shown.rows[nodes]],
        "query": (shown.part[nodes] != TRAIN).astype(np.uint8),
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
