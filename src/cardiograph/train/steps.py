"""The steps of a run that decide what its score means; the defaults are the sound way."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cardiograph.config import RunConfig
from cardiograph.containers import ClinicalTable, Cohort, Groups, NearestNeighbours, PatientGraph, Split
from cardiograph.evaluate.predictions import PartPredictions
from cardiograph.features.fusion import Fusion
from cardiograph.graph.attach import attach, build_graph
from cardiograph.inference import Predictor
from cardiograph.ingest.context import RunContext
from cardiograph.ingest.groups import split_records
from cardiograph.ingest.page_index import PageIndex, index_pages
from cardiograph.train.data import Dataset, PartScores, build_dataset
from cardiograph.train.fit import PreparedGraph


def score_queries(
    predictor: Predictor, dataset: Dataset, prepared: PreparedGraph, rows: NDArray[np.int64]
) -> PartScores:
    """Score records as new patients: each hears reference records alone, by the predictor that serves."""
    scores = predictor.score(dataset.queries(rows))
    return PartScores(scores.by_class, scores.neighbours, prepared.graph.rows, scores)


def as_they_are(predictions: PartPredictions) -> PartPredictions:
    """Label 1 is the positive class."""
    return predictions


def to_the_training_graph(prepared: PreparedGraph, dataset: Dataset, config: RunConfig) -> PreparedGraph:
    """New patients are attached to the training records, as test records were."""
    return prepared


@dataclass(frozen=True)
class PipelineSteps:
    """The steps that a study may exchange, to show what a fault in them is worth.

    Args:
        page_index: Cohort -> its usable records and the facts of their pages.
        split: Cohort and groups -> parts.
        build_dataset: -> what is learnt from, records and copies.
        fuse: Blocks -> node features.
        link: Training records -> graph.
        join: Validation records and copies -> whom they hear.
        score: Rows of the cohort -> probabilities.
        present: Predictions -> predictions as they are judged.
        serve: Features and graph -> those whose graph new patients are attached to.
        cautions: What a reader of the scores has to know, a sentence each, at the top of the report.
        faults: Names of what was done wrong on purpose, which every answer of the kept model tells.
    """

    page_index: Callable[[Cohort, RunContext], tuple[Cohort, PageIndex]] = index_pages
    split: Callable[[Cohort, Groups, RunConfig], Split] = split_records
    build_dataset: Callable[[Cohort, PageIndex | None, Split, ClinicalTable | None, RunContext], Dataset] = (
        build_dataset
    )
    fuse: Callable[..., Fusion] = Fusion.fit
    link: Callable[..., PatientGraph] = build_graph
    join: Callable[..., NearestNeighbours] = attach
    score: Callable[[Predictor, Dataset, PreparedGraph, NDArray[np.int64]], PartScores] = score_queries
    present: Callable[[PartPredictions], PartPredictions] = as_they_are
    serve: Callable[[PreparedGraph, Dataset, RunConfig], PreparedGraph] = to_the_training_graph
    cautions: tuple[str, ...] = ()
    faults: tuple[str, ...] = ()


DEFAULT_STEPS = PipelineSteps()
