"""The replaceable steps of the pipeline. The defaults are correct; a study replaces some to measure their effect."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cardiograph.config import RunConfig
from cardiograph.containers import ClinicalTable, Cohort, Groups, NearestNeighbours, PatientGraph, Split
from cardiograph.evaluate.predictions import PartPredictions
from cardiograph.features.fusion import Fusion
from cardiograph.graph.attach import attach, build_graph
from cardiograph.inference import AttachedQueries, Predictor, Queries
from cardiograph.ingest.context import RunContext
from cardiograph.ingest.groups import split_records
from cardiograph.ingest.page_index import PageIndex, index_pages
from cardiograph.models.build import Model
from cardiograph.models.examples import History
from cardiograph.train.data import Dataset, PartScores, build_dataset
from cardiograph.train.fit import PreparedGraph, fit_network


def score_queries(
    predictor: Predictor, dataset: Dataset, prepared: PreparedGraph, rows: NDArray[np.int64]
) -> PartScores:
    """Score records as new patients: the predictor that serves attaches each to the reference records only."""
    scores = predictor.score(dataset.queries(rows))
    return PartScores(scores.by_class, scores.neighbours, prepared.graph.rows, scores)


class ScoreTogether:
    """Scores records as :func:`score_queries` does, with one search for all models that share their reference records.

    The predictor that first scores some records attaches them; later ones use what it found. So they have to be models
    of the same prepared graph.
    """

    def __init__(self) -> None:
        self._attached: dict[bytes, tuple[Queries, AttachedQueries]] = {}

    def __call__(
        self, predictor: Predictor, dataset: Dataset, prepared: PreparedGraph, rows: NDArray[np.int64]
    ) -> PartScores:
        """Return the scores of some rows of the cohort."""
        known = self._attached.get(rows.tobytes())
        if known is None:
            queries = dataset.queries(rows)
            known = self._attached[rows.tobytes()] = queries, predictor.attach(queries)
        queries, attached = known
        scores = predictor.score_attached(attached, queries.ties)
        return PartScores(scores.by_class, scores.neighbours, prepared.graph.rows, scores)


def keep_labels_as_given(predictions: PartPredictions) -> PartPredictions:
    """Return the predictions unchanged: label 1 is the positive class."""
    return predictions


def keep_training_graph(prepared: PreparedGraph, dataset: Dataset, config: RunConfig) -> PreparedGraph:
    """Return the graph unchanged: new patients are attached to the training records, as test records are."""
    return prepared


@dataclass(frozen=True)
class PipelineSteps:
    """The steps that a study may replace, for example to measure the effect of a fault.

    Args:
        index_pages: Read the pages of a cohort and return its usable records and their pages.
        split: Assign each group to training, validation or test.
        build_dataset: Embed the pages, with augmented copies if configured.
        fuse: Fit the fusion of the blocks into node features.
        build_graph: Build the graph of the training records.
        attach: Find the neighbours of validation records and copies.
        fit: Train one model; the labels of a multilabel outcome share a network.
        score: Return the probabilities of some rows of the cohort.
        orient_labels: Choose the positive class of predictions before they are evaluated.
        serve: Choose the graph to which new patients are attached.
        cautions: Warnings at the top of the report, one sentence each.
        faults: Names of faults that were introduced on purpose; every answer of the saved model names them.
    """

    index_pages: Callable[[Cohort, RunContext], tuple[Cohort, PageIndex]] = index_pages
    split: Callable[[Cohort, Groups, RunConfig], Split] = split_records
    build_dataset: Callable[[Cohort, PageIndex | None, Split, ClinicalTable | None, RunContext], Dataset] = (
        build_dataset
    )
    fuse: Callable[..., Fusion] = Fusion.fit
    build_graph: Callable[..., PatientGraph] = build_graph
    attach: Callable[..., NearestNeighbours] = attach
    fit: Callable[..., tuple[Model, History]] = fit_network
    score: Callable[[Predictor, Dataset, PreparedGraph, NDArray[np.int64]], PartScores] = score_queries
    orient_labels: Callable[[PartPredictions], PartPredictions] = keep_labels_as_given
    serve: Callable[[PreparedGraph, Dataset, RunConfig], PreparedGraph] = keep_training_graph
    cautions: tuple[str, ...] = ()
    faults: tuple[str, ...] = ()

    @property
    def together(self) -> PipelineSteps:
        """The same steps, of which :class:`ScoreTogether` scores, if records are scored as new patients."""
        alike = self.score is score_queries and not self.faults
        return dataclasses.replace(self, score=ScoreTogether()) if alike else self


DEFAULT_STEPS = PipelineSteps()
