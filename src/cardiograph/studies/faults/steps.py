"""The faults of the reference pipeline, each as the step that takes the place of a sound one.

Source of every fault: Bouaoune, *Prediction of Heart Failure Diseases using Deep Learning Models*, master thesis,
University of 8 May 1945 Guelma, 2025. :class:`cardiograph.studies.faults.switches.Faults` says what each is.
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
from cardiograph.evaluate.predictions import PartPredictions
from cardiograph.features.fusion import Fusion
from cardiograph.graph.attach import attach, build_graph, group_members, label_prior, nearest_points, neighbour_votes
from cardiograph.imaging.page_metadata import PageMetadata
from cardiograph.inference import Predictor
from cardiograph.ingest.context import RunContext
from cardiograph.ingest.groups import split_rows
from cardiograph.ingest.page_index import PageFacts, PageIndex, index_pages
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

CAUTIONS = {
    "simulated_from_label": "the clinical values were drawn from the label, in test records too",
    "duplicates_across_split": "records were split one by one: copies and patients stand on both sides",
    "augment_before_split": "augmented copies were split like records",
    "one_source_augmentation": "all augmented copies come from one page, and the other pages of its class were dropped",
    "mirrored_ecg": "augmentation may mirror a page, which is no possible ECG",
    "header_in_view": "the encoder saw the printed header and footer",
    "unscaled_blocks": "image and clinical values were concatenated unscaled",
    "reversed_edges": "records heard those who list them as neighbours",
    "separate_test_graph": "test records heard one another",
    "patient_in_validation_graph": "new patients were attached to validation records",
    "silent_zero_image": "pages that cannot be read became zeros",
    "positive_is_normal": "label 0 was taken as the positive class",
}
"""Fault -> what it did, for the top of a report."""


def steps_of(faults: Faults, *, pool: AugmentationPool | None = None) -> PipelineSteps:
    """The steps of a run with these faults; the sound ones where there are none.

    Args:
        faults: Switched on; those that are settings are in the configuration already.
        pool: Where augmented copies come from; the run's seed decides if None.
    """
    steps: dict[str, Any] = {}
    if faults.silent_zero_image:
        steps["index_pages"] = survey_with_zeros
    if faults.duplicates_across_split:
        steps["split"] = lambda cohort, groups, config: split_rows(cohort, config)
    if faults.silent_zero_image or faults.augment_before_split or faults.one_source_augmentation or pool:
        steps["build_dataset"] = build_dataset_with_faults(faults, pool)
    if faults.unscaled_blocks:
        steps["fuse"] = concatenate
    if faults.reversed_edges:
        backwards = ReversedEdges()
        steps["build_graph"], steps["attach"] = backwards.link, backwards.join
    if faults.on():
        steps["score"] = _scoring(faults, steps.get("build_graph", build_graph), steps.get("attach", attach))
        steps["faults"] = faults.on()
        steps["cautions"] = tuple(f"Fault {name} is switched on: {CAUTIONS[name]}." for name in faults.on())
    if faults.patient_in_validation_graph:
        steps["serve"] = to_the_validation_graph
    if faults.positive_is_normal:
        steps["orient_labels"] = turned_round
    return dataclasses.replace(DEFAULT_STEPS, **steps)


def survey_with_zeros(cohort: Cohort, context: RunContext) -> tuple[Cohort, PageIndex]:
    """``silent_zero_image``: keep records whose page cannot be read, with facts that say nothing."""
    lenient = context.config.model_copy(
        update={"pages": context.config.pages.model_copy(update={"skip_bad": True, "gate": False})}
    )
    good, page_index = index_pages(cohort, dataclasses.replace(context, config=lenient))
    if len(good) == len(cohort):
        return cohort, page_index
    known = dict(zip(good.record_ids, zip(page_index.paths, page_index.facts, strict=True), strict=True))
    nothing = "00" * page_index.perceptual_hashes.shape[1]
    none = PageMetadata(0, "", "", 1, 1, None, 255.0, None, "")
    pages = []
    for record, path in zip(cohort.record_ids, cohort.table["ecg"], strict=True):
        blank = PageFacts("", f"unreadable {path}", nothing, (0, 0, 0, 0), none)
        pages.append(known[record] if record in known else (Path(path), blank))
    paths, facts = zip(*pages, strict=True)
    return cohort, PageIndex(paths, facts, page_index.skipped)


def concatenate(
    image: NDArray[np.float32] | None,
    clinical: tuple[NDArray[np.float64], tuple[str, ...]] | None,
    rows: NDArray[np.int64],
    config: FusionConfig,
) -> Fusion:
    """``unscaled_blocks``: all image values as the encoder gives them, beside standardised clinical ones."""
    width = 0 if image is None else image.shape[1]
    values, names = (np.zeros((0, 0)), ()) if clinical is None else clinical
    variances = {}
    if image is not None and config.image > 0:
        variances["image"] = float(image[rows].astype(np.float64).var(0).sum())
    if names and config.clinical > 0:
        variances["clinical"] = float(values[rows].var(0).sum())
    total = sum(variances.values())
    shares = {block: variance / total for block, variance in variances.items()}
    return Fusion(np.ones(width, bool), np.zeros(width), np.ones(width), dict.fromkeys(shares, 1.0), names, shares)


class ReversedEdges:
    """``reversed_edges``: each record hears those who list it, nobody if none does.

    How far the list of each record reaches is known from the last graph that was linked; records that join are put among
    its records.
    """

    def __init__(self) -> None:
        self._reach: NDArray[np.float32] = np.zeros(0, np.float32)

    def link(
        self, places: SearchPoints, rows: NDArray[np.int64], groups: NDArray[np.int64], config: GraphConfig
    ) -> PatientGraph:
        """In place of ``build_graph``."""
        listed = build_graph(places, rows, groups, config).neighbours
        self._reach = listed.distance[:, -1]
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
        """In place of ``attach``: each query, put among the linked records alone, hears those who would list it."""
        everyone = nearest_points(reference, queries, k=len(reference), metric=config.metric, forbidden=forbidden)
        query, rank = np.nonzero(everyone.index >= 0)
        source, distance = everyone.index[query, rank], everyone.distance[query, rank]
        near = distance < self._reach[source]
        return _table(query[near], source[near], distance[near], count=len(queries))


def to_the_validation_graph(prepared: PreparedGraph, dataset: Dataset, config: RunConfig) -> PreparedGraph:
    """``patient_in_validation_graph``: new patients are attached to the validation records.

    Each one hears its own nearest records, whatever else is wrong: backwards it would nearly always hear nobody.
    """
    groups = dataset.split.groups.index
    return dataclasses.replace(prepared, graph=build_graph(prepared.places, dataset.rows(VAL), groups, config.graph))


def turned_round(predictions: PartPredictions) -> PartPredictions:
    """``positive_is_normal``: label 0 and its probability are judged as the positive class."""
    probabilities = {name: 1 - values for name, values in predictions.probabilities.items()}
    return PartPredictions(1 - predictions.labels, predictions.groups, probabilities)


def _table(
    hearer: NDArray[np.int64], source: NDArray[np.int64], distance: NDArray[np.float32], *, count: int
) -> NearestNeighbours:
    """Edges as a table with a row for each hearer, nearest first, as wide as the longest."""
    order = np.lexsort((distance, hearer))
    hearer, source, distance = hearer[order], source[order], distance[order]
    heard = np.bincount(hearer, minlength=count)
    place = np.arange(len(hearer)) - np.repeat(np.cumsum(heard) - heard, heard)
    index = np.full((count, max(1, int(heard.max(initial=0)))), -1, np.int64)
    far = np.full(index.shape, np.inf, np.float32)
    index[hearer, place], far[hearer, place] = source, distance
    return NearestNeighbours(index, far)


def _scoring(
    faults: Faults, link: Callable[..., PatientGraph], join: Callable[..., NearestNeighbours]
) -> Callable[[Predictor, Dataset, PreparedGraph, NDArray[np.int64]], PartScores]:
    """How records are scored: by the predictor, which knows no ids here, or through a graph that is at fault."""

    def score(predictor: Predictor, dataset: Dataset, prepared: PreparedGraph, rows: NDArray[np.int64]) -> PartScores:
        network, features, places = predictor.bundle.network, prepared.features, prepared.places
        groups, config = dataset.split.groups.index, predictor.bundle.served.graph
        val = dataset.rows(VAL)
        if faults.separate_test_graph or (faults.patient_in_validation_graph and np.array_equal(rows, val)):
            hood = link(places, rows, groups, config).neighbours
            with torch.inference_mode():
                logits, _ = network(torch.from_numpy(features.values[rows]), NeighbourTable.of(hood))
            return PartScores(_softmax(logits), hood, rows)
        if not (faults.patient_in_validation_graph or faults.reversed_edges):
            return score_queries(predictor, nameless(dataset), prepared, rows)
        heard = val if faults.patient_in_validation_graph else prepared.graph.rows
        graph = link(places, heard, groups, config)
        forbidden = group_members(groups[rows], groups[heard])
        hood = join(places.of(heard), places.of(rows), config, forbidden)
        return scores_through(network, features, graph, rows, hood)

    return score


def scores_through(
    network: Model,
    features: NodeFeatures,
    graph: PatientGraph,
    rows: NDArray[np.int64],
    hood: NearestNeighbours,
    *,
    labels: NDArray[np.int64] | None = None,
) -> PartScores:
    """Score records that hear the records of a graph.

    Args:
        network: Trained.
        features: Features of all records.
        graph: Whose records are heard.
        rows: [records] to be scored.
        hood: Whom each of them hears, by position in ``graph.rows``.
        labels: [records] of all records, for a model that listens to those of neighbours.
    """
    heard, votes = NeighbourTable.of(graph.neighbours), None
    if labels is not None:
        known = labels[graph.rows]
        votes = neighbour_votes(hood, known, prior=label_prior(known))
    with torch.inference_mode():
        _, states = network(torch.from_numpy(features.values[graph.rows]), heard)
        logits, _ = network(
            torch.from_numpy(features.values[rows]), NeighbourTable.of(hood, heard.degree, votes), states
        )
    return PartScores(_softmax(logits), hood, graph.rows)


def _softmax(logits: torch.Tensor) -> NDArray[np.float64]:
    found: NDArray[np.float64] = logits.double().softmax(1).numpy()
    return found


def run_as_configured(
    source: Path, out: Path, config: RunConfig, *, progress: Progress | None = None, command: str = ""
) -> RunResult:
    """Make a run, see :func:`cardiograph.run.pipeline.run`.

    One with faults says so at the top of its report, and in every answer of its model.
    """
    faults = config.faults if isinstance(config, FaultyConfig) else Faults()
    return run(source, out, config, progress=progress, command=command, steps=steps_of(faults))
