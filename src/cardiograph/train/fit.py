"""Fits scaler, fusion, graph and models to a split cohort, each on the rows that it is allowed to see."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from cardiograph.artifacts.bundle import BundleFacts, ModelBundle
from cardiograph.artifacts.reference import Reference
from cardiograph.config import RunConfig
from cardiograph.containers import (
    TRAIN,
    VAL,
    ClinicalTable,
    NearestNeighbours,
    NodeFeatures,
    PatientGraph,
    SearchPoints,
)
from cardiograph.features.fusion import Fusion
from cardiograph.features.measurements import MEASUREMENT_PREPARATION
from cardiograph.features.scaler import ClinicalScaler
from cardiograph.graph.attach import attach, build_graph, group_members, label_prior, neighbour_votes
from cardiograph.graph.search_space import SearchSpace
from cardiograph.models.build import Model
from cardiograph.models.examples import Examples, History
from cardiograph.models.neighbour_table import NeighbourTable
from cardiograph.models.training import train
from cardiograph.train.balance import loss_weights
from cardiograph.train.data import Dataset, TrainingInputs


@dataclass(frozen=True)
class PreparedGraph:
    """Features and graph, fitted on training rows, and the examples for training and validation.

    Args:
        scaler: Scaler of the clinical values; None without clinical values.
        measurement_scaler: Scaler of the ECG measurements; None without them.
        fusion: Fitted block weights and standardisation.
        features: Node features of all records of the cohort.
        space: Space in which neighbours are searched.
        places: Coordinates of all records in that space; those of training records are cross-fitted in a fitted space.
        graph: Graph of the reference records.
        train_set: Examples of the reference records, followed by those of augmented copies.
        val_set: Examples of the labelled validation records, attached to the reference graph.
        classes: Number of different labels.
    """

    scaler: ClinicalScaler | None
    measurement_scaler: ClinicalScaler | None
    fusion: Fusion
    features: NodeFeatures
    space: SearchSpace
    places: SearchPoints
    graph: PatientGraph
    train_set: Examples
    val_set: Examples
    classes: int = 2


def prepare(
    inputs: TrainingInputs,
    config: RunConfig,
    *,
    fuse: Callable[..., Fusion] = Fusion.fit,
    build_graph: Callable[..., PatientGraph] = build_graph,
    attach: Callable[..., NearestNeighbours] = attach,
) -> PreparedGraph:
    """Fit scaler and fusion on training rows, build the reference graph, attach copies and validation records.

    Args:
        inputs: Embeddings, clinical values, labels and split.
        config: Settings of fusion and graph.
        fuse: Function that fits the fusion of the blocks, with the signature of ``Fusion.fit``.
        build_graph: Function that builds the graph of the reference records, with the signature of ``build_graph``.
        attach: Function that finds the neighbours of copies and validation records, with the signature of ``attach``.
    """
    labels, split = inputs.labels, inputs.split
    reference, groups = split.rows(TRAIN), split.groups.index
    labelled = reference[(labels >= 0 if inputs.known is None else inputs.known)[reference]]
    teaching = reference if config.fusion.unlabelled else labelled
    scaler, clinical = _scaled(inputs.clinical, teaching)
    measurement_scaler, measurements = _scaled(inputs.measurements, teaching)
    named = [
        None if scaler is None or values is None else (values, scaler.names)
        for scaler, values in ((scaler, clinical), (measurement_scaler, measurements))
    ]
    fusion = fuse(inputs.image, named[0], teaching, config.fusion, measurements=named[1], readings=inputs.readings)
    features = fusion.transform(inputs.image, clinical, measurements)
    space, fold = SearchSpace.fit(features, labels, labelled, groups, config.graph)
    places = space.transform(features, fold)
    graph = build_graph(places, reference, groups, config.graph)
    prior, blocks = label_prior(labels[reference], inputs.classes), tuple(features.blocks.values())
    degree = NeighbourTable.of(graph.neighbours).degree

    reference_points = dataclasses.replace(places.of(reference), lists=graph.lists)

    def attached(queries: SearchPoints, of_groups: NDArray[np.int64]) -> NearestNeighbours:
        return attach(reference_points, queries, config.graph, group_members(of_groups, groups[reference]))

    def table_of(nearest: NearestNeighbours) -> NeighbourTable:
        return NeighbourTable.of(nearest, degree, neighbour_votes(nearest, labels[reference], prior=prior))

    train_values, train_nearest, sources = features.values[reference], [graph.neighbours], reference
    if inputs.copies is not None:
        source = inputs.copies.source
        of_source = [None if values is None else values[source] for values in (clinical, measurements)]
        copied = fusion.transform(inputs.copies.image, *of_source)
        train_values = np.vstack([train_values, copied.values])
        train_nearest.append(attached(space.transform(copied, fold[source]), groups[source]))
        sources = np.concatenate([reference, source])
    weights = _loss_weights(inputs, reference)
    neighbour_table = table_of(NearestNeighbours.stacked(train_nearest))
    train_set = Examples.of(train_values, neighbour_table, labels[sources], weights, blocks=blocks)
    val = split.rows(VAL)
    val_neighbour_table = table_of(attached(places.of(val), groups[val]))
    val_set = Examples.of(features.values[val], val_neighbour_table, labels[val], blocks=blocks)
    scalers = (scaler, measurement_scaler)
    return PreparedGraph(*scalers, fusion, features, space, places, graph, train_set, val_set, inputs.classes)


def _scaled(
    table: ClinicalTable | None, rows: NDArray[np.int64]
) -> tuple[ClinicalScaler | None, NDArray[np.float64] | None]:
    """Return a scaler fitted on ``rows`` and the scaled values of all records; None for both without a table."""
    if table is None:
        return None, None
    scaler = ClinicalScaler.fit(table, rows)
    return scaler, scaler.transform(table.values)


def fit_network(
    name: str,
    prepared: PreparedGraph,
    config: RunConfig,
    progress: Callable[[int], None] | None = None,
) -> tuple[Model, History]:
    """Train one model on the prepared examples.

    Args:
        name: Name of the model, such as ``gcn``.
        prepared: Training and validation examples.
        config: Model settings and seed.
        progress: Callback that receives the number of each epoch.

    Returns:
        The model and its learning curves.
    """
    examples = (prepared.train_set, prepared.val_set)
    classes = prepared.classes
    return train(name, *examples, config=config.model, seed=config.seed, classes=classes, progress=progress)


def reference_of(
    prepared: PreparedGraph,
    network: Model,
    inputs: TrainingInputs,
    *,
    record_ids: NDArray[np.object_],
    patient_ids: list[str | None],
    pages: tuple[list[str], NDArray[np.uint8]] | None,
) -> Reference:
    """Return the reference records with the states that the network computed, as neighbours for queries.

    Args:
        prepared: Features and graph.
        network: Trained model.
        inputs: Arrays that it was trained on.
        record_ids: [records] names.
        patient_ids: [records] names, None where not given.
        pages: Pixel hashes [records] (empty without a page) and perceptual hashes [records, bytes]; None for a cohort
            without pages.
    """
    rows = prepared.graph.rows
    labels = inputs.labels[rows]
    votes = neighbour_votes(prepared.graph.neighbours, labels, prior=label_prior(labels, prepared.classes))
    neighbour_table = NeighbourTable.of(prepared.graph.neighbours, votes=votes)
    values = prepared.features.values[rows]
    with torch.inference_mode():
        _, states = network(torch.from_numpy(values), neighbour_table)
    pixel_hashes, likeness = (
        pages if pages is not None else ([""] * len(record_ids), np.zeros((len(record_ids), 0), np.uint8))
    )
    clinical = np.zeros((len(record_ids), 0)) if inputs.clinical is None else inputs.clinical.values
    return Reference(
        features=values,
        present=prepared.features.present[rows],
        places=prepared.places.of(rows).values if len(prepared.space.weights) > 1 else None,
        states=tuple(state.numpy() for state in states),
        degree=neighbour_table.degree.numpy(),
        labels=labels,
        clinical=clinical[rows],
        groups=inputs.split.groups.index[rows],
        record_ids=tuple(str(record_ids[row]) for row in rows),
        patient_ids=tuple(str(patient_ids[row] or "") for row in rows),
        pixel_hashes=tuple(pixel_hashes[row] for row in rows),
        perceptual_hashes=likeness[rows],
        lists=prepared.graph.lists,
    )


def _loss_weights(inputs: TrainingInputs, reference: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return [reference + copies] loss weights: the class weight, shared between a record and its copies."""
    source = np.zeros(0, np.int64) if inputs.copies is None else inputs.copies.source
    weights = loss_weights(len(reference), np.searchsorted(reference, source))
    if inputs.class_weights is not None:
        weights = weights * inputs.class_weights[inputs.labels[np.concatenate([reference, source])].clip(min=0)]
    return weights


