"""Controls of a ladder: trials with meaningless labels, reduced inputs or no graph."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from cardiograph.config import GraphConfig, RunConfig
from cardiograph.containers import TEST, VAL, Cohort, Groups, NearestNeighbours, PatientGraph, SearchPoints
from cardiograph.graph.attach import group_members
from cardiograph.imaging.page_metadata import MARGIN_SHAPE
from cardiograph.inference import Predictor
from cardiograph.ingest.page_index import PageIndex
from cardiograph.studies.faults.steps import scores_through, steps_of
from cardiograph.studies.faults.switches import Faults
from cardiograph.studies.shared_cohort import SharedCohort, TrialMetrics
from cardiograph.train.data import Dataset, PartScores
from cardiograph.train.fit import PreparedGraph
from cardiograph.train.steps import DEFAULT_STEPS
from cardiograph.train.trial import fit_and_score

Control = Callable[[SharedCohort, RunConfig], TrialMetrics]

WHITE_LEVEL = 255


def permuted_labels(shared_cohort: SharedCohort, config: RunConfig) -> TrialMetrics:
    """Fit to meaningless labels: whole groups exchange labels before the split."""
    return shared_cohort.fit_and_score(config, relabel=exchange_labels)


def exchange_labels(cohort: Cohort, groups: Groups, seed: int) -> Cohort:
    """Exchange labels and classes between groups; a group with several labels gets one of them.

    Args:
        cohort: Records with labels.
        groups: True groups of the records.
        seed: Seed of the permutation.
    """
    labelled = np.flatnonzero(cohort.labels >= 0)
    _, first, member = np.unique(groups.index[labelled], return_index=True, return_inverse=True)
    giver = labelled[first][np.random.default_rng([seed, 6]).permutation(len(first))][member]
    table = cohort.table.copy()
    for column in ("label", "class_name"):
        values = table[column].to_numpy(copy=True)
        values[labelled] = cohort.table[column].to_numpy()[giver]
        table[column] = values
    return dataclasses.replace(cohort, table=table)


def header_only(shared_cohort: SharedCohort, config: RunConfig) -> TrialMetrics:
    """Fit logistic regression to the grey levels of the page margins (header and footer) alone."""
    dataset, _ = shared_cohort.build_dataset(config)
    if dataset.page_index is None:
        message = "header_only needs pages"
        raise ValueError(message)
    inputs = dataclasses.replace(dataset.inputs, image=margins(dataset.page_index), clinical=None, copies=None)
    trial = fit_and_score(dataclasses.replace(dataset, inputs=inputs), config, name="logistic")
    return shared_cohort.measure(
        dataset, {VAL: trial.validation.probabilities, TEST: trial.test.probabilities}, DEFAULT_STEPS
    )


def margins(page_index: PageIndex) -> NDArray[np.float32]:
    """Return [records, 1536] grey levels 0..255 of header and footer; white without a grid, NaN without a page."""
    width = 2 * MARGIN_SHAPE[0] * MARGIN_SHAPE[1]
    found = np.full((len(page_index.facts), width), WHITE_LEVEL, np.float32)
    for row, facts in enumerate(page_index.facts):
        levels = np.nan if facts is None else facts.metadata.margin_levels
        found[row] = found[row] if levels is None else levels
    return found


def logistic_regression(shared_cohort: SharedCohort, config: RunConfig) -> TrialMetrics:
    """Fit logistic regression to the same node features."""
    return shared_cohort.fit_and_score(config, name="logistic")


def without_graph(shared_cohort: SharedCohort, config: RunConfig) -> TrialMetrics:
    """Fit the same network without neighbours."""
    return shared_cohort.fit_and_score(config, name="mlp")


def plain_trial(shared_cohort: SharedCohort, config: RunConfig) -> TrialMetrics:
    """Run a trial without faults; only its configuration differs."""
    return shared_cohort.fit_and_score(config)


def rewired_edges(shared_cohort: SharedCohort, config: RunConfig) -> TrialMetrics:
    """Replace the nearest neighbours of records and queries by random reference records of other groups."""
    edges = RandomEdges(np.random.default_rng([config.seed, 7]))
    steps = steps_of(Faults(), pool=shared_cohort.pool)
    return shared_cohort.fit_and_score(
        config, steps=dataclasses.replace(steps, build_graph=edges.link, attach=edges.join, score=edges.score)
    )


class RandomEdges:
    """Pipeline steps that choose random neighbours.

    Args:
        rng: Random generator.
    """

    def __init__(self, rng: np.random.Generator) -> None:
        self._rng = rng

    def link(
        self, places: SearchPoints, rows: NDArray[np.int64], groups: NDArray[np.int64], config: GraphConfig
    ) -> PatientGraph:
        """Replace ``build_graph``."""
        return PatientGraph(rows, self._draw(len(rows), group_members(groups[rows], groups[rows]), config.k))

    def join(
        self,
        reference: SearchPoints,
        queries: SearchPoints,
        config: GraphConfig,
        forbidden: Sequence[NDArray[np.int64]],
    ) -> NearestNeighbours:
        """Replace ``attach``."""
        return self._draw(len(reference), forbidden, config.k)

    def score(
        self, predictor: Predictor, dataset: Dataset, prepared: PreparedGraph, rows: NDArray[np.int64]
    ) -> PartScores:
        """Score records with random neighbours among the training records."""
        groups, sources = dataset.split.groups.index, prepared.graph.rows
        neighbours = self._draw(
            len(sources), group_members(groups[rows], groups[sources]), predictor.bundle.served.graph.k
        )
        labels = dataset.inputs.labels
        return scores_through(
            predictor.bundle.network, prepared.features, prepared.graph, rows, neighbours, labels=labels
        )

    def _draw(self, reference: int, forbidden: Sequence[NDArray[np.int64]], k: int) -> NearestNeighbours:
        index = np.full((len(forbidden), k), -1, np.int64)
        for row, banned in enumerate(forbidden):
            allowed = np.setdiff1d(np.arange(reference), banned)
            chosen = self._rng.choice(allowed, min(k, len(allowed)), replace=False)
            index[row, : len(chosen)] = chosen
        return NearestNeighbours(index, np.where(index >= 0, 0, np.inf).astype(np.float32))


CONTROLS: dict[str, Control] = {
    "permuted_labels": permuted_labels,
    "header_by_row": header_only,
    "header_by_group": header_only,
    "clinical_only": plain_trial,
    "without_graph": without_graph,
    "logistic": logistic_regression,
    "rewired_edges": rewired_edges,
}
"""Name -> control; some differ only in their configuration."""
