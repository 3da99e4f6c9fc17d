"""Faults of the reference pipeline, each as a replacement for a correct step.

Source of every fault: Bouaoune, *Prediction of Heart Failure Diseases using Deep Learning Models*, master thesis,
University of 8 May 1945 Guelma, 2025. :class:`cardiograph.studies.faults.switches.Faults` describes each.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from cardiograph.config import FusionConfig, GraphConfig, RunConfig
from cardiograph.containers import VAL, Cohort, NearestNeighbours, NodeFeatures, PatientGraph, SearchPoints
from cardiograph.containers.readings import LinearReadings
from cardiograph.evaluate.predictions import PartPredictions
from cardiograph.features.fusion import Fusion, Scaled
from cardiograph.graph.attach import attach, build_graph, group_members, label_prior, nearest_points, neighbour_votes
from cardiograph.imaging.page_metadata import PageMetadata
from cardiograph.inference import Predictor
from cardiograph.ingest.context import RunContext
from cardiograph.ingest.groups import split_rows
from cardiograph.ingest.page_facts import PageFacts
from cardiograph.ingest.page_index import PageIndex, index_pages
from cardiograph.models.build import Model
from cardiograph.models.neighbour_table import NeighbourTable
from cardiograph.progress import Progress
from cardiograph.run.pipeline import RunResult, run
from cardiograph.studies.faults.records import AugmentationPool, build_dataset_with_faults
from cardiograph.studies.faults.switches import Faults, FaultyConfig
from cardiograph.train.data import Dataset, PartScores
from cardiograph.train.fit import PreparedGraph
from cardiograph.train.steps import DEFAULT_STEPS, PipelineSteps, score_queries
from cardiograph.train.trial import nameless

WARNINGS = {
    "simulated_from_label": "the clinical values were drawn from the label, in test records too",
    "duplicates_across_split": "records were split one by one, so copies and patients are in several parts",
    "augment_before_split": "augmented copies were split like records",
    "one_source_augmentation": "all augmented copies come from one page, and the other pages of its class were dropped",
    "mirrored_ecg": "augmentation may mirror a page, which gives an impossible ECG",
    "header_in_view": "the encoder saw the printed header and footer",
    "unscaled_blocks": "image and clinical values were concatenated unscaled",
    "reversed_edges": "records aggregated the records that list them as neighbours",
    "separate_test_graph": "test records were neighbours of each other",
    "patient_in_validation_graph": "new patients were attached to validation records",
    "silent_zero_image": "unreadable pages became zeros",
    "positive_is_normal": "label 0 was taken as the positive class",
}
"""Fault -> its effect, for the top of a report."""


def steps_of(faults: Faults, *, pool: AugmentationPool | None = None) -> PipelineSteps:
    """Return the pipeline steps with the given faults.

    Args:
        faults: Faults to inject; those that are settings are already in the configuration.
        pool: Pool of augmented copies; if None, copies depend on the seed of the run.
    """
    steps: dict[str, Any] = {}
    if faults.silent_zero_image:
        steps["index_pages"] = index_pages_with_zeros
    if faults.duplicates_across_split:
        steps["split"] = lambda cohort, groups, config: split_rows(cohort, config)
    if faults.silent_zero_image or faults.augment_before_split or faults.one_source_augmentation or pool:
        steps["build_dataset"] = build_dataset_with_faults(faults, pool)
    if faults.unscaled_blocks:
        steps["fuse"] = concatenate_unscaled
    if faults.reversed_edges:
        reversed_edges = ReversedEdges()
        steps["build_graph"], steps["attach"] = reversed_edges.link, reversed_edges.join
    if faults.on():
        steps["score"] = _scorer(faults, steps.get("build_graph", build_graph), steps.get("attach", attach))
        steps["faults"] = faults.on()
        steps["cautions"] = tuple(f"Fault {name} is switched on: {WARNINGS[name]}." for name in faults.on())
    if faults.patient_in_validation_graph:
        steps["serve"] = attach_to_validation_records
    if faults.positive_is_normal:
        steps["orient_labels"] = swap_classes
    return dataclasses.replace(DEFAULT_STEPS, **steps)


def index_pages_with_zeros(cohort: Cohort, context: RunContext) -> tuple[Cohort, PageIndex]:
    """``silent_zero_image``: keep records with an unreadable page, with empty page facts."""
    lenient = context.config.model_copy(
        update={"pages": context.config.pages.model_copy(update={"skip_bad": True, "gate": False})}
    )
    good, page_index = index_pages(cohort, dataclasses.replace(context, config=lenient))
    if len(good) == len(cohort):
        return cohort, page_index
    known = dict(zip(good.record_ids, zip(page_index.paths, page_index.facts, strict=True), strict=True))
    no_hash = "00" * page_index.perceptual_hashes.shape[1]
    no_metadata = PageMetadata(0, "", "", 1, 1, None, 255.0, None, "")
    pages = []
    for record, path in zip(cohort.record_ids, cohort.table["ecg"], strict=True):
        blank = PageFacts("", f"unreadable {path}", no_hash, (0, 0, 0, 0), no_metadata)
        pages.append(known[record] if record in known else (Path(path), blank))
    paths, facts = zip(*pages, strict=True)
    return cohort, PageIndex(paths, facts, page_index.skipped)


def concatenate_unscaled(
    image: NDArray[np.float32] | None,
    clinical: Scaled | None,
    rows: NDArray[np.int64],
    config: FusionConfig,
    *,
    measurements: Scaled | None = None,
    readings: LinearReadings | None = None,
) -> Fusion:
    """``unscaled_blocks``: concatenate raw image values with standardised clinical values."""
    width = 0 if image is None else image.shape[1]
    names: dict[str, tuple[str, ...]] = {}
    variances: dict[str, float] = {}
    if image is not None and config.image > 0:
        variances["image"] = float(image[rows].astype(np.float64).var(0).sum())
    for block, scaled in (("clinical", clinical), ("measurements", measurements)):
        names[block] = () if scaled is None else scaled[1]
        if scaled is not None and names[block] and getattr(config, block) > 0:
            variances[block] = float(np.nanvar(scaled[0][rows], axis=0).sum())
    if readings is not None and image is not None and config.readings > 0:
        variances["readings"] = float(np.nanvar(readings.of(image[rows]), axis=0).sum())
    total = sum(variances.values())
    shares = {block: variance / total for block, variance in variances.items()}
    return Fusion(
        np.ones(width, bool),
        np.zeros(width),
        np.ones(width),
        dict.fromkeys(shares, 1.0),
        names,
        shares,
        readings=readings if "readings" in shares else None,
    )


class ReversedEdges:
    """``reversed_edges``: the neighbours of a record are the records that list it, possibly none.

    The radius of each list comes from the last linked graph; queries are placed among the records of that graph.
    """

    def __init__(self) -> None:
        self._radius: NDArray[np.float32] = np.zeros(0, np.float32)

    def link(
        self, places: SearchPoints, rows: NDArray[np.int64], groups: NDArray[np.int64], config: GraphConfig
    ) -> PatientGraph:
        """Replace ``build_graph``."""
        listed = build_graph(places, rows, groups, config).neighbours
        self._radius = listed.distance[:, -1]
        listing, rank = np.nonzero(listed.index >= 0)
        return PatientGraph(
            rows, _table(listed.index[listing, rank], listing, listed.distance[listing, rank], count=len(rows))
        )

    def join(
        self,
        reference: SearchPoints,
        queries: SearchPoints,
        config: GraphConfig,
        forbidden: Sequence[NDArray[np.int64]],
    ) -> NearestNeighbours:
        """Replace ``attach``: the neighbours of a query are the linked records that would list it."""
        everything = nearest_points(reference, queries, k=len(reference), metric=config.metric, forbidden=forbidden)
        query, rank = np.nonzero(everything.index >= 0)
        source, distance = everything.index[query, rank], everything.distance[query, rank]
        near = distance < self._radius[source]
        return _table(query[near], source[near], distance[near], count=len(queries))


def attach_to_validation_records(prepared: PreparedGraph, dataset: Dataset, config: RunConfig) -> PreparedGraph:
    """``patient_in_validation_graph``: attach new patients to the validation records.

    A patient keeps its own nearest records despite ``reversed_edges``, which would almost always leave none.
    """
    groups = dataset.split.groups.index
    return dataclasses.replace(prepared, graph=build_graph(prepared.places, dataset.rows(VAL), groups, config.graph))


def swap_classes(predictions: PartPredictions) -> PartPredictions:
    """``positive_is_normal``: evaluate label 0 as the positive class."""
    probabilities = {name: 1 - values for name, values in predictions.probabilities.items()}
    return PartPredictions(1 - predictions.labels, predictions.groups, probabilities)


def _table(
    target: NDArray[np.int64], source: NDArray[np.int64], distance: NDArray[np.float32], *, count: int
) -> NearestNeighbours:
    """Convert edges to a neighbour table with a row per target, nearest first, as wide as the longest row."""
    order = np.lexsort((distance, target))
    target, source, distance = target[order], source[order], distance[order]
    degree = np.bincount(target, minlength=count)
    place = np.arange(len(target)) - np.repeat(np.cumsum(degree) - degree, degree)
    index = np.full((count, max(1, int(degree.max(initial=0)))), -1, np.int64)
    far = np.full(index.shape, np.inf, np.float32)
    index[target, place], far[target, place] = source, distance
    return NearestNeighbours(index, far)


def _scorer(
    faults: Faults, link: Callable[..., PatientGraph], join: Callable[..., NearestNeighbours]
) -> Callable[[Predictor, Dataset, PreparedGraph, NDArray[np.int64]], PartScores]:
    """Return a function that scores records with the predictor, without IDs, or through a faulty graph."""

    def score(predictor: Predictor, dataset: Dataset, prepared: PreparedGraph, rows: NDArray[np.int64]) -> PartScores:
        network, features, places = predictor.bundle.network, prepared.features, prepared.places
        groups, config = dataset.split.groups.index, predictor.bundle.served.graph
        val = dataset.rows(VAL)
        if faults.separate_test_graph or (faults.patient_in_validation_graph and np.array_equal(rows, val)):
            neighbours = link(places, rows, groups, config).neighbours
            with torch.inference_mode():
                logits, _ = network(torch.from_numpy(features.values[rows]), NeighbourTable.of(neighbours))
            return PartScores(_softmax(logits), neighbours, rows)
        if not (faults.patient_in_validation_graph or faults.reversed_edges):
            return score_queries(predictor, nameless(dataset), prepared, rows)
        sources = val if faults.patient_in_validation_graph else prepared.graph.rows
        graph = link(places, sources, groups, config)
        forbidden = group_members(groups[rows], groups[sources])
        neighbours = join(places.of(sources), places.of(rows), config, forbidden)
        return scores_through(network, features, graph, rows, neighbours)

    return score


def scores_through(
    network: Model,
    features: NodeFeatures,
    graph: PatientGraph,
    rows: NDArray[np.int64],
    neighbours: NearestNeighbours,
    *,
    labels: NDArray[np.int64] | None = None,
) -> PartScores:
    """Score records whose neighbours are records of a graph.

    Args:
        network: Trained network.
        features: Features of all records.
        graph: Graph whose records are the neighbours.
        rows: [records] rows to score.
        neighbours: Neighbours of each record, as positions in ``graph.rows``.
        labels: [all records] labels, for a model that uses the labels of neighbours.
    """
    table, votes = NeighbourTable.of(graph.neighbours), None
    if labels is not None:
        known = labels[graph.rows]
        votes = neighbour_votes(neighbours, known, prior=label_prior(known))
    with torch.inference_mode():
        _, states = network(torch.from_numpy(features.values[graph.rows]), table)
        logits, _ = network(
            torch.from_numpy(features.values[rows]), NeighbourTable.of(neighbours, table.degree, votes), states
        )
    return PartScores(_softmax(logits), neighbours, graph.rows)


def _softmax(logits: torch.Tensor) -> NDArray[np.float64]:
    found: NDArray[np.float64] = logits.double().softmax(1).numpy()
    return found


def run_as_configured(
    source: Path, out: Path, config: RunConfig, *, progress: Progress | None = None, command: str = ""
) -> RunResult:
    """Run the pipeline with the configured faults, see :func:`cardiograph.run.pipeline.run`.

    The report and every answer of the model state the faults.
    """
    faults = config.faults if isinstance(config, FaultyConfig) else Faults()
    return run(source, out, config, progress=progress, command=command, steps=steps_of(faults))