def make_bundle(name: str, network: Model, dataset: Dataset, prepared: PreparedGraph, config: RunConfig) -> ModelBundle:
    """Return the uncalibrated bundle of a model, with a threshold of 0.5 for a binary outcome.

    Args:
        name: Name of the model, such as ``gcn``.
        network: Trained model.
        dataset: Dataset that it was trained on.
        prepared: Scaler, fusion and graph of the model.
        config: Settings of the run.
    """
    page_index, cohort = dataset.page_index, dataset.cohort
    reference = reference_of(
        prepared,
        network,
        dataset.inputs,
        record_ids=cohort.record_ids,
        patient_ids=list(cohort.table["patient_id"]),
        pages=None
        if page_index is None
        else ([each or "" for each in page_index.pixel_hashes], page_index.perceptual_hashes),
    )
    served = BundleFacts(
        model=config.model.model_copy(update={"name": name}),
        graph=config.graph,
        pages=config.pages,
        outcome=cohort.outcome,
        classes=cohort.classes or tuple(map(str, range(prepared.classes) if prepared.classes > 2 else ())),
        provenance=_provenance_sentence(dataset),
        clinical_provenance=dataset.provenances,
        threshold=0.5 if prepared.classes == 2 else None,
        encoder=None if dataset.encoder is None else dataset.encoder.facts,
        measured="" if dataset.inputs.measurements is None else MEASUREMENT_PREPARATION,
        probe=() if dataset.encoder is None else dataset.encoder.probe,
    )
    return ModelBundle(
        served,
        network,
        prepared.fusion,
        prepared.scaler,
        prepared.space,
        reference,
        measurement_scaler=prepared.measurement_scaler,
    )


def _provenance_sentence(dataset: Dataset) -> str:
    training = len(dataset.rows(TRAIN))
    basis = f"{training} labelled training records; values {dataset.provenance}"
    if dataset.encoder is not None:
        facts = dataset.encoder.facts
        basis += f"; pages embedded by {facts.title}, weights {facts.weights_source}"
    if dataset.inputs.measurements is not None:
        basis += f"; {len(dataset.inputs.measurements.variables)} values measured from the ECG"
    return basis + "; for research use"


@dataclass(frozen=True)
class FittedModels:
    """Fitted preprocessing and trained models.

    Args:
        prepared: Scaler, fusion, features and graph.
        networks: Name -> trained model and its learning curves.
    """

    prepared: PreparedGraph
    networks: Mapping[str, tuple[Model, History]]
