"""What is learnt from a split cohort: scaler, fusion, graph and networks, each from the rows that it may see."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from cardiograph.artifacts.bundle import Reference
from cardiograph.clinical.scaler import ClinicalScaler
from cardiograph.cohort.balance import loss_weights
from cardiograph.config import RunConfig
from cardiograph.containers import TRAIN, VAL, ClinicalTable, Neighbourhood, NodeFeatures, PatientGraph, Split
from cardiograph.fusion import Fusion
from cardiograph.graph.attach import attach, build_graph, group_members
from cardiograph.models.gnn import Hearing, Network
from cardiograph.models.training import Examples, History, train


@dataclass(frozen=True)
class Copies:
    """Augmented copies of training records: in the loss, never neighbours.

    Args:
        source: [copies] row of the source record in the cohort.
        image: [copies, 512] embeddings of the augmented pages.
    """

    source: NDArray[np.int64]
    image: NDArray[np.float32]


@dataclass(frozen=True)
class Material:
    """What a model is learnt from.

    Args:
        image: [records, 512] embeddings, or None.
        clinical: Values in their units, or None.
        labels: [records] 0, 1 or -1.
        split: Parts and groups.
        copies: Augmented copies, or None.
        class_weights: [2] loss weight of each class, or None.
    """

    image: NDArray[np.float32] | None
    clinical: ClinicalTable | None
    labels: NDArray[np.int64]
    split: Split
    copies: Copies | None = None
    class_weights: NDArray[np.float64] | None = None


@dataclass(frozen=True)
class Prepared:
    """Features and graph, fitted on training rows, and the two sets of examples that training needs.

    Args:
        scaler: None without clinical values.
        fusion: Block weights and standardisation.
        features: Of all records of the cohort.
        graph: Of the reference records.
        train_set: Reference records, then copies.
        val_set: Labelled validation records, attached to the reference.
    """

    scaler: ClinicalScaler | None
    fusion: Fusion
    features: NodeFeatures
    graph: PatientGraph
    train_set: Examples
    val_set: Examples


def prepare(
    material: Material,
    config: RunConfig,
    *,
    fuse: Callable[..., Fusion] = Fusion.fit,
    link: Callable[..., PatientGraph] = build_graph,
    join: Callable[..., Neighbourhood] = attach,
) -> Prepared:
    """Fit scaler and fusion on labelled training rows, link the reference records, attach validation records.

    Args:
        material: Values, labels and split.
        config: Block weights, neighbours, metric.
        fuse: Makes node features of the blocks; as ``Fusion.fit``.
        link: Makes the graph of the reference records; as ``build_graph``.
        join: Finds whom copies and validation records hear; as ``attach``.
    """
    labels, split = material.labels, material.split
    reference = split.rows(TRAIN)
    labelled = reference[labels[reference] >= 0]
    scaler = None if material.clinical is None else ClinicalScaler.fit(material.clinical, labelled)
    clinical = None if scaler is None or material.clinical is None else scaler.transform(material.clinical.values)
    named = None if scaler is None or clinical is None else (clinical, scaler.names)
    fusion = fuse(material.image, named, labelled, config.fusion)
    features = fusion.transform(material.image, clinical)
    groups = split.groups.index
    graph = link(features, reference, groups, config.graph)
    hearing = Hearing.of(graph.neighbours)

    def attached(values: NDArray[np.float32], of_groups: NDArray[np.int64]) -> Neighbourhood:
        forbidden = group_members(of_groups, groups[reference])
        return join(features.values[reference], values, config.graph, forbidden)

    train_values, hoods, sources = features.values[reference], [graph.neighbours], reference
    if material.copies is not None:
        source = material.copies.source
        copied = fusion.transform(material.copies.image, None if clinical is None else clinical[source]).values
        train_values = np.vstack([train_values, copied])
        hoods.append(attached(copied, groups[source]))
        sources = np.concatenate([reference, source])
    heard = Hearing.of(Neighbourhood.stacked(hoods), hearing.degree)
    train_set = Examples.of(train_values, heard, labels[sources], _loss_weights(material, reference))
    val = split.rows(VAL)
    val_hearing = Hearing.of(attached(features.values[val], groups[val]), hearing.degree)
    val_set = Examples.of(features.values[val], val_hearing, labels[val])
    return Prepared(scaler, fusion, features, graph, train_set, val_set)


def fit_network(
    name: str,
    prepared: Prepared,
    config: RunConfig,
    progress: Callable[[int], None] | None = None,
    *,
    classes: int = 2,
) -> tuple[Network, History]:
    """Train one network on the prepared examples; ``classes`` is how many labels they have."""
    examples = (prepared.train_set, prepared.val_set)
    return train(name, *examples, config=config.model, seed=config.seed, classes=classes, progress=progress)


def reference_of(
    prepared: Prepared,
    network: Network,
    material: Material,
    *,
    record_ids: NDArray[np.object_],
    patient_ids: list[str | None],
    pages: tuple[list[str], NDArray[np.uint8]] | None,
) -> Reference:
    """The reference records as the network left them, ready to be heard by queries.

    Args:
        prepared: Features and graph.
        network: Trained.
        material: What it was learnt from.
        record_ids: [records] names.
        patient_ids: [records] names or None.
        pages: Pixel hashes [records] and perceptual hashes [records, bytes], or None without pages.
    """
    rows = prepared.graph.rows
    hearing = Hearing.of(prepared.graph.neighbours)
    values = prepared.features.values[rows]
    with torch.inference_mode():
        _, states = network(torch.from_numpy(values), hearing)
    pixel_hashes, likeness = (
        pages if pages is not None else ([""] * len(record_ids), np.zeros((len(record_ids), 0), np.uint8))
    )
    clinical = np.zeros((len(record_ids), 0)) if material.clinical is None else material.clinical.values
    return Reference(
        features=values,
        states=tuple(state.numpy() for state in states),
        degree=hearing.degree.numpy(),
        labels=material.labels[rows],
        clinical=clinical[rows],
        groups=material.split.groups.index[rows],
        record_ids=tuple(str(record_ids[row]) for row in rows),
        patient_ids=tuple(str(patient_ids[row] or "") for row in rows),
        pixel_hashes=tuple(pixel_hashes[row] for row in rows),
        perceptual_hashes=likeness[rows],
    )


def _loss_weights(material: Material, reference: NDArray[np.int64]) -> NDArray[np.float64]:
    """[reference + copies] weight in the loss: of the class, and shared between a record and its copies."""
    source = np.zeros(0, np.int64) if material.copies is None else material.copies.source
    weights = loss_weights(len(reference), np.searchsorted(reference, source))
    if material.class_weights is not None:
        weights = weights * material.class_weights[material.labels[np.concatenate([reference, source])].clip(min=0)]
    return weights
