"""What is learnt from a split cohort: scaler, fusion, graph and networks, each from the rows that it may see."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from cardiograph.artifacts.bundle import ModelBundle, Reference, Served
from cardiograph.config import RunConfig
from cardiograph.containers import (
    TRAIN,
    VAL,
    Neighbourhood,
    NodeFeatures,
    PatientGraph,
    Places,
)
from cardiograph.features.fusion import Fusion
from cardiograph.features.scaler import ClinicalScaler
from cardiograph.graph.attach import attach, build_graph, group_members, heard_votes, label_prior
from cardiograph.graph.search_space import Space
from cardiograph.models.examples import Examples, History
from cardiograph.models.neighbour_table import Hearing
from cardiograph.models.registry import Model
from cardiograph.models.training import train
from cardiograph.train.balance import loss_weights
from cardiograph.train.data import Material, Studied


@dataclass(frozen=True)
class Prepared:
    """Features and graph, fitted on training rows, and the two sets of examples that training needs.

    Args:
        scaler: None without clinical values.
        fusion: Block weights and standardisation.
        features: Of all records of the cohort.
        space: Where neighbours are sought.
        places: Of all records of the cohort; in a learnt space those of training records are cross-fitted.
        graph: Of the reference records.
        train_set: Reference records, then copies.
        val_set: Labelled validation records, attached to the reference.
    """

    scaler: ClinicalScaler | None
    fusion: Fusion
    features: NodeFeatures
    space: Space
    places: Places
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
    reference, groups = split.rows(TRAIN), split.groups.index
    labelled = reference[labels[reference] >= 0]
    teaching = reference if config.fusion.unlabelled else labelled
    scaler = None if material.clinical is None else ClinicalScaler.fit(material.clinical, teaching)
    clinical = None if scaler is None or material.clinical is None else scaler.transform(material.clinical.values)
    named = None if scaler is None or clinical is None else (clinical, scaler.names)
    fusion = fuse(material.image, named, teaching, config.fusion)
    features = fusion.transform(material.image, clinical)
    space, fold = Space.fit(features, labels, labelled, groups, config.graph)
    places = space.place(features, fold)
    graph = link(places, reference, groups, config.graph)
    prior, blocks = label_prior(labels[reference]), tuple(features.blocks.values())
    degree = Hearing.of(graph.neighbours).degree

    heard_places = dataclasses.replace(places.of(reference), lists=graph.lists)

    def attached(queries: Places, of_groups: NDArray[np.int64]) -> Neighbourhood:
        return join(heard_places, queries, config.graph, group_members(of_groups, groups[reference]))

    def heard(hood: Neighbourhood) -> Hearing:
        return Hearing.of(hood, degree, heard_votes(hood, labels[reference], prior=prior))

    train_values, hoods, sources = features.values[reference], [graph.neighbours], reference
    if material.copies is not None:
        source = material.copies.source
        copied = fusion.transform(material.copies.image, None if clinical is None else clinical[source])
        train_values = np.vstack([train_values, copied.values])
        hoods.append(attached(space.place(copied, fold[source]), groups[source]))
        sources = np.concatenate([reference, source])
    weights = _loss_weights(material, reference)
    hearing = heard(Neighbourhood.stacked(hoods))
    train_set = Examples.of(train_values, hearing, labels[sources], weights, blocks=blocks)
    val = split.rows(VAL)
    val_hearing = heard(attached(places.of(val), groups[val]))
    val_set = Examples.of(features.values[val], val_hearing, labels[val], blocks=blocks)
    return Prepared(scaler, fusion, features, space, places, graph, train_set, val_set)


def fit_network(
    name: str,
    prepared: Prepared,
    config: RunConfig,
    progress: Callable[[int], None] | None = None,
    *,
    classes: int = 2,
) -> tuple[Model, History]:
    """Train one model on the prepared examples; ``classes`` is how many labels they have."""
    examples = (prepared.train_set, prepared.val_set)
    return train(name, *examples, config=config.model, seed=config.seed, classes=classes, progress=progress)


def reference_of(
    prepared: Prepared,
    network: Model,
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
        pages: Pixel hashes [records] (empty without a page) and perceptual hashes [records, bytes], or None where nobody
            has a page.
    """
    rows = prepared.graph.rows
    labels = material.labels[rows]
    votes = heard_votes(prepared.graph.neighbours, labels, prior=label_prior(labels))
    hearing = Hearing.of(prepared.graph.neighbours, votes=votes)
    values = prepared.features.values[rows]
    with torch.inference_mode():
        _, states = network(torch.from_numpy(values), hearing)
    pixel_hashes, likeness = (
        pages if pages is not None else ([""] * len(record_ids), np.zeros((len(record_ids), 0), np.uint8))
    )
    clinical = np.zeros((len(record_ids), 0)) if material.clinical is None else material.clinical.values
    return Reference(
        features=values,
        present=prepared.features.present[rows],
        places=prepared.places.of(rows).values if len(prepared.space.weights) > 1 else None,
        states=tuple(state.numpy() for state in states),
        degree=hearing.degree.numpy(),
        labels=labels,
        clinical=clinical[rows],
        groups=material.split.groups.index[rows],
        record_ids=tuple(str(record_ids[row]) for row in rows),
        patient_ids=tuple(str(patient_ids[row] or "") for row in rows),
        pixel_hashes=tuple(pixel_hashes[row] for row in rows),
        perceptual_hashes=likeness[rows],
        lists=prepared.graph.lists,
    )


def _loss_weights(material: Material, reference: NDArray[np.int64]) -> NDArray[np.float64]:
    """[reference + copies] weight in the loss: of the class, and shared between a record and its copies."""
    source = np.zeros(0, np.int64) if material.copies is None else material.copies.source
    weights = loss_weights(len(reference), np.searchsorted(reference, source))
    if material.class_weights is not None:
        weights = weights * material.class_weights[material.labels[np.concatenate([reference, source])].clip(min=0)]
    return weights


def make_bundle(name: str, network: Model, studied: Studied, prepared: Prepared, config: RunConfig) -> ModelBundle:
    """The bundle of a network, not calibrated yet and its threshold still at 0.5.

    Args:
        name: Of the network, such as ``gcn``.
        network: Trained.
        studied: What it was learnt from.
        prepared: Its scaler, fusion and graph.
        config: Settings of the run.
    """
    survey, cohort = studied.survey, studied.cohort
    reference = reference_of(
        prepared,
        network,
        studied.material,
        record_ids=cohort.record_ids,
        patient_ids=list(cohort.table["patient_id"]),
        pages=None if survey is None else ([each or "" for each in survey.pixel_hashes], survey.perceptual_hashes),
    )
    served = Served(
        model=config.model.model_copy(update={"name": name}),
        graph=config.graph,
        pages=config.pages,
        outcome=cohort.outcome,
        provenance=_provenance_sentence(studied),
        clinical_provenance=studied.provenances,
        threshold=0.5,
        encoder=None if studied.encoder is None else studied.encoder.facts,
        probe=() if studied.encoder is None else studied.encoder.probe,
    )
    return ModelBundle(served, network, prepared.fusion, prepared.scaler, prepared.space, reference)


def _provenance_sentence(studied: Studied) -> str:
    training = len(studied.rows(TRAIN))
    basis = f"{training} labelled training records; values {studied.provenance}"
    if studied.encoder is not None:
        basis += f"; pages embedded by ResNet18, weights {studied.encoder.facts.weights_source}"
    return basis + "; for research use"


@dataclass(frozen=True)
class Learnt:
    """What was learnt from it.

    Args:
        prepared: Scaler, fusion, features and graph.
        networks: Each network with its learning curves.
    """

    prepared: Prepared
    networks: Mapping[str, tuple[Model, History]]
